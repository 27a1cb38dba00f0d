"""which backbone does best, and by more than noise"""

from __future__ import annotations

import argparse

from transferkit.cli._shared import add_data, estimator_of, print_report, read_data, weights_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_data(parser)
    parser.add_argument("--json", action="store_true", help="JSON instead of tables")
    parser.add_argument("--backbones", required=True, help="names with commas between: vgg16,mobilenet")
    parser.add_argument(
        "--metric", help="figure to sort by (default: accuracy; nme for keypoints, r2 for numbers)"
    )
    parser.add_argument("--cv", type=int, default=5, help="number of folds (default 5)")
    parser.add_argument("--weights", default="imagenet", help="imagenet (default) or none")
    parser.add_argument("--image-size", type=int, help="side in pixels that the backbones see")


def run(options: argparse.Namespace) -> int:
    """Run the command and return the exit code."""
    from transferkit import compare

    X, y = read_data(options)
    comparison = compare(
        [name.strip() for name in options.backbones.split(",")],
        X,
        y,
        estimator=estimator_of(options, y)(weights=weights_of(options), image_size=options.image_size),
        metric=options.metric,
        cv=options.cv,
    )
    return print_report(comparison, options)
