"""The expected error of each keypoint, estimated from the disagreement of several looks.

The more the results of several looks differ, the larger is their error. The relation is a power law, whose
slope and level are fitted on held-out images. Each point has its own level, shrunk towards the common one,
since a few images tell little about a single point.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.estimators._looks import Looks

Floats = NDArray[np.float64]

MIN_IMAGES = 8  # held-out images; fewer are not enough
_FLOOR = 0.05  # added to disagreements, relative to the typical one, since none at all is chance
_STEEPEST = 2.0
_DRAW = 4.0  # strength of the shrinkage of levels, as a number of errors of a point
_FLAT = 1.0  # the same for the slope, towards 0


@dataclass(frozen=True)
class ExpectedError:
    """Model of the expected error of each point.

    Parameters
    ----------
    level : ndarray of float64, shape (k,)
        Logarithm of the error of each point at the typical disagreement, in the unit of `Looks`.
    slope : float
        Slope of the logarithm of the error over that of the disagreement, 0 or more.
    typical : float
        Typical disagreement, as a fraction of the unit.
    moved : bool
        Whether disagreements are those of moved squares.
    """

    level: Floats
    slope: float
    typical: float
    moved: bool

    @classmethod
    def fit(cls, looks: Looks, truth: Floats, weight: Floats) -> ExpectedError | None:
        """Fit on held-out images with true points (n, k, 2) and weights (n,); return None if too few."""
        errors = np.linalg.norm(looks.points - truth, axis=2) / looks.unit[:, None]
        present = np.isfinite(errors)
        if present.any(axis=1).sum() < MIN_IMAGES:
            return None
        disagreement = _disagreement(looks)
        typical = float(np.median(disagreement)) if looks.others else 0.0
        start = cls(np.zeros(truth.shape[1]), 0.0, max(typical, 1e-9), looks.moved)
        share = np.broadcast_to((weight / weight.mean())[:, None], errors.shape)[present]
        point = np.broadcast_to(np.arange(truth.shape[1]), errors.shape)[present]
        steps = start._steps(disagreement)[present] if typical > 0 else np.zeros(len(share))
        level, slope = _fit(errors[present] + 1e-6, steps, point, share, truth.shape[1])
        return cls(level, slope, start.typical, looks.moved)

    def predict(self, looks: Looks) -> Floats:
        """Return the expected error (n, k) of points, in pixels."""
        steps = self._steps(_disagreement(looks)) if self.slope else 0.0
        expected: Floats = looks.unit[:, None] * np.exp(self.level + self.slope * steps)
        return expected

    def _steps(self, disagreement: Floats) -> Floats:
        """Return the logarithm of disagreements relative to the typical one."""
        steps: Floats = np.log(disagreement / self.typical + _FLOOR)
        return steps

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Return the arrays to save."""
        return {"level": self.level}

    def facts(self) -> dict[str, Any]:
        """Return what else to save, as JSON."""
        return {"slope": self.slope, "typical": self.typical, "moved": self.moved}


def rebuild_expected_error(
    tensors: Mapping[str, NDArray[Any]], facts: Mapping[str, Any], n_points: int
) -> ExpectedError:
    """Return the saved model; raise ValueError if arrays and facts do not fit together."""
    level = tensors["level"]
    numbers = [facts.get("slope"), facts.get("typical")]
    fits = (
        set(tensors) == {"level"}
        and (level.dtype, level.shape) == (np.float64, (n_points,))
        and bool(np.isfinite(level).all())
        and set(facts) == {"slope", "typical", "moved"}
        and type(facts["moved"]) is bool
        and all(type(number) is float and np.isfinite(number) for number in numbers)
        and 0 <= facts["slope"] <= _STEEPEST
        and facts["typical"] > 0
    )
    if not fits:
        raise ValueError(f"an expected error of {sorted(tensors)} and {facts!r} for {n_points} points")
    return ExpectedError(level, **facts)


def _disagreement(looks: Looks) -> Floats:
    """Return the root mean square distance (n, k) of other results, in units; 0 if there are none."""
    if not looks.others:
        return np.zeros(looks.points.shape[:2])
    squares = [((other - looks.points) ** 2).sum(axis=2) for other in looks.others]
    rms: Floats = np.sqrt(np.mean(squares, axis=0)) / looks.unit[:, None]
    return rms


def _fit(
    errors: Floats, steps: Floats, point: NDArray[np.int64], weight: Floats, n_points: int
) -> tuple[Floats, float]:
    """Return the level of each point and the slope of a log-linear model for the mean of errors (m,).

    The loss, the sum of log(mean) + error / mean, is convex and minimal at the true mean; it is the negative
    log-likelihood of exponentially distributed errors. A few large ones count less than when squared.
    """
    from scipy.optimize import minimize

    def loss(parameters: Floats) -> tuple[float, Floats]:
        slope, level, own = parameters[0], parameters[1], parameters[2:]
        log_mean = level + own[point] + slope * steps
        ratio = errors * np.exp(-log_mean)
        gap = weight * (1 - ratio)
        value = (weight * (log_mean + ratio)).sum() + (_FLAT * slope**2 + _DRAW * (own**2).sum()) / 2
        of_points = np.bincount(point, gap, n_points) + _DRAW * own
        return float(value), np.concatenate([[gap @ steps + _FLAT * slope, gap.sum()], of_points])

    start = np.concatenate([[0.0, np.log(np.average(errors, weights=weight))], np.zeros(n_points)])
    bounds = [(0.0, _STEEPEST), *[(None, None)] * (1 + n_points)]
    found = minimize(loss, start, jac=True, bounds=bounds, method="L-BFGS-B").x
    return found[1] + found[2:], float(found[0])
