"""The score of images that can be read: a file that cannot must not make a whole cross-validation NaN."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin

from transferkit import images
from transferkit.errors import InvalidInputError
from transferkit.estimators.refinement._refinement import readable_again

logger = logging.getLogger("transferkit")
_NAMED = 3


def readable_rows(estimator: Any, X: Any, y: Any, sample_weight: Any) -> tuple[Any, Any, Any]:
    """Return X, y and weights: with ``on_error="skip"`` those of the images that can be read."""
    estimator._check_fitted()
    if estimator.extractor_ is None or estimator.on_error != "skip":
        return X, y, sample_weight
    items = readable_again(images.as_image_list(X))
    n = np.shape(y)[0] if np.ndim(y) else 1
    if n != len(items):
        raise InvalidInputError(f"y has {n} rows but X has {len(items)} images. Each image needs one.")
    features = estimator.extract(items, on_error="skip")
    if features.ok.all():
        return items, y, sample_weight
    failures = features.report.failures
    names = "; ".join(map(str, failures[:_NAMED])) + ("; ..." if len(failures) > _NAMED else "")
    logger.warning("score leaves out %d of %d images: %s", len(failures), len(items), names)
    rows = np.flatnonzero(features.ok)
    weight = None if sample_weight is None else np.asarray(sample_weight)[rows]
    return [items[row] for row in rows], np.asarray(y)[rows], weight


class AccuracyScore(ClassifierMixin):
    """The score of a classifier."""

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the share of images that are given their label.

        With ``on_error="skip"``, images that cannot be read are left out of it, and a logged warning names
        them.

        Parameters
        ----------
        X : image or sequence of images
        y : array-like, shape (n,)
        sample_weight : array-like, shape (n,), optional

        Returns
        -------
        float
            In 0..1.

        Raises
        ------
        NotFittedError, BadImageError
        InvalidInputError
            Lengths differ, or no image can be read.

        See Also
        --------
        transferkit.evaluate : Every usual figure, with its interval.
        """
        return float(super().score(*readable_rows(self, X, y, sample_weight)))
