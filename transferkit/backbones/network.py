"""The interface of networks, independent of the engine that runs them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from transferkit.errors import InvalidInputError

Tap = Callable[[NDArray[np.float32]], list[NDArray[np.float32]]]


class Network(Protocol):
    """A frozen network in evaluation mode.

    Attributes
    ----------
    image_size : int
        Side of the input in pixels.
    """

    image_size: int

    @property
    def n_parameters(self) -> int:
        """Number of weights."""
        ...

    def sizes(self) -> dict[str, int]:
        """Return the number of values of each layer per image."""
        ...

    def layer_names(self) -> list[str]:
        """Return the layers that can be tapped, from the input to ``"last"``, the output."""
        ...

    def tap(self, layers: tuple[str, ...]) -> Tap:
        """Return a function from a preprocessed batch to one float32 array for each layer.

        Raises
        ------
        InvalidInputError
            The network has no such layer; the message lists similar names.
        """
        ...

    def fingerprint(self) -> dict[str, str]:
        """Return digests that identify what the network computes, such as of its weights and graph.

        They are the same in every process, so that they can be part of a cache key.
        """
        ...


def random_features(name: str) -> InvalidInputError:
    """Return the error for a backbone whose features differ from one call to the next."""
    return InvalidInputError(
        f"backbone {name!r} must give an image the same features each time. This one does not: is something "
        "random in it, such as dropout?"
    )
