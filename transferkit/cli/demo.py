"""train on synthetic faces, offline, and show the results"""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument(
        "--output",
        default="transferkit-demo",
        help="folder for the models and the plot (default transferkit-demo)",
    )
    parser.add_argument("--images", type=int, default=600, help="number of faces, 60 or more (default 600)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the faces (default 0)")


def run(options: argparse.Namespace) -> int:
    """Run the command and return the exit code."""
    from transferkit.cli._demo import run_demo

    print(run_demo(Path(options.output), n=options.images, random_state=options.seed))
    return 0
