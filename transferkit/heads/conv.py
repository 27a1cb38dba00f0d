"""``ConvHead``: the convolutional head of the tutorials."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from transferkit.errors import InvalidInputError
from transferkit.foundation.arguments import choice, is_count
from transferkit.heads._network import NetworkHead


class Block(NamedTuple):
    """A convolution with its pooling, and the size of the map after them."""

    filters: int
    padding: str
    pool_size: int
    height: int
    width: int


@dataclass(frozen=True, kw_only=True)
class ConvHead(NetworkHead):
    """A small convolutional network: Conv2D, MaxPooling2D, Flatten, Dense, Dropout, Dense.

    Convolutions are 3 x 3; their activation and that of the hidden dense layer is relu.

    Parameters
    ----------
    filters : int or tuple of int, default=512
        Number of filters of the convolution; several numbers give several blocks of convolution and pooling.
    padding : {"valid", "same"} or tuple of these, default="valid"
        Padding of the convolutions, the same for all blocks or one for each. "valid" removes a border of one
        cell, unless a side of the map is shorter than 4.
    pool_size : int or tuple of int, default=2
        Size of max pooling, the same for all blocks or one for each; 1 means no pooling. Maps smaller than
        this are not pooled.
    hidden : int, default=512
        Number of units of the hidden dense layer.
    dropout : float, default=0.5
        Dropout rate after the hidden dense layer.
    output_activation : {"linear", "sigmoid"}, default="linear"
        Activation of the output for regression; a sigmoid keeps points inside the image. Classification
        always outputs logits.
    epochs : int, default=20
        Largest number of epochs.
    batch_size : int, default=32
        Number of rows in a training step.
    learning_rate : float, default=1e-3
        Learning rate of Adam.
    learning_rate_decay : float, default=1.0
        Factor by which the learning rate is multiplied after each epoch.
    patience : int or None, default=5
        Number of epochs without improvement of the monitored value before training stops; the weights of the
        best epoch are kept. With None, training runs for all epochs and keeps the last weights.
    monitor : {"loss", "accuracy"}, default="loss"
        Value on the validation rows by which the best epoch is chosen. The loss is smoother than the
        accuracy, which is noisy on few images.
    validation_fraction : float, default=0.1
        Fraction of the training images to hold out for early stopping and the history, in [0, 1).
    scaling : {"standard", "max", "none"}, default="max"
        Scaling of features, learned from the training rows: "standard" scales each channel to mean 0 and
        standard deviation 1; "max" divides all features by their maximum, as in the tutorials. "max" is the
        default because with large inputs, units of this network die in the first steps (68 keypoints stayed
        at the mean shape).

    Notes
    -----
    For VGG16 at 256 pixels, whose map is 8 x 8 x 512, ``ConvHead(filters=512, hidden=128)`` on two
    classes has 2,949,889 parameters. On ``backbone="pixels"``, several blocks are a network trained from
    scratch::

        ConvHead(filters=(64, 128, 256, 512), pool_size=(2, 2, 2, 1), padding="same", hidden=100)

    Examples
    --------
    >>> from transferkit.heads import ConvHead
    >>> ConvHead(hidden=128).hidden
    128
    """

    filters: int | tuple[int, ...] = 512
    padding: str | tuple[str, ...] = "valid"
    pool_size: int | tuple[int, ...] = 2
    scaling: str = "max"

    def __post_init__(self) -> None:
        """Check the fields; a tuple of one value is the same as the value."""
        super().__post_init__()
        for name in ("filters", "padding", "pool_size"):
            values = _as_tuple(getattr(self, name))
            object.__setattr__(self, name, values if len(values) > 1 else values[0])

    def _problems(self) -> list[str]:
        """Return problems with the fields."""
        n_blocks, problems = len(_as_tuple(self.filters)), super()._problems()
        for name, is_good, what in (
            ("filters", is_count, "one or more positive integers"),
            ("padding", _is_padding, "'valid' or 'same', one for all blocks or for each"),
            ("pool_size", is_count, "a positive integer, one for all blocks or for each"),
        ):
            values = _as_tuple(getattr(self, name))
            if len(values) not in (1, n_blocks) or not values or not all(map(is_good, values)):
                problems.append(f"{name} must be {what}. Got {getattr(self, name)!r}.")
        return problems

    def blocks(self, height: int, width: int) -> Iterator[Block]:
        """Yield the blocks for a map of this size."""
        filters = _as_tuple(self.filters)
        paddings, pools = (
            values * (len(filters) // len(values))
            for values in map(_as_tuple, (self.padding, self.pool_size))
        )
        for count, padding, pool in zip(filters, paddings, pools, strict=True):
            # A side shorter than 4 would leave nothing to pool.
            padding = padding if min(height, width) > 3 else "same"
            if padding == "valid":
                height, width = height - 2, width - 2
            pool = pool if min(height, width) >= pool else 1
            height, width = height // pool, width // pool
            yield Block(count, padding, pool, height, width)

    def weight_shapes(self, shapes: Sequence[tuple[int, ...]], n_outputs: int) -> list[tuple[int, ...]]:
        """Return the shapes of the network's weights, in order, without building it."""
        ((height, width, channels),) = shapes
        found: list[tuple[int, ...]] = []
        for block in self.blocks(height, width):
            found += [(3, 3, channels, block.filters), (block.filters,)]
            channels = block.filters
        flat = block.height * block.width * channels
        return [*found, (flat, self.hidden), (self.hidden,), (self.hidden, n_outputs), (n_outputs,)]

    def build(
        self, shapes: Sequence[tuple[int, ...]], n_outputs: int, *, seed: int = 0, regression: bool = False
    ) -> Any:
        """Return the untrained ``keras.Model`` for the map of one layer.

        Parameters
        ----------
        shapes : sequence of tuple of int
            One shape (h, w, c).
        n_outputs : int
        seed : int, default=0
            Seed of dropout.
        regression : bool, default=False

        Raises
        ------
        InvalidInputError
            More than one layer, or features without a map.
        """
        import keras
        from keras import layers

        if len(shapes) != 1 or len(shapes[0]) != 3:
            raise InvalidInputError(
                f"ConvHead needs the map of one layer, (height, width, channels). Got {list(shapes)}. "
                "Pass layers='last' or the name of one layer, or choose LinearHead or MLPHead."
            )
        inputs = x = keras.Input(shapes[0])
        for block in self.blocks(*shapes[0][:2]):
            x = layers.Conv2D(block.filters, 3, activation="relu", padding=block.padding)(x)
            x = layers.MaxPooling2D(block.pool_size)(x) if block.pool_size > 1 else x
        x = layers.Flatten()(x)
        x = layers.Dense(self.hidden, activation="relu")(x)
        x = layers.Dropout(self.dropout, seed=seed)(x)
        activation = self.output_activation if regression else "linear"
        return keras.Model(inputs, layers.Dense(n_outputs, activation=activation)(x))


def _is_padding(value: Any) -> bool:
    return not choice("padding", value, ("valid", "same"))


def _as_tuple(value: Any) -> tuple[Any, ...]:
    """Return a field that has one value for all blocks or one for each as a tuple."""
    return tuple(value) if isinstance(value, tuple | list) else (value,)
