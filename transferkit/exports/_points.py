"""Keypoints as nodes: the first look at whole images, and closer looks at the square around its answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from transferkit.exports._crop import crop
from transferkit.exports._frames import frames_around, from_frames, from_whole_square, mirrored
from transferkit.exports._heads import apply_head
from transferkit.exports._looks import Maps, look
from transferkit.exports._maps import mean
from transferkit.exports._network import EmbeddedNetwork
from transferkit.exports._tensor import Tensor


def first_look(planes: Tensor, predictor: Any, views: Sequence[Maps], settings: Any) -> Tensor:
    """Return points (n, k, 2) in pixels of the images, given the maps of each view of them."""
    k = predictor.task.n_points
    found = [
        from_whole_square(
            apply_head(predictor.head, maps).reshape(0, -1, 2),
            k,
            planes,
            view,
            settings.image_size,
            settings.resize,
        )
        for view, maps in zip(predictor.views, views, strict=True)
    ]
    return mean(found)


def closer_look(planes: Tensor, points: Tensor, refinement: Any, network: EmbeddedNetwork) -> Tensor:
    """Return better points (n, k, 2) in pixels of the images, as ``Refinement.predict`` does."""
    settings = refinement.extractor.settings()
    frames = frames_around(points, refinement.mean, refinement.margin)
    square = crop(planes, frames, settings.image_size)
    squares = [square, square.reversed(3)] if refinement.mirror else [square]
    found = []
    for i, maps in enumerate(look(network, settings, [[each] for each in squares])):
        inside = apply_head(refinement.head, maps).reshape(0, -1, 2)
        inside = mirrored(inside, len(refinement.mean), refinement.pairs) if i else inside
        found.append(from_frames(inside, frames))
    return mean(found)
