"""The part of a recipe that describes the backbone."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np

from transferkit.backbones import Backbone, Network, Source, Weights, is_declared, is_preprocessing_declared
from transferkit.cache import Note
from transferkit.identity._probe import answer, difference


def describe_backbone(
    backbone: Backbone,
    weights: Weights,
    network: Network | None = None,
    *,
    image_size: int | None = None,
    folder: Path | None = None,
) -> dict[str, str]:
    """Return everything about a backbone that can change its features.

    Parameters
    ----------
    backbone : Backbone
        The backbone.
    weights : Weights
        Its weights.
    network : Network, optional
        Not needed for backbones that are identified by name, version and weights, such as those of this
        library. Others are identified by the fingerprint of their network and its outputs for probe images.
    image_size : int, optional
        Side of the probe images in pixels; by default that of the network or the backbone. A `Source` with a
        user's ``preprocess_input`` is also identified by the preprocessed probe images.
    folder : Path, optional
        Folder of the cache, where outputs are recorded. If they are equal to recorded ones up to rounding,
        the recorded ones are used.
    """
    description = {"name": backbone.name, "version": backbone.version, "weights": weights.digest}
    if backbone.finish is not None and weights.finish != (weights.kind == "imagenet"):
        # Earlier versions used the name of the file only, so their rows and models have another identity.
        description["finish"] = str(weights.finish)
    if isinstance(backbone.constructor, Source):
        description |= backbone.constructor.facts()
    if is_declared(backbone):
        if is_preprocessing_declared(backbone):
            return description
        network = None
    else:
        assert network is not None
        description |= network.fingerprint()
        image_size = network.image_size
    image_size = backbone.image_size if image_size is None else image_size
    subject = json.dumps({**description, "image_size": image_size}, sort_keys=True)
    note = Note(folder, "backbone", hashlib.sha256(subject.encode()).hexdigest())
    behaviour = _behaviour(backbone, network, image_size)
    known = _sound(note.read(), set(behaviour))
    for earlier in known:
        if not difference(earlier["probe"], behaviour["probe"]):
            return description | earlier
    note.write([*known, behaviour])
    return description | behaviour


def _behaviour(backbone: Backbone, network: Network | None, image_size: int) -> dict[str, str]:
    """Return a summary of the outputs of a network, or of preprocessing alone if there is no network."""
    probe = {"probe": answer(backbone, network, image_size)}
    if network is None:
        return probe
    # Models of earlier versions identify preprocess_input by the digest of its values on a ramp.
    ramp = np.linspace(0, 255, 8 * 8 * 3, dtype=np.float32).reshape(1, 8, 8, 3)
    try:
        digest = hashlib.sha256(backbone.preprocess(ramp).tobytes()).hexdigest()
    except Exception:  # noqa: BLE001 - it may need images of the real size, and earlier versions could not
        digest = ""
    return {"preprocess_input": digest, **probe}


def _sound(known: object, facts: set[str]) -> list[dict[str, str]]:
    """Return the valid entries of a note, which have exactly these facts."""
    entries = known if isinstance(known, list) else []
    return [
        entry
        for entry in entries
        if isinstance(entry, dict)
        and set(entry) == facts
        and all(isinstance(value, str) for value in entry.values())
    ]
