"""What is known about one network: plain data; no Keras is imported."""

from __future__ import annotations

import contextlib
import importlib
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np

from transferkit.backbones.keras_defaults import keras_defaults
from transferkit.backbones.source import Source
from transferkit.errors import InvalidInputError
from transferkit.foundation.arguments import check, is_count

Reference = str | Callable[..., Any]


@dataclass(frozen=True)
class Backbone:
    """A pretrained network: how to build it, and what is recommended for it.

    Parameters
    ----------
    name : str
        Name in the registry. Look-ups ignore case, ``-`` and ``_``.
    constructor : callable, str or Source
        ``constructor(include_top=False, weights=None, input_shape=(S, S, 3))`` returns a
        ``keras.Model``. A string names what to import, as ``"package.module:attribute"``. A `Source` finds
        its weights and builds its network itself.
    preprocess_input : callable or str
        Maps float32 pixels of shape (n, S, S, 3), RGB in 0..255, to the input of the network.
    min_size : int
        Smallest side ``S`` in pixels.
    image_size : int, default=224
        Default side, usually the one that the weights were trained at.
    layers : tuple of str, default=("last",)
        Recommended layers, from fine and early to coarse and late. ``"last"`` is the output of the network.
    grid : int, tuple of int or None, default=4
        Cells per side that maps are averaged over for heads that take many layers: one number for all
        layers, or one for each. None keeps whole maps.
    weights_file : str, optional
        File name under which Keras publishes the ImageNet weights without the top.
    weights_hash : str, optional
        Hexadecimal MD5 or SHA-256 of that file, if Keras states one.
    pretrained : bool, default=True
        False for fixed filters, which load no weights.
    version : str, default="1"
        Part of every cache key. Change it when features change although weights and graph do not.
    aliases : tuple of str, default=()
        Other names.
    finish : callable, optional
        ``finish(model)`` is called after ImageNet weights are loaded into a graph built without them.

    Raises
    ------
    InvalidInputError
        The name has no letter or digit, ``min_size`` is not a positive integer, ``image_size`` is smaller,
        ``constructor`` or ``preprocess_input`` is not a function, or ``layers`` or ``aliases`` is a string.

    See Also
    --------
    register_backbone : Add a backbone to the registry.
    """

    name: str
    constructor: Reference | Source
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

    def __post_init__(self) -> None:
        check(self._problems())
        for label in ("layers", "aliases", "grid"):
            if isinstance(value := getattr(self, label), list):
                object.__setattr__(self, label, tuple(value))  # hashable

    def _problems(self) -> Iterator[str]:
        if not isinstance(self.name, str) or not plain_name(self.name):
            yield f"name must be a word with letters or digits. Got {self.name!r}."
        if not is_count(self.min_size):
            yield (
                f"min_size must be the smallest side in pixels, 1 or more. Got {self.min_size!r}. "
                "The triple is (constructor, preprocess_input, min_size)."
            )
        elif not is_count(self.image_size) or self.image_size < self.min_size:
            yield (
                f"image_size must be min_size={self.min_size} or more. Got {self.image_size!r}. "
                "It is the default side."
            )
        for label in ("constructor", "preprocess_input"):
            value = getattr(self, label)
            if label == "constructor" and isinstance(value, Source):
                continue
            if not callable(value) and not (isinstance(value, str) and ":" in value):
                yield f"{label} must be a function, or a string 'package.module:attribute'. Got {value!r}."
        for label in ("layers", "aliases"):
            if isinstance(value := getattr(self, label), str):
                yield f"{label} must be a tuple of names. Got {value!r}. Pass ({value!r},)."

    @property
    def network(self) -> tuple[Any, ...]:
        """The fields that can change features; all others are limits and recommendations."""
        return (
            self.name,
            self.constructor,
            self.preprocess_input,
            self.weights_file,
            self.weights_hash,
            self.pretrained,
            self.version,
            self.finish,
        )

    @property
    def triple(self) -> tuple[Any, Callable[..., Any], int]:
        """The constructor, ``preprocess_input`` and ``min_size``; imports references."""
        return _resolve(self.constructor), _resolve(self.preprocess_input), self.min_size

    def preprocess(self, pixels: Any) -> Any:
        """Return the input of the network for uint8 or float pixels of shape (n, S, S, 3).

        Works on a copy: several of Keras's functions write into a float32 argument.
        """
        preprocess_input = _resolve(self.preprocess_input)
        # Keras's functions follow its global settings; others need no Keras.
        with keras_defaults() if "keras" in sys.modules else contextlib.nullcontext():
            return np.asarray(preprocess_input(np.array(pixels, dtype=np.float32)), dtype=np.float32)

    def check_image_size(self, image_size: int | None) -> int:
        """Return the side to use in pixels; None stands for the default.

        Raises
        ------
        InvalidInputError
            The side is not an integer, smaller than ``min_size``, or none that a `Source` can see.
        """
        if image_size is None:
            return self.image_size
        if isinstance(image_size, bool) or not isinstance(image_size, Integral):
            raise InvalidInputError(
                f"image_size must be an integer, the side of a square in pixels, or None for "
                f"{self.image_size}. Got {image_size!r}."
            )
        if isinstance(self.constructor, Source):
            self.constructor.check_image_size(self.name, int(image_size))
        if image_size < self.min_size:
            raise InvalidInputError(
                f"image_size must be at least {self.min_size} for backbone {self.name!r}. "
                f"Got {image_size}. Pass image_size={self.min_size} or more, or choose a backbone with a "
                "smaller min_size."
            )
        return int(image_size)


def plain_name(name: str) -> str:
    """Return a name without everything that look-ups ignore."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _resolve(reference: Any) -> Any:
    if not isinstance(reference, str):
        return reference
    module, _, attribute = reference.partition(":")
    return getattr(importlib.import_module(module), attribute)
