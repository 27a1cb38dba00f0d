"""What several commands do: read data and models, print reports and error messages."""

from __future__ import annotations

import argparse
import contextlib
import csv
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from transferkit.cli._flags import in_flags
from transferkit.cli._named import with_names
from transferkit.errors import InvalidInputError
from transferkit.foundation.arguments import check

EXIT_SOME_FAILED = 1
_FEW = 10  # integers that may be names of classes


def add_data(parser: argparse.ArgumentParser) -> None:
    """Add the arguments for images and their targets."""
    parser.add_argument(
        "data",
        metavar="DIR_OR_CSV",
        help="a folder with a sub-folder per class; a CSV file of keypoints (file name, x0, y0, ...) or with "
        "--target; or keypoints of DeepLabCut, COCO, 300-W (.pts), LabelMe, SLEAP, Label Studio or YOLO",
    )
    parser.add_argument(
        "--target", help="CSV with a header: columns of numbers, separated by commas, or a column of labels"
    )
    parser.add_argument(
        "--as-labels",
        action="store_true",
        help="read the target as labels, even if all are numbers, such as 0 and 1",
    )
    parser.add_argument("--image-folder", help="folder of the images in a CSV (default: that of the CSV)")
    parser.add_argument(
        "--groups", metavar="COLUMN", help="column with the group of each image, such as the person"
    )


def read_data(options: argparse.Namespace) -> Any:
    """Return paths, and labels, numbers or keypoints."""
    from transferkit.datasets import read_image_folder, read_keypoints, read_table
    from transferkit.keypoints import format_of_keypoints

    if options.target is None:
        check(["as_labels is for the column that --target names. Pass both."] if options.as_labels else [])
        is_table = options.data.lower().endswith(".csv")
        if not is_table and format_of_keypoints(options.data) is None:
            if options.image_folder is not None:
                raise InvalidInputError("image_folder is for the images of a table. The data is a folder.")
            return read_image_folder(options.data)
        place = {} if options.image_folder is None else {"image_folder": options.image_folder}
        return read_keypoints(options.data, **place)
    if not options.data.lower().endswith((".csv", ".tsv", ".txt")):
        raise InvalidInputError(f"target is for the columns of a CSV. Got {options.data}.")
    names = [name.strip() for name in options.target.split(",")]
    table = read_table(
        options.data,
        names if len(names) > 1 else names[0],
        image_folder=options.image_folder,
        dtype=str if options.as_labels else None,
    )
    if _may_be_labels(table.targets):
        print(
            f"transferkit: {options.target} is learned as numbers, of which there are few. If they are "
            "labels, pass --as-labels.",
            file=sys.stderr,
        )
    if len(names) > 1:
        return table._replace(targets=with_names(table.targets, names))
    return table


def _may_be_labels(targets: Any) -> bool:
    """Return True for a few integers, which may be the names of classes."""
    if targets.dtype.kind != "f" or targets.ndim > 1:
        return False
    values = set(targets.tolist())
    few = len(values) <= min(_FEW, len(targets) / 2)
    return few and all(value.is_integer() for value in values)  # NaN is not an integer


def read_column(options: argparse.Namespace, name: str) -> Any:
    """Return the column of the CSV that a flag names, or None without this flag."""
    from transferkit import datasets

    column = getattr(options, name)
    if column is None:
        return None
    if options.target is None or not options.data.lower().endswith(".csv"):
        raise InvalidInputError(
            f"{name} must be a column of a CSV that is read with --target. Got {column!r} and {options.data}."
        )
    return datasets.read_column(options.data, column, name=name)


