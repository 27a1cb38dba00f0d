"""The part of a recipe that is about the backbone."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np

from transferkit.backbones import Backbone, Network, Source, Weights, is_declared
from transferkit.cache import Note
from transferkit.identity._probe import answer, difference


def describe_backbone(
    backbone: Backbone, weights: Weights, network: Network | None = None, *, folder: Path | None = None
) -> dict[str, str]:
    """Return everything about a backbone that can change its features.

    Parameters
    ----------
    backbone : Backbone
    weights : Weights
    network : Network, optional
        Not needed for backbones that name, version and weights identify, as those of this library. Any other
        one is identified by the fingerprint of its network and by what it answers to a batch of probes.
    folder : Path, optional
        Folder of the cache, where answers are kept: one that is the same but for rounding counts as the known
        one.
    """
    description = {"name": backbone.name, "version": backbone.version, "weights": weights.digest}
    if isinstance(backbone.constructor, Source):
        description |= backbone.constructor.facts()
    if is_declared(backbone):
        return description
    assert network is not None
    description |= network.fingerprint()
    subject = json.dumps({**description, "image_size": network.image_size}, sort_keys=True)
    note = Note(folder, "backbone", hashlib.sha256(subject.encode()).hexdigest())
    behaviour = _behaviour(backbone, network)
    known = _sound(note.read())
    for earlier in known:
        if not difference(earlier["probe"], behaviour["probe"]):
            return description | earlier
    note.write([*known, behaviour])
    return description | behaviour


def _behaviour(backbone: Backbone, network: Network) -> dict[str, str]:
    """Return what a network does, as far as it shows in numbers."""
    # Models of earlier versions know preprocess_input by the digest of its values on a ramp.
    ramp = np.linspace(0, 255, 8 * 8 * 3, dtype=np.float32).reshape(1, 8, 8, 3)
    try:
        digest = hashlib.sha256(backbone.preprocess(ramp).tobytes()).hexdigest()
    except Exception:  # noqa: BLE001 - it may need images of the real size, and earlier versions could not
        digest = ""
    return {"preprocess_input": digest, "probe": answer(backbone, network)}


def _sound(known: object) -> list[dict[str, str]]:
    """Return what a note holds, if it is what was written."""
    entries = known if isinstance(known, list) else []
    return [
        entry
        for entry in entries
        if isinstance(entry, dict)
        and set(entry) == {"preprocess_input", "probe"}
        and all(isinstance(value, str) for value in entry.values())
    ]
