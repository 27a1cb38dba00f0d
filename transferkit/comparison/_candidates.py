"""Candidates: names of backbones, Backbone objects, or configured estimators."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sklearn.base import clone, is_classifier, is_regressor

from transferkit.backbones import Backbone, get_backbone
from transferkit.errors import InvalidInputError, quoted
from transferkit.estimators import Classifier, ImageEstimator, ImageRegressor, KeypointRegressor
from transferkit.evaluation import kind_of
from transferkit.finetuning import FineTuned
from transferkit.tasks import guess_kind


def as_candidates(backbones: Any, y: Any, template: Any) -> tuple[dict[str, Any], str]:
    """Return estimators by name, in the user's order, and the kind of task of all of them."""
    if isinstance(backbones, Mapping):
        named = [(str(name), value) for name, value in backbones.items()]
    elif isinstance(backbones, str | Backbone) or not isinstance(backbones, Iterable):
        raise InvalidInputError(
            "backbones must be a list of names or Backbones, or a dictionary from names to estimators. "
            f"Got {backbones!r}."
        )
    else:
        named = [(_name(value), value) for value in backbones]
    twice = [name for name, count in Counter(name for name, _ in named).items() if count > 1]
    if not named or twice:
        what = f"{quoted(twice)} more than once" if twice else "none"
        raise InvalidInputError(f"backbones must have different candidates, one or more. Got {what}.")
    template = _template(y) if template is None else template
    candidates = {name: _as_estimator(name, value, template) for name, value in named}
    return candidates, _kind_of_all(list(candidates.values()), y)


def image_estimator(estimator: Any) -> ImageEstimator | None:
    """Return the estimator that a candidate is, or fine-tunes; None for estimators of other libraries."""
    inner = estimator.estimator if isinstance(estimator, FineTuned) else estimator
    return inner if isinstance(inner, ImageEstimator) else None


def _kind_of_all(estimators: Sequence[Any], y: Any) -> str:
    """Return the kind of all candidates; regressors of other libraries are taken to have the kind of ours."""
    kinds = [kind_of(estimator, y) for estimator in estimators]
    told = {kind for kind, one in zip(kinds, estimators, strict=True) if image_estimator(one) is not None}
    if len(told) == 1 and set(kinds) == {"points", "values"}:
        return told.pop()
    if len(set(kinds)) > 1:
        raise InvalidInputError(
            "Candidates must be classifiers all, or regressors all, of numbers or of keypoints. "
            f"Got {quoted(type(estimator).__name__ for estimator in estimators)}."
        )
    return kinds[0]


def _template(y: Any) -> Any:
    """Return the default estimator for these targets."""
    # In this order, not in that of their import, since KeypointRegressor learns numbers, too.
    ours: tuple[type[ImageEstimator], ...] = (Classifier, ImageRegressor, KeypointRegressor)
    guess = guess_kind(y)
    return next(kind for kind in ours if guess in kind.kinds)()


def _name(value: Any) -> str:
    """Return the name of a backbone as the registry spells it."""
    if isinstance(value, str | Backbone) or callable(value):  # a model, or a function
        return get_backbone(value).name
    raise InvalidInputError(
        f"backbones must have names or Backbones. Got {type(value).__name__}. "
        "Pass estimators in a dictionary: {'name': estimator}."
    )


def _as_estimator(name: str, value: Any, template: Any) -> Any:
    """Return a separate estimator for a candidate, without its own progress bar."""
    if isinstance(value, str | Backbone) or callable(value):
        get_backbone(value)
        if not hasattr(template, "get_params") or "backbone" not in template.get_params():
            raise InvalidInputError(
                "estimator must have a parameter 'backbone', as Classifier and KeypointRegressor have. "
                f"Got {type(template).__name__}. Pass other estimators in a dictionary as the first argument."
            )
        estimator = clone(template).set_params(backbone=value)
    elif hasattr(value, "fit") and (is_classifier(value) or is_regressor(value)):
        estimator = clone(value)
    else:
        raise InvalidInputError(
            f"backbones[{name!r}] must be the name of a backbone, a Backbone, or an estimator to fit. "
            f"Got {type(value).__name__}."
        )
    names = estimator.get_params()
    bars = [name for name in ("extractor", "estimator__extractor") if name in names]
    bars = [f"{name}__progress" for name in bars[:1]] or [name for name in ("progress",) if name in names]
    return estimator.set_params(**dict.fromkeys(bars, False))
