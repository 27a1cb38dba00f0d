"""AdamW with a rate for each layer, a warm-up and a cosine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

_WARM_UP = 0.05  # of all steps
_WEIGHT_DECAY = 0.01


def make_optimizer(rates: Sequence[float], learning_rate: float, n_steps: int, *, half: bool) -> Any:
    """Return the optimizer of variables with these rates.

    Parameters
    ----------
    rates : sequence of float
        By how much steps of each variable are smaller, in the order in which a model has them.
    learning_rate : float
        The highest one. It grows to it from 0, and falls to 0 as a cosine.
    n_steps : int
        Batches of the whole training.
    half : bool
        Scale the loss, so that gradients in half precision do not vanish.
    """
    import keras

    class LayerWise(keras.optimizers.AdamW):
        def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
            rate = rates[self._get_variable_index(variable)]
            super().update_step(gradient, variable, learning_rate * rate)

    warm = max(1, round(_WARM_UP * n_steps))
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, max(1, n_steps - warm), warmup_target=learning_rate, warmup_steps=warm
    )
    optimizer = LayerWise(schedule, weight_decay=_WEIGHT_DECAY)
    # Of normalisation and biases, decay would only move the features.
    optimizer.exclude_from_weight_decay(var_names=["beta", "gamma", "bias"])
    return keras.optimizers.LossScaleOptimizer(optimizer) if half else optimizer
