"""Heads: plain data that says what to train on features.

Importing them loads neither TensorFlow nor scikit-learn; fitting loads what the head needs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from transferkit.errors import InvalidInputError, quoted
from transferkit.heads._base import FittedHead, Head, TrainingData
from transferkit.heads.auto import AutoHead
from transferkit.heads.cascade import CascadeHead
from transferkit.heads.conv import ConvHead
from transferkit.heads.keypoint_map import KeypointMapHead
from transferkit.heads.linear import LinearHead
from transferkit.heads.mlp import MLPHead

HEADS: dict[str, type] = {
    "auto": AutoHead,
    "linear": LinearHead,
    "mlp": MLPHead,
    "conv": ConvHead,
    "keypoint_map": KeypointMapHead,
}

__all__ = [
    "HEADS",
    "AutoHead",
    "CascadeHead",
    "ConvHead",
    "FittedHead",
    "Head",
    "KeypointMapHead",
    "LinearHead",
    "MLPHead",
    "TrainingData",
    "get_head",
    "head_from_dict",
    "head_to_dict",
]


def get_head(head: str | Head) -> Head:
    """Return the head that a name stands for, with its defaults; a head is returned as it is.

    Raises
    ------
    InvalidInputError
        Neither a known name nor a head.
    """
    if isinstance(head, str) and head in HEADS:
        found: Head = HEADS[head]()
        return found
    if type(head) in HEADS.values():
        return head  # type: ignore[return-value]
    raise InvalidInputError(
        f"head must be {quoted(HEADS, 'or')}, or an instance such as LinearHead(penalty=0.01). Got {head!r}."
    )


def head_to_dict(head: Any) -> dict[str, Any]:
    """Return a head as JSON data."""
    name = next(name for name, kind in HEADS.items() if kind is type(head))
    return {"name": name, **asdict(head)}


def head_from_dict(data: Mapping[str, Any]) -> Head:
    """Return the head that JSON data describes.

    Raises
    ------
    InvalidInputError
        A name or a field that this version does not know.
    """
    values = dict(data)
    name = values.pop("name", None)
    kind = HEADS.get(name) if isinstance(name, str) else None
    known = {field.name for field in fields(kind)} if kind else set()
    if kind is None or not set(values) <= known:
        raise InvalidInputError(f"Unknown head {dict(data)!r}. This version knows {quoted(HEADS)}.")
    found: Head = kind(
        **{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    )
    return found
