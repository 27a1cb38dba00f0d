"""Views: the square of an upright image that a backbone sees, and the mapping of points to and from it.

Each view of an image is a separate row in the cache. Its name is part of the cache key, so the geometry of a
name must never change. Points are in pixels of the upright original, where integer coordinates are pixel
*centres*; in the square they are fractions, ``0`` at the left or upper edge and ``1`` at the opposite edge.

A view of the whole image is the same for every image; crops have a different square for each image. The
extractor only uses ``at(index)``, which returns the view of a single image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from transferkit.cache import RowKey
from transferkit.errors import InvalidInputError
from transferkit.images import Image, Target, crop_image, letterbox, resize_image
from transferkit.keypoints import Pairs, mirror_order

Floats = NDArray[np.float64]


class Square(NamedTuple):
    """A square of the whole image: rotated by an angle in degrees, zoomed, then mirrored.

    ``shift`` moves its centre right and down by fractions of its side, ``contrast`` is a factor for the
    difference of each channel from its mean, and ``flip`` turns the square upside down.
    """

    mirror: bool = False
    zoom: float = 1.0
    angle: float = 0.0
    shift: tuple[float, float] = (0.0, 0.0)
    contrast: float = 1.0
    flip: bool = False

    def render(self, whole: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Render this square from the square of the whole image."""
        size = len(whole)
        if self.contrast != 1:
            mean = whole.mean(axis=(0, 1))
            whole = np.clip(np.rint((whole - mean) * self.contrast + mean), 0, 255).astype(np.uint8)
        if self._is_moved():
            x, y = (size / 2 + part * size for part in self.shift)
            whole = crop_image(whole, (x, y, size / self.zoom, self.angle), size)
        # Mirrored last, so that the two are exact mirror images.
        whole = whole[::-1] if self.flip else whole
        return whole[:, ::-1] if self.mirror else whole

    @property
    def reflects(self) -> bool:
        """Whether left and right are swapped: by mirroring or by flipping, but not by both."""
        return self.mirror != self.flip

    def to_whole(self, points: Floats) -> Floats:
        """Map points (..., 2) of the square, as fractions of its side, to the square of the whole image."""
        points = self._reflected(points)
        if self._is_moved():
            points = (points - 0.5) / self.zoom @ self._turn().T + 0.5 + self.shift
        return points

    def from_whole(self, points: Floats) -> Floats:
        """Map points (..., 2) of the whole image's square to this square; undoes ``to_whole``."""
        if self._is_moved():
            points = (points - 0.5 - self.shift) @ self._turn() * self.zoom + 0.5
        return self._reflected(points)

    def _is_moved(self) -> bool:
        return (self.zoom, self.angle, self.shift) != (1.0, 0.0, (0.0, 0.0))

    def _reflected(self, points: Floats) -> Floats:
        turned = np.array([self.mirror, self.flip], dtype=np.float64)
        return points * (1 - 2 * turned) + turned

    def _turn(self) -> Floats:
        cosine, sine = np.cos(np.radians(self.angle)), np.sin(np.radians(self.angle))
        return np.array([[cosine, -sine], [sine, cosine]])


