"""A backbone from an ONNX file as JSON data, for saved models; the file itself is not part of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from transferkit.backbones.onnx_file._make import LAYOUTS
from transferkit.backbones.onnx_file._normalisation import make_normalisation
from transferkit.backbones.onnx_file._source import OnnxFile
from transferkit.foundation.arguments import check, choice
from transferkit.foundation.schema import Types, check_keys

_MAYBE = type(None)
_KEYS: dict[str, Types] = {
    "path": (str,), "mean": (list,), "std": (list,), "scale": (float,), "channels": (str,),
    "layout": (str, _MAYBE), "n_prefix": (int, _MAYBE), "name": (str,), "min_size": (int,),
    "image_size": (int,), "fixed_size": (bool,), "layers": (list,),
}  # fmt: skip


def to_json(backbone: Any) -> dict[str, Any] | None:
    """Return the data from which a backbone can be restored; None if it is not an ONNX file."""
    source = backbone.constructor
    if not isinstance(source, OnnxFile):
        return None
    numbers = source.normalisation
    return {
        "path": source.path,
        "mean": list(numbers.mean),
        "std": list(numbers.std),
        "scale": numbers.scale,
        "channels": numbers.channels,
        "layout": source.layout,
        "n_prefix": source.n_prefix,
        "name": backbone.name,
        "min_size": backbone.min_size,
        "image_size": backbone.image_size,
        "fixed_size": backbone.fixed_size,
        "layers": list(backbone.layers),
    }


def fields_from_json(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a Backbone; raise ValueError unless ``to_json`` wrote the data."""
    check_keys("backbone", data, _KEYS)
    check(choice("layout", data["layout"], LAYOUTS, or_none=True))
    normalisation = make_normalisation(*(data[name] for name in ("mean", "std", "scale", "channels")))
    names = ("name", "min_size", "image_size", "fixed_size")
    return {
        **{name: data[name] for name in names},
        "constructor": OnnxFile(data["path"], normalisation, data["layout"], data["n_prefix"]),
        "preprocess_input": normalisation,
        "layers": tuple(data["layers"]),
    }
