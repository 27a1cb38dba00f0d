"""The check of outliers: images that are unlike all others."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from transferkit.auditing._evidence import Evidence
from transferkit.auditing._findings import Check, count, fine, share
from transferkit.auditing._search import search_among

_NEIGHBOURS = 5
_FAR = 4.0  # robust standard deviations above the median distance
_NORMAL = 1.4826
_FEWEST = 30  # images; among fewer, no distance is typical


def check_outliers(evidence: Evidence) -> list[Check]:
    """Return the check of images whose nearest training images are unusually far away."""
    data = evidence.data
    train = np.flatnonzero(np.isin(evidence.readable, evidence.train))
    if evidence.vectors is None or len(train) < _FEWEST:
        return [fine("outlier", f"Fewer than {_FEWEST} images have no outliers.")]
    far = far_away(evidence.vectors, train)
    usual = np.log(np.maximum(far[train], 1e-6))
    middle = np.median(usual)
    limit = float(np.exp(middle + _FAR * _NORMAL * np.median(np.abs(usual - middle))))
    chosen = np.flatnonzero(far > limit)
    if not len(chosen):
        return [fine("outlier", "No images are unlike all others.")]
    chosen = chosen[np.argsort(-far[chosen], kind="stable")]
    findings = tuple(
        data.finding(
            "outlier", "note",
            f"distance {far[place]:.2f} to the {_NEIGHBOURS} nearest, usually {np.exp(middle):.2f}",
            int(evidence.readable[place]), score=float(far[place]),
        )
        for place in chosen
    )  # fmt: skip
    part = share(len(findings), len(data))
    summary = (
        f"{count(len(findings), 'image')} ({part}) {'is' if len(findings) == 1 else 'are'} unlike all others."
    )
    return [Check("outlier", "note", summary, "Look at them: do they belong here?", findings)]


def far_away(vectors: NDArray[np.float32], train: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the mean distance of each vector to the nearest other ones of training images."""
    place = np.full(len(vectors), -1)
    place[train] = np.arange(len(train))
    k = min(_NEIGHBOURS, len(train) - 1)
    search = search_among(vectors[train])
    _, distances = search.nearest(vectors, k, lambda near: near == place[:, None], 1)
    return distances.mean(axis=1)
