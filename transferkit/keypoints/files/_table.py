"""What every reader of keypoints returns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from transferkit.errors import InvalidInputError
from transferkit.keypoints._layouts import as_points
from transferkit.keypoints._names import Pairs, mirror_pairs_by_name

__all__ = ["KeypointTable"]


@dataclass(frozen=True, eq=False)
class KeypointTable:
    """Image files and their keypoints, one row for each subject.

    It unpacks into ``paths, keypoints``.

    Attributes
    ----------
    paths : list of Path
        The image of each row; of several subjects in one image, the same path again.
    keypoints : ndarray of float64, shape (n, k, 2)
        (x, y) in pixels of the image; NaN is a missing point. From a plain CSV file, whose columns are
        ``x0, y0, x1, y1, ...``, of shape (n, 2 * k).
    names : tuple of str or None
        Of the points.
    skeleton : tuple of (int, int)
        Points that a line connects; empty if the file says nothing of it.
    mirror_pairs : tuple of (int, int)
        Points that swap when the image is mirrored, for ``KeypointRegressor(mirror_pairs=)``. By default
        found by their names, such as ``left_eye`` and ``right_eye``; empty if there are none.
    boxes : ndarray of float64, shape (n, 4), or None
        Left, top, right and bottom edge of each subject, in pixels; NaN where it is unknown.
    groups : ndarray of str, shape (n,), or None
        Rows that must stay on the same side of a split, for ``fit(groups=)``: frames of one video, subjects
        of one image.
    likelihood : ndarray of float64, shape (n, k), or None
        Between 0 and 1, as the model that made the file states it.
    visibility : ndarray of int, shape (n, k), or None
        As in COCO: 0 is not labelled, 1 labelled but hidden, 2 visible.
    folder : Path or None
        What file names are relative to when the table is written.
    """

    paths: list[Path]
    keypoints: npt.NDArray[np.float64]
    names: tuple[str, ...] | None = None
    skeleton: Pairs = ()
    mirror_pairs: Pairs | None = None
    boxes: npt.NDArray[np.float64] | None = None
    groups: npt.NDArray[np.str_] | None = None
    likelihood: npt.NDArray[np.float64] | None = None
    visibility: npt.NDArray[np.int64] | None = None
    folder: Path | None = None

    def __post_init__(self) -> None:
        """Check that the rows and the points agree."""
        object.__setattr__(self, "paths", [Path(path) for path in self.paths])
        if self.mirror_pairs is None:
            object.__setattr__(self, "mirror_pairs", mirror_pairs_by_name(self.names or ()))
        shape = as_points(self.keypoints).shape[:2] if len(self.paths) else (0, 0)
        if len(self.paths) != shape[0]:
            raise InvalidInputError(
                f"keypoints have {shape[0]} rows but there are {len(self.paths)} paths. Each path needs "
                "a row; repeat the path for several subjects in one image."
            )
        object.__setattr__(self, "keypoints", np.asarray(self.keypoints, dtype=np.float64))
        if self.names is not None and len(self.names) != shape[1]:
            raise InvalidInputError(f"names has {len(self.names)} names but there are {shape[1]} points.")

    def __iter__(self) -> Iterator[Any]:
        """Unpack into paths and keypoints."""
        return iter((self.paths, self.keypoints))

    def take(self, rows: Sequence[int] | npt.NDArray[Any]) -> KeypointTable:
        """Return a table of these rows; a boolean mask will do."""
        chosen = np.arange(len(self.paths))[np.asarray(rows)]
        columns = {
            field.name: value[chosen]
            for field in fields(self)
            if isinstance(value := getattr(self, field.name), np.ndarray)
        }
        return replace(self, paths=[self.paths[row] for row in chosen], **columns)

    def with_keypoints(
        self, keypoints: npt.ArrayLike, *, likelihood: npt.ArrayLike | None = None
    ) -> KeypointTable:
        """Return a table with other keypoints, such as predicted ones, in either layout.

        Boxes and names stay; likelihood and visibility, which belong to the points, do not.

        Parameters
        ----------
        keypoints : array-like, shape (n, 2 * k) or (n, k, 2)
        likelihood : array-like, shape (n, k), optional
            Of these points, such as :func:`transferkit.keypoints.likelihood_within` gives.
        """
        points = np.asarray(keypoints, dtype=np.float64)
        if likelihood is not None:
            likelihood = np.asarray(likelihood, dtype=np.float64)
            expected = as_points(points).shape[:2]
            if likelihood.shape != expected or not ((likelihood >= 0) & (likelihood <= 1)).all():
                raise InvalidInputError(
                    f"likelihood must be numbers in 0..1 of shape {expected}, one for each point. "
                    f"Got shape {likelihood.shape}."
                )
        return replace(self, keypoints=points, likelihood=likelihood, visibility=None)
