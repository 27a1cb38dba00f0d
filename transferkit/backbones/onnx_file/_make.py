"""Describe an ONNX file as a backbone, and check the caller's arguments against it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from transferkit.backbones.onnx_file._advice import channels_in_metadata, named_in_metadata
from transferkit.backbones.onnx_file._graph import import_onnx
from transferkit.backbones.onnx_file._network import known_layers
from transferkit.backbones.onnx_file._normalisation import USUAL, Normalisation, make_normalisation
from transferkit.backbones.onnx_file._source import OnnxFile, described
from transferkit.errors import InvalidInputError, gather
from transferkit.foundation.arguments import check, choice, is_count, is_path

DEFAULT_SIZE, SMALLEST = 224, 32
SUFFIX = ".onnx"
LAYOUTS = ("NCHW", "NHWC")


def describe_file(
    path: str | os.PathLike[str],
    *,
    mean: Any,
    std: Any,
    scale: float | None,
    channels: str | None,
    layout: str | None,
    image_size: int | None,
    layers: Sequence[str] | None,
    n_prefix: int | None,
    name: str | None,
) -> dict[str, Any]:
    """Return the fields of a Backbone; see :meth:`Backbone.from_onnx`."""
    import_onnx()
    problems = choice("layout", layout, LAYOUTS, or_none=True)
    if not is_path(path):
        problems.append(f"path must be the path of an ONNX file. Got {path!r}.")
    elif not os.fspath(path).lower().endswith(SUFFIX):
        problems.append(
            f"path must end in {SUFFIX}, since a saved model may name no other file. Got {path!r}. Rename it."
        )
    if not (image_size is None or is_count(image_size)):
        problems.append(f"image_size must be a side in pixels, or None. Got {image_size!r}.")
    if not (n_prefix is None or n_prefix == 0 or is_count(n_prefix)):
        problems.append(f"n_prefix must be a number of tokens, or None. Got {n_prefix!r}.")
    names = (layers,) if isinstance(layers, str) else layers
    if names is not None and not (
        isinstance(names, list | tuple) and names and all(isinstance(each, str) for each in names)
    ):
        problems.append(f"layers must be a list of names of tensors, or None. Got {layers!r}.")
    normalisation: Normalisation | None
    if mean is None and std is None and not problems:
        normalisation = _from_metadata(Path(path).expanduser(), scale, channels)
    else:
        normalisation = gather(problems, lambda: make_normalisation(mean, std, scale, channels))
    check(problems)
    assert normalisation is not None
    source = OnnxFile(str(Path(path).expanduser().absolute()), normalisation, layout, n_prefix)
    entry, features, usual = described(source, image_size or DEFAULT_SIZE)
    if entry.kind == "uint8" and not normalisation.keeps_pixels():
        raise InvalidInputError(
            f"mean must be 0 and std 1 for {Path(path).name}, which takes pixels in 0..255 as uint8 and "
            f"normalises them itself. Got mean={mean!r}, std={std!r}, scale={normalisation.scale!r}."
        )
    if image_size is not None and entry.size not in (None, image_size):
        raise InvalidInputError(
            f"image_size must be {entry.size} or None for {Path(path).name}, whose input has that size. "
            f"Got {image_size}."
        )
    if layers is None and not usual:
        shown = ", ".join(f"{each.tensor!r} {each.shape}" for each in list(features.values())[-5:])
        raise InvalidInputError(
            f"{Path(path).name} has no tensor that looks like a feature map or like patch tokens of a square "
            f"grid{f'; the last vectors are {shown}' if shown else ''}. A detector or a text model is no "
            "backbone; where it holds one, pass layers= with names of its tensors. If it works on patch "
            "tokens, pass n_prefix=, the number of tokens before the patches, which must "
            "be in the order of rows."
        )
    chosen = usual if names is None else tuple(names)
    known_layers(chosen, features)
    side = entry.size or image_size or DEFAULT_SIZE
    return {
        "name": Path(path).stem if name is None else name,
        "constructor": source,
        "preprocess_input": normalisation,
        "min_size": entry.size or min(SMALLEST, side),
        "image_size": side,
        "layers": chosen,
        "fixed_size": entry.size is not None,
    }


def _from_metadata(path: Path, scale: float | None, channels: str | None) -> Normalisation:
    """Return the normalisation in a file's metadata; raise InvalidInputError, with the usual ones, if none.

    The caller's arguments are used for what the metadata lack, and must not contradict them.
    """
    named = named_in_metadata(path)
    if named is None:
        usual = "; ".join(f"mean={n['mean']}, std={n['std']} ({name})" for name, n in USUAL.items())
        raise InvalidInputError(
            f"mean and std must be given for {path.name}, whose metadata does not name them. They are those "
            f"of the training, for pixels in 0..255. Usual are {usual}."
        )
    words, found = named
    asked = make_normalisation(
        found.mean,
        found.std,
        found.scale if scale is None else scale,
        found.channels if channels is None else channels,
    )
    problems = [
        f"{name} must be {right!r} or left out for {path.name}, whose metadata names {words!r}. "
        f"Got {given!r}. If the metadata is wrong, pass mean= and std= too."
        for name, right, given in (
            ("scale", found.scale, asked.scale),
            ("channels", channels_in_metadata(path) or asked.channels, asked.channels),
        )
        if given != right
    ]
    check(problems)
    return asked
