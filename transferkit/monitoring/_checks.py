"""The tests behind ``drift``: each returns its name, label, effect, p-value, and a sentence."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_STRANGE = 0.95  # novelty that one in twenty training images exceeds
_STRANGERS = 0.01  # share of the training images that count as strange, but at least one


def novelty_check(novelty: Floats, n_known: int) -> tuple[str, Any, float, float, str]:
    """Compare novelty with that of the training images, which is uniform.

    ``n_known``, here and below, is the number of their groups, each of which counts as one image.
    """
    from scipy.stats import ks_2samp

    test = ks_2samp(novelty, np.arange(n_known) / n_known, alternative="less")
    strange = float((novelty > _STRANGE).mean())
    what = f"{strange:.1%} of the images have a novelty above {_STRANGE}, {1 - _STRANGE:.0%} are usual"
    return "novelty", None, float(test.statistic), float(test.pvalue), what


def stranger_check(novelty: Floats, n_known: int) -> tuple[str, Any, float, float, str]:
    """Compare how many images are as strange as the strangest hundredth of the training images.

    For images like these, this number has a beta-binomial distribution, whatever that of the distances.
    """
    from scipy.stats import betabinom

    usual = max(1, round(_STRANGERS * n_known))
    strange = int((novelty > (n_known - usual + 0.5) / n_known).sum())
    p_value = float(betabinom(len(novelty), usual, n_known + 1 - usual).sf(strange - 1))
    share, before = strange / len(novelty), usual / (n_known + 1)
    what = f"{share:.1%} of the images are stranger than all but {usual / n_known:.1%} of those to train on"
    return "strangers", None, max(0.0, share - before), p_value, what


def probability_checks(
    chances: Floats, known: Floats, n_groups: int, labels: list[Any], *, one_each: bool
) -> list[tuple[str, Any, float, float, str]]:
    """Compare the probability of each label (of the second one for two classes) with held-out images."""
    from scipy.stats import ks_2samp, kstwo, wasserstein_distance

    found = []
    for column in range(1 if one_each and len(labels) == 2 else 0, len(labels)):
        now, before = chances[:, column], known[:, column]
        test = ks_2samp(now, before)
        p_value = float(test.pvalue)
        if n_groups < len(before):
            p_value = float(kstwo.sf(test.statistic, round(len(now) * n_groups / (len(now) + n_groups))))
        effect = float(wasserstein_distance(now, before))
        what = f"mean {now.mean():.3f}, before {before.mean():.3f}"
        found.append(("probability", labels[column], effect, p_value, what))
    return found


def share_check(
    chances: Floats, known: Floats, n_groups: int, labels: list[Any]
) -> tuple[str, Any, float, float, str]:
    """Compare the expected share of each label, which is its mean probability."""
    from scipy.stats import norm

    gaps = chances.mean(axis=0) - known.mean(axis=0)
    errors = np.sqrt(chances.var(axis=0) / len(chances) + known.var(axis=0) / n_groups)
    steps = np.abs(gaps) / np.maximum(errors, 1e-12)
    most = int(steps.argmax())
    p_value = min(1.0, float(2 * norm.sf(steps[most])) * len(labels))
    what = f"{labels[most]!r} {chances[:, most].mean():.1%}, before {known[:, most].mean():.1%}"
    return "classes", None, float(np.abs(gaps).max()), p_value, what
