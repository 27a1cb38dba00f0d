"""Regression on images: one number per image, or several."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import MultiOutputMixin, RegressorMixin

from transferkit.backbones import Backbone
from transferkit.errors import InvalidInputError
from transferkit.estimators._base import ImageEstimator
from transferkit.estimators._scoring import explained_variance, readable_rows
from transferkit.estimators._targets import ValueTargets
from transferkit.extraction import FeatureExtractor
from transferkit.heads import Head
from transferkit.persistence import register_estimator
from transferkit.tasks import Values, values_like


@register_estimator
class ImageRegressor(MultiOutputMixin, RegressorMixin, ImageEstimator):
    """Predict one or several numbers per image, such as an age, a count or a grade.

    A head is trained on the features of a frozen backbone.

    Parameters
    ----------
    backbone : str, Backbone, keras.Model or callable, default="mobilenet"
        Name in the registry (see :func:`transferkit.list_backbones`), or a network of your own (see
        :class:`Backbone`). ``"scattering"`` needs no weights; with ``"precomputed"``, X holds features
        instead of images.
    head : str or head, default="auto"
        ``"auto"`` (linear, on the layers with the least error on held-out training rows), ``"linear"``,
        ``"mlp"``, ``"conv"``, or an instance from :mod:`transferkit.heads`.
    weights, image_size, layers, grid : default="imagenet" and None
        As for :class:`Classifier`.
    augment : {"auto", "mirror", "multi", "strong", None}, default="auto"
        As for :class:`Classifier`. Use None if a number changes when its image is mirrored, such as a
        horizontal position or an angle.
    random_state, extractor : default=0 and None
        As for :class:`Classifier`.

    Attributes
    ----------
    n_outputs_ : int
        How many numbers are predicted per image.
    history_ : list of dict
        Training history: a row per epoch, per mixture of layers, or per penalty tried. With several outputs,
        errors are in units of the standard deviation of each output.
    layer_selection_ : list of LayerTrial
        As for :class:`Classifier`, with absolute errors.
    trained_on_ : ndarray of uint64, shape (n,), or None
        Content hashes of the images that ``fit`` learned from, and of those that the backbone was fine-tuned
        on: the first 16 hexadecimal digits of each SHA-256. Saved with the model, so that
        :func:`transferkit.evaluate` can warn if it is given such images.
    report_ : ExtractionReport
        How many images came from the cache, were decoded, or were left out, and why.
    extractor_, head_, fitted_head_
        The feature extractor, the head's settings, and the trained head.

    See Also
    --------
    KeypointRegressor : For positions in the image, which move when it is mirrored or resized.

    Examples
    --------
    >>> import numpy as np
    >>> from transferkit import ImageRegressor
    >>> features = np.arange(20.0).reshape(10, 2)
    >>> ages = features[:, 0] + 20
    >>> ImageRegressor("precomputed").fit(features, ages).predict(features[:2]).round(1)
    array([20., 22.])
    """

    kind: ClassVar[str] = "values"
    kinds: ClassVar[frozenset[str]] = frozenset({"values"})

    def __init__(
        self,
        backbone: str | Backbone = "mobilenet",
        *,
        head: str | Head = "auto",
        weights: str | os.PathLike[str] | None = "imagenet",
        image_size: int | None = None,
        layers: str | Sequence[str] | None = None,
        grid: int | str | Sequence[Any] | None = None,
        augment: str | None = "auto",
        random_state: Any = 0,
        extractor: FeatureExtractor | None = None,
    ) -> None:
        self.backbone = backbone
        self.head = head
        self.weights = weights
        self.image_size = image_size
        self.layers = layers
        self.grid = grid
        self.augment = augment
        self.random_state = random_state
        self.extractor = extractor

    def fit(
        self, X: Any, y: Any, *, groups: Any = None, validation_data: Any = None, sample_weight: Any = None
    ) -> ImageRegressor:
        """Extract the features of each image once, and train the head.

        Parameters
        ----------
        X : sequence of images
            Paths, bytes, PIL images or arrays. For "precomputed", features of shape (n, d) or (n, h, w, c).
        y : array-like, shape (n,) or (n, n_outputs)
            Numbers in any unit, which may differ between outputs. NaN marks a missing number, which is left
            out.
        groups : array-like, shape (n,), optional
            Group of each image. Images of one group, such as one person, are never separated by a split.
        validation_data : (X, y) or (X, y, sample_weight), optional
            Used instead of a held-out part of X, only for early stopping and for the history.
        sample_weight : array-like, shape (n,), optional
            Weight of each image, 0 or more; only the ratios matter. Images of weight 0 are left out.

        Returns
        -------
        ImageRegressor
            The estimator itself.

        Raises
        ------
        InvalidInputError
            The data or a parameter cannot be used; all problems are listed at once.
        BadImageError
            An image cannot be read and ``on_error`` is "raise".
        """
        return self._fit(X, y, groups, validation_data, sample_weight)

    @property
    def n_outputs_(self) -> int:
        """How many numbers are predicted per image."""
        return self._task().n_outputs

    @property
    def output_names_(self) -> tuple[str, ...] | None:
        """Names of the columns of ``y`` if it was a DataFrame, else None."""
        return self._task().names

    def _task(self) -> Values:
        task = self._fitted().task
        assert isinstance(task, Values)
        return task

    def predict(self, X: Any) -> NDArray[np.float64]:
        """Return the predicted numbers of each image, in the shape of the ``y`` passed to ``fit``.

        Parameters
        ----------
        X : image or sequence of images

        Returns
        -------
        ndarray of float64, shape (n,) or (n, n_outputs)
            In the unit of ``y``; one row for a single image.

        Raises
        ------
        NotFittedError, BadImageError
        """
        predictor = self._fitted()
        return predictor.task.decode(self._outputs(predictor, X))

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return R^2, the explained share of the variance, averaged over the outputs.

        With ``on_error="skip"``, the default in an estimator, images that cannot be read are left out and
        named in a logged warning.

        Parameters
        ----------
        X : image or sequence of images
        y : array-like, shape (n,) or (n, n_outputs)
            Missing numbers (NaN) are left out.
        sample_weight : array-like, shape (n,), optional

        Returns
        -------
        float
            1 means exact, 0 no better than the mean of y. Outputs that do not vary in ``y`` are left out.

        Raises
        ------
        NotFittedError, BadImageError
        InvalidInputError
            Lengths differ, or no output varies in y.

        See Also
        --------
        transferkit.evaluate : All usual metrics, with confidence intervals.
        """
        task = self._task()
        read = lambda y: values_like(y, task, "y").reshape(-1, task.n_outputs)  # noqa: E731
        X, truth, sample_weight, _ = readable_rows(self, X, y, sample_weight, read)
        found = self.predict(X).reshape(-1, task.n_outputs)
        score = explained_variance(truth, found, sample_weight)
        if np.isnan(score):
            raise InvalidInputError("score needs two images with different numbers, present in y.")
        return score

    def _targets(self) -> ValueTargets:
        return ValueTargets()
