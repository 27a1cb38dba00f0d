"""The data of a comparison, checked before any work starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.comparison._candidates import image_estimator
from transferkit.datasets import labelled_images
from transferkit.errors import InvalidInputError, gather, quoted
from transferkit.estimators import KeypointRegressor
from transferkit.evaluation import KINDS
from transferkit.extraction import is_precomputed
from transferkit.keypoints import frames_of_boxes
from transferkit.tasks import as_groups, as_label_sets, check_classes, check_lengths

Rows = NDArray[np.int64]


class _Named(np.ndarray):
    """An array of 0 and 1 for several labels, with the names of the labels if a data frame has them."""

    columns: list[Any]


@dataclass(frozen=True)
class Data:
    """Images or features, with targets, groups and boxes.

    Attributes
    ----------
    items : list, or array of features
    targets : ndarray
        Labels (n,); 0 and 1 (n, k) for several labels per image; points (n, p, 2); or numbers (n,) or (n, k).
    kind : str
        See :mod:`transferkit.evaluation`.
    groups : ndarray, shape (n,), or None
    names : ndarray, shape (k,), or None
        Names of the labels, if there are several per image.
    boxes : ndarray, shape (n, 4), or None
        Boxes of the subjects.
    """

    items: Any
    targets: NDArray[Any]
    kind: str
    groups: NDArray[Any] | None
    names: NDArray[Any] | None = None
    boxes: NDArray[np.float64] | None = None

    @property
    def where(self) -> dict[str, Any]:
        """Boxes as an argument of ``fit`` and ``predict``, if there are any."""
        return {} if self.boxes is None else {"boxes": self.boxes}

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.targets)

    @property
    def labels(self) -> NDArray[Any] | None:
        """Labels to stratify by; None for points and numbers."""
        return self.targets if self.kind == "classes" else None

    def take(self, rows: Rows) -> Data:
        """Return some of the images."""
        if isinstance(self.items, Sequence):
            items: Any = [self.items[row] for row in rows]
        else:
            items = self.items.iloc[rows] if hasattr(self.items, "iloc") else self.items[rows]
        groups = None if self.groups is None else self.groups[rows]
        boxes = None if self.boxes is None else self.boxes[rows]
        return replace(self, items=items, targets=self.targets[rows], groups=groups, boxes=boxes)

    @property
    def learned(self) -> NDArray[Any]:
        """Targets as our estimators take them; several labels with their names, which parameters may use."""
        if self.kind == "points":
            return self.targets.reshape(len(self), -1)
        if self.names is None:
            return self.targets
        named = self.targets.view(_Named)
        named.columns = self.names.tolist()
        return named

    @property
    def classes(self) -> NDArray[Any] | None:
        """Names of classes or of several labels."""
        return self.names if self.labels is None else np.unique(self.labels)


def _takes_boxes(estimator: Any) -> bool:
    return isinstance(estimator, KeypointRegressor) and not is_precomputed(estimator.backbone)


def check_data(
    candidates: Mapping[str, Any], X: Any, y: Any, groups: Any, boxes: Any, kind: str, problems: list[str]
) -> Data:
    """Return checked data; parameters as for `compare`, problems are those found so far."""
    ours = [one for one in map(image_estimator, candidates.values()) if one is not None]
    looks = not all(is_precomputed(one.backbone) for one in ours)
    items, y = labelled_images(X, y) if looks or isinstance(X, list | tuple) else (X, y)
    targets = KINDS[kind].read(y, problems, None)
    check_lengths(len(items), targets, problems, unit=KINDS[kind].unit)
    if groups is not None:
        as_groups(groups, len(items), problems)
    if boxes is not None:
        others = [name for name, one in candidates.items() if not _takes_boxes(image_estimator(one))]
        if others:
            problems.append(f"boxes are for KeypointRegressors on images, which {quoted(others)} are not.")
        gather(problems, lambda: frames_of_boxes(boxes, len(items)))
    if problems:
        raise InvalidInputError(*problems)
    if kind == "classes":
        check_classes(np.unique(targets), targets, len(targets))
    names = as_label_sets(y, []).names if kind == "labels" else None
    places = None if boxes is None else np.asarray(boxes, dtype=np.float64)
    return Data(items, targets, kind, None if groups is None else np.asarray(groups), names, places)
