"""The command line: a file for each command."""

from transferkit.cli._cli import main

__all__ = ["main"]
