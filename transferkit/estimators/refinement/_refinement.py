"""A fitted round of the closer look: crop the square around the shape found so far, and find the shape again.

In the whole image a face is small and may be anywhere. In its own square it is large, upright and always in
the same place. So the same backbone sees finer detail, and the error of the same kind of head is much
smaller.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from transferkit.estimators.predictor import average_views, outputs_of_views
from transferkit.extraction import Extraction
from transferkit.heads import FittedHead, Head, head_from_dict, head_to_dict
from transferkit.heads.cascade import CascadeHead
from transferkit.keypoints import Pairs, frames_around, mirror_order
from transferkit.views import Crops

Floats = NDArray[np.float64]

MARGIN = 0.3  # margin on each side of the shape, for errors and surroundings
MIN_POINTS = 3  # fewer points have no shape


@dataclass(frozen=True)
class Refinement:
    """A fitted round of the closer look.

    Attributes
    ----------
    extractor : Extraction
    mean : ndarray, shape (k, 2)
        Mean shape, which is aligned with each prediction.
    kind : Head
        The head before training.
    head : FittedHead
        The trained head.
    mirror : bool
        Whether both the square and its mirror image are used.
    pairs : tuple of (int, int) or None
        Points that swap in a mirror image.
    margin : float
        Margin on each side of the shape, as a fraction of its size.
    """

    margin: ClassVar[float] = MARGIN

    extractor: Extraction
    mean: Floats
    kind: Head
    head: FittedHead
    mirror: bool
    pairs: Pairs | None = None

    def predict(self, X: Sequence[Any], shapes: Floats) -> Floats:
        """Refine rough shapes (n, k, 2), in pixels of each image."""
        return average_views(*self.look(X, shapes), ())

    def look(self, X: Sequence[Any], shapes: Floats) -> tuple[tuple[Crops, ...], list[Floats]]:
        """Return the squares around rough shapes, and the output of the head for each."""
        views = self.views(shapes)
        features = self.extractor.extract(X, views=views, on_error="raise")
        return views, outputs_of_views(self.head, features, views, self.mean.size, half=self.kind.half)

    def views(self, shapes: Floats) -> tuple[Crops, ...]:
        """Return the views of squares around shapes (n, k, 2)."""
        return views_around(frames_around(shapes, self.mean, MARGIN), self.mirror, self.pairs)

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Return the arrays to save."""
        return self.head.tensors() | {"mean": self.mean}

    def facts(self) -> dict[str, Any]:
        """Return what else to save, as JSON."""
        cascade = isinstance(self.kind, CascadeHead)  # not in the registry of heads
        return ({} if cascade else {"kind": head_to_dict(self.kind)}) | {
            "head": self.head.facts(),
            "mirror": self.mirror,
            "layers": list(self.extractor.layers_),
            "grid": self.extractor.describe()["grid"],
        }


def views_around(frames: Floats, mirror: bool, pairs: Pairs | None = None) -> tuple[Crops, ...]:
    """Return the views of squares (n, 4), with their mirror images if wanted."""
    crops = Crops(frames, pairs=pairs)
    return (crops, crops.mirrored()) if mirror else (crops,)


def rebuild_refinement(
    tensors: Mapping[str, NDArray[Any]],
    facts: Mapping[str, Any],
    extractor: Any,
    n_points: int,
    pairs: Pairs | None = None,
) -> Refinement:
    """Return the saved round; raise ValueError if arrays and facts do not fit together.

    ``extractor`` is a function that makes an extraction from layers and grids.
    """
    if set(facts) - {"kind"} != {"head", "mirror", "layers", "grid"} or not isinstance(facts["mirror"], bool):
        raise ValueError(f"facts of a round {facts!r}")
    arrays = dict(tensors)
    mean = arrays.pop("mean")
    kind: Any = head_from_dict(facts["kind"]) if "kind" in facts else CascadeHead()
    if not (isinstance(kind, CascadeHead) or kind.refinement == "network"):
        raise ValueError(f"a round of {kind}")
    head = kind.rebuild(arrays, facts["head"])
    fits = mean.dtype == np.float64 and mean.shape == (n_points, 2) and bool(np.isfinite(mean).all())
    if not fits or head.n_outputs != 2 * n_points:
        raise ValueError(f"a round of shape {mean.shape} for {n_points} points")
    if facts["mirror"] and mirror_order(n_points, pairs) is None:
        raise ValueError(f"mirrored views of {n_points} points")
    close = extractor(tuple(facts["layers"]), tuple(facts["grid"]))
    return Refinement(close, mean, kind, head, facts["mirror"], pairs)


def shape_errors(shapes: Floats, points: Floats) -> tuple[Floats, NDArray[np.int64]]:
    """Return the mean distance of points of each image, relative to the size of its true shape, and its row.

    Images with fewer than two points, or with all of them in one place, have no size, and are left out.
    """
    present = np.asarray(np.isfinite(points).all(axis=2))
    some = np.flatnonzero(present.sum(axis=1) > 1)
    sizes = (np.nanmax(points[some], axis=1) - np.nanmin(points[some], axis=1)).max(axis=1)
    some, sizes = some[sizes > 0], sizes[sizes > 0]
    shapes, points, present = shapes[some], points[some], present[some]
    distances = np.where(present, np.linalg.norm(shapes - points, axis=2), 0.0)
    errors: Floats = distances.sum(axis=1) / present.sum(axis=1) / sizes
    return errors, some
