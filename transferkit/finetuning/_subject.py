"""Choose what is fine-tuned in an estimator: the head that predicts, and the squares that it sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.errors import InvalidInputError
from transferkit.estimators import HeldOutImages, as_seed, has_place
from transferkit.extraction import Extraction
from transferkit.finetuning._squares import Squares
from transferkit.heads import FittedHead
from transferkit.keypoints import frames_around

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Subject:
    """A head to fine-tune, with its extractor and its images.

    Attributes
    ----------
    head : FittedHead
        The head.
    extractor : Extraction
        Extracts the features of the head.
    closer_mean : ndarray, shape (k, 2), or None
        Mean shape of the closer look at keypoints; None if the head does not look closer.
    squares : Squares
        Squares of all images, including those that are not usable.
    usable : ndarray of bool, shape (n,)
        Whether each image can be used; for a closer look, it needs enough points.
    """

    head: FittedHead
    extractor: Extraction
    closer_mean: NDArray[np.float64] | None
    squares: Squares
    usable: NDArray[np.bool_]


def subject_of(start: Any, data: HeldOutImages) -> Subject:
    """Return the part of a fitted estimator to fine-tune: the closer look at keypoints, or else the head.

    Parameters
    ----------
    start : estimator
        An estimator fitted on the frozen backbone.
    data : HeldOutImages
        All images, of which a part is held out.

    Raises
    ------
    InvalidInputError
        The closer look is a cascade of regressions.
    """
    predictor, seed = start.predictor_, as_seed(start.random_state)
    targets = _encoded(predictor.task, data)
    pairs = predictor.views[0].pairs
    items: Sequence[Any] = data.given.items
    if predictor.refinements:
        look = predictor.refinements[0]
        if look.kind.refinement != "network":
            raise InvalidInputError(
                f"head={start.head!r} looks closer with a cascade of regressions, which cannot be trained "
                "together with a backbone. Choose head='keypoint_map', or refine=0."
            )
        usable = has_place(targets) & data.readable
        some = np.where(usable[:, None, None], targets, targets[np.flatnonzero(usable)[0]])
        frames = frames_around(some, look.mean, look.margin)
        squares = Squares(
            items,
            targets,
            predictor.task,
            look.extractor,
            look.mirror,
            pairs,
            frames,
            data.sizes,
            seed,
            data.digests,
        )
        return Subject(look.head, look.extractor, look.mean, squares, usable)
    mirror = any(square.mirror for view in predictor.views for square in view.squares)
    squares = Squares(
        items,
        targets,
        predictor.task,
        predictor.extractor,
        mirror,
        pairs,
        data.given.frames,
        data.sizes,
        seed,
        data.digests,
    )
    return Subject(predictor.head, predictor.extractor, None, squares, data.readable)


def _encoded(task: Any, data: HeldOutImages) -> NDArray[Any]:
    """Return the encoded targets of all images; those of unreadable images are arbitrary."""
    some = data.given.targets.copy()
    some[~data.readable] = data.given.targets[data.train[0]]
    encoded: NDArray[Any] = task.encode(some)
    return encoded
