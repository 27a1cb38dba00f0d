"""figures of a model on images that it has not seen"""

from __future__ import annotations

import argparse
from pathlib import Path

from transferkit.cli._options import add_running
from transferkit.cli._plots import check_plots, write_plots
from transferkit.cli._shared import (
    add_data,
    add_figures,
    add_model,
    announce,
    figures_of,
    load_model,
    print_report,
    read_column,
    read_data,
)
from transferkit.cli._subjects import boxes_for, groups_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_model(parser)
    add_data(parser)
    add_figures(parser)
    parser.add_argument(
        "--return-error", action="store_true", help="of keypoints: compare expected errors with real ones"
    )
    parser.add_argument("--plots", metavar="FOLDER", help="draw the evaluation to PNG files in this folder")
    add_running(parser)


def run(options: argparse.Namespace) -> int:
    """Run the command and return the exit code."""
    from transferkit import evaluate

    check_plots(options.plots)
    model = load_model(options)
    data = read_data(options)
    X, y = data
    if getattr(model, "kind_for", lambda _: "")(y) == "labels" and y.dtype.kind == "U":
        y = [(label,) for label in y.tolist()]  # no image of this table has several
    labels = {str(label): label for label in getattr(model, "classes_", [])}
    figures = figures_of(options)
    figures["pos_label"] = labels.get(options.pos_label, options.pos_label)
    groups = read_column(options, "groups")
    groups = groups_of(data) if groups is None else groups
    where = boxes_for(model, data)
    evaluation = evaluate(
        model, X, y, groups=groups, return_error=options.return_error, on_error="skip", **where, **figures
    )
    if options.plots:
        announce(write_plots(evaluation, Path(options.plots)))
    return print_report(evaluation, options)
