"""check that a backbone computes correct features"""

from __future__ import annotations

import argparse

from transferkit.cli._shared import add_backbone, add_weights, backbone_of, weights_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_backbone(parser, by_place=True)
    add_weights(parser, "none")


def run(options: argparse.Namespace) -> int:
    """Run the command and return the exit code."""
    from transferkit import check_backbone

    backbone = check_backbone(
        backbone_of(options), weights=weights_of(options), image_size=options.image_size
    )
    print(f"{backbone.name}: all checks passed")
    return 0
