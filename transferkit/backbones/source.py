"""Sources of networks other than a Keras constructor with a single weights file."""

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
        "imagenet": ImageNet weights in a file; "file": another file, or what a `Source` reads; "constructor":
        ImageNet weights that the constructor itself loads; "random": seeded random weights; "fixed": fixed
        filters.
    path : Path or None
        The file or folder, if there is one.
    digest : str
        SHA-256 of the file, or a word for weights without a file; part of every cache key.
    finish : bool, default=False
        Whether the backbone's ``finish`` must be called for these weights.
    """

    kind: str
    path: Path | None
    digest: str
    finish: bool = False

    def check_unchanged(self, name: str, now: str) -> None:
        """Raise WeightsError unless the digest of the weights is still the same.

        Parameters
        ----------
        name : str
            Name of the backbone.
        now : str
            Digest of what has just been read. Features are stored under the digest of the weights.
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

    Its parameters and the digest of its weights determine the network completely. So they identify a backbone
    with such a constructor, like the backbones of this library, and its layers need not be probed; a
    ``preprocess_input`` that changes pixels is probed. Subclasses are frozen dataclasses, so that they can be
    compared, hashed and pickled.
    """

    declared: ClassVar[bool] = True  # with False, its network has to be probed anyway

    @property
    def takes_random_weights(self) -> bool:
        """Whether ``weights=None`` means seeded random weights instead of an error."""
        return True

    @property
    def preprocess_input(self) -> Any:
        """The only ``preprocess_input`` that fits the network; None if any may be used."""
        return None

    @abstractmethod
    def resolve(self, name: str, weights: Any) -> Weights:
        """Return the weights for the parameter ``weights`` of an extractor.

        Parameters
        ----------
        name : str
            Name of the backbone, for messages and as the name of its folder or file.
        weights : {"imagenet", None} or path
            The default weights, seeded random weights, or a file or folder.

        Raises
        ------
        WeightsError, InvalidInputError
        """

    @abstractmethod
    def build(self, name: str, weights: Weights, image_size: int) -> Network:
        """Return the frozen network; WeightsError if the files changed since ``resolve``."""

    def check_image_size(self, name: str, image_size: int) -> None:
        """Raise InvalidInputError if the network does not support squares of this side."""
        return

    def facts(self) -> dict[str, str]:
        """Return all else that can change a feature, by name; part of every cache key."""
        return {}
