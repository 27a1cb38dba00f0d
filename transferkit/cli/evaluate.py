"""figures of a model on images that it has not seen"""

from __future__ import annotations

import argparse

from transferkit.cli._shared import add_data, add_model, load_model, print_report, read_data


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    add_model(parser)
    add_data(parser)
    parser.add_argument("--json", action="store_true", help="JSON instead of tables")
    parser.add_argument("--pos-label", help="the positive class of two (default: the second)")
    parser.add_argument("--normalizer", help="what errors of keypoints are divided by: a name, or pixels")


def run(options: argparse.Namespace) -> int:
    """Run the command and return the exit code."""
    from transferkit import evaluate

    model = load_model(options)
    X, y = read_data(options)
    if getattr(model, "kind_for", lambda _: "")(y) == "labels" and y.dtype.kind == "U":
        y = [(label,) for label in y.tolist()]  # no image of this table has several
    labels = {str(label): label for label in getattr(model, "classes_", [])}
    evaluation = evaluate(
        model,
        X,
        y,
        pos_label=labels.get(options.pos_label, options.pos_label),
        normalizer=_number_or_name(options.normalizer),
        on_error="skip",
    )
    return print_report(evaluation, options)


def _number_or_name(text: str | None) -> float | str | None:
    """Return a number of pixels, or the name of a distance."""
    try:
        return None if text is None else float(text)
    except ValueError:
        return text
