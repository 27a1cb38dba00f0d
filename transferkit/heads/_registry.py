"""The registry of heads by name, and their conversion to JSON data and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass
from typing import Any

from transferkit.errors import InvalidInputError, quoted
from transferkit.heads._base import Head
from transferkit.heads.auto import AutoHead
from transferkit.heads.conv import ConvHead
from transferkit.heads.keypoint_map import KeypointMapHead
from transferkit.heads.linear import LinearHead
from transferkit.heads.mlp import MLPHead
from transferkit.heads.score_map import ScoreMapHead

HEADS: dict[str, type] = {
    "auto": AutoHead,
    "linear": LinearHead,
    "mlp": MLPHead,
    "conv": ConvHead,
    "keypoint_map": KeypointMapHead,
    "score_map": ScoreMapHead,
}

_MEMBERS = (*Head.__annotations__, "fit", "rebuild")


def register_head(name: str, kind: type, *, overwrite: bool = False) -> None:
    """Register a head, so that it can be used by name and saved.

    To load a model, its head must be registered under the same name.

    Parameters
    ----------
    name : str
        Name of the head.
    kind : type
        A frozen dataclass with the attributes and methods of :class:`Head`. Its fields must be JSON data or
        tuples, and have defaults.
    overwrite : bool, default=False
        Replace a registered head with this name.

    Raises
    ------
    InvalidInputError
        The class is not a head, or the name is taken.
    """
    if not isinstance(name, str) or not name:
        raise InvalidInputError(f"name must be a non-empty string. Got {name!r}.")
    if not (isinstance(kind, type) and is_dataclass(kind) and kind.__dataclass_params__.frozen):  # type: ignore[attr-defined]
        raise InvalidInputError(f"kind must be a frozen dataclass. Got {kind!r}.")
    if missing := _missing(kind):
        raise InvalidInputError(f"{kind.__name__} is not a head: it has no {quoted(missing, 'or')}.")
    if name in HEADS and not overwrite:
        raise InvalidInputError(
            f"A head {name!r} is already registered: {HEADS[name].__name__}. Pass overwrite=True to replace "
            "it."
        )
    HEADS[name] = kind


def get_head(head: str | Head) -> Head:
    """Return the head with this name and its default settings; an instance is returned unchanged.

    Raises
    ------
    InvalidInputError
        Neither a registered name nor an instance of a head.
    """
    if isinstance(head, str) and head in HEADS:
        found: Head = HEADS[head]()
        return found
    missing = _missing(head)
    if not missing and not isinstance(head, type):
        return head  # type: ignore[return-value]
    lacks = f" It has no {quoted(missing, 'or')}." if 0 < len(missing) < len(_MEMBERS) else ""
    raise InvalidInputError(
        f"head must be {quoted(HEADS, 'or')}, or an instance such as LinearHead(penalty=0.01). Got {head!r}."
        + lacks
    )


def head_to_dict(head: Any) -> dict[str, Any]:
    """Return a head as JSON data.

    Raises
    ------
    InvalidInputError
        The class of the head is not registered.
    """
    names = {kind: name for name, kind in HEADS.items()}
    if type(head) not in names:
        raise InvalidInputError(
            f"{type(head).__name__} is not a registered head: call register_head() so that it can be saved."
        )
    return {"name": names[type(head)], **asdict(head)}


def head_from_dict(data: Mapping[str, Any]) -> Head:
    """Return the head described by JSON data; missing fields have their defaults.

    Raises
    ------
    InvalidInputError
        The name or a field is unknown to this version.
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


def _missing(head: Any) -> list[str]:
    """Return the members of a head that an object or a class does not have."""
    return [name for name in _MEMBERS if not hasattr(head, name)]
