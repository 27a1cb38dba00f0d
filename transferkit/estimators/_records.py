"""Records of what a fit tried on held-out training rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class LayerTrial:
    """One mixture of layers that ``head="auto"`` tried.

    Attributes
    ----------
    layers : str or tuple of int
        Names joined by "+", or positions where features came without names.
    shares : tuple of float
        Share of each layer in the variance of a row.
    penalty : float
        The best for this mixture.
    error : float
        On held-out rows: squared for classes, absolute for values.
    accuracy : float or None
        Of classes.
    gain : float
        Error of equal shares of all layers less this error.
    standard_error : float
        Of the gain, paired by rows.
    chosen : bool
    why : str
        Of the chosen one.
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
    """One look at keypoints.

    Attributes
    ----------
    number : int
        0 is the whole image.
    held_out_error : float
        Mean distance of the points of images that the model did not learn from, as a fraction of the size of
        the shape (the larger side of its box).
    used : bool
        Whether predictions use it.
    """

    number: int
    held_out_error: float
    used: bool

    def record(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)
