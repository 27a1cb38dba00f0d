"""Images to label next, as a table, a CSV file to fill, or a plot."""

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
        File of the image, as it was passed; None if it is not a file.
    predicted : object
        The most probable label; with several labels per image, a tuple of the predicted ones.
    score : float
        Uncertainty of the model, from 0 to 1.
    """

    index: int
    path: str | None
    predicted: Any
    score: float


@dataclass(frozen=True)
class Suggestions:
    """Images to label next, returned by `transferkit.next_to_label`; print it for a table.

    Attributes
    ----------
    items : list of Suggestion
        The images, the most useful first.
    images : list
        The images themselves, as they were passed, in the same order.
    probabilities : ndarray of float64, shape (n, n_classes)
        Probability of each label, predicted by the model.
    classes : ndarray, shape (n_classes,)
        Labels of the model.
    n_images : int
        Number of images that were passed.
    n_known : int
        Number of these that the model has learned from, or that are exact copies of others.
    n_unreadable : int
        Number of these that cannot be read.
    reader : transferkit.images.Reader
        How the model reads the images, so that plots show the same pictures.
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
        """Return a dictionary for each image.

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
        """Write the images to a CSV file, one per row, with an empty column ``new_label``.

        Fill this column, then pass the file to :func:`relabel`.

        Parameters
        ----------
        path : path
            File to write. An existing file is replaced, unless it contains new labels or cannot be read.

        Raises
        ------
        InvalidInputError
            The existing file has new labels or cannot be read.
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
        """Plot the images, each with its predicted label.

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
        """Return the tables that are printed."""
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
