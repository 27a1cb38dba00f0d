"""Images to keypoints."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import MultiOutputMixin, RegressorMixin

from transferkit import images
from transferkit.backbones import Backbone
from transferkit.cache import FeatureCache
from transferkit.errors import InvalidInputError
from transferkit.estimators._base import check_lengths
from transferkit.estimators._fitting import all_or_nothing
from transferkit.estimators._parameters import validation_pair
from transferkit.estimators._precomputed import PrecomputedFeatures, validation_values
from transferkit.estimators._scoring import readable_rows
from transferkit.estimators.refinement._refinement import readable_again
from transferkit.estimators.refinement._rounds import RefiningEstimator
from transferkit.extraction import Features
from transferkit.foundation.arguments import check
from transferkit.foundation.scratch import memory_limit
from transferkit.heads import Head
from transferkit.keypoints import as_points
from transferkit.tasks._groups import as_groups
from transferkit.tasks._points import check_enough, check_inside, check_present


class KeypointRegressor(MultiOutputMixin, RegressorMixin, RefiningEstimator):
    """Find keypoints in images, by a head on the features of a frozen backbone.

    Coordinates are pixels of each original image as it is seen upright, whatever its size; the
    integer coordinate is the centre of a pixel. Any number of points will do; for 68 facial points
    the order of left and right is known, so that mirror images can be used.

    Parameters
    ----------
    backbone : str or Backbone, default="mobilenet"
        Name in the registry; ``"scattering"`` needs no weights; ``"precomputed"`` means that X
        holds features, and y is learned as it is.
    head : str or head, default="auto"
        ``"auto"`` is ``"keypoint_map"``, a network that corrects points by what lies at them, and
        ``"linear"`` on less than 300 images or a backbone of one layer; also ``"mlp"``, ``"conv"``, or
        an instance from :mod:`transferkit.heads`.
    refine : int or "auto", default="auto"
        Rounds of a closer look: cut out the square around the points found so far, upright, extract its
        features, and find the points again. "auto" is one round for these two heads on 50 images or more
        with 3 points or more, else none. A round that does not lower the error on held-out rows ends them.
    layers : str or sequence of str, optional
        Layers to tap; by default the head's choice.
    grid : int or "full", optional
        Average each map over this many cells a side; ``"full"`` keeps maps as they are. By default 14 and
        7 for the two layers of ``"keypoint_map"`` (28 and 7 in the closer look), 7, 7, 4 and 2 for four
        layers of a linear head (whole maps for ``"scattering"``), full maps for ``"conv"``.
    augment : {"auto", "mirror", None}, default="auto"
        Train on mirror images too, and average both views at prediction; "auto" does so for 68
        points, whose mirror pairs are known.
    weights, image_size, resize, engine, precision, batch_size, memory_limit, cache, value_range
        As for :class:`Classifier`.
    validation_fraction, on_error, isolate, retry_failed, random_state, progress
        As for :class:`Classifier`.

    Attributes
    ----------
    n_points_ : int
    history_ : list of dict
        A row per epoch, or per penalty tried. Errors are fractions of the square that the backbone sees.
    refinements_ : list of Refinement
        The fitted rounds.
    selection_ : list of dict
        ``"round"`` (0 is the whole picture) with its ``"held_out_error"``: mean distance of the
        points of training images by a model without their group, as a fraction of the size of the shape
        (the larger side of its box); and whether it is ``"used"``.
    report_ : ExtractionReport
        Images from the cache, decoded, left out, and why.

    Examples
    --------
    >>> from transferkit import KeypointRegressor
    >>> from transferkit.datasets import make_faces
    >>> faces = make_faces(60, random_state=0)
    >>> kp = KeypointRegressor("scattering", cache=False)
    >>> kp.fit(faces.images, faces.keypoints).predict(faces.images[0]).shape  # doctest: +SKIP
    (1, 136)
    """

    def __init__(
        self,
        backbone: str | Backbone = "mobilenet",
        *,
        head: str | Head = "auto",
        refine: int | str = "auto",
        weights: str | os.PathLike[str] | None = "imagenet",
        image_size: int | None = None,
        layers: str | Sequence[str] | None = None,
        grid: int | str | None = None,
        resize: str = "stretch",
        augment: str | None = "auto",
        engine: str = "auto",
        precision: str = "float32",
        batch_size: int = 32,
        memory_limit: float | None = None,
        cache: bool | str | os.PathLike[str] | FeatureCache = True,
        value_range: tuple[float, float] | None = None,
        validation_fraction: float = 0.1,
        on_error: str = "skip",
        isolate: bool | float = False,
        retry_failed: bool = False,
        random_state: Any = 0,
        progress: bool = True,
    ) -> None:
        self.backbone = backbone
        self.head = head
        self.refine = refine
        self.weights = weights
        self.image_size = image_size
        self.layers = layers
        self.grid = grid
        self.resize = resize
        self.augment = augment
        self.engine = engine
        self.precision = precision
        self.batch_size = batch_size
        self.memory_limit = memory_limit
        self.cache = cache
        self.value_range = value_range
        self.validation_fraction = validation_fraction
        self.on_error = on_error
        self.isolate = isolate
        self.retry_failed = retry_failed
        self.random_state = random_state
        self.progress = progress

    @all_or_nothing
    def fit(self, X: Any, y: Any, *, groups: Any = None, validation_data: Any = None) -> KeypointRegressor:
        """Extract features, once per picture, and train the head.

        Parameters
        ----------
        X : sequence of images
        y : array-like, shape (n, 2 k) or (n, k, 2)
            x0, y0, x1, y1, ... in pixels of each original image; NaN marks a missing point.
        groups : array-like, shape (n,), optional
            Images of one group, such as one person, never part when training splits its images.
        validation_data : (X, y), optional
            Used instead of a held-out part: to stop early, and to judge the closer look of a network.

        Returns
        -------
        KeypointRegressor
            Itself.

        Raises
        ------
        InvalidInputError
            The data or a parameter cannot be used; all problems are listed at once.
        BadImageError
            An image cannot be read and ``on_error`` is "raise".
        """
        problems: list[str] = []
        items, extractor, views, head = self._start(X, problems)
        if extractor is None:
            self._adopt(None, views)
            return self._fit_precomputed(X, y, groups, head, validation_data)
        items = readable_again(items)
        points = as_points(y, name="y")
        check_lengths(len(items), points, problems, unit="set of keypoints")
        group_numbers = as_groups(groups, len(points), problems)
        pair = validation_pair(validation_data, problems)
        check(problems)
        self._adopt(extractor, self._views_for(points.shape[1]))
        features = self._extract(items, fitting=True)
        ok = features.ok
        rows = np.flatnonzero(ok)
        check_enough(len(rows))
        self.n_points_ = points.shape[1]
        self._flat_layout_ = np.ndim(y) == 2
        assert isinstance(features, Features)
        sizes = features.sizes(rows)
        check_inside(points[ok], sizes, rows)
        check_present(points[ok])
        own = None if pair is None else (readable_again(images.as_image_list(pair[0])), pair[1])
        validation = None if own is None else self._validation(*own, half=head.half)
        targets = [self._to_square(points[ok], sizes, view) for view in self.views_]
        here = group_numbers[ok]
        held = self._train(head, features, rows, targets, here, np.ones(len(rows)), None, validation)
        with memory_limit(self.memory_limit):
            self._look_closer([items[i] for i in rows], features, points[ok], here, held, own)
        return self

    def predict(self, X: Any) -> NDArray[np.float64]:
        """Return the keypoints of each image, in the layout that ``fit`` got.

        Parameters
        ----------
        X : image or sequence of images

        Returns
        -------
        ndarray of float64, shape (n, 2 k) or (n, k, 2)
            Pixels of each original image; one row for a single image.

        Raises
        ------
        NotFittedError, BadImageError
        """
        self._check_fitted()
        items = X if self.extractor_ is None else readable_again(images.as_image_list(X))
        features = self._extract(items, fitting=False)
        if isinstance(features, PrecomputedFeatures):
            values = self.fitted_head_.predict(features.maps())
            return values[:, 0] if self._single_output_ else values
        with memory_limit(self.memory_limit):
            points = self._found(features, np.flatnonzero(features.ok))
            for refinement in self.refinements_:
                points = refinement.predict(items, points)
        return points.reshape(len(points), -1) if self._flat_layout_ else points

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return R^2, the share of the variance of coordinates explained, averaged over them.

        With ``on_error="skip"``, images that cannot be read are left out, and a logged warning names them.

        Parameters
        ----------
        X : image or sequence of images
        y : array-like, shape (n, 2 k) or (n, k, 2)
            Pixels of each original image; missing points (NaN) are left out.
        sample_weight : array-like, shape (n,), optional

        Returns
        -------
        float
            1 is exact, 0 no better than the mean shape.

        Raises
        ------
        NotFittedError, BadImageError
        InvalidInputError
            No coordinate in y varies.

        See Also
        --------
        transferkit.metrics.normalized_mean_error : Errors in units of the face.
        """
        X, y, sample_weight = readable_rows(self, X, y, sample_weight)
        if self.extractor_ is None:
            return float(super().score(X, y, sample_weight))
        truth = as_points(y, name="y").reshape(len(y), -1)
        found = self.predict(X).reshape(len(truth), -1)
        present = np.isfinite(truth)
        weight = np.ones(len(truth)) if sample_weight is None else np.asarray(sample_weight, dtype=float)
        weight = weight[:, None] * present
        total = np.maximum(weight.sum(axis=0), np.finfo(float).tiny)
        truth = np.where(present, truth, 0.0)
        spread = (weight * np.square(truth - (weight * truth).sum(axis=0) / total)).sum(axis=0)
        gaps = (weight * np.square(truth - found)).sum(axis=0)
        varies = spread > 0
        if not varies.any():
            raise InvalidInputError("score needs two images with different keypoints, present in y.")
        return float(np.mean(1 - gaps[varies] / spread[varies]))

    def _fit_precomputed(self, X: Any, y: Any, groups: Any, head: Head, own: Any) -> KeypointRegressor:
        """Learn any values from feature arrays; there are no images to have pixels."""
        from sklearn.utils.validation import validate_data

        X, y = validate_data(self, X, y, dtype=np.float64, allow_nd=True, multi_output=True, y_numeric=True)
        check_enough(len(X))
        problems: list[str] = []
        group_numbers = as_groups(groups, len(X), problems)
        pair = validation_pair(own, problems)
        check(problems)
        self._single_output_ = y.ndim == 1
        targets = y.reshape(len(y), -1).astype(np.float64)
        self.n_points_ = targets.shape[1] // 2
        features = PrecomputedFeatures(X.astype(np.float32))
        rows = np.arange(len(X))
        validation = None if pair is None else validation_values(self, *pair, targets.shape[1])
        self._train(head, features, rows, [targets], group_numbers, np.ones(len(X)), None, validation)
        self.refinements_, self.selection_ = [], []
        return self
