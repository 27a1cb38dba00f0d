"""Figures with confidence intervals."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from transferkit.errors import InvalidInputError
from transferkit.foundation.arguments import is_number

__all__ = ["Figure", "check_confidence", "percentile_figure"]

_MOST = 0.95  # share of resamples in which a figure must be defined to get an interval


@dataclass(frozen=True)
class Figure:
    """A value with its confidence interval.

    Attributes
    ----------
    value : float
        NaN if undefined.
    low, high : float
        Ends of the interval, which includes the value; NaN if there is none.
    note : str
        Why something is NaN, or another remark; usually empty.

    Examples
    --------
    >>> print(Figure(0.9, 0.826, 0.945))
    0.900 (0.826 to 0.945)
    """

    value: float
    low: float = math.nan
    high: float = math.nan
    note: str = ""

    def __str__(self) -> str:
        """Return the value and its interval on one line."""
        return f"{self.value:.3f} ({self.low:.3f} to {self.high:.3f})"

    def to_dict(self) -> dict[str, Any]:
        """Return a dict for JSON, with None for NaN."""
        return {
            name: None if isinstance(value, float) and math.isnan(value) else value
            for name, value in asdict(self).items()
        }


def percentile_figure(
    value: float, samples: npt.NDArray[np.float64], *, confidence: float, note: str = ""
) -> Figure:
    """Return a value with the percentile interval of its resamples, widened to include the value."""
    value = float(value)
    if math.isnan(value):
        return Figure(value, note=note)
    samples = samples[~np.isnan(samples)] if np.isnan(samples).mean() <= 1 - _MOST else samples[:0]
    if not len(samples):
        return Figure(value, note=_joined(note, "too few images or groups for an interval"))
    tail = (1 - confidence) / 2
    low, high = (float(end) for end in np.quantile(samples, [tail, 1 - tail]))
    if low == high:
        note = _joined(note, "the same in all resamples: too few errors for an interval")
    return Figure(value, min(low, value), max(high, value), note)


def check_confidence(confidence: float) -> float:
    """Return the confidence level as a float.

    Raises
    ------
    InvalidInputError
        It is not between 0 and 1.
    """
    if not (is_number(confidence, above=0) and confidence < 1):
        raise InvalidInputError(f"confidence must be between 0 and 1, such as 0.95. Got {confidence!r}.")
    return float(confidence)


def _joined(*notes: str) -> str:
    return "; ".join(note for note in notes if note)
