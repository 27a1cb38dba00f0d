"""Keypoints: the pixel coordinates of points in each image."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from transferkit.foundation.schema import check_keys
from transferkit.keypoints import as_points


@dataclass(frozen=True)
class Points:
    """Keypoint detection.

    Users pass and get pixels of each original image. Heads learn x0, y0, x1, ... as fractions of the square
    that the backbone sees, one row per view; :mod:`transferkit.views` converts between the two.

    Parameters
    ----------
    n_points : int
        Number of points k in each image.
    flat : bool, default=True
        Whether ``y`` and predictions have shape (n, 2 k) rather than (n, k, 2).
    boxed : bool, default=False
        Whether points are looked for in a box of each image, which must be passed.
    offset : float, default=0.0
        Horizontal offset of the labels in pixels, positive to the right, relative to where images and their
        mirror images agree that points are; see :func:`transferkit.keypoints.label_offset`. It is subtracted
        before heads learn points, and added to predictions.
    """

    n_points: int
    flat: bool = True
    boxed: bool = False
    offset: float = 0.0

    kind: ClassVar[str] = "points"
    regression: ClassVar[bool] = True

    @property
    def n_outputs(self) -> int:
        """Number of coordinates."""
        return 2 * self.n_points

    def encode(self, y: Any, name: str = "y") -> NDArray[np.float64]:
        """Return points (n, k, 2) in pixels, as heads learn them."""
        points = as_points(y, name=name)
        return points - np.array([self.offset, 0.0]) if self.offset else points

    def decode(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the points (n, k, 2) of a head in the layout of ``y``."""
        points = points + np.array([self.offset, 0.0]) if self.offset else points
        return points.reshape(len(points), -1) if self.flat else points

    def strata(self, targets: NDArray[Any]) -> None:
        """Return None: splits are not stratified."""

    def to_json(self) -> dict[str, Any]:
        """Return the task as JSON data."""
        data: dict[str, Any] = {"kind": self.kind, "n_points": self.n_points, "flat": self.flat}
        used = {"boxed": self.boxed, "offset": self.offset}
        return data | {name: value for name, value in used.items() if value}  # unused ones are left out

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Points:
        """Return the task that JSON data describes."""
        expected = {"kind": (str,), "n_points": (int,), "flat": (bool,)}
        more = {"boxed": (bool,), "offset": (float,)}
        check_keys("task", data, expected | {name: types for name, types in more.items() if name in data})
        offset = data.get("offset", 0.0)
        if not (0 < data["n_points"] < 2**31 and math.isfinite(offset)):
            raise ValueError(f"task of {data['n_points']} points, {offset} pixels to the right")
        return cls(data["n_points"], data["flat"], data.get("boxed", False), offset)
