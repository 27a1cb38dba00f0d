"""Where a network comes from, if not from a function of Keras and one file of weights."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from transferkit.backbones.network import Network
from transferkit.errors import WeightsError


@dataclass(frozen=True)
class Weights:
    """Resolved weights.

    Parameters
    ----------
    kind : {"imagenet", "file", "constructor", "random", "fixed"}
        ImageNet weights in a file; another file, or what a `Source` reads; ImageNet weights that the
        constructor itself loads; seeded random weights; fixed filters.
    path : Path or None
    digest : str
        SHA-256 of the file, or a word for weights without one; part of every cache key.
    finish : bool, default=False
        Whether the backbone's ``finish`` belongs to them.
    """

    kind: str
    path: Path | None
    digest: str
    finish: bool = False

    def check_unchanged(self, name: str, now: str) -> None:
        """Raise WeightsError unless the digest of what has just been read is that of the weights.

        Parameters
        ----------
        name : str
            Of the backbone.
        now : str
            The digest now: features are stored under that of the weights.
        """
        if self.path is None or now == self.digest:
            return
        raise WeightsError(
            f"{self.path} was replaced while it was in use: its SHA-256 was {self.digest} and is {now}. "
            "Nothing was stored. Put the earlier file back, or create the extractor or estimator anew.",
            name=name,
            path=str(self.path),
        )


class Source(ABC):
    """A ``constructor`` of a backbone that finds its own weights and builds its own network.

    Its parameters and the digest of its weights say all that the network can change in a feature, so a
    backbone that has one is known by these, as the backbones of this library are, and its layers need no
    probes; a ``preprocess_input`` that changes pixels is probed. A frozen dataclass: equal parameters are
    equal, hashable and picklable.
    """

    declared: ClassVar[bool] = True  # False: its network has to be probed all the same

    @property
    def takes_random_weights(self) -> bool:
        """Whether ``weights=None`` stands for seeded random weights, and is no error."""
        return True

    @property
    def preprocess_input(self) -> Any:
        """The only ``preprocess_input`` that goes with the network; None if a backbone may have any."""
        return None

    @abstractmethod
    def resolve(self, name: str, weights: Any) -> Weights:
        """Return the weights that ``weights`` of an extractor stands for.

        Parameters
        ----------
        name : str
            Of the backbone, for messages and as the name of its folder or file.
        weights : {"imagenet", None} or path
            The default; seeded random weights; a place.

        Raises
        ------
        WeightsError, InvalidInputError
        """

    @abstractmethod
    def build(self, name: str, weights: Weights, image_size: int) -> Network:
        """Return the frozen network; WeightsError if the files changed since ``resolve``."""

    def check_image_size(self, name: str, image_size: int) -> None:
        """Raise InvalidInputError if the network cannot see squares of this side."""
        return

    def facts(self) -> dict[str, str]:
        """Return what else can change a feature, by name; part of every cache key."""
        return {}
