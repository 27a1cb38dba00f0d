"""check whether new images still resemble the training images of a model"""

from __future__ import annotations

import argparse
import json
import sys

from transferkit.cli._options import add_running
from transferkit.cli._outputs import check_outputs
from transferkit.cli._plots import check_plot, save
from transferkit.cli._shared import EXIT_SOME_FAILED, add_model, image_paths, load_model

EXIT_DRIFTED = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_model(parser)
    parser.add_argument("images", nargs="+", help="files or folders of new images; labels are not needed")
    parser.add_argument(
        "--alpha", type=float, default=0.01, help="probability of a false alarm (default 0.01)"
    )
    parser.add_argument("--plot", metavar="FILE", help="plot novelty and predicted classes to this file")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    add_running(parser)


def run(options: argparse.Namespace) -> int:
    """Run the command and return the exit code: 3 if images have drifted, which cron can act on."""
    from transferkit import drift

    check_plot(options.plot, "--plot")
    check_outputs({"plot": options.plot}, (options.model, *options.images))
    report = drift(load_model(options), image_paths(options.images), alpha=options.alpha)
    print(json.dumps(report.to_dict(), indent=2) if options.json else report)
    if options.plot is not None:
        from transferkit.plots import plot_drift

        save(plot_drift(report), options.plot)
        print(f"transferkit: wrote {options.plot}", file=sys.stderr)
    if report.drifted:
        return EXIT_DRIFTED
    return EXIT_SOME_FAILED if report.skipped else 0
