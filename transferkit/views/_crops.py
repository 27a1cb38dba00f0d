"""Crops: views with a different square for each image."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from transferkit.cache import RowKey
from transferkit.images import Image, Target, crop_image
from transferkit.keypoints import Pairs
from transferkit.views._views import View, mirror_points

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Crops:
    """A different upright square for each image, such as one around a face.

    Parameters
    ----------
    frames : ndarray, shape (n, 4)
        For each image, x and y of the centre of the square and its side, in pixels (0 is the edge of the
        image), and its angle in degrees. Rounded to quarters, since the key in the cache is made from them.
    mirror : bool or ndarray of bool, shape (n,), default=False
        Whether squares are mirrored, all or each.
    pairs : tuple of (int, int), optional
        Points that swap in a mirror image; by default those of 68 points.
    """

    frames: Floats
    mirror: bool | NDArray[np.bool_] = False
    pairs: Pairs | None = None

    def __post_init__(self) -> None:
        """Round the frames, so that the geometry is exactly that of the name."""
        object.__setattr__(self, "frames", np.round(np.asarray(self.frames, dtype=np.float64) * 4) / 4 + 0.0)

    def at(self, index: int) -> Crop:
        """Return the view of one image."""
        mirror = self.mirror if isinstance(self.mirror, bool) else bool(self.mirror[index])
        return Crop(tuple(self.frames[index].tolist()), mirror)

    def mirrored(self) -> Crops:
        """Return the mirror images of these squares."""
        return replace(self, mirror=not self.mirror if isinstance(self.mirror, bool) else ~self.mirror)

    def of(self, rows: NDArray[np.int64]) -> Crops:
        """Return the squares of some images, for their points."""
        mirror = self.mirror if isinstance(self.mirror, bool) else self.mirror[rows]
        return replace(self, frames=self.frames[rows], mirror=mirror)

    def to_square(self, points: Floats, *_: object) -> Floats:
        """Map points (n, k, 2) in pixels of the images to the squares."""
        centre, side, turn = self._geometry()
        return self._mirrored((points + 0.5 - centre) @ turn / side + 0.5)

    def from_square(self, square: Floats, *_: object) -> Floats:
        """Map points (n, k, 2) of the squares back to pixels of each image; undoes ``to_square``."""
        centre, side, turn = self._geometry()
        points: Floats = (self._mirrored(square) - 0.5) * side @ turn.transpose(0, 2, 1) + centre - 0.5
        return points

    def _mirrored(self, square: Floats) -> Floats:
        """Mirror the points of those squares that are mirrored."""
        if isinstance(self.mirror, bool):
            return mirror_points(square, self.pairs) if self.mirror else square
        return np.where(self.mirror[:, None, None], mirror_points(square, self.pairs), square)

    def _geometry(self) -> tuple[Floats, Floats, Floats]:
        """Return centres (n, 1, 2), sides (n, 1, 1) and rotations (n, 2, 2) that turn rows (x, y) upright."""
        angle = np.radians(self.frames[:, 3])
        turn = np.stack([np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)], axis=1)
        return self.frames[:, None, :2], self.frames[:, 2, None, None], turn.reshape(-1, 2, 2)


def crops_of(views: Sequence[View], frames: Floats) -> tuple[Crops, ...]:
    """Return views of squares (n, 4) that correspond to these views of whole images."""
    return tuple(Crops(frames, view.squares[0].mirror, view.pairs) for view in views)


@dataclass(frozen=True)
class Crop:
    """The square of one image."""

    frame: tuple[float, ...]
    mirror: bool

    @property
    def name(self) -> str:
        """Name that contains everything that defines the square."""
        return "crop:" + ",".join(f"{value:g}" for value in self.frame) + (":mirror" if self.mirror else "")

    def key(self, digest: str) -> RowKey:
        """Return the key in the cache of this square of an image with this digest.

        The square is part of the digest, not of the name of the view: the cache is designed for a few names,
        and there are as many squares as images.
        """
        return RowKey(hashlib.sha256(f"{digest} {self.name}".encode()).hexdigest(), "crop")

    def target(self, image_size: int, resize: str) -> Target:
        """Return the target for decoding an image."""
        return Target(image_size, resize, side=self.frame[2])

    @property
    def origin(self) -> tuple[float, ...]:
        """Region that is cropped; views of the same origin differ only in ``show``."""
        return self.frame

    def render(self, image: Image, image_size: int, resize: str) -> NDArray[np.uint8]:
        """Return what the backbone sees, uint8 (1, image_size, image_size, 3)."""
        return self.show(self.draw(image, image_size, resize))

    def draw(self, image: Image, image_size: int, resize: str) -> NDArray[np.uint8]:
        """Return the cropped square, uint8 (image_size, image_size, 3)."""
        x, y, side, angle = self.frame
        left, upper, right, _ = image.box
        scale = (right - left) / image.size[0]
        frame = (x * scale + left, y * scale + upper, side * scale, angle)
        return crop_image(image.pixels, frame, image_size)

    def show(self, square: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return what the backbone sees of a cropped square."""
        return square[None, :, ::-1] if self.mirror else square[None]
