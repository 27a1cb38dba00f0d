"""Keypoint detection in images."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import MultiOutputMixin, RegressorMixin

from transferkit import images
from transferkit.backbones import Backbone
from transferkit.errors import InvalidInputError
from transferkit.estimators._base import ImageEstimator
from transferkit.estimators._closer import look_closer
from transferkit.estimators._expected_error import rebuild_expected_error
from transferkit.estimators._fitted import AnyFeatures
from transferkit.estimators._novelty import novelty_of
from transferkit.estimators._old_names import takes_old_names
from transferkit.estimators._point_targets import PointTargets
from transferkit.estimators._point_views import check_looks, point_views
from transferkit.estimators._points import check_return_error, predict_points
from transferkit.estimators._precomputed import PrecomputedFeatures
from transferkit.estimators._records import Round
from transferkit.estimators._scoring import explained_variance, readable_rows
from transferkit.estimators._splitting import as_seed
from transferkit.estimators._subjects import check_no_boxes, extract_subjects
from transferkit.estimators._taps import Taps, close_taps, point_taps
from transferkit.estimators._training_set import Rows, TrainingSet
from transferkit.estimators._tuned import TunedLook
from transferkit.estimators._unknown import novelty_problems, without_unknown
from transferkit.estimators._wide_squares import wide_squares
from transferkit.estimators.predictor import Predictor
from transferkit.estimators.refinement import (
    FEW_IMAGES,
    MIN_IMAGES,
    MIN_POINTS,
    CloserLook,
    Refinement,
    WideLook,
    rebuild_refinement,
    rebuild_wide_look,
)
from transferkit.extraction import FeatureExtractor, Features, is_precomputed
from transferkit.foundation.arguments import check
from transferkit.heads import FittedHead, Head, KeypointMapHead, LinearHead, ScoreMapHead
from transferkit.keypoints import as_points, checked_pairs
from transferkit.persistence import register_estimator
from transferkit.tasks import Points, points_like
from transferkit.views import ORIGINAL, AnyView, View, with_pairs

# With fewer images, a linear head trains in seconds and is hardly worse: errors of 10.8 and 10.3 % (network)
# with 150 faces, but 8.3 and 6.7 % with 500.
MIN_IMAGES_OF_NETWORK = 300


@register_estimator
class KeypointRegressor(MultiOutputMixin, RegressorMixin, ImageEstimator):
    """Find keypoints in images with a head trained on the features of a frozen backbone.

    Coordinates are in pixels of each original image, displayed upright; integer coordinates are pixel
    centres. Images may have different sizes, and any number of points is possible. Mirror images are used
    where it is known which points swap left and right: for 68 facial points, or with ``mirror_pairs``.

    Parameters
    ----------
    backbone : str, Backbone, keras.Model or callable, default="mobilenet"
        As for :class:`Classifier`. With ``"precomputed"``, y may be any numbers.
    head : str or head, default="auto"
        ``"auto"`` is ``"keypoint_map"``, a network that corrects points by the features at their places;
        with fewer than 300 images ``"score_map"``, which scores every place for each point; and ``"linear"``
        for a backbone with one layer, or if ``grid`` is set and there are fewer than 300 images. Also
        ``"mlp"``, ``"conv"``, or an instance from :mod:`transferkit.heads`.
    refine : int or "auto", default="auto"
        Number of rounds of a closer look: crop the upright square around the points found so far, extract its
        features, and find the points again. "auto", for the three heads of ``head="auto"`` and 3 points or
        more, is one round with 300 images or more, two rounds with 10 to 299 (one for ``"keypoint_map"``),
        else none. The rounds end at the first one that does not lower the error on held-out rows.
    layers : str or sequence of str, optional
        Layers to take features from; by default the head chooses.
    grid : int, "full" or sequence of these, optional
        Number of cells per side over which each feature map is averaged; ``"full"`` keeps whole maps. By
        default 14 and 7 for the two layers of ``"keypoint_map"`` (28 for the first one in the closer look),
        14, 14, 7 and 2 for four layers of ``"score_map"``, 7, 7, 4 and 2 for those of ``"linear"`` (whole
        maps for ``"scattering"``), and whole maps for ``"conv"``.
    augment : {"auto", "mirror", None}, default="auto"
        "mirror" trains on mirror images too, and averages both views at prediction. "auto" does so if mirror
        pairs are known.
    mirror_pairs : sequence of (int, int), optional
        Pairs of points that swap when the image is mirrored; all others stay. The readers of
        :mod:`transferkit.datasets` return them as ``table.mirror_pairs``. By default known only for 68
        points.
    weights, image_size, random_state, extractor
        As for :class:`Classifier`.

    Attributes
    ----------
    n_points_ : int
        Number of points.
    boxed_ : bool
        Whether ``fit`` was given boxes; ``predict`` then needs them, too.
    history_ : list of dict
        A row per epoch, or per penalty tried. Errors are fractions of the side of the square that the
        backbone sees.
    label_offset_ : float
        Systematic offset of the labels, and so of the predictions, to the right, in pixels; for example, if
        pixels were counted from 1. It is found by comparing images with their mirror images, and set to 0 if
        it may be chance, exceeds 2 pixels or differs between points, and without a closer look.
    wide_look_ : WideLook or None
        If set, the first look is repeated on a wide square around its answer if the points of an image and of
        its mirror image disagree by more than ``limit``, a fraction of the size of the shape; this is the
        case for 2 % of the held-out images. If they still do, it is repeated once more, around the new
        answer, and the answer on which they agree best is used. None if that did not help on these, with
        boxes, and without a network, mirror images or rounds.
    refinements_ : list of Refinement
        The fitted rounds of the closer look.
    rounds_ : list of Round
        ``number`` of each round (0 is the whole image); ``held_out_error``, the mean distance of points, as a
        fraction of the size of the shape (the longer side of its bounding box), for training images predicted
        by a model that had not seen their group; and whether the round is ``used``.
    trained_on_ : ndarray of uint64, shape (n,), or None
        Content hashes of the images that ``fit`` learned from, and of those that the backbone was fine-tuned
        on: the first 16 hexadecimal digits of each SHA-256. Saved with the model, so that
        :func:`transferkit.evaluate` can warn if it is given such images.
    report_ : ExtractionReport
        How many images came from the cache, were decoded, or were left out, and why.

    Examples
    --------
    >>> from transferkit import KeypointRegressor
    >>> from transferkit.datasets import make_faces
    >>> faces = make_faces(60, random_state=0)
    >>> kp = KeypointRegressor("scattering", image_size=96)
    >>> kp.fit(faces.images, faces.keypoints).predict(faces.images[0]).shape  # doctest: +SKIP
    (1, 136)
    """

    kind: ClassVar[str] = "points"
    kinds: ClassVar[frozenset[str]] = frozenset({"points", "values"})

    @takes_old_names
    def __init__(
        self,
        backbone: str | Backbone = "mobilenet",
        *,
        head: str | Head = "auto",
        refine: int | str = "auto",
        weights: str | os.PathLike[str] | None = "imagenet",
        image_size: int | None = None,
        layers: str | Sequence[str] | None = None,
        grid: int | str | Sequence[Any] | None = None,
        augment: str | None = "auto",
        mirror_pairs: Any = None,
        random_state: Any = 0,
        extractor: FeatureExtractor | None = None,
    ) -> None:
        self.backbone = backbone
        self.head = head
        self.refine = refine
        self.weights = weights
        self.image_size = image_size
        self.layers = layers
        self.grid = grid
        self.augment = augment
        self.mirror_pairs = mirror_pairs
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
        boxes: Any = None,
    ) -> KeypointRegressor:
        """Extract the features of each image once, and train the head.

        Parameters
        ----------
        X : sequence of images
            As for :class:`Classifier`.
        y : array-like, shape (n, 2 k) or (n, k, 2), optional
            x0, y0, x1, y1, ... in pixels of each original image; NaN marks a missing point. By default the
            targets of X, if X is a dataset.
        groups : array-like, shape (n,), optional
            Group of each image. Images of one group, such as one person, are never separated by a split.
        validation_data : (X, y) or (X, y, sample_weight), optional
            Used instead of a held-out part of X, for early stopping and to judge the closer look of a
            network. With boxes, (X, y, sample_weight, boxes), where sample_weight may be None.
        sample_weight : array-like, shape (n,), optional
            Weight of each image, 0 or more; only the ratios matter. Images of weight 0 are left out.
        boxes : array-like, shape (n, 4), optional
            Bounding box of the subject: left, top, right and bottom edge in pixels of each original image.
            Only the square around it is used. For several subjects in one image, repeat the image in X; y
            stays in pixels of the whole image. ``predict`` then needs boxes, too.

        Returns
        -------
        KeypointRegressor
            The estimator itself.

        Raises
        ------
        InvalidInputError
            The data or a parameter cannot be used; all problems are listed at once.
        BadImageError
            An image cannot be read and ``on_error`` is "raise".
        """
        return self._fit(X, y, groups, validation_data, sample_weight, boxes)

    @property
    def n_points_(self) -> int:
        """Number of points."""
        return self._fitted().task.n_outputs // 2

    @property
    def boxed_(self) -> bool:
        """Whether ``predict`` needs boxes."""
        return getattr(self._fitted().task, "boxed", False)

    @property
    def label_offset_(self) -> float:
        """Systematic offset of labels and predictions to the right, in pixels."""
        return float(getattr(self._fitted().task, "offset", 0.0))

    @property
    def wide_look_(self) -> WideLook | None:
        """Condition for repeating the first look on a wide square; None if it is never repeated."""
        look: WideLook | None = self._fitted().wide_look
        return look

    @property
    def refinements_(self) -> list[Refinement]:
        """The fitted rounds of a closer look."""
        return list(self._fitted().refinements)

    @property
    def rounds_(self) -> list[Round]:
        """Error on held-out images after each look."""
        self._check_fitted()
        return self._rounds

    def set_params(self, **params: Any) -> KeypointRegressor:
        """Set parameters of the estimator or of its head, unless the head is "auto"."""
        head = params.get("head", self.head)
        if isinstance(head, str) and head == "auto" and any(name.startswith("head__") for name in params):
            raise InvalidInputError(
                "head='auto' chooses between 'keypoint_map', 'score_map' and 'linear' by the number of "
                "images, so it has no fields to set. Set head to one of them first."
            )
        super().set_params(**params)
        return self

    def extract(self, X: Any, *, boxes: Any = None, on_error: str = "raise") -> Features:
        """Return the features that this model predicts from, computing only those that are not cached.

        Parameters
        ----------
        X : image or sequence of images
        boxes : array-like, shape (n, 4), optional
            As for ``fit``; required if ``fit`` was given boxes, else not allowed.
        on_error : {"raise", "skip"}, default="raise"
            With "skip", ``.ok`` and ``.report`` of the result say which images could not be read.

        Returns
        -------
        Features
            Of whole images, or of the squares around the boxes. Features of closer looks are not included.

        Raises
        ------
        NotFittedError, BadImageError
        InvalidInputError
            Boxes are missing, not allowed, or invalid.
        """
        predictor = self._fitted()
        if predictor.extractor is None:
            check_no_boxes(boxes)
            return super().extract(X, on_error=on_error)
        items = images.readable_again(images.as_image_list(X))
        return extract_subjects(predictor, items, boxes, on_error=on_error)[1]

    def novelty(self, X: Any, boxes: Any = None) -> NDArray[np.float64]:
        """Return how different each image is from the training images.

        Parameters
        ----------
        X : image or sequence of images
        boxes : array-like, shape (n, 4), optional
            As for ``fit``; required if ``fit`` was given boxes. The squares around them are compared.

        Returns
        -------
        ndarray of float64, shape (n,)
            From 0 to 1; see :meth:`Classifier.novelty`.

        Raises
        ------
        NotFittedError, BadImageError
        InvalidInputError
            Boxes are missing, not allowed, or invalid; or the model keeps no training images to compare with,
            see :meth:`Classifier.novelty`.
        """
        if boxes is None:
            return super().novelty(X)
        predictor = self._fitted()
        features = self.extract(X, boxes=boxes)
        with self._limited():
            return novelty_of(predictor, features)

    def predict(
        self, X: Any, boxes: Any = None, *, return_error: bool = False, max_novelty: float | None = None
    ) -> Any:
        """Return the keypoints of each image, in the layout of the ``y`` passed to ``fit``.

        Parameters
        ----------
        X : image, sequence of images or iterator over images
            An iterator, such as :func:`transferkit.datasets.video_frames`, is read in batches, never as a
            whole.
        boxes : array-like, shape (n, 4), optional
            As for ``fit``; required if ``fit`` was given boxes, else not allowed.
        return_error : bool, default=False
            Also return the expected error of each point. If there is a closer look, it is repeated for this
            on four slightly moved squares: the more the points found there differ, the larger the error.
        max_novelty : float, optional
            Refuse images whose :meth:`novelty` exceeds this value, such as 0.99: their points and errors are
            NaN, and a logged warning counts them. By default no image is refused.

        Returns
        -------
        ndarray of float64, shape (n, 2 k) or (n, k, 2)
            Pixels of each original image; one row for a single image.
        ndarray of float64, shape (n, k)
            With ``return_error``: the expected distance between each point and the true one, in pixels, as
            estimated on held-out training images. It holds for images like those; for an image without the
            subject, it means nothing.

        Raises
        ------
        NotFittedError, BadImageError
        InvalidInputError
            X cannot be used; boxes are missing, not allowed, or invalid; or the model does not know its
            errors (``return_error``) or its training images (``max_novelty``).
        """
        predictor = self._fitted()
        if predictor.extractor is None:
            check_no_boxes(boxes)
            check_return_error(predictor, return_error)
            points = predictor.task.decode(self._outputs(predictor, X))
            if max_novelty is None:
                return points
            check(novelty_problems(max_novelty))
            return without_unknown((points,), self.novelty(X), max_novelty)[0]
        return predict_points(
            predictor,
            X,
            boxes,
            return_error=return_error,
            max_novelty=max_novelty,
            limit=self._run_settings()["memory_limit"],
        )

    def score(self, X: Any, y: Any = None, sample_weight: Any = None, boxes: Any = None) -> float:
        """Return R^2, the explained share of the variance of each coordinate, averaged over coordinates.

        With ``on_error="skip"``, the default in an estimator, images that cannot be read are left out and
        named in a logged warning.

        Parameters
        ----------
        X : image or sequence of images
        y : array-like, shape (n, 2 k) or (n, k, 2), optional
            Pixels of each original image; missing points (NaN) are left out. By default the targets that X
            holds.
        sample_weight : array-like, shape (n,), optional
        boxes : array-like, shape (n, 4), optional
            As for ``fit``; required if ``fit`` was given boxes, else not allowed.

        Returns
        -------
        float
            1 means exact, 0 no better than the mean of y.

        Raises
        ------
        NotFittedError, BadImageError
        InvalidInputError
            No coordinate in y varies.

        See Also
        --------
        transferkit.metrics.normalized_mean_error : Errors relative to the size of the face.
        """
        self._check_fitted()
        if self.extractor_ is None:
            check_no_boxes(boxes)
            X, y, sample_weight, _ = readable_rows(self, X, y, sample_weight, lambda y: y)
            return float(super().score(X, y, sample_weight))
        X, truth, sample_weight, rows = readable_rows(
            self, X, y, sample_weight, lambda y: points_like(y, self.n_points_), boxes=boxes
        )
        boxes = boxes if boxes is None else np.asarray(boxes)[rows]
        truth = truth.reshape(len(truth), -1)
        score = explained_variance(truth, self.predict(X, boxes).reshape(len(truth), -1), sample_weight)
        if np.isnan(score):
            raise InvalidInputError("score needs two images with different keypoints, present in y.")
        return score

    # What is learned

    def _head(self, n_images: int | None = None) -> Head:
        """Return the head; by default a network, if there are enough images and layers for one."""
        if not (isinstance(self.head, str) and self.head == "auto"):
            return super()._head(n_images)
        if is_precomputed(self.backbone) or len(self._backbone().layers) < 2:
            return LinearHead()
        if n_images is None or n_images >= MIN_IMAGES_OF_NETWORK:
            return KeypointMapHead()
        return ScoreMapHead() if self.grid is None else LinearHead()

    def _taps(self, head: Head) -> Taps:
        return point_taps(self._backbone(), head, self.layers, self.grid)

    def _may_drop_mirror(self, task: Any) -> bool:
        return False  # points are mirrored with their images

    def _views(self, head: Head | None, y: Any = None) -> tuple[View, ...]:
        """Return the views; without ``y``, only check what does not depend on it."""
        check_looks(self.refine, self.augment, head, self.head)
        if y is None or is_precomputed(self.backbone):
            return (ORIGINAL,)
        return point_views(as_points(y, name="y").shape[1], self.refine, self.augment, self.mirror_pairs)

    def _extra_views(
        self, head: Head, targets: NDArray[Any], views: tuple[View, ...]
    ) -> tuple[tuple[AnyView, ...], NDArray[Any]]:
        """Return wide squares for training, from which the first network learns to find subjects anywhere."""
        learns = self.augment is not None and head.refinement == "network" and self._tuned is None
        if not learns or is_precomputed(self.backbone) or targets.shape[1] < MIN_POINTS:
            return (), targets
        seed = as_seed(self.random_state)
        squares, shown = wide_squares(targets, len(views) > 1, views[0].pairs, seed)
        return (squares,), shown

    def _read_arrays(self, X: Any, y: Any, *, fitting: bool) -> tuple[PrecomputedFeatures, Any]:
        return PrecomputedFeatures.with_values(self, X, y, fitting=fitting)

    def _targets(self) -> PointTargets:
        return PointTargets(is_precomputed(self.backbone), self._head)

    # The closer look

    def _look_closer(
        self,
        items: Any,
        features: AnyFeatures,
        targets: NDArray[Any],
        data: TrainingSet,
        held: Rows,
        validation: Any,
    ) -> None:
        """Fit the closer look on the readable images, of which training held some out."""
        self._rounds: list[Round] = []
        if not isinstance(features, Features):
            return
        shaped = targets.shape[1] >= MIN_POINTS and self.head_.refinement is not None
        look = self._new_look(len(data.rows)) if shaped else None
        self.predictor_ = look_closer(
            self.predictor_,
            look,
            self.head_,
            items,
            features,
            targets,
            data,
            held,
            validation,
            random_state=as_seed(self.random_state),
            tuned=self._tuned_look(),
        )
        if look is not None:
            self._rounds = look.rounds
            if self.report_ is not None:
                self.report_.merge(look.report)

    def _new_look(self, n_images: int) -> CloserLook:
        """Return an unfitted closer look."""
        taps = close_taps(self._backbone(), self.head_, self.layers, few=n_images < FEW_IMAGES)
        views = self.predictor_.views
        tuned = self._tuned_look()
        return CloserLook(
            partial(self._make_image_extractor, taps, None if tuned is None else tuned.weights),
            self._n_rounds(self.head_, n_images),
            len(views) > 1,
            views[0].pairs,
            as_seed(self.random_state),
            self._run_settings()["progress"],
        )

    def _tuned_look(self) -> TunedLook | None:
        return None if self._tuned is None else self._tuned.closer

    def _n_rounds(self, head: Head, n_images: int) -> int:
        """Return how many rounds to try: a second one pays off if the first look is coarse."""
        if self.refine != "auto":
            return int(self.refine)
        few = head.refinement == "cascade" and n_images < FEW_IMAGES
        return 0 if n_images < MIN_IMAGES else 2 if few else 1

    # Saving

    _tables: ClassVar[tuple[str, ...]] = ("layer_selection", "rounds")

    def _records(self) -> dict[str, list[dict[str, Any]]]:
        return super()._records() | {"rounds": [round.record() for round in self._rounds]}

    def _restore(self, head: Head, predictor: Any, records: dict[str, list[dict[str, Any]]]) -> None:
        super()._restore(head, predictor, records)
        self._rounds = [Round(**row) for row in records["rounds"]]

    def _rebuild_refinements(
        self, saved: Sequence[Any], task: Any, weights: str | None
    ) -> tuple[Refinement, ...]:
        def make(layers: Any, grid: Any) -> FeatureExtractor:
            return self._make_image_extractor(Taps(layers, grid), weights)

        if len(saved) and not isinstance(task, Points):
            raise ValueError("refinements of values that are no points")
        pairs = checked_pairs(self.mirror_pairs, task.n_outputs // 2)
        return tuple(rebuild_refinement(arrays, facts, make, task.n_points, pairs) for arrays, facts in saved)

    def _rebuild_extra(self, name: str, arrays: Any, facts: Any, predictor: Predictor) -> Any:
        if name not in ("expected_error", "wide_look"):
            return super()._rebuild_extra(name, arrays, facts, predictor)
        if not isinstance(predictor.task, Points) or predictor.extractor is None:
            raise ValueError(f"{name} of values that are no points of images")
        if name == "wide_look":
            return rebuild_wide_look(arrays, facts, predictor.views, predictor.task)
        return rebuild_expected_error(arrays, facts, predictor.task.n_points)

    def _make_predictor(
        self, extractor: Any, views: tuple[View, ...], head: Head, fitted: FittedHead, task: Any
    ) -> Predictor:
        if isinstance(task, Points):  # saved views have names only, not the mirror pairs
            views = with_pairs(views, checked_pairs(self.mirror_pairs, task.n_points))
        return super()._make_predictor(extractor, views, head, fitted, task)
