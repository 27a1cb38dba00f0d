"""evaluate a model on images that it has not seen"""

from __future__ import annotations

import argparse
from pathlib import Path

from transferkit.cli._evaluating import arguments_of
from transferkit.cli._options import add_running
from transferkit.cli._plots import check_plots, write_plots
from transferkit.cli._shared import add_data, add_figures, add_model, announce, load_model, print_report


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_model(parser)
    add_data(parser)
    add_figures(parser)
    parser.add_argument(
        "--return-error", action="store_true", help="keypoints: compare expected errors with actual ones"
    )
    parser.add_argument(
        "--plots", metavar="FOLDER", help="write plots of the evaluation to this folder, as PNG files"
    )
    add_running(parser)


def run(options: argparse.Namespace) -> int:
    """Run the command and return the exit code."""
    from transferkit import evaluate

    check_plots(options.plots)
    model = load_model(options)
    X, y, parameters = arguments_of(options, model)
    evaluation = evaluate(model, X, y, return_error=options.return_error, on_error="skip", **parameters)
    if options.plots:
        announce(write_plots(evaluation, Path(options.plots)))
    return print_report(evaluation, options)
