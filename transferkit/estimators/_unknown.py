"""Predictions for images that are unlike the training images of a model."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.errors import InvalidInputError
from transferkit.foundation.arguments import check, is_number
from transferkit.tasks import Classes

logger = logging.getLogger("transferkit")

_USUAL = 0.99


def check_unknown(task: Any, unknown_label: Any, max_novelty: Any) -> float | None:
    """Return the largest novelty of a known image; None if no image is refused; raise for bad arguments."""
    if unknown_label is None and max_novelty is None:
        return None
    if unknown_label is None:
        raise InvalidInputError(
            "max_novelty needs unknown_label, what images are labelled that exceed it, such as 'unknown'."
        )
    if not isinstance(task, Classes):
        raise InvalidInputError("unknown_label is for one label for each image. Other models have novelty().")
    max_novelty = _USUAL if max_novelty is None else max_novelty
    problems = novelty_problems(max_novelty)
    if not isinstance(unknown_label, str | int | float | bool | np.generic):
        problems.append(f"unknown_label must be a string or a number. Got {unknown_label!r}.")
    elif str(unknown_label) in map(str, task.labels.tolist()):  # in a file, 1 and "1" look alike
        problems.append(f"unknown_label must be none of the classes. Got {unknown_label!r}, which is one.")
    check(problems)
    return float(max_novelty)


def novelty_problems(max_novelty: Any) -> list[str]:
    """Return a problem unless ``max_novelty`` is above 0 and below 1."""
    if is_number(max_novelty, above=0) and max_novelty < 1:
        return []
    return [f"max_novelty must be above 0 and below 1, such as 0.99. Got {max_novelty!r}."]


def with_unknown(labels: NDArray[Any], unknown: NDArray[np.bool_], unknown_label: Any) -> NDArray[Any]:
    """Replace some labels by the unknown label; the result has dtype object if their types differ."""
    own = np.asarray(unknown_label)
    if own.dtype.kind == labels.dtype.kind:
        return np.where(unknown, own, labels)
    found = labels.astype(object)
    found[unknown] = unknown_label
    return found


def without_unknown(
    arrays: tuple[NDArray[np.float64], ...], novelty: NDArray[np.float64], max_novelty: float
) -> tuple[NDArray[np.float64], ...]:
    """Set the rows of refused images to NaN in arrays with a row per image; a warning counts them."""
    refused = novelty > max_novelty
    if refused.any():
        logger.warning(
            "%d of %d images are unlike those to train on (novelty above %g) and are refused: their points "
            "are NaN.",
            int(refused.sum()),
            len(refused),
            max_novelty,
        )
    rows = [refused.reshape(-1, *[1] * (array.ndim - 1)) for array in arrays]
    return tuple(np.where(row, np.nan, array) for row, array in zip(rows, arrays, strict=True))
