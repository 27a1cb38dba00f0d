"""Images to classes."""

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
    """Tell classes of images apart, by a head on the features of a frozen backbone.

    Parameters
    ----------
    backbone : str or Backbone, default="mobilenet"
        Name in the registry, see :func:`transferkit.list_backbones`; ``"scattering"`` needs no
        weights; ``"precomputed"`` means that X holds features.
    head : str or head, default="auto"
        ``"auto"`` (linear, on the layers that do best on held-out training rows), ``"linear"``,
        ``"mlp"``, ``"conv"``, or an instance from :mod:`transferkit.heads`.
    weights, image_size : default="imagenet" and None
        See :class:`FeatureExtractor`.
    layers : str or sequence of str, optional
        Layers to tap; by default the head's choice. See :class:`FeatureExtractor`.
    grid : int, "full" or sequence of these, optional
        Average each map over this many cells a side; ``"full"`` keeps maps. By default the head's choice.
    augment : {"auto", "mirror", "multi", "strong", None}, default="auto"
        Views of each image to learn from, and to average at prediction: with its mirror image ("mirror"); or
        six more, closer and turned a little ("multi"), or turned by up to 63 degrees, shifted, some upside
        down ("strong"). Linear heads keep their mean as one row. None where left and right differ in meaning.
        "auto" is "mirror", or None if up to 256 training images are surely learned better without the mirror.
    class_weight : dict, "balanced" or None, default=None
        Weight of each class's errors; ``"balanced"`` weighs classes equally. Of several labels, how much an
        image counts for a label that it has, where one without counts 1; ``"balanced"`` weighs those with and
        without each label equally.
    threshold : float, dict, "f1" or "balanced_accuracy", default=0.5
        The probability above which a label is predicted: of two classes, ``classes_[1]``, or the label that
        is the key of a dictionary, which serves more classes, too. Of several labels, a number in (0, 1)
        for all, or by label, where those left out have 0.5. ``"f1"`` and ``"balanced_accuracy"`` choose the
        threshold with the highest figure on training images, from predictions by models that had not seen
        them, for ``classes_[1]`` of two classes, or for each of several labels. Probabilities stay the
        same. See also :meth:`threshold_for`.
    calibrate : "auto" or None, default="auto"
        "auto" divides logits by a temperature, learned from held-out images, so that probabilities of few
        images are not too sure; no prediction changes. None keeps them as the head learned them. A network is
        calibrated on what it holds out for early stopping, so not with ``validation_data``, nor where images
        are too few to hold any out.
    random_state : int, RandomState or None, default=0
        Of the split, of initial weights and of shuffling.
    extractor : FeatureExtractor, optional
        All other settings of the extraction: how images are read (``resize``, ``value_range``, ``on_error``),
        what the backbone computes in (``precision``), and how work is run (``engine``, ``cache``,
        ``progress``, ...), for which :func:`transferkit.config_context` serves too.

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
        Labels, sorted; columns of ``predict_proba`` follow them. Of 0 and 1 in columns, the names of the
        columns or their positions.
    history_ : list of dict
        What training recorded: a row per epoch, per mixture of layers, or per penalty tried.
    layer_selection_ : list of LayerTrial
        Of ``head="auto"``: the mixtures of layers that were tried, each with its error on held-out training
        rows, its ``gain`` over equal shares with the ``standard_error``, and, of the one that was
        ``chosen``, ``why``.
    thresholds_ : ndarray of float64, shape (n_labels,)
        Of several labels only: the probability above which each is predicted.
    held_out_ : HeldOut or None
        ``logits`` and ``targets`` of training images by models that had not seen them, their ``weight`` and
        ``groups``; of a linear head all, of a network those that were held out. Saved with the model.
    trained_on_ : ndarray of uint64, shape (n,), or None
        The contents of the images that ``fit`` learned from: the first 16 hexadecimal digits of each SHA-256.
        Saved with the model, so that :func:`transferkit.evaluate` can warn of images among them. Those that
        the backbone was fine-tuned on are among them.
    report_ : ExtractionReport
        Images from the cache, decoded, left out, and why.
    extractor_, head_, fitted_head_
        What makes predictions.

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
        """Extract features, once per image, and train the head.

        Parameters
        ----------
        X : sequence of images
            Paths, bytes, PIL images or arrays; a folder, a pattern such as ``"photos/*.jpg"``, or a data set
            of another library; features (n, d) or (n, h, w, c) for "precomputed".
        y : array-like, shape (n,), or several labels for each image, optional
            Labels: strings, integers or booleans, of two classes or more. By default those that X holds: the
            names of the sub-folders of a folder, or the labels of a data set. Where images may have several:
            0 and 1 (n, n_labels) in an array, a sparse matrix, or a DataFrame, whose columns are the names;
            or a list of lists, tuples or sets of names.
        groups : array-like, shape (n,), optional
            Images in one group, such as one person, always stay on the same side of a split.
        validation_data : (X, y) or (X, y, sample_weight), optional
            Used instead of a held-out part; nothing but early stopping and the history sees it.
        sample_weight : array-like, shape (n,), optional
            How much each image counts, 0 or more; only the ratios matter. An image of weight 0 is left out.

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
        return self._fit(X, y, groups, validation_data, sample_weight)

    @property
    def classes_(self) -> NDArray[Any]:
        """Labels, sorted."""
        return self._task().labels

    @property
    def thresholds_(self) -> NDArray[np.float64]:
        """The probability above which each of several labels is predicted."""
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
        """Return the outputs of the head, and the task of the same fit."""
        predictor = self._fitted()
        assert isinstance(predictor.task, Classes | Labels)
        return predictor.task, self._outputs(predictor, X)

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Return the confidence in each class.

        Parameters
        ----------
        X : image or sequence of images

        Returns
        -------
        ndarray, shape (n,) for two classes, else (n, n_classes)
            Logits; for two classes that of ``classes_[1]``, positive where it is the more probable one. Of
            several labels, that of each. A threshold moves none of them.

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
            Columns in the order of ``classes_``; each row sums to 1. Of several labels, the probability of
            each by itself.

        Raises
        ------
        NotFittedError, BadImageError
        """
        task, outputs = self._answer(X)
        return task.probabilities(outputs)

    def predict_log_proba(self, X: Any) -> NDArray[np.float64]:
        """Return the logarithm of the probability of each class, finite where the probability rounds to 0.

        Parameters
        ----------
        X : image or sequence of images

        Returns
        -------
        ndarray of float64, shape (n, n_classes)
            As ``predict_proba``.

        Raises
        ------
        NotFittedError, BadImageError
        """
        task, outputs = self._answer(X)
        return task.log_probabilities(outputs)

    def predict(self, X: Any, *, unknown_label: Any = None, max_novelty: float | None = None) -> NDArray[Any]:
        """Return the label of each image, by default the most probable; an array of one for a single image.

        Parameters
        ----------
        X : image or sequence of images
        unknown_label : label, optional
            What images are given that are like nothing the model was trained on, such as ``"unknown"``. By
            default every image is given one of ``classes_``.
        max_novelty : float, optional
            Largest :meth:`novelty` of a known image, in (0, 1), by default 0.99: about the share of images
            like those to train on that are not refused; with n training images, ``n / (n + 1)`` at most.

        Returns
        -------
        ndarray, shape (n,), or (n, n_labels)
            Of several labels 1 where the probability is above the one of ``thresholds_``, else 0, in the
            order of ``classes_``. Of objects where ``unknown_label`` is of another type than the labels.

        Raises
        ------
        NotFittedError, BadImageError
        InvalidInputError
            With ``unknown_label``: images have several labels, or nothing is known of the training images.
        """
        predictor = self._fitted()
        task: Any = predictor.task  # of the same fit
        least = check_unknown(task, unknown_label, max_novelty)
        features = self._features(predictor, X)
        with self._limited():
            labels = task.decode(predictor.outputs(features))
            if least is None:
                return labels
            return with_unknown(labels, novelty_of(predictor, features) > least, unknown_label)

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Return the share of images that are given their label, or exactly all of their labels.

        With ``on_error="skip"``, the default in an estimator, images that cannot be read are left out, and a
        logged warning names them.

        Parameters
        ----------
        X : image or sequence of images
        y : array-like, as for ``fit``
            By default the labels that X holds.
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
        task = self._task()
        like = label_sets_like if isinstance(task, Labels) else labels_like
        X, y, weight, _ = readable_rows(self, X, y, sample_weight, lambda y: like(y, task.labels, "y"))
        return float(super().score(X, y, weight))

    def class_activation(self, image: Any, *, label: Any = None, reference: Any = None) -> ClassActivation:
        """Return what each place of an image adds to the score of a class, exactly, for linear heads.

        Parameters
        ----------
        image : image
            One image.
        label : label, optional
            By default the most probable one.
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
        return explain(self._fitted(), image, label, reference, self.head_)

    # What is learned

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn what goes in and comes out."""
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags

    def kind_for(self, y: Any) -> str:
        """Return the kind of the fitted model; before ``fit`` "labels" where images may have several."""
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
        caller: NDArray[np.float64],
    ) -> Classes | Labels:
        return self._targets().with_threshold(
            task, data, caller, lambda: self._unseen_outputs(task, head, fitted, features, data)
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
        if self.threshold is None:  # a dictionary, whose keys may be no strings, is saved with the task
            self.threshold = saved_threshold(self._task())
