"""Estimators to documents and back; a document names every part and is checked against a closed schema."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit._version import __version__
from transferkit.backbones import Backbone
from transferkit.engines import EQUIVALENT, has_openvino
from transferkit.errors import (
    CacheError,
    MissingDependencyError,
    ModelFileError,
    TransferKitError,
    UnknownBackboneError,
    WeightsError,
    gather,
)
from transferkit.estimators._precomputed import is_precomputed
from transferkit.estimators.classifier import Classifier
from transferkit.estimators.keypoint_regressor import KeypointRegressor
from transferkit.estimators.refinement._refinement import rebuild_refinement
from transferkit.extraction import as_cache, isolation_seconds
from transferkit.foundation.arguments import check, is_path
from transferkit.heads import head_from_dict, head_to_dict
from transferkit.images import check_value_range
from transferkit.persistence._file import read_model, write_model
from transferkit.persistence._labels import labels_from_json, labels_to_json
from transferkit.persistence._schema import check_document, facts_of, views_of
from transferkit.persistence._selection import selection_from_json, selection_to_json

logger = logging.getLogger("transferkit")
ESTIMATORS = {"Classifier": Classifier, "KeypointRegressor": KeypointRegressor}
# What belongs to the machine, not to the model.
_LOCAL = ("cache", "head", "random_state", "memory_limit", "isolate", "retry_failed")


def save_estimator(estimator: Any, path: str | os.PathLike[str]) -> None:
    """Write a fitted estimator."""
    kind = next(name for name, known in ESTIMATORS.items() if isinstance(estimator, known))
    parameters = {name: _plain(value) for name, value in estimator._parameters_.items() if name not in _LOCAL}
    if estimator.extractor_ is None:  # without images they mean nothing, and nobody has looked at them
        parameters |= dict.fromkeys(("weights", "image_size", "layers"))
    tensors = {f"head.{name}": array for name, array in estimator.fitted_head_.tensors().items()}
    document: dict[str, Any] = {
        "estimator": kind,
        "parameters": parameters,
        "head": head_to_dict(estimator.head_),
        "head_facts": estimator.fitted_head_.facts(),
        "facts": {
            name: _plain(getattr(estimator, name)) for name in facts_of(kind, estimator.extractor_ is None)
        },
        "views": [view.name for view in estimator.views_],
        "selection": selection_to_json(estimator.selection_),
        "features": None if estimator.extractor_ is None else estimator.extractor_.describe(),
        "versions": {"transferkit": __version__, "numpy": np.__version__},
    }
    if kind == "Classifier":
        document["classes"] = labels_to_json(estimator.classes_)
    else:
        document["refinements"] = [refinement.facts() for refinement in estimator.refinements_]
        for i, refinement in enumerate(estimator.refinements_):
            tensors |= {f"round.{i}.{name}": array for name, array in refinement.tensors().items()}
    write_model(path, tensors, document)


def load(
    path: str | os.PathLike[str],
    *,
    weights: Any = "as saved",
    cache: Any = True,
    isolate: bool | float = False,
) -> Any:
    """Return a saved estimator, ready to predict.

    Parameters
    ----------
    path : path
        A file that ``save`` wrote.
    weights : path or "imagenet", optional
        Where the weights of the backbone lie on this machine, if not where they lay when the model
        was saved. They must be the same weights.
    cache : bool, path or FeatureCache, default=True
        As for :class:`Classifier`.
    isolate : bool or float, default=False
        Decode files in helper processes, each within so many seconds: for pictures of strangers.

    Returns
    -------
    Classifier or KeypointRegressor

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ModelFileError
        The file is damaged, foreign or newer, or features would differ from those that the model
        was trained on.
    InvalidInputError
        A parameter cannot be used; all problems are listed at once.
    WeightsError
        The weights of the backbone are not on this machine.

    Notes
    -----
    Nothing in the file is run: arrays and JSON only. The backbone itself is not in the file, only
    its name and the SHA-256 of its weights.
    """
    problems: list[str] = []
    gather(problems, lambda: isolation_seconds(isolate))
    gather(problems, lambda: as_cache(cache))
    if not (weights is None or is_path(weights)):
        problems.append(f"weights must be the path of a weights file, 'imagenet' or None. Got {weights!r}.")
    check(problems)
    tensors, document = read_model(path)
    try:
        check_document(document)
        estimator = _rebuild(document, tensors, weights, {"cache": cache, "isolate": isolate})
        current = None if estimator.extractor_ is None else estimator.extractor_.describe()
    except (WeightsError, CacheError, MissingDependencyError):
        raise  # of this machine, not of the file
    except UnknownBackboneError as error:
        raise ModelFileError(
            f"the model was trained on backbone {error.name!r}, which is not registered here. "
            "Call register_backbone() for it first, as where the model was trained.",
            path=path,
        ) from error
    except (KeyError, TypeError, ValueError, AttributeError, LookupError, ArithmeticError) as error:
        reason = str(error) if isinstance(error, TransferKitError) else repr(error)
        raise ModelFileError(f"the document does not describe a model: {reason[:500]}", path=path) from error
    if current is not None:
        _check_features(document["features"], current, path)
    estimator._parameters_ = estimator.get_params(deep=False)
    return estimator


def _rebuild(
    document: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]], weights: Any, local: Mapping[str, Any]
) -> Any:
    """Return the estimator that a document describes."""
    kind = ESTIMATORS[document["estimator"]]
    parameters = dict(document["parameters"])
    for name in ("layers", "grid", "value_range"):
        if isinstance(parameters[name], list):
            parameters[name] = tuple(parameters[name])
    check_value_range(parameters["value_range"])
    if not (isinstance(weights, str) and weights == "as saved"):
        parameters["weights"] = weights
    if parameters["engine"] == "openvino" and parameters["precision"] == "float32" and not has_openvino():
        parameters["engine"] = "auto"  # _check_features says what runs instead
    head = head_from_dict(document["head"])
    estimator = kind(**parameters, head=head, **local)
    estimator.head_ = head
    arrays = {name[5:]: array for name, array in tensors.items() if name.startswith("head.")}
    rounds = _arrays_of_rounds(document.get("refinements", []), tensors)
    if len(arrays) + sum(map(len, rounds)) != len(tensors):
        raise ValueError(f"arrays {sorted(tensors)}")
    estimator.fitted_head_ = head.rebuild(arrays, document["head_facts"])
    estimator.history_ = []
    estimator.selection_ = selection_from_json(document.get("selection", []))
    estimator.report_ = None
    estimator.views_ = views_of(document["views"])
    for name, value in document["facts"].items():
        setattr(estimator, name, value)
    if document["estimator"] == "Classifier":
        estimator.classes_ = labels_from_json(document["classes"])
    _check_outputs(estimator, arrays)
    estimator.extractor_ = None if is_precomputed(parameters["backbone"]) else estimator._make_extractor(head)
    if isinstance(estimator, KeypointRegressor):
        estimator.refinements_ = [
            rebuild_refinement(part, facts, estimator._make_close_extractor, estimator.n_points_)
            for part, facts in zip(rounds, document["refinements"], strict=True)
        ]
    return estimator


def _arrays_of_rounds(facts: list[Any], tensors: Mapping[str, NDArray[Any]]) -> list[dict[str, NDArray[Any]]]:
    """Return the arrays of each round of a closer look."""
    starts = [f"round.{i}." for i in range(len(facts))]
    return [
        {name.removeprefix(start): array for name, array in tensors.items() if name.startswith(start)}
        for start in starts
    ]


def _check_outputs(estimator: Any, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Raise ValueError unless the head gives as many numbers as the estimator makes answers of."""
    last = arrays["intercept"] if "intercept" in arrays else arrays[f"weight.{_n_weights(arrays) - 1}"]
    if isinstance(estimator, Classifier):
        n_classes = len(estimator.classes_)
        fits = len(last) == (1 if n_classes == 2 else n_classes)
    else:
        fits = len(last) // 2 == estimator.n_points_
    if not fits:
        raise ValueError(f"the head has {len(last)} outputs")
    n_features = getattr(estimator, "n_features_in_", None)
    if n_features is not None:  # the first axis of features (d,) or (h, w, c)
        inputs = len(arrays["weights"]) if "weights" in arrays else estimator.fitted_head_.shapes[0][0]
        if n_features < 1 or inputs % n_features:
            raise ValueError(f"{n_features} features do not go into {inputs} inputs")


