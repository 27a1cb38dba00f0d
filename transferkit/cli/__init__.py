"""The command line: results go to stdout, progress and error messages to stderr.

Each command is a file with ``add_arguments(parser)`` and ``run(options)``, which returns the exit code. To
add one, write such a file and add it to ``_main.COMMANDS``.
"""

from transferkit.cli._main import main

__all__ = ["main"]
