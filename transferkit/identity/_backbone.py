"""The part of a recipe that is about the backbone."""

from __future__ import annotations

import hashlib

import numpy as np

from transferkit.backbones import Backbone, Network, Weights, is_shipped


def describe_backbone(backbone: Backbone, weights: Weights, network: Network | None = None) -> dict[str, str]:
    """Return everything about a backbone that can change its features.

    Parameters
    ----------
    backbone : Backbone
    weights : Weights
    network : Network, optional
        Not needed for backbones of this library, which are identified by name, version and weights. Any
        other one is identified by the fingerprint of its network, and ``preprocess_input`` of a ramp.
    """
    description = {"name": backbone.name, "version": backbone.version, "weights": weights.digest}
    if is_shipped(backbone):
        return description
    assert network is not None
    ramp = np.linspace(0, 255, 8 * 8 * 3, dtype=np.float32).reshape(1, 8, 8, 3)
    preprocessed = hashlib.sha256(backbone.preprocess(ramp).tobytes()).hexdigest()
    return description | network.fingerprint() | {"preprocess_input": preprocessed}
