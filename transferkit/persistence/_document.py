"""Load estimators from documents, which name every part and are checked against a closed schema."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from transferkit.backbones import get_backbone, has_own_weights
from transferkit.engines import ENGINES, PRECISIONS, check_engine
from transferkit.errors import (
    CacheError,
    MissingDependencyError,
    ModelFileError,
    TransferKitError,
    UnknownBackboneError,
    WeightsError,
    gather,
)
from transferkit.extraction import as_cache, isolation_seconds
from transferkit.foundation.arguments import check, choice, is_path
from transferkit.identity import feature_differences
from transferkit.persistence._file import read_model
from transferkit.persistence._own_weights import weights_of_closer_look, with_own_weights
from transferkit.persistence._parts import as_tuples, backbone_of, parts_of, ranges_of, settings_of
from transferkit.persistence._places import with_folders
from transferkit.persistence._records import records_from_json
from transferkit.persistence._registry import ESTIMATORS
from transferkit.persistence._schema import BEFORE, LOCAL, check_document
from transferkit.persistence._version0 import upgraded

logger = logging.getLogger("transferkit")


def load(
    path: str | os.PathLike[str],
    *,
    weights: Any = "as saved",
    cache: Any = None,
    isolate: bool | float | None = None,
    engine: str | None = None,
    backbone: Any = None,
) -> Any:
    """Load a saved estimator, ready to predict.

    Parameters
    ----------
    path : path
        File that ``save`` wrote.
    weights : path or "imagenet", optional
        Where the weights of the backbone are on this machine. By default they are looked for where they were
        when the model was saved on this machine, beside the model, and in the folder ``TRANSFERKIT_WEIGHTS``.
        They must be the same weights as in training.
    cache, isolate : optional
        As for :class:`FeatureExtractor`.
    engine : {"auto", "keras", "openvino", "onnxruntime"}, optional
        Library that runs the backbone; by default the one used when the model was saved, or Keras if OpenVINO
        is not installed. In float32, features of all engines are equal up to rounding.
    backbone : str, Backbone, keras.Model or callable, optional
        Backbone that the model was trained on, if its name is not registered here.

    Returns
    -------
    Classifier, KeypointRegressor, NearestImages or another estimator
        The estimator that was saved.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ModelFileError
        The file is damaged, was not written by transferkit, was written by a newer version, or its features
        would differ from those that the model was trained on.
    InvalidInputError
        A parameter cannot be used; all problems are listed at once.
    WeightsError
        The weights of the backbone are not on this machine.

    Notes
    -----
    The file contains arrays and JSON only; nothing in it is executed. It does not contain the backbone, only
    its name, or that of its ONNX file, and the SHA-256 of its weights. The weights of a fine-tuned backbone,
    however, are in the file; they are copied to the folder ``tuned`` beside the cached features.
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
            document = with_folders(with_own_weights(document, tensors), path)
        given = {"backbone": backbone, "weights": weights, "engine": engine}
        estimator = _rebuild(document, tensors, given, {"cache": cache, "isolate": isolate})
        current = None if estimator.extractor_ is None else estimator.extractor_.describe()
    except (WeightsError, CacheError, MissingDependencyError):
        raise  # a problem of this machine, not of the file
    except UnknownBackboneError as error:
        raise ModelFileError(
            f"the model was trained on backbone {error.name!r}, which is not registered here. "
            "Pass backbone=..., or call register_backbone() for it first, as where the model was trained.",
            path=path,
        ) from error
    except (KeyError, TypeError, ValueError, AttributeError, LookupError, ArithmeticError) as error:
        reason = (str(error).rstrip(".") if isinstance(error, TransferKitError) else repr(error))[:500]
        if backbone is not None and not isinstance(error, KeyError):
            raise ModelFileError(
                f"the model cannot be loaded with the backbone that was given: {reason}. Pass the one it was "
                f"trained on, for squares of {_side(document)} pixels, such as "
                "Backbone.from_function(function, image_size=...).",
                path=path,
            ) from error
        raise ModelFileError(f"the document does not describe a model: {reason}", path=path) from error
    if current is not None:
        check_features(document["features"], current, path)
    estimator._parameters_ = estimator.get_params(deep=False)
    return estimator


def _rebuild(
    document: Mapping[str, Any],
    tensors: Mapping[str, NDArray[Any]],
    given: Mapping[str, Any],
    local: Mapping[str, Any],
) -> Any:
    """Return the estimator that a document describes; what the caller has given overrides the document."""
    from transferkit.extraction import FeatureExtractor

    kind: Any = ESTIMATORS[document["estimator"]]
    names = tuple(name for name in kind._get_param_names() if name not in LOCAL)
    own_weights = not _as_saved(given["weights"])
    collection = hasattr(kind, "_from_arrays")
    check_document(document, names, own_weights=own_weights, collection=collection)
    before = {name: value for name, value in BEFORE.items() if name in names}
    parameters = before | as_tuples(document["parameters"])
    parameters["backbone"] = backbone_of(document) if given["backbone"] is None else given["backbone"]
    if own_weights:
        parameters["weights"] = given["weights"]
    elif given["backbone"] is not None and has_own_weights(get_backbone(given["backbone"])):
        # In earlier versions, None meant the same.
        parameters["weights"] = parameters["weights"] or "imagenet"
    parameters["extractor"] = FeatureExtractor(**settings_of(document, given["engine"]), **local)
    if collection:
        return kind._from_arrays(tensors, ranges_of(document["features"]), **parameters)
    parts = parts_of(document, tensors)
    if parts.task.kind not in kind.kinds:
        raise ValueError(f"a task of kind {parts.task.kind!r} in a {document['estimator']}")
    estimator = kind(**parameters, head=parts.head)
    n_features = document["n_features_in"]
    if n_features is not None:  # the first axis of features (d,) or (h, w, c)
        n_inputs = parts.fitted.n_inputs
        if n_inputs is not None and n_inputs % n_features:
            raise ValueError(f"{n_features} features do not go into {n_inputs} inputs")
        estimator.n_features_in_ = n_features
        if shape := tuple(document.get("map_shape", ())):
            if n_inputs not in (None, math.prod(shape)):
                raise ValueError(f"maps of shape {shape} do not go into {n_inputs} inputs")
            estimator._map_shape = shape
    estimator._array_ranges = ranges_of(document["features"])
    extractor = estimator._make_extractor(parts.head)
    predictor = estimator._make_predictor(extractor, parts.views, parts.head, parts.fitted, parts.task)
    closer = weights_of_closer_look(parts.extras)
    looks = estimator._rebuild_refinements(parts.rounds, parts.task, closer)
    predictor = replace(predictor, refinements=looks)
    for name, extra in parts.extras.items():
        predictor = replace(predictor, **{name: estimator._rebuild_extra(name, *extra, predictor)})
    estimator._restore(parts.head, predictor, records_from_json(document["records"], estimator._tables))
    estimator.trained_on_ = parts.trained_on
    return estimator


def _side(document: Mapping[str, Any]) -> Any:
    """Return the image size in a document whose content has not been checked."""
    features = document.get("features")
    return features.get("image_size") if isinstance(features, dict) else None


def _as_saved(weights: Any) -> bool:
    return isinstance(weights, str) and weights == "as saved"


def check_features(saved: Mapping[str, Any], current: Mapping[str, Any], path: Any) -> None:
    """Raise ModelFileError if features would differ from those that the model was trained on."""
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
