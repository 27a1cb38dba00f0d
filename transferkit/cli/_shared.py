"""What several commands do: read data and models, print reports, complain."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from transferkit.cli._flags import in_flags
from transferkit.errors import InvalidInputError

EXIT_SOME_FAILED = 1


def add_data(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that say where images are, and what is known of them."""
    parser.add_argument(
        "data",
        metavar="DIR_OR_CSV",
        help="a folder with a sub-folder per class; or a CSV: file name, x0, y0, ..., or see --target",
    )
    parser.add_argument(
        "--target", help="columns of a CSV with a header, with commas between: numbers, or one of labels"
    )
    parser.add_argument("--image-folder", help="folder of the images of a CSV, if not that of the CSV")


def read_data(options: argparse.Namespace) -> Any:
    """Return paths, and labels, numbers or keypoints."""
    from transferkit.datasets import read_image_folder, read_keypoints_csv, read_table

    if not options.data.lower().endswith(".csv"):
        if options.target is not None:
            raise InvalidInputError(f"target is for the columns of a CSV. Got {options.data}.")
        return read_image_folder(options.data)
    if options.target is None:
        return read_keypoints_csv(options.data, image_folder=options.image_folder)
    names = [name.strip() for name in options.target.split(",")]
    return read_table(options.data, names if len(names) > 1 else names[0], image_folder=options.image_folder)


def estimator_of(options: argparse.Namespace, y: Any) -> Any:
    """Return the class of estimators that learns such data."""
    from transferkit import Classifier, ImageRegressor, KeypointRegressor

    if y.dtype.kind != "f":
        return Classifier
    return KeypointRegressor if options.target is None else ImageRegressor


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that say where a saved model is."""
    parser.add_argument("model", help="a file that train or save() wrote")
    parser.add_argument("--weights", help="path of the backbone's weights on this machine")


def load_model(options: argparse.Namespace) -> Any:
    """Return the saved model."""
    from transferkit import load

    return load(options.model, **({} if options.weights is None else {"weights": options.weights}))


def weights_of(options: argparse.Namespace) -> str | None:
    """Return the weights that a flag asks for."""
    return None if options.weights == "none" else options.weights


def print_report(report: Any, options: argparse.Namespace) -> int:
    """Print tables or JSON, name what is left out, and return the exit code."""
    print(json.dumps(report.to_dict(), indent=2) if options.json else in_flags(str(report), options))
    for failure in report.skipped:
        complain(failure, options)
    return EXIT_SOME_FAILED if report.skipped or getattr(report, "failed", []) else 0


def complain(problem: object, options: argparse.Namespace) -> None:
    """Print what is wrong, in the words of the command line."""
    print(f"transferkit: {in_flags(str(problem), options)}", file=sys.stderr)
