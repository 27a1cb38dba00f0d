"""Choose the views of an image for keypoints, and check whether a closer look is possible."""

from __future__ import annotations

from typing import Any

import numpy as np

from transferkit.errors import InvalidInputError
from transferkit.estimators.refinement import MIN_POINTS
from transferkit.foundation.arguments import check, choice, is_number
from transferkit.heads import Head
from transferkit.keypoints import checked_pairs, mirror_order
from transferkit.views import MIRROR, ORIGINAL, View, with_pairs


def check_looks(refine: Any, augment: Any, head: Head | None, name: Any) -> None:
    """Check the parameters as far as possible before points are known.

    Parameters
    ----------
    refine, augment
        Parameters of the estimator.
    head : Head or None
        None if the head is invalid.
    name
        The head as it was passed.

    Raises
    ------
    InvalidInputError
    """
    if not _is_rounds(refine):
        raise InvalidInputError(f"refine must be 'auto' or a number of rounds. Got {refine!r}.")
    if refine not in ("auto", 0) and head is not None and head.refinement is None:
        raise InvalidInputError(
            f"refine={refine!r} needs the head 'auto', 'keypoint_map', 'score_map' or 'linear'. "
            f"Got {name!r}. Pass refine=0 or another head."
        )
    check(choice("augment", augment, ("auto", "mirror"), or_none=True))


def point_views(n_points: int, refine: Any, augment: Any, mirror_pairs: Any) -> tuple[View, ...]:
    """Return the views for this number of points, with the mirror image if it is known which points swap.

    Raises
    ------
    InvalidInputError
        There are too few points for ``refine``, or the pairs are wrong, or missing for ``augment``.
    """
    if n_points < MIN_POINTS and refine not in ("auto", 0):
        raise InvalidInputError(
            f"refine={refine!r} needs {MIN_POINTS} points or more, which have a shape. "
            f"Got {n_points}. Pass refine=0."
        )
    pairs = checked_pairs(mirror_pairs, n_points)
    known = mirror_order(n_points, pairs) is not None
    if augment == "mirror" and not known:
        raise InvalidInputError(
            f"augment='mirror' needs to know which points swap sides, known for 68 facial points. "
            f"Got {n_points} points and mirror_pairs={mirror_pairs!r}. Pass the pairs, or augment=None."
        )
    return with_pairs((ORIGINAL, MIRROR) if augment and known else (ORIGINAL,), pairs)


def _is_rounds(value: Any) -> bool:
    """Return True for "auto" and for a number of rounds."""
    if isinstance(value, str):
        return value == "auto"
    return isinstance(value, int | np.integer) and is_number(value, above=-1)
