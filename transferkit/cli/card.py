"""show the model card of a model: its data, metrics, settings and limits"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from transferkit.cli._outputs import check_outputs
from transferkit.cli._shared import add_model, load_model
from transferkit.errors import InvalidInputError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_model(parser)
    parser.add_argument(
        "--output", metavar="FILE", help="file to write, HTML or Markdown according to its suffix"
    )


def run(options: argparse.Namespace) -> int:
    """Run the command and return the exit code."""
    path = None if options.output is None else Path(options.output)
    check_outputs({"output": path}, (options.model, options.weights))
    model = load_model(options)
    if not hasattr(model, "card"):
        raise InvalidInputError(f"model must be one that was trained. Got a {type(model).__name__}.")
    card = model.card()
    if path is None:
        print(card.to_markdown(), end="")
        return 0
    write = card.to_html if path.suffix.lower() in (".html", ".htm") else card.to_markdown
    write(path)
    print(f"transferkit: wrote {path}", file=sys.stderr)
    return 0