def _n_weights(arrays: Mapping[str, NDArray[Any]]) -> int:
    return sum(name.startswith("weight.") for name in arrays)


def _check_features(saved: Mapping[str, Any], current: Mapping[str, Any], path: Any) -> None:
    """Refuse to predict from other features than those of the training."""
    gaps = []
    both = [{key: facts.get(key) for key in ("engine", "precision")} for facts in (saved, current)]
    same = all(facts["engine"] in EQUIVALENT and facts["precision"] == "float32" for facts in both)
    for name in sorted(set(saved) | set(current)):
        if name == "engine" and same:
            continue
        if saved.get(name) != current.get(name):
            gaps.append(f"{name} was {saved.get(name)!r} and is {current.get(name)!r}")
    if gaps:
        raise ModelFileError(
            f"features here would differ from those that the model was trained on: {'; '.join(gaps)}. "
            "Pass weights=<the file that was used>, or train again.",
            path=path,
        )
    if saved["engine"] != current["engine"]:
        logger.warning(
            f"{path}: features were made by {saved['engine']} when the model was trained, here by "
            f"{current['engine']}; in float32 they agree but for rounding."
        )


def _plain(value: Any) -> Any:
    """Return a parameter as JSON data."""
    if isinstance(value, Backbone):
        return value.name
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray | tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return None  # class weights are of the training, and their keys may be no strings
    return value
