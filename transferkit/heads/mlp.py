"""A multilayer perceptron on pooled features."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from transferkit.heads._base import is_number
from transferkit.heads._network import NetworkHead


@dataclass(frozen=True, kw_only=True)
class MLPHead(NetworkHead):
    """Global average pooling, [BatchNormalization], Dropout, Dense(relu), Dropout, Dense.

    Takes any number of layers: their averages stand side by side.

    Parameters
    ----------
    hidden : int, default=256
        Units of the dense layer.
    l2 : float, default=0.0
        Penalty on the squared weights of both dense layers.
    batch_norm : bool, default=False
        Normalise before each dense layer's input and its activation, as the tuberculosis tutorial does.
    pool : bool, default=True
        Average each map; False flattens it, which keeps positions and costs parameters.
    dropout, output_activation, epochs, batch_size, learning_rate, patience, scaling
        As for :class:`ConvHead`.

    Examples
    --------
    >>> from transferkit.heads import MLPHead
    >>> MLPHead(hidden=128, dropout=0.8, l2=0.3, batch_norm=True).l2
    0.3
    """

    hidden: int = 256
    l2: float = 0.0
    batch_norm: bool = False
    pool: bool = True

    layers: ClassVar[str] = "auto"
    pools: ClassVar[bool] = True

    def _problems(self) -> list[str]:
        """Return what is wrong with the fields."""
        problems = super()._problems()
        if self.l2 != 0 and not is_number(self.l2, above=0):
            problems.append(f"l2 must be 0 or positive. Got {self.l2!r}.")
        for name in ("batch_norm", "pool"):
            if not isinstance(getattr(self, name), bool):
                problems.append(f"{name} must be True or False. Got {getattr(self, name)!r}.")
        return problems

    def weight_shapes(self, shapes: Sequence[tuple[int, ...]], n_outputs: int) -> list[tuple[int, ...]]:
        """Return the shapes of the network's weights, in order, without building it."""
        width = sum(shape[-1] if self.pool else math.prod(shape) for shape in shapes)
        found: list[tuple[int, ...]] = []
        for size, following in ((width, self.hidden), (self.hidden, n_outputs)):
            found += [(size,)] * (4 if self.batch_norm else 0)
            found += [(size, following), (following,)]
        return found

    def build(
        self, shapes: Sequence[tuple[int, ...]], n_outputs: int, *, seed: int = 0, regression: bool = False
    ) -> Any:
        """Return the untrained ``keras.Model`` for features of these shapes, one per layer."""
        import keras
        from keras import layers

        def dense(units: int, activation: str = "linear") -> Any:
            penalty = keras.regularizers.L2(self.l2) if self.l2 else None
            return layers.Dense(units, activation=activation, kernel_regularizer=penalty)

        inputs = [keras.Input(shape) for shape in shapes]
        reduce = layers.GlobalAveragePooling2D if self.pool else layers.Flatten
        pooled = [reduce()(x) if len(x.shape) == 4 else x for x in inputs]
        x = layers.Concatenate()(pooled) if len(pooled) > 1 else pooled[0]
        x = layers.BatchNormalization()(x) if self.batch_norm else x
        x = layers.Dropout(self.dropout, seed=seed)(x)
        x = dense(self.hidden)(x)
        x = layers.BatchNormalization()(x) if self.batch_norm else x
        x = layers.Dropout(self.dropout, seed=seed + 1)(layers.Activation("relu")(x))
        inputs = inputs if len(inputs) > 1 else inputs[0]
        return keras.Model(inputs, dense(n_outputs, self.output_activation if regression else "linear")(x))
