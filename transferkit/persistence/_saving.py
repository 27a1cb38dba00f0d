"""Write an estimator as the document and the arrays of a model file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit._version import __version__
from transferkit.backbones import Backbone, get_backbone
from transferkit.extraction import Extraction
from transferkit.heads import head_to_dict
from transferkit.persistence._file import write_model
from transferkit.persistence._parts import EXTRAS, TRAINED_ON
from transferkit.persistence._places import without_folders
from transferkit.persistence._records import records_to_json
from transferkit.persistence._registry import name_of
from transferkit.persistence._schema import LOCAL, extractor_parameters, without_defaults


def save_estimator(estimator: Any, path: str | os.PathLike[str], *, absolute_paths: bool = False) -> None:
    """Write a fitted estimator to a model file."""
    predictor = estimator.predictor_
    images = predictor.extractor is not None
    document = _shared(estimator, predictor.extractor, absolute_paths)
    if not images:  # these parameters have no meaning for arrays, and were not checked
        document["parameters"] |= dict.fromkeys(("weights", "image_size", "layers"))
    tensors = {f"head.{name}": array for name, array in predictor.head.tensors().items()}
    for i, refinement in enumerate(predictor.refinements):
        tensors |= {f"round.{i}.{name}": array for name, array in refinement.tensors().items()}
    if estimator.trained_on_ is not None:
        tensors[TRAINED_ON] = np.unique(estimator.trained_on_)
    for key, start in EXTRAS.items():
        extra = getattr(predictor, key)
        if extra is not None:
            tensors |= {f"{start}{name}": array for name, array in extra.tensors().items()}
            document[key] = extra.facts()
    document |= {
        "head": head_to_dict(estimator.head_),
        "head_facts": predictor.head.facts(),
        "task": predictor.task.to_json(),
        "n_features_in": None if images else estimator.n_features_in_,
        "views": [view.name for view in predictor.views],
        "records": records_to_json(estimator._records()),
        "refinements": [refinement.facts() for refinement in predictor.refinements],
    }
    if estimator._map_shape is not None:
        document["map_shape"] = list(estimator._map_shape)
    write_model(path, tensors, document)


def save_collection(
    estimator: Any,
    path: str | os.PathLike[str],
    tensors: Mapping[str, NDArray[Any]],
    *,
    absolute_paths: bool = False,
) -> None:
    """Write an estimator that consists of arrays only; its ``_from_arrays`` restores it."""
    write_model(path, tensors, _shared(estimator, estimator.extractor_, absolute_paths))


def _shared(estimator: Any, fitted_extractor: Any, absolute_paths: bool) -> dict[str, Any]:
    """Return the part that all documents have: the parameters, and what the features depend on."""
    extractor = fitted_extractor or estimator._parameters_["extractor"] or Extraction()
    parameters = {name: _plain(value) for name, value in estimator._parameters_.items() if name not in LOCAL}
    parameters = without_defaults(parameters)
    features = None if fitted_extractor is None else fitted_extractor.describe()
    return {
        "estimator": name_of(estimator),
        "parameters": parameters if absolute_paths else without_folders(parameters, features),
        "extractor": {name: _plain(getattr(extractor, name)) for name in extractor_parameters(extractor)},
        "features": features,
        "versions": {"transferkit": __version__, "numpy": np.__version__},
    }


def _plain(value: Any) -> Any:
    """Return a parameter as JSON data."""
    if isinstance(value, Backbone):
        return value.to_json()
    if callable(value):  # a model or a function
        return get_backbone(value).to_json()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray | tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return None  # class weights matter in training only, and their keys may not be strings
    return value
