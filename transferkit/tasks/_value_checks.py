"""Check the numbers of a regression before anything is learned from them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.errors import InvalidInputError, quoted
from transferkit.foundation.arguments import check
from transferkit.tasks.values import Values


def as_values(y: Any, problems: list[str], name: str = "y") -> NDArray[np.float64]:
    """Return numbers (n,) or (n, k), NaN if missing or masked; add any problems to the list."""
    nothing = np.empty(0)
    if y is None or isinstance(y, str | bytes):
        # scikit-learn's tests look for the words "requires y to be passed".
        problems.append(
            f"One number per image requires y to be passed, but the target y is {y!r}."
            if name == "y"
            else f"{name} must have one number per image. Got {y!r}."
        )
        return nothing
    try:
        given = y if np.ma.isMaskedArray(y) else np.asarray(y)
        if given.dtype.kind in "cMmVSUT":
            raise TypeError(f"their type is {given.dtype}, not numbers")
        values = np.array(given, dtype=np.float64)
        values[np.ma.getmaskarray(given)] = np.nan
    except (TypeError, ValueError) as error:
        problems.append(
            f"{name} must be one array of numbers, of shape (n,) or (n, n_outputs): {error}. "
            "Pass numbers, with NaN for a missing one."
        )
        return nothing
    if values.ndim not in (1, 2) or 0 in values.shape[1:]:
        problems.append(f"{name} must have shape (n,) or (n, n_outputs). Got {values.shape}.")
        return values.reshape(-1)
    infinite = np.argwhere(np.isinf(values))
    if len(infinite):
        problems.append(f"{name} has an infinite number in row {infinite[0][0]}. Use NaN for a missing one.")
    return values


def check_values(values: NDArray[np.float64], n_rows: int) -> None:
    """Raise unless each output has a number in at least one training image."""
    absent = np.flatnonzero(~np.isfinite(values.reshape(len(values), -1)).any(axis=0))
    if len(absent):
        lost = f" ({n_rows - len(values)} images were left out)" if len(values) < n_rows else ""
        raise InvalidInputError(
            f"y must have a number for each output in one image at least. All {len(values)} are missing in "
            f"column {', '.join(map(str, absent[:10].tolist()))}{lost}. Leave it out."
        )


def values_like(y: Any, task: Values, name: str) -> NDArray[np.float64]:
    """Return numbers; raise unless there are as many per image as the task has outputs."""
    problems: list[str] = []
    values = as_values(y, problems, name)
    n = int(np.prod(values.shape[1:]))
    if not problems and n != task.n_outputs:
        problems.append(f"{name} has {n} values in a row but the y of fit has {task.n_outputs}.")
    else:
        problems += column_problems(y, task.names, name)
    check(problems)
    return values


def column_problems(y: Any, known: tuple[str, ...] | None, name: str) -> list[str]:
    """Return a problem if the columns of a table, or their order, differ from those in ``fit``."""
    names = column_names(y)
    if names is None or known is None or names == known:
        return []
    return [
        f"{name} has the columns {quoted(names)} but the y of fit has {quoted(known)}. Pass the same columns "
        "in the same order."
    ]


def column_names(y: Any) -> tuple[str, ...] | None:
    """Return the names of the columns of a table as strings, or None if this is not a table."""
    columns = getattr(y, "columns", None)
    return None if columns is None else tuple(map(str, columns))
