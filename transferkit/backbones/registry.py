"""The registry of backbones by name.

A backbone of this library is identified by its name, version and weights, since its network never changes
without its version. A backbone that a user registered is identified by its features of probe images.
"""

from __future__ import annotations

import contextlib
import fnmatch
import functools
import os
import re
from collections.abc import Hashable, Iterator
from typing import Any, Literal, overload

from transferkit.backbones import keras_applications, keras_hub, pixels, scattering
from transferkit.backbones.backbone import Backbone, plain_name
from transferkit.backbones.own_models import is_keras_model
from transferkit.backbones.sizes import SIZES, Size
from transferkit.backbones.source import Source
from transferkit.errors import InvalidInputError, UnknownBackboneError

# To add a family: a module with a tuple BACKBONES, and its name here.
FAMILIES = (keras_applications, keras_hub, pixels, scattering)

_AS_THEY_ARE = (pixels.preprocess_input, f"{pixels.__name__}:{pixels.preprocess_input.__name__}")
_backbones: dict[str, Backbone] = {}  # by plain name and plain alias
_shipped: dict[str, Backbone] = {}  # by name


def get_backbone(name: Any) -> Backbone:
    """Return the backbone with this name; a Backbone is returned as it is.

    Parameters
    ----------
    name : str, Backbone, keras.Model or callable
        Case, ``-`` and ``_`` of a name are ignored. For a model or a function, see
        :meth:`Backbone.from_keras` and :meth:`Backbone.from_function`.

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
    if isinstance(name, os.PathLike):
        name = os.fspath(name)
    if not isinstance(name, str):
        if is_keras_model(name) or (callable(name) and not isinstance(name, type)):
            return _wrapped(name) if isinstance(name, Hashable) else _wrapped.__wrapped__(name)
        raise InvalidInputError(
            f"backbone must be a name, a Backbone, a keras.Model or a function. "
            f"Got {type(name).__name__}: {name!r}."
        )
    if name.lower().endswith(".onnx"):
        raise InvalidInputError(
            f"backbone must be Backbone.from_onnx({name!r}, mean=..., std=...) for an ONNX file, since its "
            "normalisation must be known. Got the path alone."
        )
    if (backbone := _backbones.get(plain_name(name))) is None:
        raise UnknownBackboneError(name, list_backbones())
    return backbone


@functools.lru_cache(maxsize=4)  # few, since a model takes much memory
def _wrapped(network: Any) -> Backbone:
    """Return a model or a function as a backbone, always the same object."""
    return (Backbone.from_keras if is_keras_model(network) else Backbone.from_function)(network)


@overload
def list_backbones(pattern: str = "*", *, details: Literal[False] = False) -> list[str]: ...
@overload
def list_backbones(pattern: str = "*", *, details: Literal[True]) -> list[dict[str, Any]]: ...
def list_backbones(pattern: str = "*", *, details: bool = False) -> list[Any]:
    """Return the names of registered backbones, in natural order.

    Parameters
    ----------
    pattern : str, default="*"
        Shell pattern that the names must match, such as ``"resnet*"``.
    details : bool, default=False
        Return a dict for each backbone, such as for ``pandas.DataFrame(list_backbones(details=True))``.

    Returns
    -------
    list of str, or of dict
        Each dict has ``name``, ``image_size`` and ``min_size`` in pixels; and the following, or None where
        unknown: ``parameters`` in millions, and ``gflop`` for an image of ``image_size``, both without the
        top; ``width``, the number of channels of ``"last"``; ``imagenet``, the published top-1 accuracy in
        per cent, and its ``source``.

    Examples
    --------
    >>> from transferkit import list_backbones
    >>> list_backbones("vgg*")
    ['vgg16', 'vgg19']
    """
    names = {backbone.name for backbone in _backbones.values()}
    found = sorted(
        (name for name in names if fnmatch.fnmatchcase(name.lower(), pattern.lower())), key=_natural
    )
    return [_details(get_backbone(name)) for name in found] if details else found


def _details(backbone: Backbone) -> dict[str, Any]:
    """Return the properties by which people choose a backbone."""
    size = SIZES.get(backbone.name) if is_shipped(backbone) else None
    known = dict.fromkeys(Size._fields) if size is None else size._asdict()
    if known["imagenet"] is None:
        known["source"] = None
    sides = {"image_size": backbone.image_size, "min_size": backbone.min_size}
    return {"name": backbone.name, **sides, **known}


def add(backbone: Backbone, *, shipped: bool = False) -> None:
    """Add a backbone, replacing backbones whose name is its name or one of its aliases."""
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
    """Return True if this is the network of that name in this library, even with other recommendations."""
    shipped = _shipped.get(backbone.name)
    return shipped is not None and shipped.network == backbone.network


def is_declared(backbone: Backbone) -> bool:
    """Return True if name, version and weights identify the network; all others are identified by probes."""
    source = backbone.constructor
    return is_shipped(backbone) or (isinstance(source, Source) and source.declared)


def is_preprocessing_declared(backbone: Backbone) -> bool:
    """Return True if they also identify the preprocessing; else ``preprocess_input`` is probed."""
    source = backbone.constructor
    fixed = isinstance(source, Source) and source.preprocess_input is not None
    return is_shipped(backbone) or fixed or backbone.preprocess_input in _AS_THEY_ARE


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
