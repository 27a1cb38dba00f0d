"""Fine-tuning as an estimator, for anything that refits: cross-validation, searches, ``compare``."""

from __future__ import annotations

from typing import Any

from sklearn.base import BaseEstimator, MetaEstimatorMixin
from sklearn.utils.metaestimators import available_if

from transferkit.estimators import not_fitted
from transferkit.finetuning._fine_tune import fine_tune


def _has(name: str) -> Any:
    """Return a check that the wrapped estimator has a method."""
    return lambda self: getattr(self.estimator, name) is not None


class FineTuned(MetaEstimatorMixin, BaseEstimator):
    """Wrap an estimator so that each ``fit`` fine-tunes it, starting from the weights that it names.

    Use it wherever models are refitted, as in cross-validation.

    Parameters
    ----------
    estimator : Classifier, ImageRegressor or KeypointRegressor
        Estimator to fine-tune; it is not changed.
    layers, epochs, learning_rate, batch_size, validation_fraction, precision
        As for :func:`transferkit.fine_tune`.

    Attributes
    ----------
    estimator_ : estimator
        The fine-tuned estimator, which has ``save``, ``card`` and all other methods.

    Examples
    --------
    >>> from transferkit import Classifier, FineTuned, compare
    >>> clf = Classifier("mobilenet")
    >>> compare({"frozen": clf, "tuned": FineTuned(clf)}, paths, labels, groups=people)  # doctest: +SKIP
    """

    def __init__(
        self,
        estimator: Any,
        *,
        layers: str = "all",
        epochs: int = 20,
        learning_rate: float = 3e-4,
        batch_size: int = 32,
        validation_fraction: float = 0.15,
        precision: str = "auto",
    ) -> None:
        self.estimator = estimator
        self.layers = layers
        self.epochs = epochs
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.validation_fraction = validation_fraction
        self.precision = precision

    def fit(
        self, X: Any, y: Any = None, *, groups: Any = None, sample_weight: Any = None, boxes: Any = None
    ) -> FineTuned:
        """Fine-tune the estimator.

        Parameters
        ----------
        X, y, groups, sample_weight, boxes
            As for ``fit`` of the wrapped estimator.

        Returns
        -------
        FineTuned
            The estimator itself.

        Raises
        ------
        InvalidInputError, BadImageError
            As for :func:`transferkit.fine_tune`.
        """
        options = self.get_params(deep=False)
        estimator = options.pop("estimator")
        where = {"groups": groups, "sample_weight": sample_weight, "boxes": boxes}
        self.estimator_ = fine_tune(estimator, X, y, **where, **options)
        return self

    def predict(self, X: Any, **options: Any) -> Any:
        """Return the predictions of the fitted estimator."""
        return self._fitted().predict(X, **options)

    @available_if(_has("predict_proba"))
    def predict_proba(self, X: Any) -> Any:
        """Return the probability of each class."""
        return self._fitted().predict_proba(X)

    @available_if(_has("decision_function"))
    def decision_function(self, X: Any) -> Any:
        """Return the logit of each class."""
        return self._fitted().decision_function(X)

    def score(self, X: Any, y: Any = None, **options: Any) -> float:
        """Return the score of the fitted estimator."""
        return float(self._fitted().score(X, y, **options))

    @property
    def classes_(self) -> Any:
        """Labels, sorted."""
        return self._fitted().classes_

    @property
    def extractor_(self) -> Any:
        """The extractor of the fitted estimator."""
        return self._fitted().extractor_

    def __sklearn_tags__(self) -> Any:
        """Return scikit-learn's tags of the wrapped estimator."""
        return self.estimator.__sklearn_tags__()

    def __sklearn_is_fitted__(self) -> bool:
        """Tell scikit-learn whether the estimator is fitted."""
        return hasattr(self, "estimator_")

    def _fitted(self) -> Any:
        if not hasattr(self, "estimator_"):
            raise not_fitted("This FineTuned is not fitted yet. Call fit(images, targets) first.")
        return self.estimator_
