"""list the layers of a backbone, from the input on"""

from __future__ import annotations

import argparse

from transferkit.cli._shared import add_backbone, backbone_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_backbone(parser, by_place=True)


def run(options: argparse.Namespace) -> int:
    """Run the command and return the exit code."""
    from transferkit import list_layers

    for name in list_layers(backbone_of(options), image_size=options.image_size):
        print(name)
    return 0
