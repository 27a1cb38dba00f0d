"""Parse the arguments, run a command, and turn errors into a one-line message and an exit code."""

from __future__ import annotations

import argparse
import codecs
import io
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from transferkit._version import __version__
from transferkit.cli import (
    audit,
    backbones,
    cache,
    card,
    check,
    compare,
    demo,
    download,
    drift,
    evaluate,
    export,
    info,
    layers,
    neighbours,
    predict,
    report,
    train,
)
from transferkit.cli._options import running_of
from transferkit.cli._shared import complain
from transferkit.errors import TransferKitError
from transferkit.foundation.config import config_context

COMMANDS: tuple[Any, ...] = (
    demo, audit, train, predict, evaluate, report, card, export, drift, compare, neighbours, backbones,
    layers, check, download, cache, info,
)  # fmt: skip
EXIT_MISTAKE = 2
EXIT_INTERRUPTED = 130
EXIT_BROKEN_PIPE = 141


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return the exit code: 0 for success, 1 if some images failed, 2 for user errors."""
    options = _parser().parse_args(arguments)
    _write_any_name()
    # A missing GPU is not an error here, although TensorFlow reports it as one in every process.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("MPLBACKEND", "agg")  # plots go to files, never to a window
    try:
        with config_context(**running_of(options)):
            code: int = options.run(options)
        sys.stdout.flush()  # here, where errors are caught, not at the end of the process
        return code
    except BrokenPipeError:  # as with `| head`: the reader has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_BROKEN_PIPE
    except (TransferKitError, OSError) as error:
        complain(error, options)
        return EXIT_MISTAKE
    except KeyboardInterrupt:
        print(
            "transferkit: interrupted. Features computed so far are cached; the same command goes on "
            "from there.",
            file=sys.stderr,
        )
        return EXIT_INTERRUPTED


def _write_any_name() -> None:
    """Let stdout write names of files and classes that its encoding lacks, instead of raising an error.

    In UTF-8, file names that are not valid text are written as their original bytes.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        utf8 = codecs.lookup(sys.stdout.encoding).name == "utf-8"
        sys.stdout.reconfigure(errors="surrogateescape" if utf8 else "backslashreplace")


class _Parser(argparse.ArgumentParser):
    """A parser whose error messages are one line, like those of the library."""

    def error(self, message: str) -> NoReturn:
        """Print the message and exit with the code of a user error."""
        self.exit(EXIT_MISTAKE, f"transferkit: {message}. See {self.prog} --help.\n")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="transferkit", description="Transfer learning on images: frozen backbones, cached features."
    )
    parser.add_argument("--version", action="version", version=f"transferkit {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        name = command.__name__.rpartition(".")[2]
        parsed = commands.add_parser(name, help=command.__doc__.partition("\n")[0].rstrip("."))
        command.add_arguments(parsed)
        parsed.set_defaults(run=command.run)
    return parser
