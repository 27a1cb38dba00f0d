"""Image classification, with one label or several labels per image."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin

from transferkit.backbones import Backbone
from transferkit.decisions import rebuild_held_out
from transferkit.estimators._base import ImageEstimator
from transferkit.estimators._class_targets import ClassTargets
from transferkit.estimators._decisions import Decisions
from transferkit.estimators._fitted import AnyFeatures
from transferkit.estimators._held_out import held_out_outputs, remember_held_out
from transferkit.estimators._novelty import novelty_of
from transferkit.estimators._old_names import takes_old_names
from transferkit.estimators._scoring import readable_rows
from transferkit.estimators._splitting import as_seed
from transferkit.estimators._training_set import Rows, TrainingSet
from transferkit.estimators._unknown import check_unknown, with_unknown
from transferkit.estimators.predictor import average_views
from transferkit.explanation import ClassActivation, explain
from transferkit.extraction import FeatureExtractor
from transferkit.heads import FittedHead, Head
from transferkit.persistence import register_estimator
from transferkit.tasks import (
    Classes,
    Labels,
    is_label_sets,
    label_sets_like,
    labels_like,
    saved_threshold,
)


@register_estimator
class Classifier(ClassifierMixin, ImageEstimator, Decisions):
    """Classify images with a head trained on the features of a frozen backbone.

    Parameters
    ----------
    backbone : str, Backbone, keras.Model or callable, default="mobilenet"
        Name in the registry (see :func:`transferkit.list_backbones`), or a network of your own (see
        :class:`Backbone`). ``"scattering"`` needs no weights; with ``"precomputed"``, X holds features
        instead of images.
    head : str or head, default="auto"
        ``"auto"`` (linear, on the layers with the least error on held-out training rows), ``"linear"``,
        ``"mlp"``, ``"conv"``, or an instance from :mod:`transferkit.heads`.
    weights, image_size : default="imagenet" and None
        See :class:`FeatureExtractor`.
    layers : str or sequence of str, optional
        Layers to take features from; by default the head chooses. See :class:`FeatureExtractor`.
    grid : int, "full" or sequence of these, optional
        Number of cells per side over which each feature map is averaged; ``"full"`` keeps whole maps. By
        default the head chooses.
    augment : {"auto", "mirror", "multi", "strong", None}, default="auto"
        Views of each image used in training and averaged at prediction. "mirror" adds the mirror image;
        "multi" adds six more views, zoomed in and slightly rotated; "strong" instead adds six that are
        rotated by up to 63 degrees and shifted, some upside down. Linear heads keep the mean of the views as
        one row. Use None where left and right differ in meaning. "auto" is "mirror", unless a sample of up to
        256 training images shows clearly that a linear model learns better without mirror images; then None.
    class_weight : dict, "balanced" or None, default=None
        Weight of the errors of each class; ``"balanced"`` gives all classes the same total weight. With
        several labels per image: the weight of images that have a label, relative to 1 for those that do not;
        ``"balanced"`` gives both the same total weight.
    threshold : float, dict, "f1" or "balanced_accuracy", default=0.5
        Probability above which a label is predicted. With two classes, a number applies to ``classes_[1]``;
        with any number of classes, a dictionary with one key sets it for that label. With several labels per
        image, a number in (0, 1) applies to all, a dictionary to its keys (0.5 for the others). ``"f1"`` and
        ``"balanced_accuracy"`` choose the threshold that maximizes this metric on training images, predicted
        by models that had not seen them: for ``classes_[1]`` of two classes, or for each of several labels.
        Probabilities do not change. See also :meth:`threshold_for`.
    calibrate : "auto" or None, default="auto"
        "auto" divides logits by a temperature learned from held-out images, so that a model trained on few
        images is not overconfident; predicted labels do not change. None keeps the logits as learned. A
        network is calibrated on the images held out for early stopping; so it is not calibrated with
        ``validation_data``, or with too few images to hold any out.
    random_state : int, RandomState or None, default=0
        Seed of the split, the initial weights and the shuffling.
    extractor : FeatureExtractor, optional
        All other settings of feature extraction: how images are read (``resize``, ``value_range``,
        ``on_error``), the ``precision`` of the backbone, and how the work is run (``engine``, ``cache``,
        ``progress``, ...). The last can also be set with :func:`transferkit.config_context`.

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
        Labels, sorted, in the order of the columns of ``predict_proba``. If ``y`` had a column of 0 and 1 for
        each label: the names of the columns, or their positions.
    history_ : list of dict
        Training history: a row per epoch, per mixture of layers, or per penalty tried.
    layer_selection_ : list of LayerTrial
        With ``head="auto"``: the mixtures of layers that were tried, each with its error on held-out training
        rows, its ``gain`` over equal shares and the ``standard_error`` of that; the one that was ``chosen``
        says ``why``.
    thresholds_ : ndarray of float64, shape (n_labels,)
        Only with several labels per image: the probability above which each label is predicted.
    held_out_ : HeldOut or None
        ``logits`` of training images by models that had not seen them, with ``targets``, ``weight`` and
        ``groups``: all training images for a linear head, the held-out ones for a network. Saved with the
        model.
    trained_on_ : ndarray of uint64, shape (n,), or None
        Content hashes of the images that ``fit`` learned from, and of those that the backbone was fine-tuned
        on: the first 16 hexadecimal digits of each SHA-256. Saved with the model, so that
        :func:`transferkit.evaluate` can warn if it is given such images.
    report_ : ExtractionReport
        How many images came from the cache, were decoded, or were left out, and why.
    extractor_, head_, fitted_head_
        The feature extractor, the head's settings, and the trained head.

    Examples
    --------
    >>> from transferkit import Classifier, FeatureExtractor
    >>> from transferkit.datasets import make_faces
    >>> faces = make_faces(60, random_state=0)
    >>> clf = Classifier("scattering").fit(faces.images, faces.labels)  # doctest: +SKIP
    >>> clf.predict(faces.images[:2])  # doctest: +SKIP
    array(['glasses', 'no_glasses'], dtype='<U10')
    >>> Classifier("vgg16", extractor=FeatureExtractor(resize="pad"))
    Classifier(backbone='vgg16', extractor=FeatureExtractor(resize='pad'))
    """

    kind: ClassVar[str] = "classes"
    kinds: ClassVar[frozenset[str]] = frozenset({"classes", "labels"})

    @takes_old_names
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
        class_weight: Mapping[Any, float] | str | None = None,
        threshold: float | Mapping[Any, float] | str = 0.5,
        calibrate: str | None = "auto",
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
        self.class_weight = class_weight
        self.threshold = threshold
        self.calibrate = calibrate
        self.random_state = random_state
        self.extractor = extractor

    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        groups: Any = None,
        validation_data: Any = None,
        sample_weight: Any = None,
    ) -> Classifier:
        """Extract the features of each image once, and train the head.

        Parameters
        ----------
        X : sequence of images
            Paths, bytes, PIL images or arrays; a folder, a pattern such as ``"photos/*.jpg"``, or a dataset
            of another library. For "precomputed", features of shape (n, d) or (n, h, w, c).
        y : array-like, shape (n,), or several labels for each image, optional
            Labels: strings, integers or booleans, of at least two classes. By default the labels that X
            holds: the names of the sub-folders of a folder, or the labels of a dataset. With several labels
            per image: 0 and 1 of shape (n, n_labels) in an array, a sparse matrix, or a DataFrame whose
            columns are the names of the labels; or a list of lists, tuples or sets of names.
        groups : array-like, shape (n,), optional
            Group of each image. Images of one group, such as one person, are never separated by a split.
        validation_data : (X, y) or (X, y, sample_weight), optional
            Used instead of a held-out part of X, only for early stopping and for the history.
        sample_weight : array-like, shape (n,), optional
            Weight of each image, 0 or more; only the ratios matter. Images of weight 0 are left out.

        Returns
        -------
        Classifier
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
    def classes_(self) -> NDArray[Any]:
        """Labels, sorted."""
        return self._task().labels

    @property
    def thresholds_(self) -> NDArray[np.float64]:
        """Probability above which each label is predicted, with several labels per image."""
        task = self._task()
        if not isinstance(task, Labels):
            raise AttributeError(
                "thresholds_ is for several labels. This model has classes, one for each image."
            )
        return np.full(len(task.labels), 0.5) if task.thresholds is None else task.thresholds.copy()

    def _task(self) -> Classes | Labels:
        task = self._fitted().task
        assert isinstance(task, Classes | Labels)
        return task

    def _answer(self, X: Any) -> tuple[Classes | Labels, NDArray[np.float64]]:
        """Return the task and the outputs of the head, both from the same fit."""
        predictor = self._fitted()
        assert isinstance(predictor.task, Classes | Labels)
        return predictor.task, self._outputs(predictor, X)

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Return the logit of each class.

        Parameters
        ----------
        X : image or sequence of images

        Returns
        -------
        ndarray, shape (n,) for two classes, else (n, n_classes)
            Logits. For two classes, the logit of ``classes_[1]``, positive where this class is the more
            probable one. With several labels per image, the logit of each label. Not affected by the
            threshold.

        Raises
        ------
        NotFittedError, BadImageError
        """
        task, outputs = self._answer(X)
        return task.decision(outputs)

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return the probability of each class.

        Parameters
        ----------
        X : image or sequence of images

        Returns
        -------
        ndarray of float64, shape (n, n_classes)
            Columns in the order of ``classes_``; each row sums to 1. With several labels per image, the
            independent probability of each label.

        Raises
        ------
        NotFittedError, BadImageError
        """
        task, outputs = self._answer(X)
        return task.probabilities(outputs)

    def predict_log_proba(self, X: Any) -> NDArray[np.float64]:
        """Return the log-probability of each class, finite even where the probability rounds to 0.

        Parameters
        ----------
        X : image or sequence of images

        Returns
        -------
        ndarray of float64, shape (n, n_classes)
            Columns as in ``predict_proba``.

        Raises
        ------
        NotFittedError, BadImageError
        """
        task, outputs = self._answer(X)
        return task.log_probabilities(outputs)

    def predict(self, X: Any, *, unknown_label: Any = None, max_novelty: float | None = None) -> NDArray[Any]:
        """Return the label of each image, by default the most probable one.

        Parameters
        ----------
        X : image or sequence of images
        unknown_label : label, optional
            Label for images that are unlike the training images, such as ``"unknown"``. By default every
            image is given one of ``classes_``.
        max_novelty : float, optional
            Images whose :meth:`novelty` is larger are given ``unknown_label``; in (0, 1), by default 0.99.
            About this share of images that resemble the training images keep their label; with n training
            images, ``n / (n + 1)`` at most.

        Returns
        -------
        ndarray, shape (n,), or (n, n_labels)
            Of shape (1,) for a single image. With several labels per image, in the order of ``classes_``: 1
            where the probability is above the threshold in ``thresholds_``, else 0. Of dtype object if
            ``unknown_label`` is of another type than the labels.

        Raises
        ------
        NotFittedError, BadImageError
        InvalidInputError
            With ``unknown_label``: images have several labels, or novelty is not available (see
            :meth:`novelty`).
        """
        predictor = self._fitted()
        task: Any = predictor.task  # of the same fit as the predictor
        least = check_unknown(task, unknown_label, max_novelty)
        features = self._features(predictor, X)
        with self._limited():
            labels = task.decode(predictor.outputs(features))
            if least is None:
                return labels
            return with_unknown(labels, novelty_of(predictor, features) > least, unknown_label)

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Return the accuracy; with several labels per image, all labels of an image must be right.

        With ``on_error="skip"``, the default in an estimator, images that cannot be read are left out and
        named in a logged warning.

        Parameters
        ----------
        X : image or sequence of images
        y : array-like, as for ``fit``
            By default the labels that X holds.
        sample_weight : array-like, shape (n,), optional

        Returns
        -------
        float
            From 0 to 1.

        Raises
        ------
        NotFittedError, BadImageError
        InvalidInputError
            Lengths differ, or no image can be read.

        See Also
        --------
        transferkit.evaluate : All usual metrics, with confidence intervals.
        """
        task = self._task()
        like = label_sets_like if isinstance(task, Labels) else labels_like
        X, y, weight, _ = readable_rows(self, X, y, sample_weight, lambda y: like(y, task.labels, "y"))
        return float(super().score(X, y, weight))

    def class_activation(self, image: Any, *, label: Any = None, reference: Any = None) -> ClassActivation:
        """Return the exact contribution of each place of an image to the logit of a class (linear heads).

        Parameters
        ----------
        image : image
            A single image.
        label : label, optional
            Class to explain; by default the most probable one.
        reference : sequence of images, optional
            Images, such as training images, whose mean contribution is subtracted.

        Returns
        -------
        ClassActivation
            ``.maps``, one of shape (h, w) per layer, and ``.intercept`` add up to ``.score``, the logit of
            the class.

        Raises
        ------
        NotFittedError, BadImageError
        InvalidInputError
            The head is a network, the label is unknown, or not exactly one image was passed.
        """
        return explain(self._fitted(), image, label, reference, self.head_)

    # What is learned

    def __sklearn_tags__(self) -> Any:
        """Return scikit-learn's tags: several labels per image are supported."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

    def kind_for(self, y: Any) -> str:
        """Return the kind of task: of the fitted model, or else "labels" if images in y may have several."""
        if self.__sklearn_is_fitted__():
            return self._task().kind
        return Labels.kind if is_label_sets(y) else Classes.kind

    def _targets(self) -> ClassTargets:
        return ClassTargets(self.head, self.class_weight, self.threshold, self.calibrate)

    def _finish_task(
        self,
        task: Any,
        head: Head,
        fitted: FittedHead,
        features: AnyFeatures,
        data: TrainingSet,
        sample_weight: NDArray[np.float64],
    ) -> Classes | Labels:
        return self._targets().with_threshold(
            task, data, sample_weight, lambda: self._unseen_outputs(task, head, fitted, features, data)
        )

    def _unseen_outputs(
        self, task: Any, head: Head, fitted: FittedHead, features: AnyFeatures, data: TrainingSet
    ) -> NDArray[np.float64]:
        """Return outputs (n, n_outputs) for training rows by heads that have not learned from them."""
        if self._tuned is not None:
            seen = [fitted.predict(features.maps(data.rows, view, half=head.half)) for view in data.views]
            return average_views(data.views, seen)
        return held_out_outputs(
            lambda part: self._train(head, task, features, part)[0],
            fitted,
            features,
            data,
            half=head.half,
            seed=as_seed(self.random_state),
            task=task,
        )

    def _remember(
        self, features: AnyFeatures, data: TrainingSet, weight: NDArray[np.float64], held: Rows
    ) -> None:
        super()._remember(features, data, weight, held)
        self.predictor_ = remember_held_out(self.predictor_, features, data, weight, held)

    def _rebuild_extra(self, name: str, arrays: Any, facts: Any, predictor: Any) -> Any:
        if name == "held_out":
            return rebuild_held_out(arrays, facts, predictor.task)
        return super()._rebuild_extra(name, arrays, facts, predictor)

    def _restore(self, head: Head, predictor: Any, records: Any) -> None:
        super()._restore(head, predictor, records)
        if self.threshold is None:  # a dictionary, whose keys may not be strings, is saved with the task
            self.threshold = saved_threshold(self._task())
