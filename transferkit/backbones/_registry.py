"""The registry: a plain dictionary from names to rows of data."""

from __future__ import annotations

import fnmatch
import importlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np

from transferkit.errors import InvalidInputError, UnknownBackboneError

Reference = str | Callable[..., Any]

_ROWS: dict[str, Backbone] = {}
_ALIASES: dict[str, str] = {}


@dataclass(frozen=True)
class Backbone:
    """What is known about one pretrained network.

    Parameters
    ----------
    name : str
        Name in the registry. Look-ups ignore case, ``-`` and ``_``.
    constructor : callable or str
        ``constructor(include_top=False, weights=None, input_shape=(S, S, 3))`` returns a
        ``keras.Model``; or where to import it from, as ``"package.module:attribute"``.
    preprocess_input : callable or str
        Maps float32 pixels of shape (n, S, S, 3), RGB in 0..255, to what the model expects.
    min_size : int
        Smallest side ``S`` in pixels.
    image_size : int, default=224
        Side that the weights were trained at, used when none is asked for.
    layers : tuple of str, default=("last",)
        Where features are worth tapping, from fine and early to coarse and late.
        ``"last"`` is the output of the model.
    grid : int, tuple of int or None, default=4
        Cells a side that maps are averaged over for heads that take many layers, the same for all or
        one for each; None keeps maps as they are.
    weights_file : str, optional
        File name under which Keras publishes the ImageNet weights without the top.
    weights_hash : str, optional
        MD5 or SHA-256 of that file, in hexadecimal, where Keras states one.
    pretrained : bool, default=True
        Whether there are weights to load; False for fixed filters.
    version : str, default="1"
        Change it when the numbers change though weights and graph do not; part of every cache key.
    aliases : tuple of str, default=()
        Other names.
    finish : callable, optional
        ``finish(model)``, run after ImageNet weights are loaded into a graph built without them.
    builtin : bool, default=False
        Set by the rows of this library: what they compute is known by name, version and weights. A
        changed copy of one counts as the user's own.

    See Also
    --------
    register_backbone : Add one.
    """

    name: str
    constructor: Reference
    preprocess_input: Reference
    min_size: int
    image_size: int = 224
    layers: tuple[str, ...] = ("last",)
    grid: int | tuple[int | None, ...] | None = 4
    weights_file: str | None = None
    weights_hash: str | None = None
    pretrained: bool = True
    version: str = "1"
    aliases: tuple[str, ...] = ()
    finish: Callable[[Any], None] | None = None
    builtin: bool = False

    def __post_init__(self) -> None:
        """Take a changed copy of one of our rows for the user's own, so that it never shares the cache."""
        relatives = (
            row for row in _ROWS.values() if self.name == row.name or self.constructor == row.constructor
        )
        if self.builtin and any(row != self for row in relatives):
            object.__setattr__(self, "builtin", False)

    @property
    def triple(self) -> tuple[Callable[..., Any], Callable[..., Any], int]:
        """The constructor, ``preprocess_input`` and ``min_size``; imports what they live in."""
        return _resolve(self.constructor), _resolve(self.preprocess_input), self.min_size

    def preprocess(self, pixels: Any) -> Any:
        """Return what the network expects for uint8 or float pixels of shape (n, S, S, 3).

        Always on a copy: several of Keras's functions write into a float32 argument.
        """
        preprocess_input = _resolve(self.preprocess_input)
        return np.asarray(preprocess_input(np.array(pixels, dtype=np.float32)), dtype=np.float32)

    def check_image_size(self, image_size: int | None) -> int:
        """Return the side to use in pixels, or say why the one asked for will not do."""
        if image_size is None:
            return self.image_size
        if isinstance(image_size, bool) or not isinstance(image_size, Integral):
            raise InvalidInputError(
                f"image_size must be an integer, the side of a square in pixels, or None for "
                f"{self.image_size}. Got {image_size!r}."
            )
        if image_size < self.min_size:
            smaller = [row.name for row in _ROWS.values() if row.min_size <= image_size]
            other = (
                f", or a backbone with min_size <= {image_size}, such as {smaller[0]!r}" if smaller else ""
            )
            raise InvalidInputError(
                f"image_size must be at least {self.min_size} for backbone {self.name!r}. "
                f"Got {image_size}. Pass image_size={self.min_size} or more{other}."
            )
        return int(image_size)


