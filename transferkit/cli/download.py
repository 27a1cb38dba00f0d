"""download weights to a folder, for machines without internet access"""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("backbones", nargs="+", help="names, such as vgg16 (see transferkit backbones)")
    parser.add_argument("--to", required=True, metavar="FOLDER", help="folder for the weights")


def run(options: argparse.Namespace) -> int:
    """Run the command and return the exit code."""
    from transferkit.backbones import download_weights, get_backbone

    for name in options.backbones:
        get_backbone(name)  # check all names before a long download
    arrived = False
    for name in options.backbones:
        found = download_weights(name, options.to)
        if found is None:
            print(f"{name}: needs no weights")
        else:
            arrived = True
            path, digest = found
            print(f"{name}: {path} (SHA-256 {digest})")
    if arrived:
        print(f"On the other machine, set TRANSFERKIT_WEIGHTS to a copy of {options.to}.")
    return 0
