"""An array of numbers that knows the names of its columns, as a table does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


class NamedColumns(np.ndarray[Any, Any]):
    """An array of shape (n, k) with ``columns``, which a model learns, and compares with those of other data.

    Rows that are taken from it have the same columns.
    """

    columns: tuple[str, ...] | None = None

    def __array_finalize__(self, origin: Any) -> None:
        """Take over the names of the array that this one is made from, unless its columns are others."""
        names = getattr(origin, "columns", None)
        if names is not None and self.ndim == 2 and self.shape[1] == len(names):
            self.columns = names


def with_names(values: NDArray[Any], names: Sequence[str]) -> NDArray[Any]:
    """Return numbers with the names of their columns."""
    named = values.view(NamedColumns)
    named.columns = tuple(names)
    return named
