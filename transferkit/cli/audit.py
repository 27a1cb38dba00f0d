"""find problems of images and labels: duplicates, leaks, wrong labels, shortcuts"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from transferkit.cli._options import add_reading, add_running, extractor_of
from transferkit.cli._outputs import check_outputs
from transferkit.cli._shared import EXIT_SOME_FAILED, add_backbone, backbone_of, weights_of
from transferkit.errors import InvalidInputError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    parser.add_argument("folder", metavar="FOLDER", help="training images; sub-folders are their classes")
    parser.add_argument("--test", metavar="FOLDER", help="test images; sub-folders are their classes")
    parser.add_argument(
        "--checks", help="checks to run, separated by commas: duplicates,files (default: all)"
    )
    parser.add_argument("--html", metavar="FILE", help="write an HTML page with pictures")
    parser.add_argument("--csv", metavar="FILE", help="write the findings as a CSV file")
    parser.add_argument("--seed", type=int, default=0, help="seed of the folds and the bootstrap (default 0)")
    add_backbone(parser)
    add_reading(parser)
    add_running(parser)


def run(options: argparse.Namespace) -> int:
    """Run the command and return the exit code: 1 if images cannot be read, regardless of other findings."""
    from transferkit import audit
    from transferkit.auditing import check_unfilled

    for name in ("folder", "test"):
        folder = getattr(options, name)
        if folder is not None and not Path(folder).is_dir():
            raise InvalidInputError(f"{name} must be a folder of images. Got {folder}.")
    check_outputs({"html": options.html, "csv": options.csv}, (options.folder, options.test))
    if options.html is not None and Path(options.html).suffix.lower() not in (".html", ".htm"):
        raise InvalidInputError(f"html must end in .html: the page is HTML. Got {options.html}.")
    if options.csv is not None:
        check_unfilled(options.csv)
    checks: Any = None if options.checks is None else [name.strip() for name in options.checks.split(",")]
    report = audit(
        options.folder,
        test=options.test,
        checks=checks,
        seed=options.seed,
        backbone=backbone_of(options),
        weights=weights_of(options),
        image_size=options.image_size,
        **extractor_of(options),
    )
    print(report)
    for name, write in (("html", report.to_html), ("csv", report.to_csv)):
        if path := getattr(options, name):
            write(path)
            print(f"transferkit: wrote {path}", file=sys.stderr)
    unread = any(check.kind == "unreadable" and check.findings for check in report.checks)
    return EXIT_SOME_FAILED if unread else 0
