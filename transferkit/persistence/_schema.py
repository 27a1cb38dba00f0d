"""What the document of a saved model may hold, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from transferkit.estimators._precomputed import is_precomputed
from transferkit.persistence._labels import check_keys
from transferkit.views import AUGMENTATIONS, MEANS, ORIGINAL, View

_VIEW_SETS = [(ORIGINAL,), *AUGMENTATIONS.values(), *((mean,) for mean in MEANS.values())]
_TEXT, _FLAG, _COUNT, _MAYBE = (str,), (bool,), (int,), type(None)
_SCHEMA: dict[str, tuple[type, ...]] = {
    "format": _TEXT, "schema": _COUNT, "estimator": _TEXT, "parameters": (dict,), "head": (dict,),
    "head_facts": (dict,), "facts": (dict,), "views": (list,), "features": (dict, _MAYBE),
    "versions": (dict,),
}  # fmt: skip
_PARAMETERS: dict[str, tuple[type, ...]] = {
    "backbone": _TEXT, "weights": (str, _MAYBE), "image_size": (int, _MAYBE), "layers": (str, list, _MAYBE),
    "value_range": (list, _MAYBE), "grid": (int, str, list, _MAYBE), "resize": _TEXT,
    "augment": (str, _MAYBE), "engine": _TEXT, "precision": _TEXT,
    "batch_size": _COUNT, "validation_fraction": (int, float), "on_error": _TEXT, "progress": _FLAG,
}  # fmt: skip
_FACT_TYPES: dict[str, tuple[type, ...]] = {
    "n_features_in_": _COUNT, "n_points_": _COUNT, "_flat_layout_": _FLAG, "_single_output_": _FLAG,
}  # fmt: skip


def check_document(document: Mapping[str, Any]) -> None:
    """Raise ValueError unless a document has exactly the keys and types that ``save_estimator`` writes."""
    kind = document["estimator"]
    is_classifier = kind == "Classifier"
    if kind not in ("Classifier", "KeypointRegressor"):
        raise ValueError(f"estimator {kind!r}")
    expected = _SCHEMA | ({"classes": (dict,)} if is_classifier else {"refinements": (list,)})
    if "selection" in document:  # models of early versions have none
        expected = expected | {"selection": (list,)}
    check_keys("document", document, expected)
    parameters, facts = document["parameters"], document["facts"]
    more = {"class_weight": (str, _MAYBE)} if is_classifier else {"refine": (int, str)}
    check_keys("parameters", parameters, _PARAMETERS | more)
    precomputed = is_precomputed(parameters["backbone"])
    if precomputed != (document["features"] is None):
        raise ValueError("features belong to images, and only to them")
    needed = facts_of(kind, precomputed)
    check_keys("facts", facts, {name: _FACT_TYPES[name] for name in needed})
    if any(type(value) is int and not 0 <= value < 2**31 for value in facts.values()):
        raise ValueError(f"facts {facts!r}")
    views_of(document["views"])


def views_of(names: list[Any]) -> tuple[View, ...]:
    """Return the views of these names; ValueError unless some ``augment`` stands for them."""
    for views in _VIEW_SETS:
        if [view.name for view in views] == names:
            return views
    raise ValueError(f"views {names!r}")


def facts_of(kind: str, precomputed: bool) -> tuple[str, ...]:
    """Return the names of what an estimator has learned beside its head."""
    if kind == "Classifier":
        return ("n_features_in_",) if precomputed else ()
    return (
        ("n_features_in_", "n_points_", "_single_output_") if precomputed else ("n_points_", "_flat_layout_")
    )
