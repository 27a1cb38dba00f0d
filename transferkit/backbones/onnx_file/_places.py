"""Test the order of patch tokens by running the graph with one patch changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from transferkit.backbones.layer_choice import Feature
from transferkit.backbones.onnx_file._graph import ImageInput
from transferkit.backbones.onnx_file._network import run_in_portions
from transferkit.backbones.onnx_file._prepare import prepared_model
from transferkit.backbones.onnx_file._running import session_of

_FIRST = 6  # first tensors of each kind to test: before attention, a patch changes only one token
_ELSEWHERE = 1e-4  # largest change of other tokens, relative to that of the changed one


def misplaced(
    model: Any, source: ImageInput, features: Mapping[str, Feature], image_size: int
) -> set[tuple[int, int]]:
    """Return the kinds of tokens, as (cells per side, prefix tokens), that are not in row order.

    The class token may be at the end, or tokens may be grouped by windows or ordered by columns. If every
    token depends on the whole picture from the start, the order cannot be tested, and nothing is returned.
    """
    groups: dict[tuple[int, int], list[Feature]] = {}
    for feature in features.values():
        if feature.kind == "tokens" and len(group := groups.setdefault(_kind(feature), [])) < _FIRST:
            group.append(feature)
    asked = [feature for group in groups.values() for feature in group]
    if not asked:
        return set()
    whole = [
        Feature(each.tensor, "vector", (each.n_prefix + each.shape[0] ** 2, each.shape[-1])) for each in asked
    ]
    session = session_of(prepared_model(model, source, whole, None, image_size), n_threads=0)
    generator = np.random.default_rng(0)
    base = generator.normal(0, 1, (1, image_size, image_size, 3)).astype(np.float32)
    wrong = set()
    for cells in {feature.shape[0] for feature in asked}:
        side = image_size // cells
        places = [(0, 0), (0, cells - 1), (cells - 1, 0), (cells // 2, cells - 1)]
        images = base.repeat(1 + len(places), axis=0)
        for image, (row, column) in zip(images[1:], places, strict=True):
            patch = image[row * side : (row + 1) * side, column * side : (column + 1) * side]
            patch[:] = generator.normal(0, 1, patch.shape)
        outputs = run_in_portions(session, images, source.batch)
        for feature, tokens in zip(asked, outputs, strict=True):
            if feature.shape[0] != cells:
                continue
            changes = np.abs(tokens[1:] - tokens[:1]).max(axis=-1)
            for change, (row, column) in zip(changes, places, strict=True):
                first, second = np.sort(change)[[-1, -2]]
                alone = first > 0 and second <= _ELSEWHERE * first
                if alone and change.argmax() != feature.n_prefix + row * cells + column:
                    wrong.add(_kind(feature))
    return wrong


def _kind(feature: Feature) -> tuple[int, int]:
    return feature.shape[0], feature.n_prefix
