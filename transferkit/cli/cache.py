"""show or empty the feature cache"""

from __future__ import annotations

import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("action", choices=["info", "clear"])
    parser.add_argument("--folder", help="another folder than the usual one")


def run(options: argparse.Namespace) -> int:
    """Run the command and return the exit code."""
    from transferkit import FeatureCache

    cache = FeatureCache(options.folder)
    if options.action == "info":
        print(cache.info())
    else:
        print(f"Freed {cache.clear() / 1e6:,.1f} MB in {cache.folder}.")
    return 0
