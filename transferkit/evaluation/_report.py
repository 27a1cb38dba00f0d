"""What evaluations and comparisons share: text, HTML, tables of pandas, JSON."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from transferkit.errors import InvalidInputError, MissingDependencyError, quoted
from transferkit.foundation.tables import Table, render_html, render_text
from transferkit.images import Reader

__all__ = ["Report", "name_of_all", "one_of"]


class Report:
    """Something to print, to show in a notebook, and to take further.

    Attributes
    ----------
    reader : transferkit.images.Reader or None
        How the model read the images, where that is known; plots show the same pictures.
    """

    reader: Reader | None = None

    def _tables(self) -> Sequence[Table]:
        """Return what is shown."""
        raise NotImplementedError

    def _records(self) -> list[dict[str, Any]]:
        """Return the rows of `to_frame`."""
        raise NotImplementedError

    def to_frame(self) -> Any:
        """Return the figures as a ``pandas.DataFrame``.

        Where classes, labels or outputs have rows of their own, the rows over all of them are called "all";
        if one of them has that name, these are None.

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
        """Return what is printed."""
        return self._tables()

    def __str__(self) -> str:
        """Return aligned tables."""
        return render_text(*self._tables())

    def _repr_html_(self) -> str:
        """Return tables for a notebook."""
        return render_html(*self._tables())


def name_of_all(names: Iterable[Any]) -> str | None:
    """Return what the rows of all classes are called beside those of each; None where a class is "all"."""
    return None if "all" in map(str, names) else "all"


def one_of(samples: Mapping[str, Any], figure: str) -> Any:
    """Return the resamples of one figure, or say which there are."""
    if figure not in samples:
        raise InvalidInputError(f"figure must be {quoted(samples, 'or')}. Got {figure!r}.")
    return samples[figure]
