"""An array of numbers that knows the names of its columns, as a table does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


class NamedColumns(np.ndarray[Any, Any]):
    """An array of shape (n, k) with ``columns``: their names, by which a model checks other data.

    Rows taken from it have the same columns.
    """

    columns: tuple[str, ...] | None = None

    def __array_finalize__(self, origin: Any) -> None:
        """Copy the names from the source array, unless the number of columns differs."""
        names = getattr(origin, "columns", None)
        if names is not None and self.ndim == 2 and self.shape[1] == len(names):
            self.columns = names


def with_names(values: NDArray[Any], names: Sequence[str]) -> NDArray[Any]:
    """Return numbers with the names of their columns."""
    named = values.view(NamedColumns)
    named.columns = tuple(names)
    return named
