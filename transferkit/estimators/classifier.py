"""Images to classes."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.class_weight import compute_sample_weight

from transferkit.backbones import Backbone
from transferkit.cache import FeatureCache
from transferkit.estimators._base import ImageEstimator, check_lengths
from transferkit.estimators._fitting import all_or_nothing
from transferkit.estimators._parameters import validation_pair
from transferkit.estimators._scoring import AccuracyScore
from transferkit.explanation._class_activation import ClassActivation, explain
from transferkit.foundation.arguments import check
from transferkit.foundation.scratch import memory_limit
from transferkit.heads import Head
from transferkit.tasks._groups import as_groups
from transferkit.tasks._labels import as_labels, check_classes, class_weight_problems, labels_among


class Classifier(AccuracyScore, ImageEstimator):
    """Tell classes of images apart, by a head on the features of a frozen backbone.

    Parameters
    ----------
    backbone : str or Backbone, default="mobilenet"
        Name in the registry, see :func:`transferkit.list_backbones`; ``"scattering"`` needs no
        weights; ``"precomputed"`` means that X holds features.
    head : str or head, default="auto"
        ``"auto"`` (linear, on the layers that do best on held-out training rows), ``"linear"``,
        ``"mlp"``, ``"conv"``, or an instance from :mod:`transferkit.heads`.
    weights : "imagenet", path or None, default="imagenet"
        ImageNet weights, a weights file, or seeded random weights.
    image_size : int, optional
        Side in pixels of the square that the backbone sees; by default what it was trained at.
    layers : str or sequence of str, optional
        Layers to tap; by default the head's choice. See :class:`FeatureExtractor`.
    grid : int or "full", optional
        Average each map over this many cells a side; ``"full"`` keeps maps. By default the head's choice.
    resize : {"stretch", "pad"}, default="stretch"
        Fill the square, or keep the aspect on a black ground.
    augment : {"mirror", "multi", "strong", None}, default="mirror"
        Views of each picture to learn from, and to average at prediction: with its mirror image; or six more,
        closer and turned a little ("multi"), or turned by up to 63 degrees, shifted, some upside down
        ("strong"). Linear heads keep their mean as one row. None where left and right differ in meaning.
    class_weight : dict, "balanced" or None, default=None
        Weight of each class's errors; ``"balanced"`` weighs classes equally.
    engine, precision, batch_size : default="auto", "float32" and 32
        What runs the backbone, what in, and how many images at a time; see :class:`FeatureExtractor`.
    memory_limit : float, optional
        Bytes of memory for features and what a linear head makes of them; the rest lies in temporary files
        (where ``TMPDIR`` says), with the same results. By default all is held in memory.
    cache, value_range : default=True and None
        Where features are kept; black and white of float arrays. See :class:`FeatureExtractor`.
    validation_fraction : float, default=0.1
        Share of the training images held out for early stopping, by heads that use it.
    on_error : {"skip", "raise"}, default="skip"
        What ``fit`` does with an image that cannot be read; skipped ones are listed in ``report_``. ``score``
        does the same, and logs them; ``predict`` always raises.
    isolate, retry_failed : bool or float, and bool, default=False
        Decode files in helper processes; try what failed before again. See :class:`FeatureExtractor`.
    random_state : int, RandomState or None, default=0
        Of the split, of initial weights and of shuffling.
    progress : bool, default=True
        Show bars on stderr for work that takes longer than a second.

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
        Labels, sorted; columns of ``predict_proba`` follow them.
    history_ : list of dict
        What training recorded: a row per epoch, per mixture of layers, or per penalty tried.
    selection_ : list of dict
        Of ``head="auto"``: the mixtures of layers that were tried, each with its error on held-out training
        rows, its ``"gain"`` over equal shares with the ``"standard_error"``, and, of the one that was
        ``"chosen"``, ``"why"``.
    report_ : ExtractionReport
        Images from the cache, decoded, left out, and why.
    extractor_, head_, fitted_head_
        What makes predictions.

    Examples
    --------
    >>> from transferkit import Classifier
    >>> from transferkit.datasets import make_faces
    >>> faces = make_faces(60, random_state=0)
    >>> clf = Classifier("scattering", cache=False).fit(faces.images, faces.labels)  # doctest: +SKIP
    >>> clf.predict(faces.images[:2])  # doctest: +SKIP
    array(['glasses', 'no_glasses'], dtype='<U10')
    """

    def __init__(
        self,
        backbone: str | Backbone = "mobilenet",
        *,
        head: str | Head = "auto",
        weights: str | os.PathLike[str] | None = "imagenet",
        image_size: int | None = None,
        layers: str | Sequence[str] | None = None,
        grid: int | str | None = None,
        resize: str = "stretch",
        augment: str | None = "mirror",
        class_weight: Mapping[Any, float] | str | None = None,
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
        self.weights = weights
        self.image_size = image_size
        self.layers = layers
        self.grid = grid
        self.resize = resize
        self.augment = augment
        self.class_weight = class_weight
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
    def fit(self, X: Any, y: Any, *, groups: Any = None, validation_data: Any = None) -> Classifier:
        """Extract features, once per picture, and train the head.

        Parameters
        ----------
        X : sequence of images
            Paths, bytes, PIL images or arrays; features (n, d) or (n, h, w, c) for "precomputed".
        y : array-like, shape (n,)
            Labels: strings, integers or booleans, of two classes or more.
        groups : array-like, shape (n,), optional
            Images of one group, such as one person, never part when training splits its images.
        validation_data : (X, y), optional
            Used instead of a held-out part; nothing but early stopping and the history sees it.

        Returns
        -------
        Classifier
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
        labels = as_labels(y, problems)
        if extractor is not None:
            check_lengths(len(items), labels, problems)
        group_numbers = as_groups(groups, len(labels), problems)
        known = [] if problems else np.unique(labels).tolist()
        problems += class_weight_problems(self.class_weight, known)
        pair = validation_pair(validation_data, problems)
        check(problems)
        self._adopt(extractor, views)
        features = self._extract(items, fitting=True)
        ok = features.ok
        check_lengths(len(ok), labels, problems)
        check(problems)
        rows = np.flatnonzero(ok)
        self.classes_, indices = np.unique(labels[ok], return_inverse=True)
        check_classes(self.classes_, labels, len(rows))
        validation = None if pair is None else self._validation(*pair)
        weight = compute_sample_weight(self.class_weight, labels[ok])
        targets = [indices] * len(views)
        self._train(head, features, rows, targets, group_numbers[ok], weight, len(self.classes_), validation)
        return self

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Return the confidence in each class.

        Parameters
        ----------
        X : image or sequence of images

        Returns
        -------
        ndarray, shape (n,) for two classes, else (n, n_classes)
            Logits; for two classes that of ``classes_[1]``, positive where it is predicted.

        Raises
        ------
        NotFittedError, BadImageError
        """
        self._check_fitted()
        features = self._extract(X, fitting=False)
        with memory_limit(self.memory_limit):
            views = [self.fitted_head_.predict(features.maps(view=view)) for view in self.views_]
        logits: NDArray[np.float64] = np.mean(views, axis=0)
        return logits[:, 0] if len(self.classes_) == 2 else logits

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return the probability of each class.

        Parameters
        ----------
        X : image or sequence of images

        Returns
        -------
        ndarray of float64, shape (n, n_classes)
            Columns in the order of ``classes_``; each row sums to 1.

        Raises
        ------
        NotFittedError, BadImageError
        """
        from scipy.special import softmax

        logits = self.decision_function(X)
        if logits.ndim == 1:
            logits = np.stack([np.zeros_like(logits), logits], axis=1)
        probabilities: NDArray[np.float64] = softmax(logits, axis=1)
        return probabilities

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the most probable label of each image; an array of one for a single image.

        Parameters
        ----------
        X : image or sequence of images

        Returns
        -------
        ndarray, shape (n,)

        Raises
        ------
        NotFittedError, BadImageError
        """
        logits = self.decision_function(X)
        best = (logits > 0).astype(int) if logits.ndim == 1 else logits.argmax(axis=1)
        labels: NDArray[Any] = self.classes_[best]
        return labels

    def class_activation(self, image: Any, *, label: Any = None, reference: Any = None) -> ClassActivation:
        """Return what each place of an image adds to the score of a class, exactly, for linear heads.

        Parameters
        ----------
        image : image
            One image.
        label : label, optional
            By default the predicted one.
        reference : sequence of images, optional
            Such as training images: what they add in the mean is taken away.

        Returns
        -------
        ClassActivation
            ``.maps``, one (h, w) per layer, and ``.intercept``, which sum to ``.score``, the class's logit.

        Raises
        ------
        NotFittedError, BadImageError
        InvalidInputError
            The head is a network, the label unknown, or there is not one image.
        """
        self._check_fitted()
        return explain(self, image, label, reference)

    def _validation(self, X: Any, y: Any) -> tuple[list[NDArray[np.float32]], NDArray[np.int64]]:
        """Return features and class indices of the caller's own validation part."""
        problems: list[str] = []
        name = "y of validation_data"
        labels = labels_among(y, self.classes_, name)
        # Features are those of the training: validation rows do not say how many there are.
        features = self._extract(X, fitting=self.extractor_ is not None)
        check_lengths(len(features.ok), labels, problems, name)
        check(problems)
        ok = features.ok
        return features.maps(np.flatnonzero(ok)), np.searchsorted(self.classes_, labels[ok])
