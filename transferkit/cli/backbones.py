"""list backbones"""

from __future__ import annotations

import argparse

from transferkit.errors import InvalidInputError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("pattern", nargs="?", default="*", help="such as 'resnet*' (default: all)")


def run(options: argparse.Namespace) -> int:
    """Run the command and return the exit code."""
    from transferkit import get_backbone, list_backbones
    from transferkit.backbones import Source

    found = [get_backbone(name) for name in list_backbones(options.pattern)]
    if not found:
        raise InvalidInputError(
            f"No backbone matches {options.pattern!r}. Try 'resnet*', or nothing for all."
        )
    print(f"{'name':22} {'image size':>10} {'min size':>9}  weights")
    for backbone in found:
        source = backbone.weights_file or ("your own" if backbone.pretrained else "none needed")
        if isinstance(backbone.constructor, Source):
            source = str(backbone.constructor)
        print(f"{backbone.name:22} {backbone.image_size:>10} {backbone.min_size:>9}  {source}")
    return 0
