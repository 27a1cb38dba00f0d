"""What an estimator can do once it is fitted; its whole learned state is ``predictor_``, replaced at once."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import NotFittedError as SklearnNotFittedError

from transferkit.cards import ModelCard, check_unchanged, make_card
from transferkit.errors import InvalidInputError, NotFittedError, quoted
from transferkit.estimators._copies import known_contents
from transferkit.estimators._extractor_owner import ExtractorOwner
from transferkit.estimators._fitting import snapshot
from transferkit.estimators._novelty import novelty_of
from transferkit.estimators._old_names import warn_attribute
from transferkit.estimators._precomputed import PrecomputedFeatures
from transferkit.estimators._records import LayerTrial
from transferkit.estimators._tuned import bring_weights
from transferkit.estimators.predictor import Predictor
from transferkit.extraction import Features
from transferkit.foundation.arguments import check, flag, is_path
from transferkit.foundation.scratch import memory_limit
from transferkit.heads import FittedHead
from transferkit.persistence import save_estimator
from transferkit.tasks import Task
from transferkit.views import View

AnyFeatures = Features | PrecomputedFeatures


class _NotFittedError(NotFittedError, SklearnNotFittedError):
    """An error that both users of transferkit and users of scikit-learn can catch."""

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle by way of a function, since this class has the name of its base."""
        return not_fitted, self.args


def not_fitted(*args: str) -> NotFittedError:
    """Return a NotFittedError with this message."""
    return _NotFittedError(*args)


_NotFittedError.__name__ = _NotFittedError.__qualname__ = "NotFittedError"
_NotFittedError.__module__ = "transferkit.errors"


