"""predict for images or folders of images"""

from __future__ import annotations

import argparse
from typing import Any

from transferkit.cli._options import add_running
from transferkit.cli._shared import (
    EXIT_SOME_FAILED,
    add_csv,
    add_model,
    complain,
    image_paths,
    load_to_predict,
    row_writer,
)
from transferkit.cli._subjects import boxes_for
from transferkit.errors import InvalidInputError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_model(parser)
    parser.add_argument(
        "images",
        nargs="+",
        help="image files or folders; for a model that was trained with boxes, a keypoint file with boxes, "
        "such as COCO's",
    )
    parser.add_argument(
        "--return-error",
        action="store_true",
        help="keypoints: also write the expected error of each point, in pixels",
    )
    parser.add_argument(
        "--unknown-label",
        metavar="LABEL",
        help="classes: label for images that are unlike the training images",
    )
    parser.add_argument(
        "--max-novelty",
        type=float,
        metavar="SHARE",
        help="largest novelty of an image, about the share of images like the training images that are kept; "
        "others get --unknown-label (default 0.99), or nan as keypoints",
    )
    add_csv(parser)
    add_running(parser)


def run(options: argparse.Namespace) -> int:
    """Run the command and return the exit code."""
    model = load_to_predict(options)
    paths, where = _subjects(model, options.images)
    features = model.extract(paths, on_error="skip", **where)
    write = row_writer(options)
    kind = model.kind_for(None)
    if options.return_error and kind != "points":
        raise InvalidInputError(f"return_error is for keypoints. This model has {kind}. Leave it out.")
    if options.unknown_label is not None and kind != "classes":
        raise InvalidInputError(f"unknown_label is for classes. This model has {kind}. Leave it out.")
    if options.max_novelty is not None and kind != "points" and options.unknown_label is None:
        raise InvalidInputError(
            "max_novelty is for keypoints, or for classes with unknown_label. Pass that, too."
        )
    header, answers = _ANSWERS[kind](model)
    if options.return_error:
        header += [f"error{i}" for i in range(model.n_points_)]
    write(header)
    for failure in features.report.failures:
        complain(failure, options)
    good = [path for path, ok in zip(paths, features.ok, strict=True) if ok]
    how: dict[str, Any] = {name: boxes[features.ok] for name, boxes in where.items()}
    how |= {"return_error": True} if options.return_error else {}
    for name in ("unknown_label", "max_novelty"):
        how |= {} if getattr(options, name) is None else {name: getattr(options, name)}
    for path, answer in zip(good, answers(good, **how) if good else (), strict=True):
        write([path, *answer])
    return EXIT_SOME_FAILED if features.report.failures else 0


def _subjects(model: Any, names: list[str]) -> tuple[list[str], dict[str, Any]]:
    """Return images, and for a model that needs boxes those of the subjects."""
    if not getattr(model, "boxed_", False):
        return image_paths(names), {}
    from transferkit.datasets import read_keypoints
    from transferkit.keypoints import format_of_keypoints

    known = [name for name in names if format_of_keypoints(name) is not None]
    if len(names) != 1 or not known:
        raise InvalidInputError(
            "images must be one file of keypoints with boxes, such as COCO's: the model was trained with "
            f"boxes. Got {', '.join(names[:3])}{', ...' if len(names) > 3 else ''}."
        )
    table = read_keypoints(names[0])
    return [str(path) for path in table.paths], boxes_for(model, table)


def _classes(model: Any) -> tuple[list[str], Any]:
    """Return the columns, and a function from images to rows: a label and the probability of each class."""

    def answers(images: list[str], **how: Any) -> Any:
        chances = model.predict_proba(images)
        labels = model.predict(images, **how)
        for label, row in zip(labels, chances, strict=True):
            yield [label, *(f"{chance:.4f}" for chance in row)]

    return ["path", "label", *(f"p_{label}" for label in model.classes_)], answers


def _labels(model: Any) -> tuple[list[str], Any]:
    """Return the columns, and a function from images to rows: labels and the probability of each."""

    def answers(images: list[str]) -> Any:
        for chances in model.predict_proba(images):
            found = model.classes_[chances > model.thresholds_]
            yield [";".join(map(str, found)), *(f"{chance:.4f}" for chance in chances)]

    return ["path", "labels", *(f"p_{label}" for label in model.classes_)], answers


def _points(model: Any) -> tuple[list[str], Any]:
    """Return the columns, and a function from images to rows: the coordinates of each point."""

    def answers(images: list[str], **how: Any) -> Any:
        found = model.predict(images, **how)
        parts = found if isinstance(found, tuple) else (found,)
        for row in zip(*(part.reshape(len(images), -1) for part in parts), strict=True):
            yield [f"{value:.2f}" for values in row for value in values]

    return ["path", *(f"{axis}{i}" for i in range(model.n_points_) for axis in "xy")], answers


def _values(model: Any) -> tuple[list[str], Any]:
    """Return the columns, and a function from images to rows: the numbers of each image."""

    def answers(images: list[str]) -> Any:
        for values in model.predict(images).reshape(len(images), -1):
            yield [f"{value:.6g}" for value in values]

    n = model.n_outputs_
    names = model.output_names_ or (["value"] if n == 1 else [f"value{i}" for i in range(n)])
    return ["path", *names], answers


_ANSWERS = {"classes": _classes, "labels": _labels, "points": _points, "values": _values}
