"""Check labels before anything is learned from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.errors import InvalidInputError, quoted
from transferkit.foundation.arguments import check, is_number


def as_labels(y: Any, problems: list[str], name: str = "y") -> NDArray[Any]:
    """Return labels as a one-dimensional array without missing values; add any problems to the list."""
    from sklearn.utils.validation import column_or_1d

    if y is None or isinstance(y, str):
        # scikit-learn's tests look for the words "requires y to be passed".
        problems.append(
            f"One label per image requires y to be passed, but the target y is {y!r}."
            if name == "y"
            else f"{name} must have one label per image. Got {y!r}."
        )
        return np.array([])
    if isinstance(y, Mapping | set | frozenset):
        problems.append(f"{name} must have one label per image, in their order. Got a {type(y).__name__}.")
        return np.array([])
    if hasattr(y, "__next__"):
        problems.append(f"{name} is an iterator, which can be consumed only once. Pass list({name}).")
        return np.array([])
    if np.ma.is_masked(y):
        problems.append(f"{name} has masked labels. Drop those images.")
    labels = _as_array(y)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = column_or_1d(labels, warn=True)
    if labels.ndim != 1:
        hint = (
            " For several labels of an image, pass 0 and 1 in a column for each." if labels.ndim == 2 else ""
        )
        if labels.ndim == 2 and any(is_missing(label) for label in labels.ravel().tolist()):
            hint += " Some are missing: drop those images."
        problems.append(f"{name} must have one dimension, a label per image. Got shape {labels.shape}.{hint}")
        return np.zeros(labels.shape[:1] or 0)  # one per row, so that nothing else is reported
    missing = [i for i, label in enumerate(labels.tolist()) if is_missing(label)]
    if missing:
        problems.append(
            f"{name} must not have missing labels. {len(missing)} of {len(labels)} are missing, the first in "
            f"row {missing[0]}. Drop those images."
        )
        return labels
    if labels.dtype.kind == "O":
        if len(kinds := sorted({_kind(label) for label in labels.tolist()})) > 1:
            problems.append(f"{name} must have labels of one type. Got {', '.join(kinds)}.")
            return labels
        labels = _fitting(labels)
    problems += _unsuitable(labels, y, name)
    return labels.astype(np.float64) if labels.dtype.kind == "f" and labels.itemsize > 8 else labels


def _as_array(y: Any) -> NDArray[Any]:
    """Return labels as an array that does not change their values."""
    if isinstance(y, list | tuple):
        kinds = {_kind(label) for label in y}
        # NumPy would turn mixed labels into strings, and large integers into floats.
        if len(kinds) > 1 or kinds == {"int"}:
            return np.array([*y, None], dtype=object)[:-1]
    try:
        labels = np.asarray(y)
    except ValueError:  # ragged
        return np.array([*y, None], dtype=object)[:-1]
    # Strings of variable width, which exist since NumPy 2.0.
    return np.array(labels.tolist()) if labels.dtype.kind == "T" and len(labels) else labels


def _fitting(objects: NDArray[Any]) -> NDArray[Any]:
    """Convert strings, booleans, integers or floats to NumPy's type for them; return others unchanged."""
    kinds = {_kind(label) for label in objects.tolist()}
    if not kinds <= {"str", "bool", "int", "float"}:
        return objects
    labels = np.array(objects.tolist())
    return objects if kinds == {"int"} and labels.dtype.kind not in "iu" else labels


def _unsuitable(labels: NDArray[Any], y: Any, name: str) -> list[str]:
    """Return why labels without missing ones cannot be classes, or cannot be saved as they are."""
    if labels.dtype.kind not in "Ubiuf":
        kind = _kind(labels[0]) if labels.dtype.kind == "O" and len(labels) else str(labels.dtype)
        return [
            f"{name} must have strings, integers or booleans as labels. Got {kind}"
            f"{' beyond 64 bits' if kind == 'int' else ''}. Convert them, such as with "
            "[str(label) for label in y]."
        ]
    if labels.dtype.kind == "f":
        if not np.isfinite(labels).all():
            return [f"{name} must have finite labels. Got {labels[~np.isfinite(labels)][0]}."]
        if (labels != np.round(labels)).any():
            # The words "Unknown label type" are those of scikit-learn, whose tests look for them.
            return [f"Unknown label type: continuous. {name} must have classes, not measurements."]
    # NumPy drops zero bytes at the end of strings, so that two labels could become one.
    given = y if isinstance(y, list | tuple) else labels.tolist()
    if labels.dtype.kind == "U" and any("\0" in str(label) for label in given):
        return [f"{name} must have labels without zero characters (\\0)."]
    return []


def is_missing(label: Any) -> bool:
    """Return True for None, NaN and the missing values of pandas."""
    return label is None or type(label).__name__ in ("NAType", "NaTType") or bool(label != label)


def _kind(label: Any) -> str:
    """Return the name of a label's type; NumPy types count as the Python types."""
    return type(label.item() if isinstance(label, np.generic) else label).__name__


def check_classes(classes: NDArray[Any], labels: NDArray[Any], n_ok: int) -> None:
    """Raise if there are fewer than two classes."""
    if len(classes) < 2:
        lost = f" ({len(labels) - n_ok} images were left out)" if n_ok < len(labels) else ""
        raise InvalidInputError(
            f"y must have at least two classes. Got {len(classes)} class: {quoted(classes.tolist())} "
            f"in {n_ok} rows{lost}. Add images of another class."
        )


def class_weight_problems(class_weight: Any, known: Sequence[Any]) -> list[str]:
    """Return the problems of class weights, given the classes."""
    if class_weight is None or (isinstance(class_weight, str) and class_weight == "balanced"):
        return []
    if not isinstance(class_weight, Mapping):
        return [
            "class_weight must be a dictionary from labels to positive numbers, 'balanced' or None. "
            f"Got {class_weight!r}."
        ]
    problems = []
    if bad := {label: value for label, value in class_weight.items() if not is_number(value, above=0)}:
        problems.append(f"class_weight must have positive, finite numbers. Got {bad!r}.")
    elif any(not 1e-12 <= value <= 1e12 for value in class_weight.values()):
        problems.append(f"class_weight must have numbers within 1e-12..1e12. Got {dict(class_weight)!r}.")
    if missing := [label for label in known if label not in class_weight]:
        # A class that is missing in y is not an error as such: a fold may lack it.
        strange = [label for label in class_weight if label not in known]
        got = f" It has {quoted(strange)}, which y has not." if strange else ""
        problems.append(f"class_weight must have a weight for each class. Missing: {quoted(missing)}.{got}")
    return problems


def labels_like(y: Any, classes: NDArray[Any], name: str) -> NDArray[Any]:
    """Return labels; raise if they cannot be compared with the classes. Unknown classes are allowed."""
    problems: list[str] = []
    labels = as_labels(y, problems, name)
    strings = labels.dtype.kind == "U"
    if not problems and len(labels) and strings != (classes.dtype.kind == "U"):
        problems.append(
            f"{name} must have labels like {quoted(classes[:3].tolist())}, those of fit. "
            f"Got {'strings' if strings else 'booleans or numbers'}."
        )
    check(problems)
    return labels


def labels_among(y: Any, classes: NDArray[Any], name: str) -> NDArray[Any]:
    """Return labels; raise if one is not among the classes."""
    problems: list[str] = []
    labels = as_labels(y, problems, name)
    if not problems and (unknown := set(labels.tolist()) - set(classes.tolist())):
        problems.append(f"{name} has labels that y has not: {quoted(sorted(unknown, key=str))}.")
    check(problems)
    return labels
