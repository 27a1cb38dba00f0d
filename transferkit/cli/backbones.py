"""list backbones"""

from __future__ import annotations

import argparse

from transferkit.errors import InvalidInputError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument(
        "pattern", nargs="?", default="*", help="shell pattern of names, such as 'resnet*' (default: all)"
    )


def run(options: argparse.Namespace) -> int:
    """Run the command and return the exit code."""
    from transferkit import get_backbone, list_backbones
    from transferkit.backbones import Source

    found = list_backbones(options.pattern, details=True)
    if not found:
        raise InvalidInputError(
            f"No backbone matches {options.pattern!r}. Try 'resnet*', or nothing for all."
        )
    titles = ("image size", "min size", "M params", "GFLOP", "width", "ImageNet")
    print(f"{'name':22} {' '.join(f'{title:>10}' for title in titles)}  weights")
    for row in found:
        backbone = get_backbone(row["name"])
        weights = backbone.weights_file or ("your own" if backbone.pretrained else "none needed")
        if isinstance(backbone.constructor, Source):
            weights = str(backbone.constructor)
        names = ("image_size", "min_size", "parameters", "gflop", "width", "imagenet")
        figures = ("" if row[name] is None else row[name] for name in names)
        print(f"{row['name']:22} {' '.join(f'{figure:>10}' for figure in figures)}  {weights}")
    return 0
