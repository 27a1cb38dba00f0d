"""write one page on a model and images: card, metrics, plots, feature map, audit"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from transferkit.cli._evaluating import arguments_of
from transferkit.cli._options import add_running
from transferkit.cli._outputs import check_outputs
from transferkit.cli._plots import check_plots
from transferkit.cli._shared import EXIT_SOME_FAILED, add_data, add_figures, add_model, load_model
from transferkit.errors import InvalidInputError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_model(parser)
    add_data(parser)
    parser.add_argument("--output", default="report.html", help="file to write (default report.html)")
    parser.add_argument(
        "--checks", help="checks of the audit, separated by commas; none for no audit (default: all)"
    )
    add_figures(parser, printed=False)
    add_running(parser)


def run(options: argparse.Namespace) -> int:
    """Run the command and return the exit code: 1 if images cannot be read."""
    from transferkit import report

    output = Path(options.output)
    if output.suffix.lower() not in (".html", ".htm"):
        raise InvalidInputError(f"output must end in .html: the page is HTML. Got {output}.")
    check_outputs({"output": output}, (options.model, options.data, options.weights))
    check_plots(str(output.absolute().parent))
    model = load_model(options)
    X, y, parameters = arguments_of(options, model)
    named = options.checks
    checks = None if named is None else [] if named == "none" else [name.strip() for name in named.split(",")]
    made = report(model, X, y, checks=checks, **parameters)
    made.to_html(output)
    print(made.evaluation)
    print(f"transferkit: wrote {output}", file=sys.stderr)
    return EXIT_SOME_FAILED if made.evaluation.skipped else 0
