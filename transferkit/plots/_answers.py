"""Predicted probabilities, from an evaluation or from arrays, and the curves to plot for them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.errors import InvalidInputError, quoted
from transferkit.plots._axes import by_name, curve_style
from transferkit.plots._text import as_texts


@dataclass(frozen=True)
class Answers:
    """True labels (n,), probabilities (n, k) in the order of classes, and the positive class.

    ``pos_label`` is None for more than two classes unless it was given.
    """

    y_true: NDArray[Any]
    probabilities: NDArray[np.float64]
    classes: NDArray[Any]
    pos_label: Any


@dataclass(frozen=True)
class Curve:
    """One class against the rest, and the style of its line."""

    name: str
    is_positive: NDArray[np.bool_]
    probability: NDArray[np.float64]
    style: dict[str, Any]


def as_answers(evaluation: Any, probabilities: Any, classes: Any, pos_label: Any) -> Answers:
    """Return validated arrays from an evaluation, or from true labels and probabilities."""
    if hasattr(evaluation, "probabilities"):
        check_probabilities(evaluation)
        classes = evaluation.classes
        probabilities = evaluation.probabilities
        pos_label = evaluation.pos_label if pos_label is None else pos_label
        evaluation = evaluation.y_true
    elif probabilities is None:
        raise InvalidInputError(
            "Expected an evaluation, or true labels together with probabilities. "
            f"Got {type(evaluation).__name__} alone. "
            "Pass the result of transferkit.evaluate(), or y_true and probabilities."
        )
    y_true, values = np.asarray(evaluation), np.asarray(probabilities, dtype=np.float64)
    if y_true.ndim != 1 or not len(y_true):
        raise InvalidInputError(f"y_true must have shape (n,), with at least one label. Got {y_true.shape}.")
    known = distinct(y_true) if classes is None else np.asarray(classes)
    if strange := sorted(set(y_true.tolist()) - set(known.tolist()), key=str):
        raise InvalidInputError(
            f"y_true has labels that are not in classes: {quoted(strange)}. "
            f"The classes are {quoted(known.tolist())}."
        )
    if pos_label is None and len(known) == 2:
        pos_label = known[1]
    if pos_label is not None and pos_label not in known:
        raise InvalidInputError(f"pos_label must be one of {known.tolist()}. Got {pos_label!r}.")
    if values.ndim == 1 and len(known) == 2:
        values = np.stack([1 - values, values], axis=1)[:, :: 1 if pos_label == known[1] else -1]
    if values.shape != (len(y_true), len(known)):
        raise InvalidInputError(
            f"probabilities must have shape ({len(y_true)}, {len(known)}), with a row per label and a "
            f"column per class {known.tolist()}. Got {np.shape(probabilities)}. "
            "Pass classes=clf.classes_ if the labels do not contain all classes."
        )
    if not np.isfinite(values).all():
        raise InvalidInputError("probabilities must be finite. Got NaN or infinity.")
    return Answers(y_true, values, known, pos_label)


def distinct(labels: NDArray[Any]) -> NDArray[Any]:
    """Return the labels that occur, sorted; raise InvalidInputError if they cannot be sorted."""
    missing = [row for row, label in enumerate(labels.tolist()) if label is None or label != label]
    if missing:
        raise InvalidInputError(
            f"Labels must not be missing. {len(missing)} of {len(labels)} are, the first is "
            f"{labels.tolist()[missing[0]]!r}. Leave these images out."
        )
    try:
        return np.unique(labels)
    except TypeError as error:
        raise InvalidInputError(
            f"Labels must be of one type, such as str. Got some that cannot be sorted: {error}."
        ) from error


def check_probabilities(evaluation: Any) -> None:
    """Raise if an evaluation has no probabilities."""
    if evaluation.probabilities is None:
        raise InvalidInputError("The evaluation has no probabilities. Use a model with predict_proba.")


def refuse_several_labels(evaluation: Any, plot: str) -> None:
    """Raise for an evaluation of several labels per image."""
    if np.ndim(getattr(evaluation, "y_true", ())) == 2:
        raise InvalidInputError(
            f"{plot} is for one label of each image. Got an evaluation of several labels. "
            "Its worst() lists the images with wrong labels."
        )


def curves_of(evaluation: Any, probabilities: Any, classes: Any, pos_label: Any) -> list[Curve]:
    """Return the curves of each evaluation, one for each of more than two classes or several labels.

    With more than two classes, colours distinguish classes and line styles evaluations; otherwise colours
    distinguish evaluations.
    """
    curves: list[Curve] = []
    named = by_name(evaluation, "evaluation")
    for i, (name, one) in enumerate(zip(as_texts(named), named.values(), strict=True)):
        if np.ndim(getattr(one, "y_true", ())) == 2:
            curves += _of_labels(name, one, i, pos_label)
            continue
        truth, values = one if isinstance(one, tuple) else (one, probabilities)
        answers = as_answers(truth, values, classes, pos_label)
        texts = as_texts(answers.classes)
        for column, label in _columns(answers):
            several = len(answers.classes) > 2 and answers.pos_label is None
            words = [word for word in ([name, texts[column]] if several else [name]) if word != ""]
            curves.append(
                Curve(
                    ", ".join(words) or texts[column],
                    answers.y_true == label,
                    answers.probabilities[:, column],
                    curve_style(column if several else i, i),
                )
            )
    return curves


def _of_labels(name: str, evaluation: Any, place: int, label: Any) -> list[Curve]:
    """Return a curve for each of several labels, or for one of them."""
    labels = evaluation.classes.tolist()
    check_probabilities(evaluation)
    if label is not None and label not in labels:
        raise InvalidInputError(f"pos_label must be one of {labels}. Got {label!r}.")
    return [
        Curve(
            ", ".join(word for word in (name, text) if word != ""),
            evaluation.y_true[:, column] == 1,
            evaluation.probabilities[:, column],
            curve_style(column, place),
        )
        for column, (one, text) in enumerate(zip(labels, as_texts(labels), strict=True))
        if label in (None, one)
    ]


def _columns(answers: Answers) -> Iterator[tuple[int, Any]]:
    """Yield column and label of the classes to plot."""
    for column, label in enumerate(answers.classes):
        if answers.pos_label is None or label == answers.pos_label:
            yield column, label