def estimator_of(options: argparse.Namespace, y: Any) -> Any:
    """Return the class of estimators that learns such data."""
    from transferkit import Classifier, ImageRegressor, KeypointRegressor

    if y.dtype.kind != "f":
        return Classifier
    return KeypointRegressor if options.target is None else ImageRegressor


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add the arguments for a saved model."""
    parser.add_argument("model", help="model file that train or save() wrote")
    parser.add_argument("--weights", help="path of the backbone's weights on this machine")


def load_model(options: argparse.Namespace) -> Any:
    """Return the saved model."""
    from transferkit import load

    return load(options.model, **({} if options.weights is None else {"weights": options.weights}))


def load_to_predict(options: argparse.Namespace) -> Any:
    """Return the saved model, or only the part that predicts, which loads a second faster."""
    from transferkit.estimators import load_without_estimator

    model = load_without_estimator(options.model) if options.weights is None else None
    return load_model(options) if model is None else model


def add_backbone(parser: argparse.ArgumentParser, *, by_place: bool = False) -> None:
    """Add the arguments for the backbone; as a positional argument, it has no weights."""
    what = "see `transferkit backbones`{}, or an ONNX file such as model.onnx"
    if by_place:
        parser.add_argument("backbone", help=what.format(""))
    else:
        parser.add_argument("--backbone", default="mobilenet", help=what.format(" (default mobilenet)"))
        add_weights(parser)
    parser.add_argument("--image-size", type=int, help="side in pixels of the square that the backbone sees")
    for name in ("mean", "std"):
        what = f"{name} of pixels in 0..255 for an ONNX file: one number or three"
        parser.add_argument(f"--{name}", type=float, nargs="+", help=what)


def add_weights(parser: argparse.ArgumentParser, default: str = "imagenet") -> None:
    """Add the argument for the weights of the backbone."""
    parser.add_argument(
        "--weights", default=default, help=f"imagenet, a weights file, or none (default {default})"
    )


def backbone_of(options: argparse.Namespace) -> Any:
    """Return the name of a backbone, or the one in an ONNX file."""
    if not options.backbone.lower().endswith(".onnx"):
        check(
            f"{name} is for ONNX files; backbone {options.backbone!r} has its own. Leave it out."
            for name in ("mean", "std")
            if getattr(options, name)
        )
        return options.backbone
    from transferkit import Backbone

    mean, std = (
        values[0] if values and len(values) == 1 else values for values in (options.mean, options.std)
    )
    return Backbone.from_onnx(options.backbone, mean=mean, std=std, image_size=options.image_size)


def weights_of(options: argparse.Namespace) -> str | None:
    """Return the weights that a flag asks for."""
    return None if options.weights == "none" else options.weights


def image_paths(names: Sequence[str]) -> list[str]:
    """Return the files, with folders replaced by the images below them."""
    from transferkit.images import as_image_list

    return [str(path) for name in names for path in (as_image_list(name) if Path(name).is_dir() else [name])]


def add_csv(parser: argparse.ArgumentParser) -> None:
    """Add the argument for the format of rows."""
    parser.add_argument("--csv", action="store_true", help="comma-separated instead of tab-separated")


def row_writer(options: argparse.Namespace) -> Callable[[Sequence[Any]], Any]:
    """Return a function that writes a row to stdout."""
    if options.csv:
        return csv.writer(sys.stdout).writerow
    return lambda values: print(*values, sep="\t")


def add_figures(parser: argparse.ArgumentParser, *, printed: bool = True) -> None:
    """Add the arguments for the figures of a report, and for how it is printed."""
    if printed:
        parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument("--pos-label", help="two classes: the positive one (default: the second)")
    parser.add_argument(
        "--normalizer", help="keypoints: distance that errors are divided by, a name or pixels"
    )
    parser.add_argument(
        "--limit", type=float, help="keypoints: largest error that is not a failure (default 0.08)"
    )
    parser.add_argument(
        "--confidence", type=float, default=0.95, help="confidence level of the intervals (default 0.95)"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the bootstrap (default 0)")


def figures_of(options: argparse.Namespace, kind: str) -> dict[str, Any]:
    """Return the parameters of ``evaluate`` and ``compare`` for these flags."""
    names = ("pos_label", "normalizer", "confidence", "seed")
    figures = {name: getattr(options, name) for name in names}
    if options.limit is not None:
        points = kind == "points"
        check([] if points else [f"limit is for keypoints. Got {options.limit} and a task of {kind}."])
        figures["limit"] = options.limit
    with contextlib.suppress(ValueError, TypeError):  # a name of a distance, or none
        figures["normalizer"] = float(figures["normalizer"])
    return figures


def print_report(report: Any, options: argparse.Namespace) -> int:
    """Print tables or JSON, name images that were left out, and return the exit code."""
    print(json.dumps(report.to_dict(), indent=2) if options.json else in_flags(str(report), options))
    for failure in report.skipped:
        complain(failure, options)
    return EXIT_SOME_FAILED if report.skipped or getattr(report, "failed", []) else 0


def announce(paths: Sequence[Path]) -> None:
    """Say on stderr which files were written."""
    for path in paths:
        print(f"transferkit: drew {path}", file=sys.stderr)


def complain(problem: object, options: argparse.Namespace) -> None:
    """Print an error message, with flags instead of parameters."""
    print(f"transferkit: {in_flags(str(problem), options)}", file=sys.stderr)
