"""Replace labels of images by those that a person entered in a table."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from transferkit.auditing._corrections import Correction, read_corrections
from transferkit.auditing._csv import from_cell
from transferkit.auditing._data import Data, read_data
from transferkit.auditing._findings import count
from transferkit.auditing._label_words import LabelWords
from transferkit.auditing._relabelled import Change, Relabelled
from transferkit.errors import InvalidInputError
from transferkit.foundation import arguments
from transferkit.images import raise_problems


def relabel(
    csv_path: str | os.PathLike[str],
    X: Any,
    y: Any = None,
    *,
    classes: Sequence[Any] | None = None,
    part: str = "train",
) -> Relabelled:
    """Return images with labels corrected by a table, and the list of changes.

    The table is a CSV file written by ``to_csv`` of :func:`audit` or :func:`next_to_label`, in which somebody
    has filled the column ``new_label``; empty cells change nothing. Any CSV file with the columns ``path``
    and ``new_label`` can be used. Image files are not changed or moved, even if their folders are their
    labels.

    Parameters
    ----------
    csv_path : path
        CSV file in UTF-8, with commas, semicolons or tabs.
    X : sequence of images
        As for ``audit`` or ``fit``. Images are identified by their path, or by their index if they are not
        files.
    y : array-like, shape (n,), optional
        Current labels, one for each image; by default those that X holds. Without labels, only the images
        that have a label in the table are returned.
    classes : sequence, optional
        All labels that may occur. By default those of ``y``; without ``y``, any label.
    part : {"train", "test"}, default="train"
        Which part of the audited images X is; rows of the other part are ignored.

    Returns
    -------
    Relabelled
        ``.X`` and ``.y`` for ``fit``. Print it to see the changes, and the images that are not in X.

    Raises
    ------
    InvalidInputError
        A new label is not in ``classes``; a label has changed since the table was written; two rows
        contradict each other; no image of the table is in X; or the table or the data cannot be used.

    See Also
    --------
    audit : Find labels that are likely to be wrong.

    Examples
    --------
    >>> from transferkit import Classifier, audit, relabel
    >>> audit("photos").to_csv("doubtful.csv", kinds=["label_issue", "two_labels"])  # doctest: +SKIP
    >>> new = relabel("doubtful.csv", "photos")  # once somebody has filled new_label  # doctest: +SKIP
    >>> print(new)                               # doctest: +SKIP
    >>> clf = Classifier().fit(new.X, new.y)     # doctest: +SKIP
    """
    arguments.check(arguments.choice("part", part, ("train", "test")))
    data = read_data(X, y, None, None)
    if data.kind not in (None, "classes"):
        raise InvalidInputError(
            f"y must have one label for each image. Got {data.kind}, whose corrections are not read from "
            "tables."
        )
    corrections = [one for one in read_corrections(csv_path) if one.part in ("", part)]
    place = _Places(data)
    known = data.classes.tolist() if data.classes is not None else None
    words = LabelWords(known if classes is None else list(classes))
    now = LabelWords(known)
    problems: list[str] = []
    found: dict[int, Change] = {}
    unknown: list[str] = []
    for one in corrections:
        rows = place.of(one)
        if not rows:
            unknown.append(one.path or f"#{one.position}")
        for row in rows:
            _add(one, row, data, words, now, found, problems)
    if corrections and len(unknown) == len(corrections):
        problems.append(
            f"none of the {count(len(unknown), 'image')} with a new label is in X; the first is "
            f"{unknown[0]!r}, the first of X {place.first!r}. Pass the X of the audit"
        )
    raise_problems(Path(csv_path), problems)
    return _relabelled(data, found, unknown)


class _Places:
    """Find images by their path or position in a table."""

    def __init__(self, data: Data) -> None:
        self._n = len(data)
        self._by_path: dict[str, list[int]] = {}
        self._by_place: dict[str, list[int]] = {}
        for row in range(self._n):
            if (path := data.path(row)) is not None:
                self._by_path.setdefault(path, []).append(row)
                self._by_place.setdefault(_absolute(path), []).append(row)
        self.first = next(iter(self._by_path), f"no file, but a {type(data.items[0]).__name__}")

    def of(self, one: Correction) -> list[int]:
        """Return the rows of an image; several if X has its file several times."""
        if one.path:
            # First as audits write names, then unchanged, then as people type them.
            names = from_cell(one.cell), one.cell, one.path, one.cell.strip()
            found = (self._by_path.get(name) or self._by_place.get(_absolute(name)) for name in names)
            return next((rows for rows in found if rows), [])
        return [one.position] if one.position is not None and one.position < self._n else []


def _absolute(path: str) -> str:
    return os.path.normcase(os.path.abspath(path))  # noqa: PTH100 - links are not followed


def _add(
    one: Correction,
    row: int,
    data: Data,
    words: LabelWords,
    now: LabelWords,
    found: dict[int, Change],
    problems: list[str],
) -> None:
    """Add a change, even if the label stays the same; or add what is wrong with it to the problems."""
    name, has = one.path or f"image {one.position}", data.labels[row]
    new = words.find(one.new)
    if new is None:
        problems.append(
            f"row {one.row}, {name}: {words.unknown(one.new)} For a new class, pass classes= with all"
        )
        return
    given = now.find(one.given) if one.given else None
    if has is not None and one.given and given != has and new != has:
        problems.append(
            f"row {one.row}, {name}: its label was {one.given!r} when the table was made, and is {has!r} in "
            "y. Audit anew, or pass the labels of that audit"
        )
    earlier = found.get(row)
    if earlier is not None and earlier.after != new:
        problems.append(
            f"rows {earlier.row} and {one.row}, {name}: {earlier.after!r} and {new!r}. Keep one of them"
        )
    found.setdefault(row, Change(row, data.path(row), has, new, one.row))


def _relabelled(data: Data, found: dict[int, Change], unknown: list[str]) -> Relabelled:
    labels = list(data.labels)
    for change in found.values():
        labels[change.index] = change.after
    rows = [row for row, label in enumerate(labels) if label is not None]
    changes = [change for change in found.values() if change.before != change.after]
    return Relabelled(
        [data.items[row] for row in rows],
        np.array([labels[row] for row in rows]),
        np.array(rows, dtype=np.int64),
        changes,
        n_same=len(found) - len(changes),
        unknown=unknown,
        before=dict(Counter(label for label in data.labels if label is not None)),
    )
