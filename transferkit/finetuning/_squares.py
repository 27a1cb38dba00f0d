"""Squares of images: random ones for training in each epoch, and fixed ones for evaluation.

They are rendered by the same code as the squares for features, so that training and prediction see the same
pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.errors import BadImageError
from transferkit.estimators import frames_moved_by
from transferkit.extraction import Extraction
from transferkit.keypoints import Pairs
from transferkit.tasks import Points, Task
from transferkit.views import Crops, Square, View, render

Floats = NDArray[np.float64]
_LARGEST = 2.5  # limit of random moves, in standard deviations
# For squares of whole images: standard deviations of the log of the zoom, of the angle in degrees, of the
# shift as a fraction of the side, and of the log of the contrast.
_ZOOM, _ANGLE, _SHIFT, _CONTRAST = 0.12, 6.0, 0.04, 0.15


@dataclass(frozen=True)
class Squares:
    """Images, and the squares of them to train on.

    Attributes
    ----------
    items : sequence of images
        The images.
    targets : ndarray
        Encoded targets (n,) or (n, k); for points, (n, k, 2) in pixels of the images.
    task : Task
        What is predicted.
    extractor : Extraction
        The squares are rendered as it renders them.
    mirror : bool
        Whether to use mirror images, too.
    pairs : tuple of (int, int) or None
        Points that swap in a mirror image.
    frames : ndarray, shape (n, 4), or None
        Squares around a subject, as in ``Crops``; None for whole images.
    sizes : ndarray, shape (n, 2)
        Sizes of the images, used for points in whole images.
    seed : int
        Seed of the random squares.
    digests : sequence of str or None, optional
        Digests of the images when they were split; files are compared with them.
    """

    items: Sequence[Any]
    targets: NDArray[Any]
    task: Task
    extractor: Extraction
    mirror: bool
    pairs: Pairs | None
    frames: Floats | None
    sizes: NDArray[np.int64]
    seed: int
    digests: Sequence[str | None] | None = None

    def __len__(self) -> int:
        return len(self.items)

    def take(self, rows: NDArray[np.int64]) -> Squares:
        """Return the squares of some of the images."""
        return replace(
            self,
            items=[self.items[row] for row in rows],
            targets=self.targets[rows],
            frames=None if self.frames is None else self.frames[rows],
            sizes=self.sizes[rows],
            digests=self.digests and [self.digests[row] for row in rows],
        )

    def drawn(self, row: int, epoch: int) -> tuple[NDArray[np.uint8], NDArray[Any]]:
        """Return the random square of an image in an epoch, and its target there; repeated calls agree."""
        generator = np.random.default_rng([self.seed, epoch, row])
        mirror = self.mirror and bool(generator.integers(2))
        moves = generator.standard_normal(5).clip(-_LARGEST, _LARGEST)
        contrast = float(np.exp(_CONTRAST * moves[4]))
        if self.frames is not None:
            frame = frames_moved_by(self.frames[row : row + 1], moves[:4])
            pixels, target = self._look(row, Crops(frame, mirror, self.pairs))
            return Square(contrast=contrast).render(pixels), target
        zoom, angle = float(np.exp(_ZOOM * moves[2])), float(_ANGLE * moves[3])
        shift = (float(_SHIFT * moves[0]), float(_SHIFT * moves[1]))
        square = Square(mirror, zoom, angle, shift, contrast)
        return self._look(row, View("drawn", (square,), self.pairs))

    def judged(self, row: int, mirror: bool) -> tuple[NDArray[np.uint8], NDArray[Any]]:
        """Return the fixed square for evaluating an image; around a subject, it is moved like found ones."""
        if self.frames is not None:
            moves = np.random.default_rng([self.seed, row]).standard_normal(4).clip(-_LARGEST, _LARGEST) / 3
            frame = frames_moved_by(self.frames[row : row + 1], moves)
            return self._look(row, Crops(frame, mirror, self.pairs))
        return self._look(row, View("judged", (Square(mirror),), self.pairs))

    def _look(self, row: int, view: Any) -> tuple[NDArray[np.uint8], NDArray[Any]]:
        """Return the pixels of a view of one image, and the target there."""
        settings = self.extractor.settings()
        reader = self.extractor.reader()
        source = reader.source(self.items[row])
        if self.digests and source.path is not None and source.digest != self.digests[row]:
            raise BadImageError(
                source.name,
                "unreadable",
                "is another one since the training began.",
                "Call fine_tune again, or put the image of then back to go on after the last epoch.",
            )
        squares = render(
            source,
            [view.at(0)],
            settings.image_size,
            resize=settings.resize,
            decode=partial(reader.decode, source),
        ).squares
        target = self.targets[row]
        if isinstance(self.task, Points):
            place = (self.sizes[row : row + 1], settings.image_size, settings.resize)
            target = view.to_square(target[None], *place).ravel()
        return squares[0][0], target