@dataclass(frozen=True)
class View:
    """The whole image, as it is or mirrored left to right.

    Parameters
    ----------
    name : str
        Name in the cache.
    squares : tuple of Square, default=(Square(),)
        Squares of the view. With several, the row is the mean of their maps, which is all that a linear
        model of these squares needs and takes the space of one in the cache.
    pairs : tuple of (int, int), optional
        Points that swap in a mirror image; by default those of 68 points. They do not affect pixels.
    """

    name: str
    squares: tuple[Square, ...] = (Square(),)
    pairs: Pairs | None = None

    def at(self, index: int) -> View:
        """Return the view of one image."""
        return self

    def of(self, rows: NDArray[np.int64]) -> View:
        """Return the view of some images, for their points."""
        return self

    def key(self, digest: str) -> RowKey:
        """Return the key in the cache of this view of an image with this digest."""
        return RowKey(digest, self.name)

    def target(self, image_size: int, resize: str) -> Target:
        """Return the target for decoding an image."""
        return Target(image_size, resize)

    def render(self, image: Image, image_size: int, resize: str) -> NDArray[np.uint8]:
        """Return what the backbone sees, uint8 (n, image_size, image_size, 3)."""
        return self.show(self.draw(image, image_size, resize))

    @property
    def origin(self) -> tuple[float, ...]:
        """Region that is cropped, as for a ``Crop``: none."""
        return ()

    def draw(self, image: Image, image_size: int, resize: str) -> NDArray[np.uint8]:
        """Return the square of the whole image, uint8 (image_size, image_size, 3)."""
        return resize_image(image.pixels, image_size, resize=resize, original=image.size, box=image.box)

    def show(self, whole: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return what the backbone sees of the square of the whole image."""
        if self.squares == (Square(),):
            return whole[None]
        return np.stack([square.render(whole) for square in self.squares])

    def to_square(self, points: Floats, sizes: NDArray[np.int64], image_size: int, resize: str) -> Floats:
        """Map points (n, k, 2) in pixels of images with (width, height) sizes (n, 2) to the square.

        Raises
        ------
        InvalidInputError
            The view is the mean of several squares: a point is at a different place in each.
        """
        square = self._only_square()
        scale, offset = _geometry(sizes, image_size, resize)
        moved = square.from_whole(((points + 0.5) * scale + offset) / image_size)
        return _swapped(square, moved, self.pairs)

    def from_square(self, square: Floats, sizes: NDArray[np.int64], image_size: int, resize: str) -> Floats:
        """Map points (n, k, 2) of the square back to pixels of each image; undoes ``to_square``."""
        only = self._only_square()
        scale, offset = _geometry(sizes, image_size, resize)
        points: Floats = (
            only.to_whole(_swapped(only, square, self.pairs)) * image_size - offset
        ) / scale - 0.5
        return points

    def _only_square(self) -> Square:
        if len(self.squares) > 1:
            raise InvalidInputError(
                f"View {self.name!r} is the mean of {len(self.squares)} squares, and a point is at another "
                "place in each. Map points to a view of one square."
            )
        return self.squares[0]


ORIGINAL = View("original")
MIRROR = View("mirror", (Square(mirror=True),))
_CLOSER = [
    View(f"{name}{':mirror' if mirror else ''}", (Square(mirror, zoom, angle),))
    for name, zoom, angle in (("zoom", 1.15, 0.0), ("left", 1.15, -8.0), ("right", 1.15, 8.0))
    for mirror in (False, True)
]
# Drawn once, from both flips, rotations of up to 72 degrees, zooms of 0.8 to 1.5, shifts of up to a third,
# and contrasts of 0.5 to 1.5; stored as numbers, which must stay the same with any version of NumPy.
_STRONG = [
    View(f"strong:{number}", (square,))
    for number, square in enumerate(
        [
            Square(mirror=False, zoom=1.22, angle=-41.0, shift=(0.08, -0.11), contrast=1.34, flip=False),
            Square(mirror=True, zoom=0.86, angle=17.0, shift=(-0.31, 0.05), contrast=0.72, flip=False),
            Square(mirror=False, zoom=1.41, angle=63.0, shift=(0.19, 0.14), contrast=1.08, flip=True),
            Square(mirror=True, zoom=1.05, angle=-24.0, shift=(-0.12, -0.22), contrast=0.58, flip=True),
            Square(mirror=True, zoom=0.93, angle=52.0, shift=(0.27, -0.03), contrast=1.47, flip=False),
            Square(mirror=False, zoom=1.13, angle=-8.0, shift=(-0.06, 0.24), contrast=0.89, flip=True),
        ]
    )
]
AUGMENTATIONS: dict[str, tuple[View, ...]] = {
    "mirror": (ORIGINAL, MIRROR),
    "multi": (ORIGINAL, MIRROR, *_CLOSER),
    "strong": (ORIGINAL, MIRROR, *_STRONG),
}
"""The views of each augmentation; rotated ones of "multi" are zoomed in, so that no corner is empty."""

MEANS = {
    name: View(f"mean:{name}", tuple(square for view in views for square in view.squares))
    for name, views in AUGMENTATIONS.items()
}
"""The mean of the views of each augmentation, as one view."""


def with_pairs(views: Sequence[View], pairs: Pairs | None) -> tuple[View, ...]:
    """Return the same views with these pairs of points that swap in a mirror image."""
    return tuple(replace(view, pairs=pairs) for view in views)


def mirror_points(square: Floats, pairs: Pairs | None = None) -> Floats:
    """Mirror points (n, k, 2) of a square, and swap left and right ones where the pairs are known."""
    return _swapped(_MIRRORED, _MIRRORED.from_whole(square), pairs)


_MIRRORED = Square(mirror=True)


def _swapped(square: Square, points: Floats, pairs: Pairs | None) -> Floats:
    """Return points with left and right ones swapped, where the pairs are known and the square reflects."""
    order = mirror_order(points.shape[1], pairs) if square.reflects else None
    return points if order is None else points[:, order]


def _geometry(
    sizes: NDArray[np.int64], image_size: int, resize: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return scale and offset, each (n, 1, 2) in (x, y), that map every image to the square."""
    rows = np.array(
        [letterbox(int(width), int(height), image_size, resize=resize) for width, height in sizes]
    )
    rows = rows.reshape(len(sizes), 1, 4)
    return rows[..., :2], rows[..., 2:]
