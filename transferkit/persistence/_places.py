"""Find weights files on this machine: a model stores the name of the file, but not its folder.

A note in the cache folder records the path under the digest of the weights, so that a model saved on this
machine can be loaded on it. On other machines, weights are looked for beside the model and in the folder
``TRANSFERKIT_WEIGHTS``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transferkit.backbones import FOLDER_VARIABLE, Backbone, get_backbone, resolve_weights
from transferkit.cache import FeatureCache, Note
from transferkit.errors import TransferKitError, WeightsError

_PLAIN = re.compile(r"[^/\\:]+")  # a file name without a folder


def without_folders(parameters: Mapping[str, Any], features: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return parameters with the file name of the weights only, and note their path on this machine."""
    if features is None:  # trained on arrays, without weights
        return dict(parameters)

    def name_of(place: Any) -> Any:
        if not isinstance(place, str) or not Path(place).is_absolute():
            return place
        _note(features).write({"path": place})
        return Path(place).name

    backbone = parameters["backbone"]
    if isinstance(backbone, dict):
        backbone = {**backbone, "path": name_of(backbone["path"])}
    return {**parameters, "backbone": backbone, "weights": name_of(parameters["weights"])}


def with_folders(document: Mapping[str, Any], model: Any) -> dict[str, Any]:
    """Return a document with the path that the weights have on this machine.

    Raises
    ------
    WeightsError
        The weights cannot be found.
    """
    parameters, features = dict(document["parameters"]), document["features"]
    if features is None:
        return dict(document)
    data = parameters["backbone"]
    if isinstance(data, dict):
        parameters["backbone"] = {**data, "path": _find(data["path"], data, features, model)}
    if parameters["weights"] not in (None, "imagenet"):
        parameters["weights"] = _find(parameters["weights"], data, features, model)
    return {**document, "parameters": parameters}


def _find(name: str, backbone: Any, features: Mapping[str, Any], model: Any) -> str:
    """Return the first file or folder of this name that has the right weights, or else the first of all."""
    if not _PLAIN.fullmatch(name):
        return name
    noted = _note(features).read()
    places = [Path(name), Path(model).absolute().parent / name]
    if folder := os.environ.get(FOLDER_VARIABLE):
        places.append(Path(folder).expanduser() / name)
    if isinstance(noted, dict) and isinstance(noted.get("path"), str):
        places.insert(0, Path(noted["path"]))
    there = [str(place) for place in places if place.exists()]
    if not there:
        raise WeightsError(
            f"{name}, which has the weights of the model, does not exist where this machine knows of. Pass "
            f"weights=<the file that was used>, or put it beside the model, or into a folder named by "
            f"{FOLDER_VARIABLE}.",
            name=features["backbone"]["name"],
            path=name,
        )
    return next((place for place in there if _digest(place, backbone) == _expected(features)), there[0])


def _digest(place: str, backbone: Any) -> str | None:
    """Return the digest of weights, or None if they cannot be read, which is reported later."""
    try:
        return resolve_weights(get_backbone(Backbone.from_json(backbone)), place).digest
    except (TransferKitError, OSError, ValueError):
        return None


def _expected(features: Mapping[str, Any]) -> str:
    return str(features["backbone"]["weights"])


def _note(features: Mapping[str, Any]) -> Note:
    """Return the note that records the path of the weights."""
    return Note(FeatureCache().folder, "weights", _expected(features))
