"""``Backbone``: the description of a pretrained network as plain data, without importing Keras."""

from __future__ import annotations

import contextlib
import importlib
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
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
    """Describe a pretrained network: how to build it, and recommended settings.

    Parameters
    ----------
    name : str
        Name in the registry. Case, ``-`` and ``_`` are ignored when a name is looked up.
    constructor : callable, str or Source
        ``constructor(include_top=False, weights=None, input_shape=(S, S, 3))`` returns a
        ``keras.Model``. A string such as ``"package.module:attribute"`` is imported when needed. A `Source`
        finds its weights and builds its network itself.
    preprocess_input : callable or str
        Maps float32 pixels of shape (n, S, S, 3), RGB in 0..255, to the input of the network.
    min_size : int
        Smallest possible side ``S`` of the input in pixels.
    image_size : int, default=224
        Default side of the input in pixels, usually the one that the weights were trained at.
    layers : tuple of str, default=("last",)
        Recommended layers, from early layers with fine maps to late ones with coarse maps. ``"last"`` is the
        output of the network.
    grid : int, tuple of int or None, default=4
        Number of cells per side over which heads that use several layers average each map: one number for
        all layers, or one for each. None keeps whole maps.
    weights_file : str, optional
        File name under which Keras publishes the ImageNet weights without the top.
    weights_hash : str, optional
        Hexadecimal MD5 or SHA-256 of that file, if Keras states one.
    pretrained : bool, default=True
        False for fixed filters, which load no weights.
    version : str, default="1"
        Part of every cache key. Change it if features change although neither weights nor graph do.
    aliases : tuple of str, default=()
        Other names of the backbone.
    finish : callable, optional
        ``finish(model)`` is called after ImageNet weights are loaded into a graph built without them.
    lost_layer : str, optional
        A layer without weights that exists only in the graph built with ImageNet weights, and that ``finish``
        replaces. For weights files that are not Keras's own, ``finish`` is called if the file has this layer.
    fixed_size : bool, default=False
        Whether ``image_size`` is the only possible side.

    Raises
    ------
    InvalidInputError
        The name has no letter a-z or digit, ``min_size`` is not a positive integer, ``image_size`` is
        smaller, ``constructor`` or ``preprocess_input`` is not a function, or not the one that a `Source`
        asks for, or ``layers`` or ``aliases`` is a string.

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
    fixed_size: bool = False
    lost_layer: str | None = None

    def __post_init__(self) -> None:
        check(self._problems())
        for label in ("layers", "aliases", "grid"):
            if isinstance(value := getattr(self, label), list):
                object.__setattr__(self, label, tuple(value))  # hashable

    def _problems(self) -> Iterator[str]:
        if not isinstance(self.name, str) or not plain_name(self.name):
            yield f"name must have letters a-z or digits, by which it is looked up. Got {self.name!r}."
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
        if isinstance(self.constructor, Source):
            wanted = self.constructor.preprocess_input
            if wanted is not None and self.preprocess_input != wanted:
                yield (
                    f"preprocess_input must be {wanted!r} for {self.name!r}, whose network normalises pixels "
                    f"itself. Got {self.preprocess_input!r}. For an ONNX file, pass mean=, std=, scale= and "
                    "channels= to Backbone.from_onnx."
                )
        for label in ("layers", "aliases"):
            if isinstance(value := getattr(self, label), str):
                yield f"{label} must be a tuple of names. Got {value!r}. Pass ({value!r},)."

    @classmethod
    def from_onnx(
        cls,
        path: str | os.PathLike[str],
        *,
        mean: float | Sequence[float] | None = None,
        std: float | Sequence[float] | None = None,
        scale: float | None = None,
        channels: str | None = None,
        layout: str | None = None,
        image_size: int | None = None,
        layers: Sequence[str] | None = None,
        n_prefix: int | None = None,
        name: str | None = None,
    ) -> Backbone:
        """Return the network in an ONNX file as a backbone, which can be used instead of a name.

        It runs on OpenVINO or ONNX Runtime, without TensorFlow. Requires ``transferkit[onnx]``.

        Parameters
        ----------
        path : path
            The ONNX file. Weights may be in other files beside it.
        mean, std : float or sequence of 3
            Normalization of red, green and blue pixels in 0..255: the network is given
            ``(pixels * scale - mean) / std``. May be omitted only if the metadata of the file contain them.
            Those of ImageNet are (123.675, 116.28, 103.53) and (58.395, 57.12, 57.375); 0 and 255 map pixels
            to 0..1; 127.5 and 127.5 to -1..1. Wrong values reduce the accuracy without any error; see
            :func:`check_backbone`.
        scale : float, optional
            Factor for pixels, by default 1. With 1/255, mean and std refer to pixels in 0..1, such as
            (0.485, 0.456, 0.406).
        channels : {"RGB", "BGR"}, optional
            Order of the channels that the network expects, by default ``"RGB"``. If mean and std are taken
            from the metadata, so are this and ``scale``; values passed here must not contradict them.
        layout : {"NCHW", "NHWC"}, optional
            Layout of the input, by default inferred from the axis of size 3.
        image_size : int, optional
            Side of the input in pixels if the file does not fix it, by default 224.
        layers : sequence of str, optional
            Names of the tensors that heads learn from, fine ones first; see :func:`list_layers`. By default
            the ends of the last stages. For a transformer, the layers at half and at three quarters of its
            depth, ``"last"`` and ``"summary"``.
        n_prefix : int, optional
            Number of tokens before those of patches (class token and registers), by default the smallest
            number that leaves a square of patches.
        name : str, optional
            Name of the backbone, by default that of the file.

        Returns
        -------
        Backbone
            It is identified by the digest of the file, its name, and all numbers above.

        Raises
        ------
        WeightsError
            The file is missing or is not a valid ONNX file.
        InvalidInputError
            The graph does not take images or has no feature maps, or a parameter cannot be used.
        MissingDependencyError
            The package onnx or onnxruntime is not installed.

        Examples
        --------
        >>> from transferkit import Backbone, Classifier
        >>> backbone = Backbone.from_onnx("model.onnx", mean=127.5, std=127.5)  # doctest: +SKIP
        >>> clf = Classifier(backbone).fit(paths, labels)  # doctest: +SKIP
        """
        from transferkit.backbones.onnx_file import describe_file

        fields = describe_file(
            path, mean=mean, std=std, scale=scale, channels=channels, layout=layout, image_size=image_size,
            layers=layers, n_prefix=n_prefix, name=name,
        )  # fmt: skip
        return cls(**fields)

    @classmethod
    def from_keras(
        cls,
        model: Any,
        *,
        preprocess_input: Callable[[Any], Any] | None = None,
        image_size: int | None = None,
        layers: Sequence[str] | None = None,
        name: str | None = None,
    ) -> Backbone:
        """Return a Keras model (functional, Sequential, or a subclass) as a backbone.

        ``Classifier(model)`` is a shortcut for this, with the defaults. The model is not changed: ``fit``
        copies it, and features are computed with the copy. If the model is trained further, it counts as
        another backbone. A subclass of ``keras.Model`` cannot be copied; call ``fit`` again if it changes.

        Parameters
        ----------
        model : keras.Model
            A model that takes images.
        preprocess_input : callable, optional
            Maps float32 pixels of shape (n, S, S, 3), RGB in 0..255, to the input of the model. May be
            omitted only if a Rescaling or Normalization layer comes before the first layer with weights.
        image_size : int, optional
            Side of the input in pixels if the model does not fix it, by default 224.
        layers : sequence of str, optional
            Layers that heads learn from, fine ones first. By default the ends of the last stages.
        name : str, optional
            Name of the backbone, by default that of the model.

        Returns
        -------
        Backbone

        Raises
        ------
        InvalidInputError
            The model does not take images, or its preprocessing is not known.
        """
        from transferkit.backbones.own_models import model_fields

        return cls(**model_fields(model, preprocess_input, image_size, layers, name))

    @classmethod
    def from_function(
        cls, function: Callable[[Any], Any], *, image_size: int = 224, name: str | None = None
    ) -> Backbone:
        """Return a function as a backbone, such as a network of another framework.

        ``Classifier(function)`` is a shortcut for this, with the defaults. The function is identified by its
        features of two probe images, which are computed again before each extraction.

        Parameters
        ----------
        function : callable
            Maps float32 pixels of shape (n, S, S, 3), RGB in 0..255, to features of shape (n, c) or
            (n, h, w, c). The features of an image must not depend on the other images.
        image_size : int, default=224
            Side ``S`` of the input in pixels.
        name : str, optional
            Name of the backbone, by default that of the function.

        Returns
        -------
        Backbone

        Raises
        ------
        InvalidInputError
            ``function`` is not callable. What it returns is checked in ``fit``.
        """
        from transferkit.backbones.own_models import function_fields

        return cls(**function_fields(function, image_size, name))

    def to_json(self) -> str | dict[str, Any]:
        """Return the description for a saved model: the name, or the arguments of :meth:`from_onnx`."""
        from transferkit.backbones.onnx_file import to_json

        return to_json(self) or self.name

    @classmethod
    def from_json(cls, data: str | dict[str, Any]) -> str | Backbone:
        """Return the backbone, or its name in the registry; raise ValueError for other data."""
        from transferkit.backbones.onnx_file import fields_from_json

        return data if isinstance(data, str) else cls(**fields_from_json(data))

    @property
    def network(self) -> tuple[Any, ...]:
        """The fields that determine features; all others are limits and recommendations."""
        return (
            self.name,
            self.constructor,
            self.preprocess_input,
            self.weights_file,
            self.weights_hash,
            self.pretrained,
            self.version,
            self.finish,
            self.lost_layer,
        )

    @property
    def triple(self) -> tuple[Any, Callable[..., Any], int]:
        """The constructor, ``preprocess_input`` and ``min_size``; imports references."""
        return self._resolve("constructor"), self._resolve("preprocess_input"), self.min_size

    def _resolve(self, label: str) -> Any:
        """Return what a field refers to; InvalidInputError if there is no such module or attribute."""
        reference = getattr(self, label)
        if not isinstance(reference, str):
            return reference
        module, _, attribute = reference.partition(":")
        try:
            return getattr(importlib.import_module(module), attribute)
        except (ModuleNotFoundError, AttributeError) as error:
            if error.name not in (attribute, module, *_parents(module)) or error.name == "keras":
                raise  # something that the module itself needs
            raise InvalidInputError(
                f"{label} of backbone {self.name!r} must name what can be imported, as "
                f"'package.module:attribute'. Got {reference!r}: {error}."
            ) from error

    def preprocess(self, pixels: Any) -> Any:
        """Return the input of the network for uint8 or float pixels of shape (n, S, S, 3).

        Works on a copy: several of Keras's functions write into a float32 argument.

        Raises
        ------
        InvalidInputError
            ``preprocess_input`` does not return numbers for each image.
        """
        preprocess_input = self._resolve("preprocess_input")
        # Keras's functions follow its global settings; others need no Keras.
        with keras_defaults() if sys.modules.get("keras") else contextlib.nullcontext():
            ready = preprocess_input(np.array(pixels, dtype=np.float32))
        shape = np.shape(ready)
        if shape[:1] != np.shape(pixels)[:1]:
            state = "None: is a return missing?" if ready is None else f"shape {shape}."
            raise InvalidInputError(
                f"preprocess_input of {self.name!r} must return an array with a row for each of "
                f"{len(pixels)} images. Got {state}"
            )
        return np.asarray(ready, dtype=np.float32)

    def check_image_size(self, image_size: int | None) -> int:
        """Return the side to use in pixels; None stands for the default.

        Raises
        ------
        InvalidInputError
            The side is not an integer, is smaller than ``min_size``, or is not supported by the `Source`.
        """
        if image_size is None:
            return self.image_size
        if isinstance(image_size, bool) or not isinstance(image_size, Integral):
            raise InvalidInputError(
                f"image_size must be an integer, the side of a square in pixels, or None for "
                f"{self.image_size}. Got {image_size!r}."
            )
        if self.fixed_size and image_size != self.image_size:
            raise InvalidInputError(
                f"image_size must be {self.image_size} or None for backbone {self.name!r}, whose input has "
                f"that size. Got {image_size}."
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
    """Return a name without the characters that look-ups ignore."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _parents(module: str) -> list[str]:
    words = module.split(".")
    return [".".join(words[:n]) for n in range(1, len(words))]
