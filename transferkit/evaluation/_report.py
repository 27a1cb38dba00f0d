"""Base class of evaluations and comparisons: output as text, HTML, pandas tables and JSON."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from transferkit.errors import InvalidInputError, MissingDependencyError, quoted
from transferkit.foundation.tables import Table, render_html, render_text
from transferkit.images import Reader

__all__ = ["Report", "name_of_all", "one_of"]


class Report:
    """A result that can be printed, shown in a notebook, and converted.

    Attributes
    ----------
    reader : transferkit.images.Reader or None
        How the model read the images, if known, so that plots show the same pictures.
    """

    reader: Reader | None = None

    def _tables(self) -> Sequence[Table]:
        """Return the tables to show."""
        raise NotImplementedError

    def _records(self) -> list[dict[str, Any]]:
        """Return the rows of `to_frame`."""
        raise NotImplementedError

    def to_frame(self) -> Any:
        """Return the figures as a ``pandas.DataFrame``.

        If there are rows for each class, label or output, the rows over all of them are named "all", or None
        if one of them is itself named "all".

        Raises
        ------
        MissingDependencyError
            pandas is not installed.
        """
        try:
            pandas = importlib.import_module("pandas")
        except ImportError as error:
            raise MissingDependencyError("pandas", "tables", "to_frame()") from error
        return pandas.DataFrame(self._records())

    def tables(self) -> Sequence[Table]:
        """Return the tables that are printed."""
        return self._tables()

    def __str__(self) -> str:
        """Return aligned tables."""
        return render_text(*self._tables())

    def _repr_html_(self) -> str:
        """Return tables for a notebook."""
        return render_html(*self._tables())


def name_of_all(names: Iterable[Any]) -> str | None:
    """Return the name of rows over all classes: "all", or None if a class has that name."""
    return None if "all" in map(str, names) else "all"


def one_of(samples: Mapping[str, Any], figure: str) -> Any:
    """Return the resamples of one figure; raise if there is no such figure."""
    if figure not in samples:
        raise InvalidInputError(f"figure must be {quoted(samples, 'or')}. Got {figure!r}.")
    return samples[figure]
