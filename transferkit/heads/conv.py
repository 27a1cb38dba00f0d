"""The head of the tutorials: a convolution over the map, then a dense layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from transferkit.errors import InvalidInputError
from transferkit.heads._base import is_count
from transferkit.heads._network import NetworkHead


@dataclass(frozen=True, kw_only=True)
class ConvHead(NetworkHead):
    """Conv2D(3x3, relu), MaxPooling2D(2), Flatten, Dense(relu), Dropout, Dense.

    Parameters
    ----------
    filters : int or tuple of int, default=512
        Filters of the convolution; several numbers make several blocks of convolution and pooling.
    hidden : int, default=512
        Units of the dense layer.
    dropout : float, default=0.5
    output_activation : {"linear", "sigmoid"}, default="linear"
        Of a regression; a sigmoid keeps points inside the image. Classes always get logits.
    epochs : int, default=20
    batch_size : int, default=32
    learning_rate : float, default=1e-3
        Of Adam.
    patience : int or None, default=5
        Epochs without a better validation loss before training stops; the weights of the best
        epoch are kept. None trains all epochs and keeps the last.
    scaling : {"standard", "max", "none"}, default="max"
        Of features: each channel to mean 0 and deviation 1, or all divided by their maximum, as the
        tutorials do; learned from training rows. With large inputs the units of this network die in
        its first steps (68 keypoints stayed at the mean shape), so the maximum is the default.

    Notes
    -----
    For VGG16 at 256 pixels, whose map is 8 x 8 x 512, ``ConvHead(filters=512, hidden=128)`` on two
    classes has 2,949,889 parameters.

    Examples
    --------
    >>> from transferkit.heads import ConvHead
    >>> ConvHead(hidden=128).hidden
    128
    """

    filters: int | tuple[int, ...] = 512
    scaling: str = "max"

    def __post_init__(self) -> None:
        """Refuse fields that cannot be used; one number and a tuple of it are the same."""
        super().__post_init__()
        blocks = self._blocks()
        object.__setattr__(self, "filters", blocks if len(blocks) > 1 else blocks[0])

    def _problems(self) -> list[str]:
        """Return what is wrong with the fields."""
        blocks = self._blocks()
        if blocks and all(map(is_count, blocks)):
            return super()._problems()
        return [
            f"filters must be one or more positive integers. Got {self.filters!r}.",
            *super()._problems(),
        ]

    def _blocks(self) -> tuple[int, ...]:
        """Return the filters of each block."""
        return tuple(self.filters) if isinstance(self.filters, tuple | list) else (self.filters,)

    def weight_shapes(self, shapes: Sequence[tuple[int, ...]], n_outputs: int) -> list[tuple[int, ...]]:
        """Return the shapes of the network's weights, in order, without building it."""
        ((height, width, channels),) = shapes
        found: list[tuple[int, ...]] = []
        for filters in self._blocks():
            found += [(3, 3, channels, filters), (filters,)]
            if min(height, width) > 3:
                height, width = height - 2, width - 2
            if min(height, width) > 1:
                height, width = height // 2, width // 2
            channels = filters
        flat = height * width * channels
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
            Of dropout.
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
        for filters in self._blocks():
            # A map of less than 4 would leave nothing to pool.
            x = layers.Conv2D(
                filters, 3, activation="relu", padding="valid" if min(x.shape[1:3]) > 3 else "same"
            )(x)
            x = layers.MaxPooling2D(2)(x) if min(x.shape[1:3]) > 1 else x
        x = layers.Flatten()(x)
        x = layers.Dense(self.hidden, activation="relu")(x)
        x = layers.Dropout(self.dropout, seed=seed)(x)
        activation = self.output_activation if regression else "linear"
        return keras.Model(inputs, layers.Dense(n_outputs, activation=activation)(x))
