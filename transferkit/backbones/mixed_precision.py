"""Make Keras networks compute in half precision with float32 weights, like Keras's mixed policies."""

from __future__ import annotations

from typing import Any

from transferkit.backbones.backbone import Backbone
from transferkit.backbones.keras_network import KerasNetwork
from transferkit.backbones.live_models import copied


def in_half_precision(
    backbone: Backbone, network: KerasNetwork, precision: str, *, shared: bool
) -> KerasNetwork:
    """Return a network whose layers compute in another precision than float32.

    Parameters
    ----------
    backbone : Backbone
    network : KerasNetwork
    precision : {"float16", "bfloat16"}
    shared : bool
        Whether the network is also used elsewhere; if so, a copy is returned.

    Raises
    ------
    InvalidInputError
        The network cannot be copied.
    """
    import keras

    if shared:
        model = copied(backbone, network.model, network.image_size)
        network = KerasNetwork(model, image_size=network.image_size)
    policy = keras.DTypePolicy(f"mixed_{precision}")
    _set_policy(network.model, policy)
    return network


def _set_policy(layer: Any, policy: Any) -> None:
    """Set the policy of a layer and of its sublayers."""
    for part in layer._flatten_layers():
        part.dtype_policy = policy
