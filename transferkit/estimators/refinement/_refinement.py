"""A closer look: cut out the square around the shape found so far, extract again, and find it again.

In the whole picture a face is small and lies anywhere. In a square of its own it is large, upright and always
in one place, so that the same backbone sees finer detail and the same linear head errs much less.
A round learns on the squares around *held-out* predictions, exact and by group, since those of the
training itself would be better than any that new pictures get.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.extraction import FeatureExtractor, Features
from transferkit.foundation.arguments import is_number
from transferkit.heads import CascadeHead, KeypointMapHead, TrainingData, head_from_dict, head_to_dict
from transferkit.heads.cascade import FittedCascade
from transferkit.heads.keypoint_map import FittedKeypointMap
from transferkit.keypoints import frames_around, mean_shape, mirror_order
from transferkit.views import Crops

Floats = NDArray[np.float64]

MARGIN = 0.3  # on each side of the shape: room for its errors, and for what surrounds it
MIN_IMAGES = 50  # fewer say too little about the errors to mend
MIN_POINTS = 3  # fewer have no shape
_GRIDS = (14, 7, 4)  # fine where features are read at points


@dataclass(frozen=True)
class Refinement:
    """One fitted round.

    Attributes
    ----------
    extractor : FeatureExtractor
    mean : ndarray, shape (k, 2)
        Mean shape that is aligned to each prediction.
    head : FittedCascade or FittedKeypointMap
    mirror : bool
        Whether both the square and its mirror image are looked at.
    """

    extractor: FeatureExtractor
    mean: Floats
    head: FittedCascade | FittedKeypointMap
    mirror: bool

    def predict(self, X: Sequence[Any], shapes: Floats) -> Floats:
        """Return better shapes (n, k, 2) in pixels of each image, given rough ones."""
        views = views_around(frames_around(shapes, self.mean, MARGIN), self.mirror)
        features = self.extractor.extract(X, views=views, on_error="raise")
        half = isinstance(self.head, FittedKeypointMap)
        outputs = [self.head.predict(features.maps(view=view, half=half)) for view in views]
        return average_views(outputs, views)

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Return the arrays to save."""
        return self.head.tensors() | {"mean": self.mean}

    def facts(self) -> dict[str, Any]:
        """Return what else to save, as JSON."""
        layers, grid = self.extractor.layers_, self.extractor.describe()["grid"]
        kind = {"kind": head_to_dict(self.head.head)} if isinstance(self.head, FittedKeypointMap) else {}
        return kind | {
            "head": self.head.facts(),
            "mirror": self.mirror,
            "layers": list(layers),
            "grid": grid,
        }


def close_layers(layers: Sequence[str]) -> dict[str, Any]:
    """Return layers and grid of a closer look, of the layers that a row recommends, fine ones first."""
    chosen = tuple(layers[: len(_GRIDS)])
    return {"layers": chosen, "grid": _GRIDS[: len(chosen)]}


def fit_refinement(
    extractor: FeatureExtractor,
    X: Sequence[Any],
    shapes: Floats,
    points: Floats,
    groups: NDArray[np.int64],
    *,
    mirror: bool,
    random_state: int,
    progress: bool,
) -> tuple[Refinement, Floats, Features]:
    """Return a fitted round, its own held-out shapes, and its features.

    Parameters
    ----------
    extractor : FeatureExtractor
        With the layers and grids of the closer look.
    X : sequence of images
    shapes : ndarray, shape (n, k, 2)
        Held-out predictions so far, in pixels.
    points : ndarray, shape (n, k, 2)
        The truth; NaN is a missing point.
    groups : ndarray of int, shape (n,)
    mirror : bool
    random_state, progress
        As for the estimator.
    """
    mean = mean_shape(points)
    views = views_around(frames_around(shapes, mean, MARGIN), mirror)
    features = extractor.extract(X, views=views, on_error="raise")
    targets = [view.to_square(points).reshape(len(points), -1) for view in views]
    data = TrainingData(
        features.maps(view=views),
        np.concatenate(targets),
        None,
        np.ones(len(points) * len(views)),
        np.tile(groups, len(views)),
        None,
        random_state,
        progress,
    )
    head = CascadeHead().fit(data)
    assert head.held_out is not None
    held_out = average_views(np.split(head.held_out, len(views)), views)
    return Refinement(extractor, mean, head, mirror), held_out, features


