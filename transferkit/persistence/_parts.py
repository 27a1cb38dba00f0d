"""The parts of a model in its document, as needed with or without its estimator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from transferkit.backbones import Backbone
from transferkit.engines import has_openvino
from transferkit.heads import FittedHead, Head, head_from_dict
from transferkit.images import FAMILIES, check_selection, check_value_range
from transferkit.persistence._schema import views_of
from transferkit.tasks import Task, Values, task_from_json
from transferkit.views import View

Arrays = Mapping[str, NDArray[Any]]
TRAINED_ON = "trained_on"  # optional array that identifies the images that a model was trained on
# Optional parts of a model: the key in the document, and the prefix of the names of its arrays.
EXTRAS = {
    "expected_error": "error.",
    "fine_tuning": "fine_tuning.",
    "held_out": "held_out.",
    "novelty": "novelty.",
    "training": "training.",
    "wide_look": "wide_look.",
}


class Parts(NamedTuple):
    """The trained parts of a model.

    Attributes
    ----------
    head : Head
        Settings of the head.
    fitted : FittedHead
        The trained head.
    task : Task
        What is predicted.
    views : tuple of View
        Views of whole images.
    rounds : list of (arrays, facts)
        One entry for each closer look.
    extras : dict of str to (arrays, facts)
        Optional parts, by the name of their field in a predictor.
    trained_on : ndarray of uint64, shape (n,), or None
        First eight bytes of the digests of the training images.
    """

    head: Head
    fitted: FittedHead
    task: Task
    views: tuple[View, ...]
    rounds: list[tuple[dict[str, Any], dict[str, Any]]]
    extras: dict[str, tuple[dict[str, Any], dict[str, Any]]]
    trained_on: NDArray[Any] | None


def parts_of(document: Mapping[str, Any], tensors: Arrays) -> Parts:
    """Return the trained parts; raise ValueError or KeyError if the document or its arrays are not valid."""
    extras, own = {}, [TRAINED_ON]
    for key, start in EXTRAS.items():
        names = [name for name in tensors if name.startswith(start)]
        if bool(names) != (key in document):
            raise ValueError(f"arrays {names} of {key} and facts {document.get(key)!r}")
        if names:
            extras[key] = {name.removeprefix(start): tensors[name] for name in names}, document[key]
            own += names
    learned = tensors.get(TRAINED_ON)
    if learned is not None and (learned.dtype != np.uint64 or learned.ndim != 1):
        raise ValueError(f"images that were learned from as {learned.dtype} of shape {learned.shape}")
    others = {name: array for name, array in tensors.items() if name not in own}
    arrays, rounds = _split(others, len(document["refinements"]))
    head = head_from_dict(document["head"])
    fitted = head.rebuild(arrays, document["head_facts"])
    return Parts(
        head,
        fitted,
        _task(document["task"], fitted),
        views_of(document["views"]),
        list(zip(rounds, document["refinements"], strict=True)),
        extras,
        learned,
    )


def settings_of(document: Mapping[str, Any], engine: str | None = None) -> dict[str, Any]:
    """Return the extractor's parameters that are saved with a model; raise ValueError if they are not valid.

    ``engine`` replaces the one that was used when the model was saved.
    """
    settings = as_tuples(document["extractor"])
    check_value_range(settings["value_range"])
    check_selection(settings.get("frame"), settings.get("channels"))
    if engine is not None:
        settings["engine"] = engine
    elif settings["engine"] == "openvino" and settings["precision"] == "float32" and not has_openvino():
        settings["engine"] = "auto"  # check_features checks that the features are still the same
    return settings


def backbone_of(document: Mapping[str, Any]) -> Any:
    """Return the name of the backbone, or the Backbone that the document describes."""
    return Backbone.from_json(document["parameters"]["backbone"])


def ranges_of(features: Mapping[str, Any] | None) -> dict[str, tuple[float, float]]:
    """Return the value range of each kind of array; raise ValueError if one is not valid."""
    ranges = (features or {}).get("array_ranges", {})
    found = {str(name): check_value_range(bounds) for name, bounds in ranges.items()}
    if not set(found) <= set(FAMILIES) or None in found.values():
        raise ValueError(f"array_ranges {ranges!r}")
    return {name: bounds for name, bounds in found.items() if bounds is not None}


def _task(data: Mapping[str, Any], fitted: Any) -> Any:
    """Return the task; raise ValueError unless the head has as many outputs as the task."""
    if data.get("kind") == Values.kind and data.get("n_outputs") is None:  # a document of version 0
        data = {**data, "n_outputs": fitted.n_outputs}
    task = task_from_json(data)
    if fitted.n_outputs != task.n_outputs:
        raise ValueError(f"the head has {fitted.n_outputs} outputs, the task {task.n_outputs}")
    return task


def _split(tensors: Mapping[str, NDArray[Any]], n_rounds: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the arrays of the head, and those of each closer look."""
    parts = [
        {name.removeprefix(start): array for name, array in tensors.items() if name.startswith(start)}
        for start in ("head.", *(f"round.{i}." for i in range(n_rounds)))
    ]
    if sum(map(len, parts)) != len(tensors):
        raise ValueError(f"arrays {sorted(tensors)}")
    return parts[0], parts[1:]


def as_tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters with the lists of JSON turned into tuples, also nested ones."""
    return {name: _as_tuple(value) for name, value in values.items()}


def _as_tuple(value: Any) -> Any:
    return tuple(map(_as_tuple, value)) if isinstance(value, list) else value
