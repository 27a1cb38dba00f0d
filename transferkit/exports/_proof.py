"""The proof: a file is read again as its users do, and must answer as the model does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.errors import ExportError
from transferkit.tasks import Points, Values

Floats = NDArray[np.float64]
Run = Callable[[NDArray[np.uint8]], Floats]

_PROBABILITY = 1e-3
_PIXELS = 0.1
_SPREAD = 1e-3  # of values, as a fraction of how far they differ between the probes


@dataclass(frozen=True)
class Proof:
    """Answers that a file must give.

    Parameters
    ----------
    probes : list of ndarray of uint8, each (h, w, 3)
    expected : ndarray, shape (n, ...)
        What the model answers.
    tolerance : float
        Largest absolute difference.
    """

    probes: list[NDArray[np.uint8]]
    expected: Floats
    tolerance: float

    @classmethod
    def of(cls, model: Any, probes: Sequence[NDArray[np.uint8]], tolerance: float | None) -> Proof:
        """Ask the model."""
        task = model.predictor_.task
        ask = model.predict if task.regression else model.predict_proba
        expected = np.asarray(ask(list(probes)), np.float64).reshape(len(probes), -1)
        return cls(list(probes), expected, tolerance or _tolerance(task, expected))

    def difference(self, run: Run) -> float:
        """Return the largest absolute difference between the answers of a file and the expected ones."""
        found = np.stack([np.asarray(run(probe[None]), np.float64).reshape(-1) for probe in self.probes])
        worst = float(np.abs(found - self.expected).max())
        return worst if np.isfinite(worst) else float("inf")

    def check(self, run: Run, format: str) -> float:
        """Return the difference; ExportError if it is above the tolerance."""
        worst = self.difference(run)
        if worst > self.tolerance:
            raise ExportError(
                f"The {format} file answers otherwise than the model: by {worst:.3g} on a probe image, "
                f"{self.tolerance:.3g} is allowed. No file was written. Pass tolerance={worst * 1.1:.2g} if "
                "that is close enough, or another format."
            )
        return worst


def _tolerance(task: Any, expected: Floats) -> float:
    """Return how far answers may be off."""
    if isinstance(task, Points):
        return _PIXELS
    if isinstance(task, Values):
        return _SPREAD * float(max(np.ptp(expected, axis=0).max(), np.abs(expected).max() * 1e-3, 1e-9))
    return _PROBABILITY
