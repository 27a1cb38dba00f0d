"""Class labels as JSON and back, of the type that they had."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.errors import InvalidInputError

_LABELS = {"str": str, "bool": bool} | {
    f"{kind}{bits}": int for kind in ("int", "uint") for bits in (8, 16, 32, 64)
} | {f"float{bits}": float for bits in (16, 32, 64)}  # fmt: skip


def check_keys(what: str, data: Mapping[str, Any], expected: Mapping[str, tuple[type, ...]]) -> None:
    """Raise ValueError unless the keys are these and each value has one of its types; a bool is no int."""
    if set(data) != set(expected):
        raise ValueError(f"{what}: expected {sorted(expected)}, got {sorted(data)}")
    for name, types in expected.items():
        if type(data[name]) not in types:
            raise ValueError(f"{what}: {name} is {data[name]!r}")


def labels_to_json(classes: NDArray[Any]) -> dict[str, Any]:
    kind = "str" if classes.dtype.kind == "U" else classes.dtype.name
    if kind not in _LABELS:
        raise InvalidInputError(
            f"Labels of type {classes.dtype} cannot be saved. Train with strings or integers."
        )
    return {"dtype": kind, "values": classes.tolist()}


def labels_from_json(data: Mapping[str, Any]) -> NDArray[Any]:
    """Return labels, sorted and unique, of the type that they had."""
    check_keys("classes", data, {"dtype": (str,), "values": (list,)})
    values, convert = data["values"], _LABELS[data["dtype"]]
    if len(values) < 2 or not all(type(value) is convert for value in values):
        raise ValueError("classes are not all of their type")
    labels = np.array(values, dtype=data["dtype"])
    if labels.tolist() != values or not (labels[1:] > labels[:-1]).all():
        raise ValueError("classes are not sorted, or do not fit their type")
    return labels
