"""Check targets with several labels per image, before anything is learned from them.

A matrix of 0 and 1 or of booleans, dense or sparse, has one column per label. A list of lists, tuples or sets
of strings has the names of the labels of each image. Everything else is one label per image.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from transferkit.errors import InvalidInputError, quoted
from transferkit.foundation.arguments import check
from transferkit.tasks._label_checks import as_labels

logger = logging.getLogger("transferkit")
_SET = (list, tuple, set, frozenset)


class LabelSets(NamedTuple):
    """Which labels each image has: 0 and 1 (n, n_labels), and their names (n_labels,)."""

    indicator: NDArray[np.int64]
    names: NDArray[Any]


def dense_labels(y: Any) -> Any:
    """Convert a SciPy sparse matrix to an array; return anything else unchanged."""
    # Recognised by its method, because importing SciPy takes time.
    return y.toarray() if hasattr(y, "toarray") and hasattr(y, "nnz") else y


def is_label_sets(y: Any) -> bool:
    """Return True for a matrix of 0 and 1 with at least two columns, and for lists of names."""
    if _has_names(y):
        return True
    matrix = _matrix(y)
    return matrix is not None and bool(np.isin(matrix, (0, 1)).all())


def as_label_sets(
    y: Any, problems: list[str], name: str = "y", known: NDArray[Any] | None = None
) -> LabelSets:
    """Return which labels each image has; add any problems to the list.

    With ``known`` names, the columns are those of these names.
    """
    if _has_names(y) or (known is not None and _has_nothing(y)):
        return _of_names(y, problems, name, known)
    matrix = _matrix(y)
    if matrix is None or not np.isin(matrix, (0, 1)).all():
        problems.append(
            f"{name} must say which labels each image has: 0 and 1 in a column for each label, or a list of "
            "names for each image."
        )
        return LabelSets(np.zeros((0, 0), np.int64), np.arange(0))
    columns = getattr(y, "columns", None)
    names = (
        np.arange(matrix.shape[1])
        if columns is None
        else as_labels(list(columns), problems, f"{name}.columns")
    )
    indicator = matrix.astype(np.int64)
    if known is None:
        return LabelSets(indicator, names)
    if columns is not None and sorted(names.tolist(), key=str) == sorted(known.tolist(), key=str):
        return LabelSets(indicator[:, [names.tolist().index(label) for label in known.tolist()]], known)
    if len(names) != len(known) or columns is not None:
        problems.append(
            f"{name} must have a column for each of {quoted(known.tolist())}. Got {quoted(names.tolist())}."
            + " If they are in this order, pass y.to_numpy()."
            * (columns is not None and len(names) == len(known))
        )
    return LabelSets(indicator, known)


def label_set_problems(indicator: NDArray[np.int64], names: Sequence[Any]) -> list[str]:
    """Return the problems of labels that all images have, or none, because nothing can be learned of them."""
    if len(set(names)) < len(names):
        return [f"y must have different names of columns. Got {quoted(names)}."]
    counts = indicator.sum(axis=0)
    stuck = [
        (label, count)
        for label, count in zip(names, counts.tolist(), strict=True)
        if count in (0, len(indicator))
    ]
    if not stuck:
        return []
    shown = ", ".join(f"{label!r} in {count}" for label, count in stuck[:10])
    return [
        f"y must have each label in some images and not in others. Of {len(indicator)} images, it has "
        f"{shown}. Leave out these labels, or add images."
    ]


def warn_if_one_hot(indicator: NDArray[np.int64]) -> None:
    """Warn if a matrix looks like one-hot encoded classes, and say how it is used."""
    if len(indicator) and (indicator.sum(axis=1) == 1).all():
        logger.warning(
            "y has exactly one label in each row. They are learned as labels that do not exclude each other. "
            "For classes, which do, pass one label per image, such as y.argmax(axis=1)."
        )


def label_sets_like(y: Any, names: NDArray[Any], name: str) -> NDArray[np.int64]:
    """Return 0 and 1 in one column per label; raise if y has other labels."""
    problems: list[str] = []
    indicator = as_label_sets(y, problems, name, names).indicator
    check(problems)
    return indicator


def check_label_sets(indicator: NDArray[np.int64], names: NDArray[Any]) -> None:
    """Raise if a label cannot be learned from the readable images."""
    if problems := label_set_problems(indicator, names.tolist()):
        raise InvalidInputError(*problems)


def _has_names(y: Any) -> bool:
    """Return True for a list, or an array or column of objects, of lists, tuples or sets with a string."""
    if not (isinstance(y, list | tuple) or (str(getattr(y, "dtype", "")) == "object" and np.ndim(y) == 1)):
        return False
    rows = list(y)
    return all(isinstance(row, _SET) for row in rows) and any(
        isinstance(one, str) for row in rows for one in row
    )


def _has_nothing(y: Any) -> bool:
    """Return True for empty lists, tuples or sets: images without any label, if labels are known."""
    return isinstance(y, list | tuple) and len(y) > 0 and all(isinstance(row, _SET) and not row for row in y)


def _matrix(y: Any) -> NDArray[Any] | None:
    """Return a numeric or boolean matrix with at least two columns, or None for anything else."""
    try:
        matrix = np.asarray(dense_labels(y))
    except ValueError:  # ragged
        return None
    if matrix.ndim != 2 or matrix.shape[1] < 2 or np.ma.is_masked(y):
        return None
    if matrix.dtype == object:
        kinds = {type(one) for one in matrix.ravel().tolist()}
        matrix = matrix.astype(float) if kinds <= {int, bool, float} else matrix
    return matrix if matrix.dtype.kind in "biuf" else None


def _of_names(y: Any, problems: list[str], name: str, known: NDArray[Any] | None) -> LabelSets:
    """Return the labels from lists of names."""
    rows = list(y)
    wrong = [i for i, row in enumerate(rows) if not all(isinstance(one, str) for one in row)]
    if wrong:
        problems.append(f"{name} must have strings as names of labels. Row {wrong[0]} is {rows[wrong[0]]!r}.")
        return LabelSets(np.zeros((len(rows), 0), np.int64), np.arange(0))
    found = sorted({str(one) for row in rows for one in row})
    if known is None:
        names = as_labels(found, problems, f"names in {name}")
        if len(found) < 2:
            problems.append(
                f"{name} must have two labels or more. Got {quoted(found)}. For one, pass True or False per "
                "image."
            )
    else:
        names = known
        if unknown := [one for one in found if one not in set(known.tolist())]:
            whose = "y has not" if name != "y" else "the y of fit has not"
            problems.append(f"{name} has labels that {whose}: {quoted(unknown)}.")
    sets = [set(map(str, row)) for row in rows]
    indicator = np.array([[label in row for label in names.tolist()] for row in sets], dtype=np.int64)
    return LabelSets(indicator.reshape(len(rows), -1), names)
