"""Check whether mean and std are right, as far as metadata and features tell.

Most networks tolerate any of the usual normalisations, with features that look similar but are less accurate.
So the metadata of a file are worth more than any statistic.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.backbones.onnx_file._graph import parsed
from transferkit.backbones.onnx_file._network import OnnxNetwork
from transferkit.backbones.onnx_file._normalisation import CHANNELS, USUAL, Normalisation, make_normalisation

# "Image.NominalPixelRange" of https://github.com/onnx/onnx/blob/main/docs/MetadataProps.md
_RANGES = {
    "NominalRange_0_255": {"mean": 0, "std": 1},
    "Normalized_0_1": USUAL["0..1"],
    "Normalized_1_1": USUAL["-1..1"],
}


def named_in_metadata(path: Path) -> tuple[str, Normalisation] | None:
    """Return the normalisation in a file's metadata, with its name there; None if there is none."""
    facts = _metadata(path)
    words = facts.get("Image.NominalPixelRange", "")
    channels = channels_in_metadata(path) or "RGB"
    if words in _RANGES:
        return words, make_normalisation(**_RANGES[words], scale=1.0, channels=channels)
    try:
        mean, std = (json.loads(facts[name]) for name in ("mean", "std"))
        small = [np.max(np.abs(numbers)) <= 1 for numbers in (mean, std)]
        if small[1] and not small[0] and np.any(np.not_equal(std, 1)):
            return None  # neither for pixels in 0..1 nor for 0..255
        return f"mean {mean}, std {std}", make_normalisation(
            mean, std, 1 / 255 if all(small) else 1.0, channels
        )
    except (KeyError, ValueError, TypeError):
        return None


def channels_in_metadata(path: Path) -> str | None:
    """Return the order of colours in a file's metadata; None if there is none."""
    order = _metadata(path).get("Image.BitmapPixelFormat", "")[:3].upper()
    return order if order in CHANNELS else None


def _metadata(path: Path) -> dict[str, str]:
    return {entry.key: entry.value for entry in parsed(path).metadata_props}


def metadata_failures(path: Path, ours: Normalisation) -> list[str]:
    """Return a sentence if the metadata have other numbers than the caller."""
    named = named_in_metadata(path)
    if named is None or _alike(named[1], ours):
        return []
    return [
        f"the metadata of {path.name} names {named[0]!r}, and mean={ours.mean}, std={ours.std}, "
        f"scale={ours.scale:g}, channels={ours.channels!r} give other values."
    ]


def contrasts(network: OnnxNetwork, pixels: NDArray[Any], ours: Normalisation) -> Mapping[str, float]:
    """Return the relative spread of features between images, by normalisation.

    It reveals pixels that are scaled twice, or not at all, but hardly differs between the usual three.
    """
    tried = {"as given": ours}
    tried |= {
        name: make_normalisation(**numbers, scale=1.0, channels=ours.channels)
        for name, numbers in USUAL.items()
    }
    tap = network.tap(("last",))
    found = {}
    for name, normalisation in tried.items():
        features = tap(normalisation(pixels))[0].mean(axis=(1, 2), dtype=np.float64)
        found[name] = float(features.std(axis=0).mean() / max(np.abs(features).mean(), 1e-30))
    return found


def _alike(a: Normalisation, b: Normalisation) -> bool:
    """Return True if values differ by at most a hundredth of their range, such as 127 and 127.5."""
    ends = np.array([0.0, 255.0])[:, None] * np.ones(3)
    gaps, reach = np.abs(a(ends) - b(ends)), np.ptp(a(ends))
    return a.channels == b.channels and bool(gaps.max() <= 0.01 * reach)