def register_backbone(
    name: str,
    constructor: Reference,
    preprocess_input: Reference,
    min_size: int,
    *,
    check: bool = False,
    overwrite: bool = False,
    **details: Any,
) -> Backbone:
    """Add a backbone, so that its name works wherever a backbone is asked for.

    Parameters
    ----------
    name : str
        New name.
    constructor, preprocess_input, min_size
        The triple; see :class:`Backbone`.
    check : bool, default=False
        Build it with ``weights=None`` and prove that its features are right.
    overwrite : bool, default=False
        Replace the rows that have this name or one of its aliases for their name, instead of refusing.
    **details
        Other fields of :class:`Backbone`; ``image_size`` is ``min_size`` where that is above 224.

    Returns
    -------
    Backbone
        The new row.

    Raises
    ------
    InvalidInputError
        The name is empty or taken, ``min_size`` is not a positive integer, ``image_size`` is
        smaller, a function is none, or ``layers`` or ``aliases`` is one string.
    BackboneCheckError
        ``check=True`` and a check failed; nothing is registered then.

    Examples
    --------
    >>> from transferkit import register_backbone, get_backbone
    >>> row = register_backbone("my_net", "keras.applications:VGG16",
    ...                         "keras.applications.vgg16:preprocess_input", 32, overwrite=True)
    >>> get_backbone("My-Net").min_size
    32
    """
    if not isinstance(name, str) or not _plain(name):
        raise InvalidInputError(f"name must be a word with letters or digits. Got {name!r}.")
    if isinstance(min_size, bool) or not isinstance(min_size, int) or min_size < 1:
        raise InvalidInputError(
            f"min_size must be the smallest side in pixels, 1 or more. Got {min_size!r}. "
            "The triple is (constructor, preprocess_input, min_size)."
        )
    for label, value in (("constructor", constructor), ("preprocess_input", preprocess_input)):
        if not callable(value) and not (isinstance(value, str) and ":" in value):
            raise InvalidInputError(
                f"{label} must be a function, or a string 'package.module:attribute'. Got {value!r}."
            )
    if (image_size := details.setdefault("image_size", max(min_size, 224))) < min_size:
        raise InvalidInputError(
            f"image_size must be min_size={min_size} or more. Got {image_size}. "
            "It is the side used when none is asked for."
        )
    for label in ("layers", "aliases"):
        if isinstance(words := details.get(label), str):
            raise InvalidInputError(f"{label} must be a tuple of names. Got {words!r}. Pass ({words!r},).")
        if words is not None:
            details[label] = tuple(words)
    row = Backbone(name, constructor, preprocess_input, min_size, **details)
    taken = [word for word in (name, *row.aliases) if _plain(word) in _ALIASES]
    if taken and not overwrite:
        raise InvalidInputError(
            f"Backbone {taken[0]!r} is registered already. Choose another name or pass overwrite=True."
        )
    if check:
        from transferkit.backbones._checks import check_row

        check_row(row)
    _add(row)
    return row


def get_backbone(name: str | Backbone) -> Backbone:
    """Return the row registered under a name; a row is returned as it is.

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
        Nothing of that name; the message lists names that look alike.
    """
    if isinstance(name, Backbone):
        return name
    if not isinstance(name, str):
        raise InvalidInputError(
            f"backbone must be a name or a Backbone. Got {type(name).__name__}: {name!r}."
        )
    if (key := _ALIASES.get(_plain(name))) is None:
        raise UnknownBackboneError(name, list_backbones())
    return _ROWS[key]


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
    found = [name for name in _ROWS if fnmatch.fnmatchcase(name.lower(), pattern.lower())]
    return sorted(found, key=_natural)


def _add(row: Backbone) -> None:
    """Put one row and its aliases into the tables, in the place of rows that have one of these names."""
    words = {_plain(word): row.name for word in (row.name, *row.aliases)}
    for old in [name for name in _ROWS if _plain(name) in words]:
        del _ROWS[old]
        for word in [word for word, name in _ALIASES.items() if name == old]:
            del _ALIASES[word]
    _ROWS[row.name] = row
    _ALIASES.update(words)


def _plain(name: str) -> str:
    """Drop everything that look-ups ignore."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _natural(name: str) -> list[tuple[int, str]]:
    """Sort b2 before b10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name.lower())]


def _resolve(reference: Reference) -> Callable[..., Any]:
    """Import what a string names."""
    if not isinstance(reference, str):
        return reference
    module, _, attribute = reference.partition(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module), attribute)
    return found
