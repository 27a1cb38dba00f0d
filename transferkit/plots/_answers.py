"""What a classifier answered: from an evaluation, or from arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.errors import InvalidInputError
from transferkit.plots._axes import COLOURS, LINE_STYLES
from transferkit.plots._text import as_text


@dataclass(frozen=True)
class Answers:
    """True labels (n,), probabilities (n, k) in the order of classes, and the class that is looked for.

    ``pos_label`` is None for more than two classes unless one was asked for.
    """

    y_true: NDArray[Any]
    probabilities: NDArray[np.float64]
    classes: NDArray[Any]
    pos_label: Any


@dataclass(frozen=True)
class Curve:
    """One class against the rest, and how to draw it."""

    name: str
    is_positive: NDArray[np.bool_]
    probability: NDArray[np.float64]
    style: dict[str, Any]


def as_answers(evaluation: Any, probabilities: Any, classes: Any, pos_label: Any) -> Answers:
    """Return checked arrays of an evaluation, or of true labels and their probabilities."""
    if hasattr(evaluation, "probabilities"):
        classes = evaluation.classes
        probabilities = evaluation.probabilities
        pos_label = evaluation.pos_label if pos_label is None else pos_label
        evaluation = evaluation.y_true
    elif probabilities is None:
        raise InvalidInputError(
            "Expected an evaluation, or true labels together with probabilities. "
            f"Got {type(evaluation).__name__} alone. "
            "Pass what transferkit.evaluate() returns, or y_true and probabilities."
        )
    y_true, values = np.asarray(evaluation), np.asarray(probabilities, dtype=np.float64)
    if y_true.ndim != 1 or not len(y_true):
        raise InvalidInputError(f"y_true must have shape (n,), one label or more. Got {y_true.shape}.")
    known = np.unique(y_true) if classes is None else np.asarray(classes)
    if pos_label is None and len(known) == 2:
        pos_label = known[1]
    if pos_label is not None and pos_label not in known:
        raise InvalidInputError(f"pos_label must be one of {known.tolist()}. Got {pos_label!r}.")
    if values.ndim == 1 and len(known) == 2:
        values = np.stack([1 - values, values], axis=1)[:, :: 1 if pos_label == known[1] else -1]
    if values.shape != (len(y_true), len(known)):
        raise InvalidInputError(
            f"probabilities must have shape ({len(y_true)}, {len(known)}), a row for each label and a column "
            f"for each of the classes {known.tolist()}. Got {np.shape(probabilities)}. "
            "Pass classes=clf.classes_ where not all of them are among the labels."
        )
    if not np.isfinite(values).all():
        raise InvalidInputError("probabilities must be finite. Got NaN or infinity.")
    return Answers(y_true, values, known, pos_label)


def curves_of(evaluation: Any, probabilities: Any, classes: Any, pos_label: Any) -> list[Curve]:
    """Return the curves to draw: of each evaluation, and of each class where there are more than two.

    Colours tell classes apart, and line styles evaluations; of two classes, colours tell evaluations apart.
    """
    named: Mapping[Any, Any] = evaluation if isinstance(evaluation, Mapping) else {"": evaluation}
    if not named:
        raise InvalidInputError("Expected one evaluation or more by name. Got an empty dictionary.")
    curves: list[Curve] = []
    for i, (name, one) in enumerate(named.items()):
        truth, values = one if isinstance(one, tuple) else (one, probabilities)
        answers = as_answers(truth, values, classes, pos_label)
        for column, label in _columns(answers):
            several = len(answers.classes) > 2 and answers.pos_label is None
            words = [as_text(word) for word in ([name, label] if several else [name]) if word != ""]
            style = (column, i) if several else (i, i)
            curves.append(
                Curve(
                    ", ".join(words) or as_text(label),
                    answers.y_true == label,
                    answers.probabilities[:, column],
                    {
                        "color": COLOURS[style[0] % len(COLOURS)],
                        "linestyle": LINE_STYLES[style[1] % len(LINE_STYLES)],
                    },
                )
            )
    return curves


def _columns(answers: Answers) -> Iterator[tuple[int, Any]]:
    """Yield the classes to draw a curve of, with their columns."""
    for column, label in enumerate(answers.classes):
        if answers.pos_label is None or label == answers.pos_label:
            yield column, label
