"""AdamW with a learning rate for each layer, a linear warm-up and cosine decay."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

_WARM_UP = 0.05  # fraction of all steps
_WEIGHT_DECAY = 0.01


def make_optimizer(rates: Sequence[float], learning_rate: float, n_steps: int, *, half: bool) -> Any:
    """Return an optimizer for variables with these relative learning rates.

    Parameters
    ----------
    rates : sequence of float
        Factor of the learning rate for each variable, in the order of the model's variables.
    learning_rate : float
        Highest learning rate, reached by a linear warm-up from 0 and followed by cosine decay to 0.
    n_steps : int
        Number of batches in the whole training.
    half : bool
        Whether to scale the loss, so that gradients in half precision do not vanish.
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
    # For normalisation layers and biases, weight decay would only shift the features.
    optimizer.exclude_from_weight_decay(var_names=["beta", "gamma", "bias"])
    return keras.optimizers.LossScaleOptimizer(optimizer) if half else optimizer
