"""Records of what ``fit`` tried and compared on held-out training rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class LayerTrial:
    """A mixture of layers that ``head="auto"`` tried.

    Attributes
    ----------
    layers : str or tuple of int
        Names of the layers, joined by "+"; or positions, if the features have no names.
    shares : tuple of float
        Share of each layer in the variance of a row.
    penalty : float
        The best penalty for this mixture.
    error : float
        Error on held-out rows: squared for classes, absolute for values.
    accuracy : float or None
        Accuracy on held-out rows; only for classes.
    gain : float
        Error of equal shares of all layers minus this error.
    standard_error : float
        Standard error of the gain, paired by rows.
    chosen : bool
        Whether the head uses this mixture.
    why : str
        Reason for the choice; empty for all others.
    """

    layers: str | tuple[int, ...]
    shares: tuple[float, ...]
    penalty: float
    error: float
    accuracy: float | None
    gain: float
    standard_error: float
    chosen: bool
    why: str = ""

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> LayerTrial:
        """Return the record of a row of the head's history, or of a saved record."""
        errors = [row[name] for name in ("error", "squared_error", "absolute_error") if name in row]
        return cls(
            row["layers"], tuple(row["shares"]), row["penalty"], errors[0], row.get("accuracy"), row["gain"],
            row["standard_error"], row["chosen"], row.get("why", ""),
        )  # fmt: skip

    def record(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)


@dataclass(frozen=True)
class Round:
    """The held-out error after one look at keypoints.

    Attributes
    ----------
    number : int
        0 is the whole image, 1 the first closer look.
    held_out_error : float
        Mean distance between predicted and true points, for images that the model did not learn from, as a
        fraction of the size of the shape (the longer side of its bounding box).
    used : bool
        Whether predictions use this round.
    """

    number: int
    held_out_error: float
    used: bool

    def record(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)
