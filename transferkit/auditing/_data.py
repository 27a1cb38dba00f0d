"""The data of an audit: images with labels and groups, training images before test images."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.auditing._findings import Finding
from transferkit.datasets import labelled_images
from transferkit.errors import InvalidInputError, gather
from transferkit.evaluation import image_names
from transferkit.foundation.arguments import check
from transferkit.images import as_collection, is_side_file, local_path
from transferkit.tasks import as_groups, as_label_sets, as_labels, check_lengths, guess_kind


@dataclass(frozen=True)
class Data:
    """All images of an audit, in one list.

    Attributes
    ----------
    items : list
        Training images, then test images.
    n_train : int
        Number of training images.
    kind : {"classes", "labels", "values", "points"} or None
        Kind of the targets; None without targets.
    labels : list
        Label of each image, or None; several labels are joined to one text.
    groups : list or None
        The caller's groups; an entry is None if the groups of its part were not passed.
    """

    items: list[Any]
    n_train: int
    kind: str | None
    labels: list[Any]
    groups: list[Any] | None
    names: list[str] = field(repr=False)

    def __len__(self) -> int:
        return len(self.items)

    @property
    def classes(self) -> NDArray[Any] | None:
        """Labels of the training images, sorted; None unless each image has exactly one label."""
        return np.unique(np.array(self.labels[: self.n_train])) if self.kind == "classes" else None

    @property
    def train_groups(self) -> list[Any] | None:
        """The caller's groups of the training images; None if they were not passed."""
        groups = None if self.groups is None else self.groups[: self.n_train]
        return None if groups is None or all(group is None for group in groups) else groups

    def part(self, row: int) -> str:
        """Return which part an image belongs to."""
        return "train" if row < self.n_train else "test"

    def index(self, row: int) -> int:
        """Return the position of an image in its part."""
        return row if row < self.n_train else row - self.n_train

    def path(self, row: int) -> str | None:
        """Return the file of an image."""
        return path_of(self.items[row])

    def finding(
        self, kind: str, severity: str, what: str, row: int, other: int | None = None, **more: Any
    ) -> Finding:
        """Return a finding about an image or a pair of images."""
        pair = {} if other is None else {
            "other_part": self.part(other), "other_index": self.index(other),
            "other_path": self.path(other), "other_label": self.labels[other],
        }  # fmt: skip
        return Finding(
            kind,
            severity,
            what,
            self.part(row),
            self.index(row),
            self.path(row),
            self.labels[row],
            **pair,
            **more,
        )


def path_of(item: Any) -> str | None:
    """Return the file of an image, as it was passed; None if the image is not a file."""
    return os.fsdecode(item) if isinstance(item, str | os.PathLike) else None


def read_data(X: Any, y: Any, groups: Any, test: Any) -> Data:
    """Return checked data; parameters and errors as for ``audit``."""
    problems: list[str] = []
    items, y = _images(X, y)
    kind = None if y is None else guess_kind(y)
    labels = _labels(y, kind, len(items), problems)
    own = _groups(groups, len(items), problems)
    n_train = len(items)
    X_test, y_test, groups_test = _test(test)
    if X_test is not None:
        others, y_test = _images(X_test, y_test)
        kind_test = None if y_test is None else guess_kind(y_test)
        if (
            kind is not None
            and kind_test is not None
            and "classes" in (kind, kind_test)
            and kind != kind_test
        ):
            problems.append(f"test has {kind_test} and y has {kind}. Pass targets of one kind.")
        found: list[str] = []
        labels += _labels(y_test, kind_test, len(others), found)
        of_test = _groups(groups_test, len(others), found)
        problems += [f"test: {problem}" for problem in found]
        own = None if own is None and of_test is None else [
            *(own or [None] * n_train), *(of_test or [None] * len(others))
        ]  # fmt: skip
        items = [*items, *others]
    check(problems)
    return Data(items, n_train, kind, labels, own, image_names(items))


def _images(X: Any, y: Any) -> tuple[list[Any], Any]:
    """Return images and labels; a folder without sub-folders has none."""
    path = local_path(X) if y is None else None
    is_folder = path is not None and os.path.isdir(path)  # noqa: PTH112 - of any length
    if path is not None and is_folder and not _has_folders(Path(path)):
        return as_collection(X), None
    return labelled_images(X, y)


def _has_folders(folder: Path) -> bool:
    return any(entry.is_dir() and not is_side_file(entry) for entry in folder.iterdir())


def _test(test: Any) -> tuple[Any, Any, Any]:
    """Return images, labels and groups of the test."""
    if not isinstance(test, tuple):
        return test, None, None
    if len(test) not in (2, 3):
        raise InvalidInputError(
            "test must be the images of the test, or a tuple (X_test, y_test) or (X_test, y_test, groups). "
            f"Got a tuple of {len(test)}. Pass images in a list."
        )
    return (*test, *[None] * (3 - len(test)))


def _labels(y: Any, kind: str | None, n: int, problems: list[str]) -> list[Any]:
    """Return the label of each image; None for each if the targets are numbers."""
    if kind == "classes":
        labels = as_labels(y, problems)
        check_lengths(n, labels, problems)
        return labels.tolist()
    if kind == "labels":
        sets = gather(problems, lambda: as_label_sets(y, problems))
        if sets is None:
            return [None] * n
        check_lengths(n, sets.indicator, problems)
        return [", ".join(map(str, sets.names[row.astype(bool)])) for row in sets.indicator]
    if kind is not None:
        check_lengths(n, y, problems, unit="target")
    return [None] * n


def _groups(groups: Any, n: int, problems: list[str]) -> list[Any] | None:
    if groups is None:
        return None
    as_groups(groups, n, problems)
    return np.asarray(groups).tolist()
