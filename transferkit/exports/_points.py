"""Keypoints as nodes: the first look at whole images, and closer looks at the square around its result."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from transferkit.exports._crop import crop
from transferkit.exports._frames import (
    frames_around,
    frames_of_boxes,
    from_frames,
    from_whole_square,
    mirrored,
)
from transferkit.exports._heads import apply_head
from transferkit.exports._looks import Maps, look
from transferkit.exports._maps import mean
from transferkit.exports._network import EmbeddedNetwork
from transferkit.exports._tensor import Tensor
from transferkit.keypoints import Pairs


def first_look(planes: Tensor, predictor: Any, views: Sequence[Maps], settings: Any) -> list[Tensor]:
    """Return points (n, k, 2), in pixels of the images, found in each view, given its maps."""
    k = predictor.task.n_points
    return [
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


def look_in_boxes(
    planes: Tensor, boxes: Tensor, predictor: Any, settings: Any, network: EmbeddedNetwork
) -> Tensor:
    """Return points (n, k, 2), in pixels of the images, found in boxes (n, 4)."""
    mirrors = [view.squares[0].mirror for view in predictor.views]
    pairs, k = predictor.views[0].pairs, predictor.task.n_points
    frames = frames_of_boxes(boxes)
    return mean(in_frames(planes, frames, predictor.head, k, mirrors, pairs, settings, network))


def closer_look(planes: Tensor, points: Tensor, refinement: Any, network: EmbeddedNetwork) -> Tensor:
    """Return refined points (n, k, 2), in pixels of the images, as ``Refinement.predict`` does."""
    settings = refinement.extractor.settings()
    frames = frames_around(points, refinement.mean, refinement.margin)
    mirrors, k = [False, True] if refinement.mirror else [False], len(refinement.mean)
    pairs, head = refinement.pairs, refinement.head
    return mean(in_frames(planes, frames, head, k, mirrors, pairs, settings, network))


def in_frames(
    planes: Tensor,
    frames: Tensor,
    head: Any,
    k: int,
    mirrors: Sequence[bool],
    pairs: Pairs | None,
    settings: Any,
    network: EmbeddedNetwork,
) -> list[Tensor]:
    """Return the points (n, k, 2) found in squares and in their mirror images, in pixels of the images."""
    square = crop(planes, frames, settings.image_size)
    squares = [square.reversed(3) if mirror else square for mirror in mirrors]
    found = []
    for mirror, maps in zip(mirrors, look(network, settings, [[each] for each in squares]), strict=True):
        points = apply_head(head, maps).reshape(0, -1, 2)
        found.append(from_frames(mirrored(points, k, pairs) if mirror else points, frames))
    return found
