"""A user's function as a network: any framework, one layer, not copied."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, NoReturn

import numpy as np
from numpy.typing import NDArray

from transferkit.backbones.network import Tap
from transferkit.backbones.source import Source, Weights
from transferkit.errors import InvalidInputError


@dataclass(frozen=True)
class Function(Source):
    """``features = function(batch)``, where a batch is float32 pixels (n, S, S, 3), RGB in 0..255."""

    function: Callable[[NDArray[np.float32]], Any]

    declared: ClassVar[bool] = False

    def __call__(self, *, input_shape: tuple[int, int, int], **ignored: Any) -> FunctionNetwork:
        """Return the network for images of a size."""
        return FunctionNetwork(self.function, input_shape[0])

    @property
    def takes_random_weights(self) -> bool:
        """Whether ``weights=None`` is allowed: it is not."""
        return False

    def resolve(self, name: str, weights: Any) -> Weights:
        """Return placeholder weights, since those of a function are unknown."""
        if weights != "imagenet":
            raise InvalidInputError(
                f"weights must be left out for backbone {name!r}, which is a function. Got {weights!r}."
            )
        return Weights("constructor", None, "function")

    def build(self, name: str, weights: Weights, image_size: int) -> FunctionNetwork:
        """Return the network."""
        return FunctionNetwork(self.function, image_size)

    def __deepcopy__(self, memo: Any) -> Function:
        """Return itself, since what a function refers to is not copied."""
        return self


class FunctionNetwork:
    """A network whose only layer, ``"last"``, is the result of a function.

    Parameters
    ----------
    function : callable
    image_size : int
    """

    n_parameters = 0  # unknown
    tolerance = 1e-4  # allowed difference between an image alone and in a batch, relative to the largest

    def __init__(self, function: Callable[[NDArray[np.float32]], Any], image_size: int) -> None:
        self.image_size = image_size
        self._function = function

    def sizes(self) -> dict[str, int]:
        """Return a size for the only layer, since the true one is unknown."""
        return {"last": 1}

    def layer_names(self) -> list[str]:
        """Return the only layer."""
        return ["last"]

    def tap(self, layers: tuple[str, ...]) -> Tap:
        """Return a function from a batch to its features in a list."""
        if tuple(layers) != ("last",):
            raise InvalidInputError(
                f"layers must be 'last' or None: the backbone is a function. Got {layers!r}."
            )

        def run(batch: NDArray[np.float32]) -> list[NDArray[np.float32]]:
            return [self._features(batch)]

        return run

    def fingerprint(self) -> dict[str, str]:
        """Return nothing, since a function is identified by its features of probe images."""
        return {}

    def check_shape(self, features: NDArray[np.float32], known: tuple[int, ...]) -> None:
        """Raise InvalidInputError if the shape of features differs from that of other images."""
        if features.shape[1:] != known:
            raise InvalidInputError(
                "backbone must be a function whose features have one shape for all images of a size. Got "
                f"{known} for some images and {features.shape[1:]} for others."
            )

    def check_rows(self, images: NDArray[np.float32]) -> tuple[int, ...]:
        """Return the shape of features; raise InvalidInputError if features depend on other images."""
        together = self._features(images)
        rows = [self._features(image[None]) for image in images]
        for row in rows:
            self.check_shape(row, together.shape[1:])
        alone = np.concatenate(rows)
        if not np.abs(alone - together).max() <= self.tolerance * np.abs(together).max():
            self.refuse_dependent_rows()
        return together.shape[1:]

    def refuse_dependent_rows(self) -> NoReturn:
        """Raise InvalidInputError because features of an image depend on other images."""
        raise InvalidInputError(
            "backbone must be a function whose rows do not depend on the batch. This one gives an image "
            "other features alone than beside others: is its network in training mode, or are features "
            "normalised over the batch?"
        )

    def _features(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        found = self._function(batch.copy())  # it may modify its argument
        if hasattr(found, "detach"):  # a tensor of PyTorch that still has its graph
            found = found.detach().cpu()
        try:
            array = np.asarray(found)
            if array.dtype.kind not in "fiub":
                raise TypeError
            with np.errstate(over="ignore"):
                array = array.astype(np.float32)
        except (TypeError, ValueError) as error:
            raise self._unusable(type(found).__name__) from error
        if array.ndim not in (2, 4) or len(array) != len(batch) or not array.size:
            raise self._unusable(f"shape {array.shape} for {len(batch)} image(s)")
        if array.ndim == 4 and array.shape[1] != array.shape[2]:
            raise self._unusable(f"shape {array.shape} with h and w that differ: is it (n, c, h, w)?")
        if not np.isfinite(array).all():
            raise self._unusable("NaN or infinity")
        return array

    def _unusable(self, what: str) -> InvalidInputError:
        return InvalidInputError(
            "backbone must be a function that returns features (n, c), or (n, h, w, c): patch tokens as a "
            f"map, without class and registers. Got {what}."
        )
