"""The command line: results on stdout, progress and complaints on stderr.

Each command is a file with ``add_arguments(parser)`` and ``run(options)``, which returns the exit code. To
add one, write such a file and enter it in ``_main.COMMANDS``.
"""

from transferkit.cli._main import main

__all__ = ["main"]
