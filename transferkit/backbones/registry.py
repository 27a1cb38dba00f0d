"""Backbones by name.

A backbone of this library is identified by its name, version and weights, since its network never changes
without its version; one that a user registered is identified by what it computes.
"""

from __future__ import annotations

import contextlib
import fnmatch
import re
from collections.abc import Iterator

from transferkit.backbones import keras_applications, keras_hub, pixels, scattering
from transferkit.backbones.backbone import Backbone, plain_name
from transferkit.backbones.source import Source
from transferkit.errors import InvalidInputError, UnknownBackboneError

# To add a family: a module with a tuple BACKBONES, and its name here.
FAMILIES = (keras_applications, keras_hub, pixels, scattering)

_backbones: dict[str, Backbone] = {}  # by plain name and plain alias
_shipped: dict[str, Backbone] = {}  # by name


def get_backbone(name: str | Backbone) -> Backbone:
    """Return the backbone registered under a name; a Backbone is returned as it is.

    Parameters
    ----------
    name : str or Backbone
        Case, ``-`` and ``_`` do not matter.

    Returns
    -------
    Backbone

    Raises
    ------
    UnknownBackboneError
        No backbone has this name; the message lists similar names.
    """
    if isinstance(name, Backbone):
        return name
    if not isinstance(name, str):
        raise InvalidInputError(
            f"backbone must be a name or a Backbone. Got {type(name).__name__}: {name!r}."
        )
    if (backbone := _backbones.get(plain_name(name))) is None:
        raise UnknownBackboneError(name, list_backbones())
    return backbone


def list_backbones(pattern: str = "*") -> list[str]:
    """Return the registered names that match a shell pattern, in natural order.

    Parameters
    ----------
    pattern : str, default="*"
        Such as ``"resnet*"``.

    Returns
    -------
    list of str

    Examples
    --------
    >>> from transferkit import list_backbones
    >>> list_backbones("vgg*")
    ['vgg16', 'vgg19']
    """
    names = {backbone.name for backbone in _backbones.values()}
    return sorted(
        (name for name in names if fnmatch.fnmatchcase(name.lower(), pattern.lower())), key=_natural
    )


def add(backbone: Backbone, *, shipped: bool = False) -> None:
    """Add a backbone, in place of those whose name is its name or one of its aliases."""
    words = {plain_name(word) for word in (backbone.name, *backbone.aliases)}
    for word, old in list(_backbones.items()):
        if plain_name(old.name) in words:
            del _backbones[word]
    _backbones.update(dict.fromkeys(words, backbone))
    if shipped:
        ship(backbone)


def ship(backbone: Backbone) -> None:
    """Count a backbone as one of this library, without registering its name."""
    _shipped[backbone.name] = backbone


def is_shipped(backbone: Backbone) -> bool:
    """Return True if this is the network of the same name in this library, whatever is recommended for it."""
    shipped = _shipped.get(backbone.name)
    return shipped is not None and shipped.network == backbone.network


def is_declared(backbone: Backbone) -> bool:
    """Return True if name, version and weights say all that can change a feature; others are probed."""
    return is_shipped(backbone) or isinstance(backbone.constructor, Source)


def is_taken(name: str) -> bool:
    """Return True if a name or an alias is registered."""
    return plain_name(name) in _backbones


@contextlib.contextmanager
def preserved() -> Iterator[None]:
    """Restore the registry on exit."""
    tables = (_backbones, _shipped)
    before = [dict(table) for table in tables]
    try:
        yield
    finally:
        for table, content in zip(tables, before, strict=True):
            table.clear()
            table.update(content)


def _natural(name: str) -> list[tuple[int, str]]:
    """Sort b2 before b10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name.lower())]


for _family in FAMILIES:
    for _backbone in _family.BACKBONES:
        add(_backbone, shipped=True)
