"""Images to label next, as a table, a CSV to fill, or a sheet of pictures."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.auditing._corrections import NEW_LABEL, check_unfilled
from transferkit.auditing._csv import write_table
from transferkit.auditing._findings import count
from transferkit.foundation.tables import Table, render_html, render_text
from transferkit.images import Reader

_SHOWN = 20  # rows that are printed


@dataclass(frozen=True)
class Suggestion:
    """An image to label.

    Attributes
    ----------
    index : int
        Position in the X that was passed.
    path : str or None
        Its file, as it was passed; None for what is no file.
    predicted : object
        The most probable label; of several labels, a tuple of those that are predicted.
    score : float
        How unsure the model is of it, from 0 to 1.
    """

    index: int
    path: str | None
    predicted: Any
    score: float


@dataclass(frozen=True)
class Suggestions:
    """Images to label next, the most useful first. Print them.

    Attributes
    ----------
    items : list of Suggestion
    images : list
        The images themselves, as they were passed, in the same order.
    probabilities : ndarray of float64, shape (n, n_classes)
        Of each label, by the model.
    classes : ndarray, shape (n_classes,)
    n_images : int
        Images that were passed.
    n_known : int
        Those among them that the model has learned from, or that repeat another byte for byte.
    n_unreadable : int
        Those that cannot be read.
    reader : transferkit.images.Reader
        How the model reads them; plots show the same pictures.
    """

    items: list[Suggestion]
    images: list[Any] = field(repr=False)
    probabilities: NDArray[np.float64] = field(repr=False)
    classes: NDArray[Any]
    n_images: int
    n_known: int
    n_unreadable: int
    reader: Reader = field(default=Reader(), repr=False)

    @property
    def indices(self) -> NDArray[np.int64]:
        """Positions in the X that was passed, shape (n,)."""
        return np.array([item.index for item in self.items], dtype=np.int64)

    def to_rows(self) -> list[dict[str, Any]]:
        """Return one row for each image.

        Returns
        -------
        list of dict
            The attributes of :class:`Suggestion` by name, and the probability of each label.
        """
        names = [f"p_{label}" for label in self.classes.tolist()]
        return [
            {**asdict(item), **dict(zip(names, chances, strict=True))}
            for item, chances in zip(self.items, self.probabilities.tolist(), strict=True)
        ]

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write a row for each image, with an empty column ``new_label`` for :func:`relabel`.

        Parameters
        ----------
        path : path
            Replaced if it exists, unless somebody has filled new labels in it, or it cannot be read.

        Raises
        ------
        InvalidInputError
            The file has filled new labels, or cannot be read.
        OSError
            The file cannot be written.
        """
        check_unfilled(path)
        columns = ["path", "index", NEW_LABEL, "predicted", "score"]
        columns += [f"p_{label}" for label in self.classes.tolist()]
        rows = self.to_rows()
        for row in rows:
            if isinstance(row["predicted"], tuple):  # several labels, as read_table reads them
                row["predicted"] = ";".join(map(str, row["predicted"]))
        write_table(path, columns, rows)

    def plot(self, **options: Any) -> Any:
        """Plot the images, each with what the model takes it for.

        Parameters
        ----------
        **options
            As for :func:`transferkit.plots.plot_to_label`.

        Returns
        -------
        ndarray of matplotlib Axes
        """
        from transferkit.plots import plot_to_label

        return plot_to_label(self, **options)

    def tables(self) -> list[Table]:
        """Return what is printed."""
        title = f"{count(len(self.items), 'image')} of {self.n_images:,} to label next"
        lines = [
            [item.path or f"#{item.index}", str(item.predicted), f"{item.score:.2f}"]
            for item in self.items[:_SHOWN]
        ]
        left = len(self.items) - _SHOWN
        notes = [f"And {left:,} more: .items."] if left > 0 else []
        if self.n_known:
            notes.append(f"Left out, as the model knows them or they repeat others: {self.n_known:,}.")
        if self.n_unreadable:
            notes.append(f"Left out, as they cannot be read: {self.n_unreadable:,}.")
        return [Table(("image", "taken for", "unsure"), lines, title=title, notes=notes, left=(0, 1))]

    def __len__(self) -> int:
        return len(self.items)

    def __str__(self) -> str:
        """Return an aligned table."""
        return render_text(*self.tables())

    def _repr_html_(self) -> str:
        """Return a table for a notebook."""
        return render_html(*self.tables())
