"""train a model on a folder per class, or on a CSV of keypoints, numbers or labels"""

from __future__ import annotations

import argparse
from pathlib import Path

from transferkit.cli._options import add_boxes, add_learning, add_reading, add_running
from transferkit.cli._shared import add_backbone, add_data, backbone_of, weights_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_data(parser)
    add_backbone(parser)
    parser.add_argument("--sample-weight", metavar="COLUMN", help="column with the weight of each image")
    parser.add_argument(
        "--relabel",
        metavar="CSV",
        help="labels to correct: the table of audit --csv, its column new_label filled",
    )
    add_learning(parser)
    add_boxes(parser)
    parser.add_argument(
        "--fine-tune",
        nargs="?",
        const="all",
        metavar="LAYERS",
        help="train the backbone too: all layers, or those from one on, such as block_12: (minutes to hours)",
    )
    parser.add_argument("--epochs", type=int, help="of --fine-tune (default 20)")
    parser.add_argument(
        "--test-fraction", type=float, default=0.2, help="share held out to measure on (default 0.2)"
    )
    parser.add_argument("--output", default="model.safetensors", help="the model (default model.safetensors)")
    parser.add_argument(
        "--card", action="store_true", help="write what is known of the model beside it (.md)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the split and of training (default 0)")
    add_reading(parser)
    add_running(parser)


def run(options: argparse.Namespace) -> int:
    """Run the command and return the exit code."""
    from transferkit.cli._training import train_and_report

    print(
        train_and_report(
            options,
            Path(options.output),
            test_fraction=options.test_fraction,
            random_state=options.seed,
            backbone=backbone_of(options),
            weights=weights_of(options),
            image_size=options.image_size,
        )
    )
    return 0
