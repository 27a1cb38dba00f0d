"""Upgrade documents of version 0 (schema 1) to the current schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from transferkit.foundation.schema import check_keys
from transferkit.persistence._schema import EXTRACTOR_PARAMETERS

_MACHINE = ("batch_size", "progress")  # no longer saved


def upgraded(document: Mapping[str, Any]) -> dict[str, Any]:
    """Convert a document of schema 1 to the current schema; raise KeyError or ValueError if not valid."""
    old = dict(document)
    kind, facts, parameters = old["estimator"], dict(old.pop("facts")), dict(old["parameters"])
    extractor = {name: parameters.pop(name) for name in EXTRACTOR_PARAMETERS}
    for name in _MACHINE:
        parameters.pop(name)
    head = {**old["head"], "validation_fraction": parameters.pop("validation_fraction")}
    if head["name"] not in ("mlp", "conv", "keypoint_map"):
        del head["validation_fraction"]
    selection = old.pop("selection", [])
    records = {"layer_selection": [row for row in selection if "chosen" in row]}
    if kind == "KeypointRegressor":
        records["rounds"] = [
            {**{name: row[name] for name in row if name != "round"}, "number": row["round"]}
            for row in selection
            if "round" in row
        ]
    new = {
        **old,
        "schema": 2,
        "parameters": parameters,
        "extractor": extractor,
        "head": head,
        "task": _task(kind, facts, old.pop("classes", None), old["head_facts"]),
        "n_features_in": facts.pop("n_features_in_", None),
        "records": records,
        "refinements": old.get("refinements", []),
    }
    new.pop("classes", None)
    if facts:
        raise ValueError(f"facts {sorted(facts)}")
    return new


def _task(kind: str, facts: dict[str, Any], classes: Any, head_facts: Mapping[str, Any]) -> dict[str, Any]:
    if kind == "Classifier":
        check_keys("classes", classes, {"dtype": (str,), "values": (list,)})
        return {"kind": "classes", "dtype": classes["dtype"], "labels": classes["values"]}
    n_points = facts.pop("n_points_")
    if "_flat_layout_" in facts:
        return {"kind": "points", "n_points": n_points, "flat": facts.pop("_flat_layout_")}
    # The number of values was not saved, only half of it; ``parts_of`` takes it from the head's arrays.
    return {
        "kind": "values",
        "n_outputs": head_facts.get("n_outputs"),
        "single": facts.pop("_single_output_"),
    }
