"""Estimators to documents and back; a document names every part and is checked against a closed schema."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit._version import __version__
from transferkit.backbones import Backbone
from transferkit.errors import ModelFileError, TransferKitError
from transferkit.estimators._precomputed import PRECOMPUTED
from transferkit.estimators.classifier import Classifier
from transferkit.estimators.keypoint_regressor import KeypointRegressor
from transferkit.heads import head_from_dict, head_to_dict
from transferkit.storage import read_model, write_model
from transferkit.views import MIRROR, ORIGINAL

ESTIMATORS = {"Classifier": Classifier, "KeypointRegressor": KeypointRegressor}
_VIEWS = {view.name: view for view in (ORIGINAL, MIRROR)}
_FACTS = {
    "Classifier": ("n_features_in_",),
    "KeypointRegressor": ("n_features_in_", "n_points_", "_flat_layout_", "_single_output_"),
}
# What belongs to the machine, not to the model.
_LOCAL = ("cache", "head", "random_state")


def save_estimator(estimator: Any, path: str | os.PathLike[str]) -> None:
    """Write a fitted estimator."""
    kind = next(name for name, known in ESTIMATORS.items() if isinstance(estimator, known))
    parameters = {
        name: _plain(value) for name, value in estimator.get_params(deep=False).items() if name not in _LOCAL
    }
    tensors = {f"head.{name}": array for name, array in estimator.fitted_head_.tensors().items()}
    document: dict[str, Any] = {
        "estimator": kind,
        "parameters": parameters,
        "head": head_to_dict(estimator.head_),
        "head_facts": estimator.fitted_head_.facts(),
        "facts": {
            name: _plain(getattr(estimator, name)) for name in _FACTS[kind] if hasattr(estimator, name)
        },
        "views": [view.name for view in estimator.views_],
        "features": None if estimator.extractor_ is None else estimator.extractor_.describe(),
        "versions": {"transferkit": __version__, "numpy": np.__version__},
    }
    if kind == "Classifier":
        document["classes"] = _labels_to_json(estimator.classes_)
    write_model(path, tensors, document)


def load(path: str | os.PathLike[str], *, weights: Any = "as saved", cache: Any = True) -> Any:
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
    WeightsError
        The weights of the backbone are not on this machine.

    Notes
    -----
    Nothing in the file is run: arrays and JSON only. The backbone itself is not in the file, only
    its name and the SHA-256 of its weights.
    """
    tensors, document = read_model(path)
    try:
        estimator = _rebuild(document, tensors, weights, cache)
        saved = document["features"]
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        if isinstance(error, TransferKitError) and not isinstance(error, ModelFileError):
            raise
        raise ModelFileError(f"the document does not describe a model: {error!r}", path=path) from error
    if estimator.extractor_ is not None:
        _check_features(saved, estimator.extractor_.describe(), path)
    return estimator


def _rebuild(
    document: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]], weights: Any, cache: Any
) -> Any:
    """Return the estimator that a document describes."""
    kind = ESTIMATORS[document["estimator"]]
    parameters = dict(document["parameters"])
    for name in ("layers",):
        if isinstance(parameters.get(name), list):
            parameters[name] = tuple(parameters[name])
    if weights != "as saved":
        parameters["weights"] = weights
    head = head_from_dict(document["head"])
    estimator = kind(**parameters, head=head, cache=cache)
    estimator.head_ = head
    arrays = {name.removeprefix("head."): array for name, array in tensors.items()}
    estimator.fitted_head_ = head.rebuild(arrays, document["head_facts"])
    estimator.history_ = []
    estimator.report_ = None
    estimator.views_ = tuple(_VIEWS[name] for name in document["views"])
    for name in _FACTS[document["estimator"]]:
        if name in document["facts"]:
            setattr(estimator, name, document["facts"][name])
    if document["estimator"] == "Classifier":
        estimator.classes_ = _labels_from_json(document["classes"])
    estimator.extractor_ = None if parameters["backbone"] == PRECOMPUTED else estimator._make_extractor(head)
    return estimator


def _check_features(saved: Mapping[str, Any], current: Mapping[str, Any], path: Any) -> None:
    """Refuse to predict from other features than those of the training."""
    gaps = []
    for name in sorted(set(saved) | set(current)):
        if saved.get(name) != current.get(name):
            gaps.append(f"{name} was {saved.get(name)!r} and is {current.get(name)!r}")
    if gaps:
        raise ModelFileError(
            f"features here would differ from those that the model was trained on: {'; '.join(gaps)}. "
            "Pass weights=<the file that was used>, or train again.",
            path=path,
        )


def _plain(value: Any) -> Any:
    """Return a parameter as JSON data."""
    if isinstance(value, Backbone):
        return value.name
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, Mapping):
        return None  # class weights are of the training, and their keys may be no strings
    return value


def _labels_to_json(classes: NDArray[Any]) -> dict[str, Any]:
    return {"kind": classes.dtype.kind, "values": classes.tolist()}


def _labels_from_json(data: Mapping[str, Any]) -> NDArray[Any]:
    """Return labels of the kind that they had."""
    kinds = {"U": str, "i": int, "u": int, "b": bool, "f": float}
    convert = kinds[data["kind"]]
    values = data["values"]
    if len(values) < 2 or not all(isinstance(value, convert) for value in values):
        raise ValueError(f"classes {data!r}")
    return np.array(values)
