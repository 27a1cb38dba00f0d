"""Images with corrected labels, and the list of changes."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.auditing._findings import count
from transferkit.foundation.tables import Table, render_html, render_text

_SHOWN = 20  # changes that are printed


@dataclass(frozen=True)
class Change:
    """A label that was changed.

    Attributes
    ----------
    index : int
        Position in the X that was passed.
    path : str or None
        File of the image; None if it is not a file.
    before : label or None
        Old label; None if the image had none.
    after : label
        New label.
    row : int
        Row of the table, as a spreadsheet numbers it.
    """

    index: int
    path: str | None
    before: Any
    after: Any
    row: int


@dataclass(frozen=True)
class Relabelled:
    """Images with corrected labels, returned by `transferkit.relabel`; print it to see the changes.

    Attributes
    ----------
    X : list
        All images that were passed, in their order; without ``y``, only those that have a label now.
    y : ndarray, shape (n,)
        Labels of these images.
    rows : ndarray of int64, shape (n,)
        Positions of these images in the X that was passed.
    changes : list of Change
        Changed labels, in the order of the table.
    n_same : int
        Number of labels in the table that are the same as before.
    unknown : list of str
        Images in the table that are not in X.
    before : dict of label to int
        Number of images of each class before the correction.
    """

    X: list[Any] = field(repr=False)
    y: NDArray[Any] = field(repr=False)
    rows: NDArray[np.int64] = field(repr=False)
    changes: list[Change]
    n_same: int
    unknown: list[str]
    before: dict[Any, int]

    @property
    def after(self) -> dict[Any, int]:
        """Number of images of each class after the correction."""
        return dict(Counter(self.y.tolist()))

    def to_rows(self) -> list[dict[str, Any]]:
        """Return a dictionary for each change.

        Returns
        -------
        list of dict
            The attributes of :class:`Change` by name.
        """
        return [asdict(change) for change in self.changes]

    def tables(self) -> list[Table]:
        """Return the tables that are printed: the changes, and the number of images of each class."""
        title = f"{count(len(self.changes), 'label')} of {count(len(self.X), 'image')} changed"
        notes = [f"{count(self.n_same, 'label')} in the table: as before."] if self.n_same else []
        if self.unknown:
            names = ", ".join(self.unknown[:3]) + (", ..." if len(self.unknown) > 3 else "")
            notes.append(f"{count(len(self.unknown), 'image')} of the table not in X: {names}.")
        left = len(self.changes) - _SHOWN
        notes += [f"And {left:,} more: .changes."] if left > 0 else []
        lines = [_line(change) for change in self.changes[:_SHOWN]]
        changes = Table(("image", "from", "to"), lines, title=title, notes=notes, left=(0, 1, 2))
        if not self.changes:
            return [Table(("",), [], title=title, notes=notes)]
        after = self.after
        counts = [[str(label), f"{self.before.get(label, 0):,}", f"{after.get(label, 0):,}"]
                  for label in _ordered({**self.before, **after})]  # fmt: skip
        return [changes, Table(("class", "before", "after"), counts)]

    def __str__(self) -> str:
        """Return aligned tables."""
        return render_text(*self.tables())

    def _repr_html_(self) -> str:
        """Return tables for a notebook."""
        return render_html(*self.tables())


def _line(change: Change) -> list[str]:
    before = "" if change.before is None else str(change.before)
    return [change.path or f"#{change.index}", before, str(change.after)]


def _ordered(labels: dict[Any, Any]) -> list[Any]:
    try:
        return sorted(labels)
    except TypeError:
        return list(labels)
