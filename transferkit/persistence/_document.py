"""Estimators to documents and back; a document names every part and is checked against a closed schema."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit._version import __version__
from transferkit.backbones import Backbone, get_backbone
from transferkit.engines import ENGINES, PRECISIONS, check_engine, has_openvino
from transferkit.errors import (
    CacheError,
    MissingDependencyError,
    ModelFileError,
    TransferKitError,
    UnknownBackboneError,
    WeightsError,
    gather,
)
from transferkit.extraction import FeatureExtractor, as_cache, isolation_seconds
from transferkit.foundation.arguments import check, choice, is_path
from transferkit.heads import head_from_dict, head_to_dict
from transferkit.identity import feature_differences
from transferkit.images import FAMILIES, check_selection, check_value_range
from transferkit.persistence._file import read_model, write_model
from transferkit.persistence._places import with_folders, without_folders
from transferkit.persistence._records import records_from_json, records_to_json
from transferkit.persistence._registry import ESTIMATORS, name_of
from transferkit.persistence._schema import check_document, extractor_parameters, views_of, without_defaults
from transferkit.persistence._version0 import upgraded
from transferkit.tasks import Values, task_from_json

logger = logging.getLogger("transferkit")
_LOCAL = ("head", "random_state", "extractor")  # saved otherwise, or not at all


def save_estimator(estimator: Any, path: str | os.PathLike[str], *, absolute_paths: bool = False) -> None:
    """Write a fitted estimator; with absolute paths, if they are asked for."""
    predictor = estimator.predictor_
    images = predictor.extractor is not None
    document = _shared(estimator, predictor.extractor, absolute_paths)
    if not images:  # without images they mean nothing, and nobody has looked at them
        document["parameters"] |= dict.fromkeys(("weights", "image_size", "layers"))
    tensors = {f"head.{name}": array for name, array in predictor.head.tensors().items()}
    for i, refinement in enumerate(predictor.refinements):
        tensors |= {f"round.{i}.{name}": array for name, array in refinement.tensors().items()}
    expected = predictor.expected_error
    if expected is not None:
        tensors |= {f"error.{name}": array for name, array in expected.tensors().items()}
        document["expected_error"] = expected.facts()
    document |= {
        "head": head_to_dict(estimator.head_),
        "head_facts": predictor.head.facts(),
        "task": predictor.task.to_json(),
        "n_features_in": None if images else estimator.n_features_in_,
        "views": [view.name for view in predictor.views],
        "records": records_to_json(estimator._records()),
        "refinements": [refinement.facts() for refinement in predictor.refinements],
    }
    write_model(path, tensors, document)


def save_collection(
    estimator: Any,
    path: str | os.PathLike[str],
    tensors: Mapping[str, NDArray[Any]],
    *,
    absolute_paths: bool = False,
) -> None:
    """Write an estimator that has learned nothing but arrays; its ``_from_arrays`` makes it again."""
    write_model(path, tensors, _shared(estimator, estimator.extractor_, absolute_paths))


def _shared(estimator: Any, fitted_extractor: Any, absolute_paths: bool) -> dict[str, Any]:
    """Return what every document says: the parameters, and what features depend on."""
    extractor = fitted_extractor or estimator._parameters_["extractor"] or FeatureExtractor()
    parameters = {name: _plain(value) for name, value in estimator._parameters_.items() if name not in _LOCAL}
    parameters = without_defaults(parameters)
    features = None if fitted_extractor is None else fitted_extractor.describe()
    return {
        "estimator": name_of(estimator),
        "parameters": parameters if absolute_paths else without_folders(parameters, features),
        "extractor": {name: _plain(getattr(extractor, name)) for name in extractor_parameters(extractor)},
        "features": features,
        "versions": {"transferkit": __version__, "numpy": np.__version__},
    }


def load(
    path: str | os.PathLike[str],
    *,
    weights: Any = "as saved",
    cache: Any = None,
    isolate: bool | float | None = None,
    engine: str | None = None,
    backbone: Any = None,
) -> Any:
    """Return a saved estimator, ready to predict.

    Parameters
    ----------
    path : path
        A file that ``save`` wrote.
    weights : path or "imagenet", optional
        Where the weights of the backbone lie on this machine. By default they are found where they lay when
        the model was saved here, beside the model, or in the folder ``TRANSFERKIT_WEIGHTS``. They must be the
        same weights.
    cache, isolate : optional
        As for :class:`FeatureExtractor`.
    engine : {"auto", "keras", "openvino", "onnxruntime"}, optional
        What runs the backbone here; by default what ran it when the model was saved, or Keras where OpenVINO
        is not installed. In float32, all give the same features but for rounding.
    backbone : str, Backbone, keras.Model or callable, optional
        The backbone that the model was trained on, where its name is not registered here.

    Returns
    -------
    Classifier, KeypointRegressor, NearestImages or another estimator that was saved

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
    its name, or the name of its ONNX file, and the SHA-256 of its weights.
    """
    problems: list[str] = choice("engine", engine, ("auto", *ENGINES), or_none=True)
    gather(problems, lambda: isolation_seconds(False if isolate is None else isolate))
    gather(problems, lambda: as_cache(True if cache is None else cache))
    if backbone is not None:
        gather(problems, lambda: get_backbone(backbone))
    if not (weights is None or is_path(weights)):
        problems.append(f"weights must be the path of a weights file, 'imagenet' or None. Got {weights!r}.")
    check(problems)
    tensors, document = read_model(path)
    extraction = document.get("extractor")
    if engine is not None and isinstance(extraction, dict) and extraction.get("precision") in PRECISIONS:
        check_engine(engine, extraction["precision"])  # the caller's mistake, not that of the file
    try:
        if document["schema"] == 1:
            document = upgraded(document)
        if _as_saved(weights):
            document = with_folders(document, path)
        given = {"backbone": backbone, "weights": weights, "engine": engine}
        estimator = _rebuild(document, tensors, given, {"cache": cache, "isolate": isolate})
        current = None if estimator.extractor_ is None else estimator.extractor_.describe()
    except (WeightsError, CacheError, MissingDependencyError):
        raise  # of this machine, not of the file
    except UnknownBackboneError as error:
        raise ModelFileError(
            f"the model was trained on backbone {error.name!r}, which is not registered here. "
            "Pass backbone=..., or call register_backbone() for it first, as where the model was trained.",
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
    document: Mapping[str, Any],
    tensors: Mapping[str, NDArray[Any]],
    given: Mapping[str, Any],
    local: Mapping[str, Any],
) -> Any:
    """Return the estimator that a document describes, with what the caller has given in its place."""
    kind: Any = ESTIMATORS[document["estimator"]]
    names = tuple(name for name in kind._get_param_names() if name not in _LOCAL)
    own_weights = not _as_saved(given["weights"])
    collection = hasattr(kind, "_from_arrays")
    check_document(document, names, own_weights=own_weights, collection=collection)
    parameters, settings = _tuples(document["parameters"]), _tuples(document["extractor"])
    parameters["backbone"] = (
        Backbone.from_json(parameters["backbone"]) if given["backbone"] is None else given["backbone"]
    )
    check_value_range(settings["value_range"])
    check_selection(settings.get("frame"), settings.get("channels"))
    if own_weights:
        parameters["weights"] = given["weights"]
    if given["engine"] is not None:
        settings["engine"] = given["engine"]
    elif settings["engine"] == "openvino" and settings["precision"] == "float32" and not has_openvino():
        settings["engine"] = "auto"  # _check_features says what runs instead
    parameters["extractor"] = FeatureExtractor(**settings, **local)
    if collection:
        return kind._from_arrays(tensors, _ranges(document["features"]), **parameters)
    head = head_from_dict(document["head"])
    estimator = kind(**parameters, head=head)
    facts = document.get("expected_error")
    error = {name.removeprefix("error."): tensors[name] for name in tensors if name.startswith("error.")}
    if bool(error) != (facts is not None):
        raise ValueError(f"arrays of an error {sorted(error)} and facts {facts!r}")
    others = {name: array for name, array in tensors.items() if not name.startswith("error.")}
    arrays, rounds = _split(others, len(document["refinements"]))
    fitted = head.rebuild(arrays, document["head_facts"])
    task = _task(document["task"], fitted)
    if task.kind not in kind.kinds:
        raise ValueError(f"a task of kind {task.kind!r} in a {document['estimator']}")
    n_features = document["n_features_in"]
    if n_features is not None:  # the first axis of features (d,) or (h, w, c)
        if fitted.n_inputs is not None and fitted.n_inputs % n_features:
            raise ValueError(f"{n_features} features do not go into {fitted.n_inputs} inputs")
        estimator.n_features_in_ = n_features
    saved = list(zip(rounds, document["refinements"], strict=True))
    estimator._array_ranges = _ranges(document["features"])
    extractor = estimator._make_extractor(head)
    views = views_of(document["views"])
    predictor = estimator._make_predictor(extractor, views, head, fitted, task)
    predictor = replace(predictor, refinements=estimator._rebuild_refinements(saved, task))
    if facts is not None:
        expected = estimator._rebuild_expected_error(error, facts, predictor)
        predictor = replace(predictor, expected_error=expected)
    estimator._restore(head, predictor, records_from_json(document["records"], estimator._tables))
    return estimator


def _as_saved(weights: Any) -> bool:
    return isinstance(weights, str) and weights == "as saved"


def _ranges(features: Mapping[str, Any] | None) -> dict[str, tuple[float, float]]:
    """Return how arrays are read; ValueError unless every range is one."""
    ranges = (features or {}).get("array_ranges", {})
    found = {str(name): check_value_range(bounds) for name, bounds in ranges.items()}
    if not set(found) <= set(FAMILIES) or None in found.values():
        raise ValueError(f"array_ranges {ranges!r}")
    return {name: bounds for name, bounds in found.items() if bounds is not None}


def _task(data: Mapping[str, Any], fitted: Any) -> Any:
    """Return the task; ValueError unless the head gives as many numbers as it needs."""
    if data.get("kind") == Values.kind and data.get("n_outputs") is None:  # of version 0
        data = {**data, "n_outputs": fitted.n_outputs}
    task = task_from_json(data)
    if fitted.n_outputs != task.n_outputs:
        raise ValueError(f"the head has {fitted.n_outputs} outputs, the task {task.n_outputs}")
    return task


def _split(tensors: Mapping[str, NDArray[Any]], n_rounds: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the arrays of the head and of each round of a closer look."""
    parts = [
        {name.removeprefix(start): array for name, array in tensors.items() if name.startswith(start)}
        for start in ("head.", *(f"round.{i}." for i in range(n_rounds)))
    ]
    if sum(map(len, parts)) != len(tensors):
        raise ValueError(f"arrays {sorted(tensors)}")
    return parts[0], parts[1:]


def _tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}


def _check_features(saved: Mapping[str, Any], current: Mapping[str, Any], path: Any) -> None:
    """Refuse to predict from other features than those of the training."""
    if differences := feature_differences(saved, current):
        raise ModelFileError(
            "features here would differ from those that the model was trained on: "
            f"{'; '.join(differences)}. Pass weights=<the file that was used>, or train again.",
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
        return None  # class weights are of the training, and their keys may be no strings
    return value
