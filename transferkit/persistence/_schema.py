"""The schema of the documents of saved models: everything that they may contain."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transferkit.extraction import is_precomputed
from transferkit.foundation.schema import Types, check_keys
from transferkit.views import AUGMENTATIONS, MEANS, ORIGINAL, View

_VIEW_SETS = [(ORIGINAL,), *AUGMENTATIONS.values(), *((mean,) for mean in MEANS.values())]
_MAYBE = type(None)
_COLLECTION: dict[str, Types] = {
    "format": (str,), "schema": (int,), "estimator": (str,), "parameters": (dict,), "extractor": (dict,),
    "features": (dict, _MAYBE), "versions": (dict,),
}  # fmt: skip
_DOCUMENT: dict[str, Types] = {
    **_COLLECTION,
    "head": (dict,), "head_facts": (dict,), "task": (dict,), "n_features_in": (int, _MAYBE), "views": (list,),
    "records": (dict,), "refinements": (list,),
}  # fmt: skip
# Only where it is known.
_KNOWN: dict[str, Types] = {
    "expected_error": (dict,),
    "fine_tuning": (dict,),
    "held_out": (dict,),
    "map_shape": (list,),
    "novelty": (dict,),
    "training": (dict,),
    "wide_look": (dict,),
}
# Parameters of estimators by name; an estimator with a parameter that is not here cannot be saved.
_PARAMETERS: dict[str, Types] = {
    "backbone": (str, dict), "weights": (str, _MAYBE), "image_size": (int, _MAYBE),
    "layers": (str, list, _MAYBE), "grid": (int, str, list, _MAYBE),
    "augment": (str, _MAYBE), "class_weight": (str, _MAYBE), "threshold": (float, str, _MAYBE),
    "calibrate": (str, _MAYBE),
    "mirror_pairs": (list,), "refine": (int, str), "metric": (str,), "method": (str,),
}  # fmt: skip
_UNSET = ("mirror_pairs",)  # parameters that are only written if they are not None
BEFORE = {"calibrate": None}  # values for models that were saved before these parameters existed
# Parameters that may be missing, because a model may have been saved before they existed.
_OPTIONAL = ("threshold", *BEFORE, *_UNSET)
_EXTRACTOR: dict[str, Types] = {
    "resize": (str,), "precision": (str,), "value_range": (list, _MAYBE), "on_error": (str, _MAYBE),
    "engine": (str, _MAYBE),
}  # fmt: skip
_CHOSEN: dict[str, Types] = {"frame": (int,), "channels": (list,)}  # only where they are set
LOCAL = (
    "head",
    "random_state",
    "extractor",
)  # parameters of estimators that are saved otherwise, or not at all
EXTRACTOR_PARAMETERS = tuple(_EXTRACTOR)  # those saved with the model; the others depend on the machine

# A file from a stranger could name any file of this machine, or ask for any amount of memory.
_WEIGHTS_SUFFIXES = (".h5", ".hdf5", ".keras", ".onnx")
_LARGEST_SIDE = 2048


def without_defaults(parameters: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters of an estimator without optional ones that are None."""
    return {name: value for name, value in parameters.items() if name not in _UNSET or value is not None}


def extractor_parameters(extractor: Any) -> tuple[str, ...]:
    """Return the names of the parameters of an extractor that are saved."""
    chosen = tuple(name for name in _CHOSEN if getattr(extractor, name) is not None)
    return EXTRACTOR_PARAMETERS + chosen


def check_document(
    document: Mapping[str, Any],
    parameters: tuple[str, ...],
    *,
    own_weights: bool = False,
    collection: bool = False,
) -> None:
    """Raise ValueError unless a document has exactly the keys and types that ``save_estimator`` writes.

    ``parameters`` are the names of the estimator's parameters. With ``own_weights``, the weights that the
    document names are not used and therefore not checked. A ``collection`` has neither head nor task.
    """
    known = {name: types for name, types in _KNOWN.items() if name in document}
    check_keys("document", document, _COLLECTION if collection else _DOCUMENT | known)
    there = [name for name in parameters if name in document["parameters"] or name not in _OPTIONAL]
    check_keys("parameters", document["parameters"], {name: _PARAMETERS[name] for name in there})
    chosen = {name: types for name, types in _CHOSEN.items() if name in document["extractor"]}
    check_keys("extractor", document["extractor"], _EXTRACTOR | chosen)
    _check_reach(document["parameters"], own_weights)
    if collection:
        if document["features"] is None:
            raise ValueError("images have features")
        return
    n_features = document["n_features_in"]
    arrays = is_precomputed(document["parameters"]["backbone"])
    if arrays != (document["features"] is None) or arrays != (n_features is not None):
        raise ValueError("images have features, arrays have a number of columns")
    if n_features is not None and not 0 < n_features < 2**31:
        raise ValueError(f"{n_features} features")
    shape = document.get("map_shape", [])
    if shape and (
        n_features != shape[0]
        or len(shape) != 3
        or not all(type(side) is int and 0 < side < 2**31 for side in shape)
    ):
        raise ValueError(f"maps of shape {shape} from {n_features} features")
    views_of(document["views"])


def _check_reach(parameters: Mapping[str, Any], own_weights: bool) -> None:
    """Raise ValueError if a document names a file that cannot be a weights file, or asks for huge images."""
    backbone = parameters["backbone"] if isinstance(parameters["backbone"], dict) else {}
    for place in () if own_weights else (parameters.get("weights"), backbone.get("path")):
        if isinstance(place, str) and place != "imagenet":
            remote = place.startswith(("//", "\\\\")) or "://" in place
            # In a folder, only files with the names of those of a preset are opened.
            if remote or not (place.lower().endswith(_WEIGHTS_SUFFIXES) or Path(place).is_dir()):
                raise ValueError(
                    f"weights {place!r} are no local file {' or '.join(_WEIGHTS_SUFFIXES)}, and no folder on "
                    "this machine; pass weights=... to load()"
                )
    for size in (parameters.get("image_size"), backbone.get("image_size")):
        if isinstance(size, int) and size > _LARGEST_SIDE:
            raise ValueError(f"image_size {size} is above {_LARGEST_SIDE}")


def views_of(names: list[Any]) -> tuple[View, ...]:
    """Return the views with these names; raise ValueError unless they are those of some ``augment``."""
    for views in _VIEW_SETS:
        if [view.name for view in views] == names:
            return views
    raise ValueError(f"views {names!r}")
