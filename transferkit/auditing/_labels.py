"""The check of labels: find labels that contradict models that were not trained on the image."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from transferkit.auditing._evidence import Evidence
from transferkit.auditing._findings import Check, Finding, count, fine, share
from transferkit.tasks import Classes

Floats = NDArray[np.float64]

_FEWEST = 5  # images of a class; fewer cannot be learned without one of them


class Doubts(NamedTuple):
    """Labels that are likely to be wrong.

    Attributes
    ----------
    rows : ndarray of int64
        Positions, the least credible label first.
    suggested : ndarray of int64
        The class that other images suggest, for each of them.
    """

    rows: NDArray[np.int64]
    suggested: NDArray[np.int64]


def doubtful(probabilities: Floats, given: NDArray[np.int64]) -> Doubts:
    """Return which labels are likely to be wrong, by confident learning [1]_.

    An image is taken to be of another class if its probability of that class is at least the mean over the
    images with that label, and exceeds the probability of its own label. So the required probability is lower
    for classes of which models are always unsure, and higher for classes that they know well.

    Parameters
    ----------
    probabilities : ndarray of float64, shape (n, k)
        Predicted by models that have not seen the image.
    given : ndarray of int64, shape (n,)
        Column of the given label.

    References
    ----------
    .. [1] C. Northcutt, L. Jiang and I. Chuang, "Confident learning: estimating uncertainty in dataset
       labels", JAIR 70, 2021.
    """
    n, k = probabilities.shape
    present = np.isin(np.arange(k), given)
    usual = np.array(
        [probabilities[given == label, label].mean() if present[label] else np.inf for label in range(k)]
    )
    own = probabilities[np.arange(n), given]
    other = np.where(probabilities >= usual, probabilities, -1.0)
    other[np.arange(n), given] = -1
    best = other.argmax(axis=1)
    rows = np.flatnonzero(other[np.arange(n), best] > own)
    rows = rows[np.argsort(own[rows], kind="stable")]
    return Doubts(rows, best[rows])


def held_out_probabilities(evidence: Evidence) -> Floats | None:
    """Return the probability of each class (n_train, k), by models without the image and its duplicates.

    NaN for images that cannot be read or whose class is too small; None if nothing can be learned.
    """
    data = evidence.data
    classes = data.classes
    if classes is None:
        return None
    labels = np.array(data.labels[: data.n_train])
    counts = Counter(labels[evidence.train].tolist())
    large = [label for label in classes.tolist() if counts[label] >= _FEWEST]
    rows = evidence.train[np.isin(labels[evidence.train], large)]
    if len(large) < 2:
        return None
    groups = evidence.groups[rows]
    model = evidence.estimator.fit([data.items[row] for row in rows], labels[rows], groups=groups)
    task = Classes(model.classes_)
    logits = model.fitted_head_.held_out_logits
    out = np.full((data.n_train, len(classes)), np.nan)
    columns = np.searchsorted(classes, task.labels)
    out[rows] = 0
    out[np.ix_(rows, columns)] = task.probabilities(logits)
    return out


def check_labels(evidence: Evidence) -> list[Check]:
    """Return the check of labels, with the least credible label first."""
    data = evidence.data
    if data.kind != "classes":
        return []
    classes, probabilities = data.classes, evidence.probabilities
    if classes is None or probabilities is None:
        return [fine("label_issue", f"Fewer than two classes have {_FEWEST} images: no label can be judged.")]
    rows = np.flatnonzero(~np.isnan(probabilities[:, 0]))
    given = np.searchsorted(classes, np.array(data.labels[: data.n_train])[rows])
    known = probabilities[rows]
    right = share(float((known.argmax(axis=1) == given).sum()), len(rows))
    if not _better_than_chance(known.argmax(axis=1), given):
        summary = f"Models agree with the labels of {right}, no more than by chance: none can be judged."
        return [Check("label_issue", "note", summary, "Train with more images, or look at them yourself.")]
    doubts = doubtful(known, given)
    if not len(doubts.rows):
        return [fine("label_issue", f"No label is doubted, by models that are right on {right}.")]
    findings = tuple(_finding(evidence, int(rows[row]), known[row], int(given[row]), int(other))
                     for row, other in zip(*doubts, strict=True))  # fmt: skip
    summary = (
        f"{count(len(findings), 'label')} of {len(rows):,} ({share(len(findings), len(rows))}) "
        f"{'is' if len(findings) == 1 else 'are'} doubted, by models that agree with the labels of {right}."
    )
    advice = "Look at them from the top, and correct those that are wrong; many of the last are right."
    return [Check("label_issue", "warning", summary, advice, findings)]


def _better_than_chance(predicted: NDArray[np.int64], given: NDArray[np.int64]) -> bool:
    """Return True if the balanced accuracy exceeds that of guessing by two standard errors."""
    hits, counts = np.bincount(given, predicted == given), np.bincount(given)
    shares = hits[counts > 0] / counts[counts > 0]
    error = np.sqrt((shares * (1 - shares) / counts[counts > 0]).sum()) / len(shares)
    return bool(shares.mean() - 2 * error > 1 / len(shares))


def _finding(evidence: Evidence, row: int, known: Floats, given: int, other: int) -> Finding:
    assert evidence.data.classes is not None
    suggested = evidence.data.classes[other].item()
    what = f"probability {known[given]:.2f} of its label, {known[other]:.2f} of {suggested!r}"
    return evidence.data.finding(
        "label_issue", "warning", what, row, score=float(known[given]), suggested=suggested
    )
