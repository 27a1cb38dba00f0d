"""Warn of copies: with different labels among training images, or in both training and test.

Only exact copies of a file or an array are found here. This is free, since features are keyed by content.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

logger = logging.getLogger("transferkit")

Keys = NDArray[np.uint64]
_DIGITS = 16  # digits of a SHA-256: among a billion images, two different ones share these with 3 % chance


def content_keys(digests: Sequence[Any], rows: NDArray[np.int64]) -> Keys:
    """Return a content key, a number, for each of these images."""
    return np.array([int(str(digests[row])[:_DIGITS], 16) for row in rows.tolist()], np.uint64)


def warn_of_two_labels(
    keys: Keys, labels: NDArray[Any], items: Sequence[Any], rows: NDArray[np.int64]
) -> None:
    """Log which training images are identical but have different labels."""
    label = np.unique(labels, return_inverse=True)[1]
    order = np.lexsort([label, keys])
    twins = np.flatnonzero((keys[order][1:] == keys[order][:-1]) & (label[order][1:] != label[order][:-1]))
    if not len(twins):
        return
    first, second = sorted(order[twins[0] : twins[0] + 2].tolist())
    n_pairs = _n_pairs(keys) - _n_pairs(np.stack([keys, label.astype(np.uint64)]))
    logger.warning(
        f"fit: {_pairs(n_pairs)} of identical images with different labels; the first: "
        f"{_name(items, rows[first])} is {labels[first].item()!r}, and {_name(items, rows[second])} is "
        f"{labels[second].item()!r}. Correct or drop one of each."
    )


def warn_of_known(what: str, learned: Keys | None, keys: Keys, items: Sequence[Any], rows: Any) -> int:
    """Log how many evaluated images the model has learned from, and return this number."""
    known = np.zeros(0, bool) if learned is None else np.isin(keys, learned)
    n = int(known.sum())
    if n:
        logger.warning(
            f"{what}: the model was trained on {n:,} of the {len(keys):,} images; the first: "
            f"{_name(items, rows[np.argmax(known)])}. Figures on them say nothing of new images: leave them "
            "out, or train without them."
        )
    return n


def warn_if_trained_on(what: str, estimator: Any, items: Sequence[Any]) -> int:
    """Log how many readable evaluated images an estimator has learned from, and return this number."""
    if estimator.trained_on_ is None:
        return 0
    digests = estimator.extractor_.digests(items)
    rows = np.array([row for row, digest in enumerate(digests) if digest is not None], dtype=np.int64)
    keys = content_keys(digests, rows)
    return warn_of_known(what, estimator.trained_on_, keys, items, rows)


def known_contents(estimator: Any, digests: Sequence[str | None]) -> NDArray[np.bool_]:
    """Return, for images with these digests, whether a fitted estimator has learned from them, shape (n,)."""
    known = np.zeros(len(digests), bool)
    rows = np.array([row for row, digest in enumerate(digests) if digest is not None], dtype=np.int64)
    if estimator.trained_on_ is not None:
        known[rows] = np.isin(content_keys(digests, rows), estimator.trained_on_)
    return known


def warn_of_tuned(known: Keys, keys: Keys) -> None:
    """Log how many of the images the backbone was fine-tuned on with their labels."""
    n_known = int(np.isin(keys, known).sum()) if len(known) else 0
    if n_known:
        logger.warning(
            f"fit: the weights were fine-tuned on {n_known} of these {len(keys)} images, and know their "
            "labels: what this fit takes for held-out images is none, and penalties, probabilities and "
            "figures of a cross-validation are too good. Start from the weights before (FineTuned in a "
            "cross-validation), or pass other images."
        )


def _n_pairs(columns: NDArray[np.uint64]) -> int:
    """Return the number of pairs of equal columns (or numbers)."""
    counts = np.unique(columns, axis=-1, return_counts=True)[1]
    return int((counts * (counts - 1)).sum()) // 2


def _pairs(n: int) -> str:
    return "one pair" if n == 1 else f"{n:,} pairs"


def _name(items: Sequence[Any], row: Any) -> str:
    item = items[int(row)]
    return (
        repr(str(item))[:200] if isinstance(item, str) or hasattr(item, "__fspath__") else f"image {int(row)}"
    )
