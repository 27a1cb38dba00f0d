"""More looks at a wide square, if an image and its mirror image disagree on where the subject is.

A network that misses the subject usually misses it in another place in the mirror image. As it has learned
from wide squares to find subjects anywhere, it gets another chance on a wide square around its answer, and
if the views still disagree, a last one around the new answer. The points on which the views agree best are
used. Not every image is looked at again, since that would move some answers to another subject nearby.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from transferkit.estimators.predictor import in_pixels
from transferkit.estimators.refinement._network import Sample
from transferkit.estimators.refinement._refinement import Floats, views_around

_DOUBTFUL = 0.02  # fraction of the held-out images that are looked at again


@dataclass(frozen=True)
class WideLook:
    """Condition and place of more looks.

    Parameters
    ----------
    limit : float
        Largest disagreement between the two views of an image that needs no more looks: the mean distance
        between their points, as a fraction of the size of the shape.
    """

    limit: float

    side: ClassVar[float] = 2.0  # side of the square, in sizes of the shape
    # With the subject at the edge of the first square, the answer is nearer, but views may disagree more.
    most: ClassVar[int] = 2  # looks

    def look(self, predictor: Any, items: Sequence[Any], found: list[Floats]) -> list[Floats]:
        """Return the points (n, k, 2) of both views, in pixels, replaced where the wide square is better.

        Parameters
        ----------
        predictor : Predictor
        items : sequence of images, n
        found : list of two ndarrays, shape (n, k, 2)
            Points of each image and of its mirror image.
        """
        best, least = [points.copy() for points in found], self.disagreement(found)
        rows = np.flatnonzero(least > self.limit)
        latest = [points[rows] for points in found]
        for _ in range(self.most):
            if not len(rows):
                break
            latest = self.look_once(predictor, [items[row] for row in rows.tolist()], latest)
            doubt = self.disagreement(latest)
            better = doubt < least[rows]
            for points, other in zip(best, latest, strict=True):
                points[rows[better]] = other[better]
            least[rows] = np.minimum(least[rows], doubt)
            doubtful = least[rows] > self.limit
            rows, latest = rows[doubtful], [points[doubtful] for points in latest]
        return best

    def look_once(self, predictor: Any, items: Sequence[Any], found: Sequence[Floats]) -> list[Floats]:
        """Return the points (n, k, 2) that both views find in wide squares around earlier points."""
        views = views_around(self.frames(np.mean(found, axis=0)), True, predictor.views[0].pairs)
        features = predictor.extractor.extract(list(items), views=views, on_error="raise")
        outputs = [predictor.head.predict(features.maps(view=view, half=predictor.half)) for view in views]
        return in_pixels(views, outputs)

    @staticmethod
    def disagreement(found: Sequence[Floats]) -> NDArray[np.float64]:
        """Return how far apart points (n, k, 2) of two views lie, as a fraction of the size of the shape."""
        one, other = found
        apart: NDArray[np.float64] = np.linalg.norm(one - other, axis=2).mean(axis=1)
        return apart / _sizes((one + other) / 2)

    @classmethod
    def frames(cls, shapes: Floats) -> Floats:
        """Return upright squares (n, 4) around shapes (n, k, 2), in pixels."""
        middle = (shapes.min(axis=1) + shapes.max(axis=1)) / 2 + 0.5
        return np.column_stack([middle, cls.side * _sizes(shapes), np.zeros(len(shapes))])

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Return the arrays to save."""
        return {"limit": np.array([self.limit])}

    def facts(self) -> dict[str, Any]:
        """Return what else to save, as JSON."""
        return {}


def fit_wide_look(
    predictor: Any, unseen: Sample, found: list[Floats]
) -> tuple[WideLook | None, list[Floats]]:
    """Return the wide look and the points found with it; None and the old points if it does not help.

    Parameters
    ----------
    predictor : Predictor
        Predictor whose network has learned from wide squares.
    unseen : Sample
        Images that it has not learned from.
    found : list of two ndarrays, shape (n, k, 2)
        Points found in each of these images and in its mirror image, in pixels.
    """
    wide = WideLook(float(np.quantile(WideLook.disagreement(found), 1 - _DOUBTFUL)))
    changed = wide.look(predictor, unseen.items, found)
    helps = unseen._replace(shapes=np.mean(changed, axis=0)).error() < unseen.error()
    return (wide, changed) if helps else (None, found)


def rebuild_wide_look(
    tensors: Mapping[str, NDArray[Any]], facts: Mapping[str, Any], views: Sequence[Any], task: Any
) -> WideLook:
    """Return the saved wide look; raise ValueError if it does not fit these views and this task."""
    if len(views) != 2 or getattr(task, "boxed", False):
        raise ValueError(f"a wide look of {len(views)} views, or in boxes")
    limit = tensors["limit"]
    if (
        set(tensors) != {"limit"}
        or facts
        or (limit.dtype, limit.shape) != (np.float64, (1,))
        or not limit >= 0
    ):
        raise ValueError(f"a wide look of {dict(tensors)!r} and {facts!r}")
    return WideLook(float(limit[0]))


def _sizes(shapes: Floats) -> NDArray[np.float64]:
    sizes: NDArray[np.float64] = np.ptp(shapes, axis=1).max(axis=1)
    return np.maximum(sizes, 1e-9)
