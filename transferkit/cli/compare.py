"""compare backbones, and tell real differences from noise"""

from __future__ import annotations

import argparse
from pathlib import Path

from transferkit.cli._options import add_boxes, add_learning, add_reading, add_running, learning_of
from transferkit.cli._plots import check_plots, write_plots
from transferkit.cli._shared import (
    add_data,
    add_figures,
    add_weights,
    announce,
    estimator_of,
    figures_of,
    print_report,
    read_column,
    read_data,
    weights_of,
)
from transferkit.cli._subjects import boxes_to_learn, groups_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_data(parser)
    parser.add_argument("--backbones", required=True, help="names, separated by commas: vgg16,mobilenet")
    parser.add_argument(
        "--metric", help="metric to sort by (default: accuracy; nme for keypoints, r2 for numbers)"
    )
    parser.add_argument("--cv", type=int, default=5, help="number of folds (default 5)")
    add_figures(parser)
    parser.add_argument("--plots", metavar="FOLDER", help="draw the comparison to a PNG file in this folder")
    add_weights(parser)
    parser.add_argument("--image-size", type=int, help="side in pixels of the square that the backbones see")
    add_learning(parser)
    add_boxes(parser)
    add_reading(parser)
    add_running(parser)


def run(options: argparse.Namespace) -> int:
    """Run the command and return the exit code."""
    from transferkit import compare

    check_plots(options.plots)
    data = read_data(options)
    X, y = data
    boxes = boxes_to_learn(data, options.boxes)
    groups = read_column(options, "groups")
    estimator = estimator_of(options, y)
    comparison = compare(
        [name.strip() for name in options.backbones.split(",")],
        X,
        y,
        estimator=estimator(
            weights=weights_of(options), image_size=options.image_size, **learning_of(options, estimator)
        ),
        metric=options.metric,
        cv=options.cv,
        groups=groups_of(data) if groups is None else groups,
        boxes=boxes,
        progress=options.progress is None,
        **figures_of(options, estimator().kind_for(y)),
    )
    if options.plots:
        announce(write_plots(comparison, Path(options.plots)))
    return print_report(comparison, options)
