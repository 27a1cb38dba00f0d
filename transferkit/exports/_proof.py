"""The verification: a file is loaded as by its users, and must predict the same as the model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from transferkit.errors import ExportError
from transferkit.exports._certain import certain
from transferkit.tasks import Points, Values

Floats = NDArray[np.float64]
Run = Callable[..., Floats]

_PROBABILITY = 1e-3
_PIXELS = 0.1
_SPREAD = 1e-3  # tolerance of values, as a fraction of the range of each output over the probes


class Gap(NamedTuple):
    """The difference of the output that is nearest to its limit, or farthest beyond; and this limit."""

    difference: float
    allowed: float


@dataclass(frozen=True)
class Proof:
    """Predictions that a file must reproduce.

    Parameters
    ----------
    probes : list of ndarray of uint8, each (h, w, 3)
    expected : ndarray, shape (n, k)
        Predictions of the model.
    tolerance : ndarray, shape (k,)
        Largest absolute difference allowed for each output: values may have different units.
    boxes : ndarray of float32, shape (n, 4), or None
        Boxes of the subjects, for a model that needs them.
    """

    probes: list[NDArray[np.uint8]]
    expected: Floats
    tolerance: Floats
    boxes: NDArray[np.float32] | None = None

    @classmethod
    def of(cls, model: Any, images: list[NDArray[np.uint8]], tolerance: float | None) -> Proof:
        """Return the model's predictions for those probes on which rounding decides nothing."""
        task, boxes = model.predictor_.task, None
        if getattr(task, "boxed", False):
            boxes = _boxes_in(images)
        sure = np.flatnonzero(certain(model, images, boxes))
        probes = [images[i] for i in sure]
        boxes = None if boxes is None else boxes[sure]
        where = {} if boxes is None else {"boxes": boxes}
        ask = model.predict if task.regression else model.predict_proba
        expected = np.asarray(ask(probes, **where), np.float64).reshape(len(probes), -1)
        allowed = np.full(expected.shape[1], tolerance or _tolerance(task, expected))
        return cls(probes, expected, allowed, boxes)

    def gap(self, run: Run) -> Gap:
        """Return the worst difference between predictions of a file and the expected ones."""
        gaps = self._gaps(run)
        worst = int(np.argmax(gaps / self.tolerance))
        return Gap(float(gaps[worst]), float(self.tolerance[worst]))

    def check(self, run: Run, format: str) -> Gap:
        """Return the worst difference; raise ExportError if it exceeds its limit."""
        gap = self.gap(run)
        if gap.difference > gap.allowed:
            raise ExportError(
                f"The {format} file answers otherwise than the model: by {gap.difference:.3g} on a probe "
                f"image, {gap.allowed:.3g} is allowed. No file was written. Pass "
                f"tolerance={self._gaps(run).max() * 1.1:.2g} if that is close enough, or another format."
            )
        return gap

    def _gaps(self, run: Run) -> Floats:
        """Return the largest absolute difference of each output (k,)."""
        gaps = []
        for i, probe in enumerate(self.probes):
            inputs = [probe[None]] if self.boxes is None else [probe[None], self.boxes[i : i + 1]]
            gaps.append(np.abs(np.asarray(run(*inputs), np.float64).ravel() - self.expected[i]))
        worst: Floats = np.max(gaps, axis=0)
        return np.where(np.isfinite(worst), worst, np.inf)


def _boxes_in(probes: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
    """Return a box in each image: tall, wide and square ones in turn."""
    parts = np.array([[0.2, 0.1, 0.8, 0.9], [0.05, 0.3, 0.95, 0.8], [0.3, 0.3, 0.7, 0.7]])
    sizes = np.array([[image.shape[1], image.shape[0]] * 2 for image in probes])
    return np.round(sizes * parts[np.arange(len(probes)) % len(parts)]).astype(np.float32)


def _tolerance(task: Any, expected: Floats) -> float | Floats:
    """Return the default tolerance, of values one for each output."""
    if isinstance(task, Points):
        return _PIXELS
    if isinstance(task, Values):
        largest = np.abs(expected).max(axis=0) * 1e-3
        spread: Floats = np.maximum(np.maximum(np.ptp(expected, axis=0), largest), 1e-9)
        return _SPREAD * spread
    return _PROBABILITY
