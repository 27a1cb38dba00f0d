"""``MLPHead``: a multilayer perceptron on pooled features."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from transferkit.foundation.arguments import is_number
from transferkit.heads._base import is_fraction
from transferkit.heads._network import NetworkHead


@dataclass(frozen=True, kw_only=True)
class MLPHead(NetworkHead):
    """A multilayer perceptron with one hidden layer on globally averaged features.

    The layers are global average pooling, [BatchNorm], Dropout, Dense, [BatchNorm], relu, Dropout, Dense,
    [BatchNorm]. The averages of several backbone layers are concatenated.

    Parameters
    ----------
    hidden : int, default=256
        Number of units of the hidden layer.
    l2 : float, default=0.0
        Penalty on the squared weights of both dense layers.
    batch_norm : bool, default=False
        Apply batch normalization to the features, and to the hidden layer before its activation.
    output_batch_norm : bool, default=False
        Apply batch normalization to the output layer before its activation, as in the tuberculosis tutorial.
    hidden_dropout : float, optional
        Dropout rate after the hidden layer; by default the same as ``dropout``, the rate before it.
    pool : bool, default=True
        Average each map. False flattens it, which keeps positions but needs more parameters.
    dropout, output_activation, epochs, batch_size, learning_rate, learning_rate_decay, patience, monitor
        As for :class:`ConvHead`.
    validation_fraction : float, default=0.1
        As for :class:`ConvHead`.
    scaling : {"standard", "max", "none"}, default="standard"
        As for :class:`ConvHead`.

    Notes
    -----
    For two classes the network has a single logit; some tutorials train two units instead.

    Examples
    --------
    The head of the tuberculosis tutorial, with its learning rate of ``1e-5 * 0.99**(epoch + 100)``:

    >>> from transferkit.heads import MLPHead
    >>> head = MLPHead(hidden=128, l2=0.3, batch_norm=True, output_batch_norm=True, dropout=0.8,
    ...                hidden_dropout=0.0, learning_rate=1e-5 * 0.99**100, learning_rate_decay=0.99,
    ...                epochs=100, patience=10, monitor="accuracy", scaling="none")
    >>> head.l2
    0.3
    """

    hidden: int = 256
    l2: float = 0.0
    batch_norm: bool = False
    output_batch_norm: bool = False
    hidden_dropout: float | None = None
    pool: bool = True

    layers: ClassVar[str] = "auto"
    pools: ClassVar[bool] = True

    def _problems(self) -> list[str]:
        """Return problems with the fields."""
        problems = super()._problems()
        if not (is_number(self.l2, above=-1) and self.l2 >= 0):
            problems.append(f"l2 must be 0 or positive. Got {self.l2!r}.")
        if self.hidden_dropout is not None and not is_fraction(self.hidden_dropout):
            problems.append(f"hidden_dropout must be in [0, 1), or None. Got {self.hidden_dropout!r}.")
        for name in ("batch_norm", "output_batch_norm", "pool"):
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
        return found + [(n_outputs,)] * (4 if self.output_batch_norm else 0)

    def build(
        self, shapes: Sequence[tuple[int, ...]], n_outputs: int, *, seed: int = 0, regression: bool = False
    ) -> Any:
        """Return the untrained ``keras.Model`` for features of these shapes, one per layer."""
        import keras
        from keras import layers

        def dense(units: int) -> Any:
            penalty = keras.regularizers.L2(self.l2) if self.l2 else None
            return layers.Dense(units, kernel_regularizer=penalty)

        inputs = [keras.Input(shape) for shape in shapes]
        reduce = layers.GlobalAveragePooling2D if self.pool else layers.Flatten
        pooled = [reduce()(x) if len(x.shape) == 4 else x for x in inputs]
        x = layers.Concatenate()(pooled) if len(pooled) > 1 else pooled[0]
        x = layers.BatchNormalization()(x) if self.batch_norm else x
        x = layers.Dropout(self.dropout, seed=seed)(x)
        x = dense(self.hidden)(x)
        x = layers.BatchNormalization()(x) if self.batch_norm else x
        hidden_dropout = self.dropout if self.hidden_dropout is None else self.hidden_dropout
        x = layers.Dropout(hidden_dropout, seed=seed + 1)(layers.Activation("relu")(x))
        x = dense(n_outputs)(x)
        x = layers.BatchNormalization()(x) if self.output_batch_norm else x
        x = layers.Activation(self.output_activation)(x) if regression else x
        return keras.Model(inputs if len(inputs) > 1 else inputs[0], x)
