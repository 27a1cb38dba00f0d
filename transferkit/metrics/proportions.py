"""Confidence intervals of proportions."""

from __future__ import annotations

from math import sqrt
from statistics import NormalDist

from transferkit.errors import InvalidInputError
from transferkit.metrics.figure import check_confidence


def wilson_interval(hits: int, n: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """Return the Wilson score interval of a proportion.

    Parameters
    ----------
    hits : int
        Number of successes, 0 to n.
    n : int
        Number of trials, at least 1.
    confidence : float, default=0.95

    Returns
    -------
    (float, float)
        Lower and upper end, fractions.

    Raises
    ------
    InvalidInputError
        Unless 0 <= hits <= n, n >= 1 and 0 < confidence < 1.

    Notes
    -----
    With p = hits / n: (p + z^2 / 2n -+ z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n), where z is the
    quantile of the normal distribution, 1.96 for 95 %.

    References
    ----------
    Wilson, E. B. (1927). Probable inference, the law of succession, and statistical inference.
    Journal of the American Statistical Association 22(158), 209-212.

    Examples
    --------
    >>> low, high = wilson_interval(90, 100)
    >>> f"{low:.3f} {high:.3f}"
    '0.826 0.945'
    """
    if n < 1 or not 0 <= hits <= n:
        raise InvalidInputError(f"Expected 0 <= hits <= n and n >= 1. Got hits={hits} and n={n}.")
    quantile = NormalDist().inv_cdf((1 + check_confidence(confidence)) / 2)
    z2 = quantile**2
    centre = (hits + z2 / 2) / (n + z2)
    half = quantile / (n + z2) * sqrt(hits * (n - hits) / n + z2 / 4)
    return max(0.0, centre - half), min(1.0, centre + half)
