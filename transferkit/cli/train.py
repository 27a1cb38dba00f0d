"""train a model on a folder per class, or on a file of keypoints, numbers or labels"""

from __future__ import annotations

import argparse
from pathlib import Path

from transferkit.cli._options import add_boxes, add_learning, add_reading, add_running
from transferkit.cli._shared import (
    EXIT_SOME_FAILED,
    add_backbone,
    add_data,
    backbone_of,
    complain,
    weights_of,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_data(parser)
    add_backbone(parser)
    parser.add_argument("--sample-weight", metavar="COLUMN", help="column with the weight of each image")
    parser.add_argument(
        "--relabel",
        metavar="CSV",
        help="corrected labels: the table of audit --csv with the column new_label filled in",
    )
    add_learning(parser)
    add_boxes(parser)
    parser.add_argument(
        "--fine-tune",
        nargs="?",
        const="all",
        metavar="LAYERS",
        help="train the backbone, too: all layers, or from one on, such as block_12: (minutes to hours)",
    )
    parser.add_argument("--epochs", type=int, help="epochs of --fine-tune (default 20)")
    parser.add_argument(
        "--test-fraction",
        type=float,
        default=0.2,
        help="share of the images held out for testing (default 0.2)",
    )
    parser.add_argument(
        "--output", default="model.safetensors", help="file to write (default model.safetensors)"
    )
    parser.add_argument("--card", action="store_true", help="also write a model card beside the model (.md)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the split and of training (default 0)")
    add_reading(parser)
    add_running(parser)


def run(options: argparse.Namespace) -> int:
    """Run the command and return the exit code: 1 if images cannot be read."""
    from transferkit.cli._training import train_and_report

    report, failures = train_and_report(
        options,
        Path(options.output),
        test_fraction=options.test_fraction,
        random_state=options.seed,
        backbone=backbone_of(options),
        weights=weights_of(options),
        image_size=options.image_size,
    )
    print(report)
    for failure in failures:
        complain(failure, options)
    return EXIT_SOME_FAILED if failures else 0
