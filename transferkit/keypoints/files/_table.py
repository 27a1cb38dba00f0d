"""``KeypointTable``, which all readers of keypoints return."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from transferkit.errors import InvalidInputError, quoted
from transferkit.keypoints._layouts import as_points
from transferkit.keypoints._names import Pairs, mirror_pairs_by_name, without_partner

__all__ = ["KeypointTable"]

_logger = logging.getLogger("transferkit")


@dataclass(frozen=True, eq=False)
class KeypointTable:
    """Image files and their keypoints, with a row for each subject.

    It unpacks to ``paths, keypoints``.

    Attributes
    ----------
    paths : list of Path
        Image file of each row; repeated for several subjects in one image.
    keypoints : ndarray of float64, shape (n, k, 2)
        (x, y) in pixels of the image; NaN is a missing point. From a plain CSV file, whose columns are
        ``x0, y0, x1, y1, ...``, of shape (n, 2 * k).
    names : tuple of str or None
        Names of the points.
    skeleton : tuple of (int, int)
        Pairs of points to connect by lines; empty if the file has none.
    mirror_pairs : tuple of (int, int)
        Points that swap when the image is mirrored, for ``KeypointRegressor(mirror_pairs=)``. By default
        found by their names, such as ``left_eye`` and ``right_eye``; empty if there are none, or if a name
        with a side has no partner, which is logged.
    boxes : ndarray of float64, shape (n, 4), or None
        Left, top, right and bottom edge of each subject, in pixels; NaN if unknown.
    groups : ndarray of str, shape (n,), or None
        Group of each row, for ``fit(groups=)``: frames of one video, or subjects of one image, must not be
        separated by a split.
    individuals : ndarray of str, shape (n,), or None
        Name of the subject within its image, if the labelling tool has such names.
    likelihood : ndarray of float64, shape (n, k), or None
        Likelihood of each point between 0 and 1, as stated by the model that made the file.
    visibility : ndarray of int, shape (n, k), or None
        Visibility as in COCO: 0 is not labelled, 1 labelled but hidden, 2 visible.
    folder : Path or None
        Folder that file names are relative to when the table is written.

    Raises
    ------
    InvalidInputError
        Columns differ in length, or two rows are the same individual in one image.
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
    individuals: npt.NDArray[np.str_] | None = None

    def __post_init__(self) -> None:
        """Check that the rows and the points agree."""
        object.__setattr__(self, "paths", [Path(path) for path in self.paths])
        if self.mirror_pairs is None:
            names = self.names or ()
            object.__setattr__(self, "mirror_pairs", mirror_pairs_by_name(names))
            if alone := without_partner(names):
                _logger.warning(
                    f"Points of a table: {quoted(alone)} of one side have no partner of the other side, so "
                    "mirror_pairs is empty, and models learn from no mirror images. Pass mirror_pairs= to "
                    "KeypointRegressor if points are named otherwise."
                )
        shape = as_points(self.keypoints).shape[:2] if len(self.paths) else (0, 0)
        if len(self.paths) != shape[0]:
            raise InvalidInputError(
                f"keypoints have {shape[0]} rows but there are {len(self.paths)} paths. Each path needs "
                "a row; repeat the path for several subjects in one image."
            )
        object.__setattr__(self, "keypoints", _filled(self.keypoints))
        if self.names is not None and len(self.paths) and len(self.names) != shape[1]:
            raise InvalidInputError(f"names has {len(self.names)} names but there are {shape[1]} points.")
        for name, (dtype, width) in _columns(shape[1]).items():
            self._check_column(name, dtype, (shape[0], *width))
        if self.individuals is not None:
            each = list(zip(self.paths, self.individuals.tolist(), strict=True))
            if len(set(each)) < len(each):
                path, individual = next(one for one in each if each.count(one) > 1)
                raise InvalidInputError(
                    f"individuals must be different in each image. {path} has {individual!r} twice; keep one "
                    "of these rows."
                )

    def _check_column(self, name: str, dtype: type, shape: tuple[int, ...]) -> None:
        """Convert a column, if present, to an array, and check its shape."""
        if (value := getattr(self, name)) is None:
            return
        try:
            array: npt.NDArray[Any] = (
                _filled(value) if dtype is np.float64 else np.asarray(value, dtype=dtype)
            )
        except (TypeError, ValueError) as error:
            raise InvalidInputError(f"{name} of a table must have shape {shape}: {error}.") from error
        if array.shape != shape and len(self.paths):
            raise InvalidInputError(
                f"{name} of a table must have shape {shape}, a row for each path. Got {array.shape}."
            )
        object.__setattr__(self, name, array)

    def __iter__(self) -> Iterator[Any]:
        """Unpack into paths and keypoints."""
        return iter((self.paths, self.keypoints))

    def take(self, rows: Sequence[int] | npt.NDArray[Any]) -> KeypointTable:
        """Return a table of these rows, given by positions or a boolean mask."""
        given = np.asarray(rows)
        chosen = np.arange(len(self.paths))[given if given.size else given.astype(np.intp)]
        columns = {
            field.name: value[chosen]
            for field in fields(self)
            if isinstance(value := getattr(self, field.name), np.ndarray)
        }
        return replace(self, paths=[self.paths[row] for row in chosen], **columns)

    def with_keypoints(
        self, keypoints: npt.ArrayLike, *, likelihood: npt.ArrayLike | None = None
    ) -> KeypointTable:
        """Return a table with other keypoints, such as predicted ones.

        Boxes and names are kept; likelihood and visibility, which belong to the old points, are not.

        Parameters
        ----------
        keypoints : array-like, shape (n, 2 * k) or (n, k, 2)
            New keypoints, in either layout.
        likelihood : array-like, shape (n, k), optional
            Likelihood of the new points, such as from :func:`transferkit.keypoints.likelihood_within`.
        """
        points = _filled(keypoints)
        if likelihood is not None:
            likelihood = _filled(likelihood)
            expected = as_points(points).shape[:2]
            fits = likelihood.shape == expected
            wrong = likelihood[~((likelihood >= 0) & (likelihood <= 1))]
            if not fits or len(wrong):
                got = f"{wrong[0]:g} among them" if fits else f"shape {likelihood.shape}"
                refused = fits and np.isnan(wrong).all()  # as in images that max_novelty refused
                raise InvalidInputError(
                    f"likelihood must be numbers in 0..1 of shape {expected}, one for each point. Got {got}."
                    + (" Pass np.nan_to_num(likelihood) if these points are missing." if refused else "")
                )
        return replace(self, keypoints=points, likelihood=likelihood, visibility=None)


def _filled(values: Any) -> npt.NDArray[np.float64]:
    """Return numbers as an array, with NaN for masked ones."""
    array = np.array(values, dtype=np.float64)
    if isinstance(values, np.ma.MaskedArray):
        array[np.ma.getmaskarray(values)] = np.nan
    return array


def _columns(n_points: int) -> dict[str, tuple[type, tuple[int, ...]]]:
    """Return the type of each optional column, and its shape after the first axis."""
    return {
        "boxes": (np.float64, (4,)),
        "groups": (np.str_, ()),
        "individuals": (np.str_, ()),
        "likelihood": (np.float64, (n_points,)),
        "visibility": (np.int64, (n_points,)),
    }
