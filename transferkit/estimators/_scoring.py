"""Scores over readable images and present values.

A single bad file must not turn the result of a whole cross-validation into NaN.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.datasets import labelled_images
from transferkit.errors import InvalidInputError
from transferkit.foundation.arguments import check
from transferkit.tasks import as_weights

logger = logging.getLogger("transferkit")
_NAMED = 3


def readable_rows(
    estimator: Any, X: Any, y: Any, sample_weight: Any, read: Callable[[Any], Any], **where: Any
) -> tuple[Any, Any, Any, Any]:
    """Return X, y, weights and row numbers; with ``on_error="skip"``, only those of readable images.

    ``read`` checks y, before any image is read, and returns it as an array. ``where`` may contain the boxes
    of keypoints.
    """
    estimator._check_fitted()
    items = X
    if estimator.extractor_ is not None:
        items, y = labelled_images(X, y)
    if y is None:
        raise InvalidInputError("y must be passed: X holds no labels of its own.")
    y = read([y] if isinstance(y, str | bool | int | float | np.generic) else y)
    n, n_images = len(y), _length(items)
    if n_images not in (None, n):
        raise InvalidInputError(f"y has {n} rows but X has {n_images} images. Each image needs one.")
    if sample_weight is not None:
        problems: list[str] = []
        sample_weight = as_weights(sample_weight, n, problems)
        check(problems)
    if estimator.extractor_ is None:
        return X, y, sample_weight, np.arange(n)
    if (estimator._run_settings()["on_error"] or "skip") != "skip":
        return items, y, sample_weight, np.arange(n)
    features = estimator.extract(items, on_error="skip", **where)
    rows = np.flatnonzero(features.ok)
    if len(rows) == n:
        return items, y, sample_weight, rows
    say_left_out("score", features.report.failures, n)
    weight = None if sample_weight is None else sample_weight[rows]
    return [items[row] for row in rows], y[rows], weight, rows


def say_left_out(what: str, failures: Sequence[Any], n_images: int) -> None:
    """Log which images are left out of a figure."""
    names = "; ".join(map(str, failures[:_NAMED])) + ("; ..." if len(failures) > _NAMED else "")
    logger.warning("%s leaves out %d of %d images: %s", what, len(failures), n_images, names)


def _length(X: Any) -> int | None:
    """Return the number of images or of rows of features; None if X is neither."""
    shape = getattr(X, "shape", None)
    if shape is not None:
        return int(shape[0]) if len(shape) else None
    return len(X) if hasattr(X, "__len__") else None


def explained_variance(
    truth: NDArray[np.float64], found: NDArray[np.float64], sample_weight: Any = None
) -> float:
    """Return R^2 of values (n, k), averaged over the columns; NaN if none of them varies.

    Missing values (NaN in ``truth``) and columns that do not vary are left out.
    """
    present = np.isfinite(truth)
    weight = np.ones(len(truth)) if sample_weight is None else np.asarray(sample_weight, dtype=float)
    weight = weight[:, None] * present
    total = np.maximum(weight.sum(axis=0), np.finfo(float).tiny)
    # Relative to one of its numbers that count, a column that does not vary is exactly 0.
    origin = np.take_along_axis(truth, weight.argmax(axis=0)[None], axis=0)
    origin = np.where(np.isfinite(origin), origin, 0.0)
    truth, found = np.where(present, truth - origin, 0.0), found - origin
    spread = (weight * np.square(truth - (weight * truth).sum(axis=0) / total)).sum(axis=0)
    gaps = (weight * np.square(truth - found)).sum(axis=0)
    varies = spread > 0
    return float(np.mean(1 - gaps[varies] / spread[varies])) if varies.any() else float("nan")
