"""What an estimator can do once it is fitted; all it learned lies in ``predictor_``, replaced as a whole."""

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
    """The same error to users of transferkit and of scikit-learn."""

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle by function: the name of the class is that of its base."""
        return not_fitted, self.args


def not_fitted(*args: str) -> NotFittedError:
    """Return the error, with its message."""
    return _NotFittedError(*args)


_NotFittedError.__name__ = _NotFittedError.__qualname__ = "NotFittedError"
_NotFittedError.__module__ = "transferkit.errors"


class FittedEstimator(ExtractorOwner):
    """The half of an estimator that answers: save, extract, and the outputs of the head."""

    predictor_: Predictor
    trained_on_: Any
    _layer_selection: list[LayerTrial]

    def _records(self) -> dict[str, list[dict[str, Any]]]:
        raise NotImplementedError

    def save(self, path: str | os.PathLike[str], *, absolute_paths: bool = False, card: bool = False) -> None:
        """Write the fitted model to one safetensors file, replacing it in one step.

        Parameters
        ----------
        path : path
            By custom with the suffix ``.safetensors``.
        absolute_paths : bool, default=False
            Keep the path of a file of weights as it is on this machine. Otherwise the model has its name
            only, and :func:`transferkit.load` finds it.
        card : bool, default=False
            Write the :meth:`card` beside it, with the suffix ``.md``. It replaces a card only if nobody has
            added to that.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        FileNotFoundError
            The folder of the path does not exist.
        InvalidInputError
            The model is not finite: its training diverged. Or somebody has added to the card that is there;
            then nothing is written.

        See Also
        --------
        transferkit.load : Read it back.
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
        """Return what is known of this model: its data, figures, settings and limits; nothing is invented.

        Parameters
        ----------
        evaluation : evaluation, optional
            What :func:`transferkit.evaluate` has said of this model on a test.
        audit : AuditReport, optional
            What :func:`transferkit.audit` has said of the data.

        Returns
        -------
        ModelCard
            Print it; or take ``.to_markdown(path)``, ``.to_html(path)``, ``.to_dict()``.

        Raises
        ------
        NotFittedError
        InvalidInputError
            What was passed is no evaluation, or of a model of other answers, or no audit.

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
        """Return the features that this model predicts from; what is cached is not computed again.

        Parameters
        ----------
        X : image or sequence of images
        on_error : {"raise", "skip"}, default="raise"
            With "skip", ``.ok`` and ``.report`` of the result say which images could not be read.

        Returns
        -------
        Features
            Maps are read from the cache when asked for.

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
        """Return how unlike the training images each image is, as a share of them.

        Parameters
        ----------
        X : image or sequence of images

        Returns
        -------
        ndarray of float64, shape (n,)
            In 0..1. An image of 0.99 is further from the training images than 99 % of these are from each
            other; of 1, further than all of them.

        Raises
        ------
        NotFittedError, BadImageError
        InvalidInputError
            Nothing is known of the training images: fewer than eight, all of one group, or a model that an
            earlier version saved.

        Notes
        -----
        The cosine distance to the nearest of the training images (a random 1,024 of them, if there are
        more) in the last layer that the model taps, averaged over the image. Each training image was
        compared with those of other groups. It tells images of something else, not every image that the
        model is wrong on.
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
        """Views of each whole image."""
        return self._fitted().views

    @property
    def fitted_head_(self) -> FittedHead:
        """What the head learned."""
        return self._fitted().head

    @property
    def training_(self) -> Any:
        """What ``fit`` was given: a record of counts; None of a model that an earlier version saved."""
        return self._fitted().training

    @property
    def fine_tuning_(self) -> Any:
        """What :func:`transferkit.fine_tune` did to the backbone; None where it is frozen."""
        return self._fitted().fine_tuning

    @property
    def layer_selection_(self) -> list[LayerTrial]:
        """Mixtures of layers that ``head="auto"`` tried on held-out training rows."""
        self._check_fitted()
        return self._layer_selection

    @property
    def selection_(self) -> list[dict[str, Any]]:
        """Of version 0: the rows of ``layer_selection_`` and ``rounds_``."""
        warn_attribute("selection_", "layer_selection_ and rounds_")
        self._check_fitted()
        return [row for table in self._records().values() for row in table]

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Put the weights of a fine-tuned backbone where they are found here."""
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
        """Tell scikit-learn if there is a model."""
        return "predictor_" in self.__dict__

    @contextlib.contextmanager
    def _limited(self) -> Iterator[None]:
        """Keep to the memory limit."""
        with memory_limit(self._run_settings()["memory_limit"]):
            yield

    def _outputs(self, predictor: Predictor, X: Any, views: Any = None) -> NDArray[np.float64]:
        """Return the outputs of the head for X, averaged over the views; every image must be readable.

        Views are those of the predictor, unless others are given. The predictor is an argument, asked for
        once in each answer: another thread may fit anew meanwhile.
        """
        features = self._features(predictor, X, views)
        with self._limited():
            return predictor.outputs(features, views=views)

    def _features(self, predictor: Predictor, X: Any, views: Any = None) -> AnyFeatures:
        """Return what the head sees of X."""
        if predictor.extractor is None:
            return PrecomputedFeatures.of(self, X, fitting=False)
        features: Features = predictor.extractor.extract(X, views=views or predictor.views, on_error="raise")
        return features


def _other_model(task: Task, evaluation: Any) -> list[str]:
    """Return a problem if an evaluation cannot be of a model of this task."""
    kind, classes = getattr(evaluation, "kind", task.kind), getattr(evaluation, "classes", None)
    own = getattr(task, "labels", None)
    if kind == task.kind and (own is None or classes is None or own.tolist() == classes.tolist()):
        return []
    found = f"{kind}" if classes is None else f"{kind} {quoted(classes.tolist())}"
    expected = f"{task.kind}" if own is None else f"{task.kind} {quoted(own.tolist())}"
    return [f"evaluation must be of this model, of {expected}. Got one of {found}."]


def _n_known(estimator: Any, evaluation: Any) -> int:
    """Return how many images of an evaluation were trained on."""
    images = getattr(evaluation, "images", None)
    if images is None or estimator.trained_on_ is None:
        return 0
    return int(known_contents(estimator, estimator.extractor_.digests(images)).sum())