def rebuild_refinement(
    tensors: Mapping[str, NDArray[Any]], facts: Mapping[str, Any], extractor: Any, n_points: int
) -> Refinement:
    """Return the round that was saved; ValueError where parts do not belong together.

    ``extractor`` makes a FeatureExtractor from ``layers`` and ``grid``.
    """
    if set(facts) - {"kind"} != {"head", "mirror", "layers", "grid"} or not isinstance(facts["mirror"], bool):
        raise ValueError(f"facts of a round {facts!r}")
    arrays = dict(tensors)
    mean = arrays.pop("mean")
    kind = head_from_dict(facts["kind"]) if "kind" in facts else CascadeHead()
    if not isinstance(kind, CascadeHead | KeypointMapHead):
        raise ValueError(f"a round of {kind}")
    head = kind.rebuild(arrays, facts["head"])
    fits = mean.dtype == np.float64 and mean.shape == (n_points, 2) and bool(np.isfinite(mean).all())
    if not fits or head.n_outputs != 2 * n_points:
        raise ValueError(f"a round of shape {mean.shape} for {n_points} points")
    if facts["mirror"] and mirror_order(n_points) is None:
        raise ValueError(f"mirrored views of {n_points} points")
    close = extractor(layers=tuple(facts["layers"]), grid=tuple(facts["grid"]))
    return Refinement(close, mean, head, facts["mirror"])


def shape_errors(shapes: Floats, points: Floats) -> Floats:
    """Return for each image the mean distance of its points, as a fraction of the size of its true shape.

    Images with less than two points have no size, and no error.
    """
    present = np.asarray(np.isfinite(points).all(axis=2))
    some = present.sum(axis=1) > 1
    shapes, points, present = shapes[some], points[some], present[some]
    sizes = (np.nanmax(points, axis=1) - np.nanmin(points, axis=1)).max(axis=1)
    distances = np.where(present, np.linalg.norm(shapes - points, axis=2), 0.0)
    errors: Floats = distances.sum(axis=1) / present.sum(axis=1) / np.maximum(sizes, 1e-9)
    return errors


def is_rounds(value: Any) -> bool:
    """Say whether this can be the parameter ``refine``."""
    if isinstance(value, str):
        return value == "auto"
    return isinstance(value, int | np.integer) and is_number(value, above=-1)


def readable_again(items: Sequence[Any]) -> list[Any]:
    """Return images that can be read once for each round: bytes in place of file objects."""
    return [_content(item) if hasattr(item, "read") else item for item in items]


def _content(file: Any) -> Any:
    """Return the bytes of a file object, or itself where the decoder has to say what is wrong."""
    try:
        start = file.tell()
        content = file.read()
    except (OSError, ValueError, AttributeError):
        return file
    if isinstance(content, bytes) and content:
        return content
    file.seek(start)
    return file


def views_around(frames: Floats, mirror: bool) -> tuple[Crops, ...]:
    """Return the views of squares (n, 4)."""
    crops = Crops(frames)
    return (crops, crops.mirrored()) if mirror else (crops,)


def average_views(outputs: Sequence[Floats], views: Sequence[Crops]) -> Floats:
    """Return shapes in pixels, the mean of what the views see."""
    seen = [
        view.from_square(output.reshape(len(output), -1, 2))
        for view, output in zip(views, outputs, strict=True)
    ]
    shapes: Floats = np.mean(seen, axis=0)
    return shapes