class FittedEstimator(ExtractorOwner):
    """The half of an estimator that works on a fitted model: saving, features, outputs of the head."""

    predictor_: Predictor
    trained_on_: Any
    _layer_selection: list[LayerTrial]

    def _records(self) -> dict[str, list[dict[str, Any]]]:
        raise NotImplementedError

    def save(self, path: str | os.PathLike[str], *, absolute_paths: bool = False, card: bool = False) -> None:
        """Save the fitted model to a safetensors file; an existing file is replaced atomically.

        Parameters
        ----------
        path : path
            Usually with the suffix ``.safetensors``.
        absolute_paths : bool, default=False
            Keep the path of a weights file as it is on this machine. By default the model keeps only its
            name, by which :func:`transferkit.load` finds it.
        card : bool, default=False
            Also write the :meth:`card`, beside the model and with the suffix ``.md``. An existing card is
            replaced only if nobody has edited it.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        FileNotFoundError
            The folder of the path does not exist.
        InvalidInputError
            The model has values that are not finite, because its training diverged; or the existing card was
            edited. Nothing is written then.

        See Also
        --------
        transferkit.load : Load the saved model.
        """
        self._check_fitted()
        check([*flag("absolute_paths", absolute_paths), *flag("card", card)])
        model = snapshot(self)
        beside = Path(path).with_suffix(".md") if card and is_path(path) else None
        if beside is not None:
            check_unchanged(beside)
        save_estimator(model, path, absolute_paths=absolute_paths)
        if beside is not None:
            model.card().to_markdown(beside)

    def card(self, *, evaluation: Any = None, audit: Any = None) -> ModelCard:
        """Return a model card: training data, metrics, settings and known limits of this model.

        Parameters
        ----------
        evaluation : evaluation, optional
            Result of :func:`transferkit.evaluate` for this model on a test set.
        audit : AuditReport, optional
            Result of :func:`transferkit.audit` for the data.

        Returns
        -------
        ModelCard
            Print it, or use ``.to_markdown(path)``, ``.to_html(path)`` or ``.to_dict()``.

        Raises
        ------
        NotFittedError
        InvalidInputError
            ``evaluation`` is not an evaluation, or is of a model with other targets; or ``audit`` is not an
            audit report.

        Examples
        --------
        >>> clf.card(evaluation=evaluate(clf, X_test, y_test)).to_html("card.html")  # doctest: +SKIP
        """
        self._check_fitted()
        problems = []
        if evaluation is not None and not hasattr(evaluation, "tables"):
            problems.append(f"evaluation must be what evaluate() returns. Got a {type(evaluation).__name__}.")
        elif evaluation is not None:
            problems += _other_model(self._fitted().task, evaluation)
        if audit is not None and not hasattr(audit, "checks"):
            problems.append(f"audit must be what audit() returns. Got a {type(audit).__name__}.")
        check(problems)
        return make_card(self, evaluation, audit, n_known=_n_known(self, evaluation))

    def extract(self, X: Any, *, on_error: str = "raise") -> Features:
        """Return the features that this model predicts from, computing only those that are not cached.

        Parameters
        ----------
        X : image or sequence of images
        on_error : {"raise", "skip"}, default="raise"
            With "skip", ``.ok`` and ``.report`` of the result say which images could not be read.

        Returns
        -------
        Features
            Maps are read from the cache on demand.

        Raises
        ------
        NotFittedError, BadImageError
        """
        predictor = self._fitted()
        if predictor.extractor is None:
            raise InvalidInputError("backbone='precomputed' has no images: X holds the features already.")
        features: Features = predictor.extractor.extract(X, views=predictor.views, on_error=on_error)
        return features

    def novelty(self, X: Any) -> NDArray[np.float64]:
        """Return how different each image is from the training images.

        Parameters
        ----------
        X : image or sequence of images

        Returns
        -------
        ndarray of float64, shape (n,)
            From 0 to 1: the share of training images that are closer to the other training images than this
            image is. At 0.99, the image is farther away than 99 % of them; at 1, farther than all.

        Raises
        ------
        NotFittedError, BadImageError
        InvalidInputError
            The model keeps no training images to compare with: there were fewer than eight, all were in one
            group, or an earlier version saved the model.

        Notes
        -----
        The distance is the cosine distance to the nearest training image (of a random sample of 1,024, if
        there are more) in the last layer that the model uses, averaged over the image. Each training image
        was compared with those of other groups. High novelty reveals images of something else, but not every
        image that the model gets wrong.
        """
        predictor = self._fitted()
        if predictor.extractor is None:
            features: AnyFeatures = PrecomputedFeatures.of(self, X, fitting=False)
        else:
            features = self.extract(X)
        with self._limited():
            return novelty_of(predictor, features)

    @property
    def extractor_(self) -> Any:
        """The extractor of whole images; None for ``backbone="precomputed"``."""
        return self._fitted().extractor

    @property
    def views_(self) -> tuple[View, ...]:
        """Views of each whole image, such as its mirror image."""
        return self._fitted().views

    @property
    def fitted_head_(self) -> FittedHead:
        """The trained head."""
        return self._fitted().head

    @property
    def training_(self) -> Any:
        """Counts that describe the training data; None if an earlier version saved the model."""
        return self._fitted().training

    @property
    def fine_tuning_(self) -> Any:
        """Record of what :func:`transferkit.fine_tune` did to the backbone; None if it is frozen."""
        return self._fitted().fine_tuning

    @property
    def layer_selection_(self) -> list[LayerTrial]:
        """Mixtures of layers that ``head="auto"`` tried on held-out training rows."""
        self._check_fitted()
        return self._layer_selection

    @property
    def selection_(self) -> list[dict[str, Any]]:
        """Deprecated name from version 0: the rows of ``layer_selection_`` and ``rounds_``."""
        warn_attribute("selection_", "layer_selection_ and rounds_")
        self._check_fitted()
        return [row for table in self._records().values() for row in table]

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore the state, and store the weights of a fine-tuned backbone where this machine finds them."""
        super().__setstate__(state)
        bring_weights(self)

    def _fitted(self) -> Predictor:
        self._check_fitted()
        return self.predictor_

    def _check_fitted(self) -> None:
        if "predictor_" not in self.__dict__:
            raise not_fitted(
                f"This {type(self).__name__} is not fitted yet. Call fit(images, targets) first, "
                "or transferkit.load(path) for a saved model."
            )

    def __sklearn_is_fitted__(self) -> bool:
        """Tell scikit-learn whether the estimator is fitted."""
        return "predictor_" in self.__dict__

    @contextlib.contextmanager
    def _limited(self) -> Iterator[None]:
        """Apply the memory limit."""
        with memory_limit(self._run_settings()["memory_limit"]):
            yield

    def _outputs(self, predictor: Predictor, X: Any, views: Any = None) -> NDArray[np.float64]:
        """Return the outputs of the head for X, averaged over the views; every image must be readable.

        Views are those of the predictor, unless others are given. The predictor is an argument, so that each
        call uses one and the same, even if another thread refits meanwhile.
        """
        features = self._features(predictor, X, views)
        with self._limited():
            return predictor.outputs(features, views=views)

    def _features(self, predictor: Predictor, X: Any, views: Any = None) -> AnyFeatures:
        """Return the features of X that the head takes."""
        if predictor.extractor is None:
            return PrecomputedFeatures.of(self, X, fitting=False)
        features: Features = predictor.extractor.extract(X, views=views or predictor.views, on_error="raise")
        return features


def _other_model(task: Task, evaluation: Any) -> list[str]:
    """Return a problem if an evaluation cannot belong to a model of this task."""
    kind, classes = getattr(evaluation, "kind", task.kind), getattr(evaluation, "classes", None)
    own = getattr(task, "labels", None)
    if kind == task.kind and (own is None or classes is None or own.tolist() == classes.tolist()):
        return []
    found = f"{kind}" if classes is None else f"{kind} {quoted(classes.tolist())}"
    expected = f"{task.kind}" if own is None else f"{task.kind} {quoted(own.tolist())}"
    return [f"evaluation must be of this model, of {expected}. Got one of {found}."]


def _n_known(estimator: Any, evaluation: Any) -> int:
    """Return how many images of an evaluation the estimator was trained on."""
    images = getattr(evaluation, "images", None)
    if images is None or estimator.trained_on_ is None:
        return 0
    return int(known_contents(estimator, estimator.extractor_.digests(images)).sum())
