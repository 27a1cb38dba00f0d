"""What labels must be before anything is learned from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.errors import InvalidInputError, quoted


def as_labels(y: Any, problems: list[str]) -> NDArray[Any]:
    """Return labels as a one-dimensional array without missing values."""
    from sklearn.utils.validation import column_or_1d

    if y is None or isinstance(y, str):
        # scikit-learn's tests look for the words "requires y to be passed".
        problems.append(
            f"fit requires y to be passed, but the target y is {y!r}. Each image needs one label."
        )
        return np.array([])
    if isinstance(y, list | tuple) and len({_kind(label) for label in y}) > 1:
        y = np.array([*y, None], dtype=object)[:-1]  # numpy would turn them all into strings
    labels = np.asarray(y)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = column_or_1d(labels, warn=True)
    if labels.ndim != 1:
        problems.append(f"y must have one dimension, a label per image. Got shape {labels.shape}.")
        return labels.reshape(-1)
    missing = [i for i, label in enumerate(labels.tolist()) if is_missing(label)]
    if missing:
        problems.append(
            f"y must not have missing labels. {len(missing)} of {len(labels)} are missing, the first in row "
            f"{missing[0]}. Drop those images."
        )
    elif labels.dtype.kind == "O" and len(kinds := sorted({_kind(label) for label in labels.tolist()})) > 1:
        problems.append(f"y must have labels of one type. Got {', '.join(kinds)}.")
    elif labels.dtype.kind == "f" and (labels != np.round(labels)).any():
        # The words "Unknown label type" are those of scikit-learn, whose tests look for them.
        problems.append("Unknown label type: continuous. y must have classes, not measurements.")
    elif labels.dtype.kind == "O":
        labels = np.array(labels.tolist())
    return labels


def is_missing(label: Any) -> bool:
    """Tell None, NaN and what pandas has for them."""
    return label is None or type(label).__name__ in ("NAType", "NaTType") or bool(label != label)


def _kind(label: Any) -> str:
    """Return what kind of label this is; numpy's kinds count as Python's."""
    return type(label.item() if isinstance(label, np.generic) else label).__name__


def check_classes(classes: NDArray[Any], labels: NDArray[Any], n_ok: int) -> None:
    """Say when there is nothing to tell apart."""
    if len(classes) < 2:
        lost = f" ({len(labels) - n_ok} images could not be read)" if n_ok < len(labels) else ""
        raise InvalidInputError(
            f"y must have at least two classes. Got {len(classes)} class: {quoted(classes.tolist())} "
            f"in {n_ok} rows{lost}. Add images of another class."
        )


def class_weights(
    class_weight: Mapping[Any, float] | str | None, labels: NDArray[Any], classes: NDArray[Any]
) -> NDArray[np.float64]:
    """Return one weight per row, of what a user may pass for the weights of classes."""
    from sklearn.utils.class_weight import compute_sample_weight

    if isinstance(class_weight, str) and class_weight != "balanced":
        raise InvalidInputError(
            f"class_weight must be a dictionary, 'balanced' or None. Got {class_weight!r}."
        )
    if isinstance(class_weight, Mapping):
        if not all(np.isfinite(value) and value > 0 for value in class_weight.values()):
            raise InvalidInputError(f"class_weight must be positive. Got {dict(class_weight)!r}.")
        if missing := [label for label in classes.tolist() if label not in class_weight]:
            raise InvalidInputError(
                f"class_weight must have a weight for each class. Missing: {quoted(missing)}."
            )
    weight: NDArray[np.float64] = compute_sample_weight(class_weight, labels)
    return weight
