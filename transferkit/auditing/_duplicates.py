"""Find duplicates: identical content, or the same picture saved again, resized, cropped or mirrored.

Candidates for the latter are images with similar features or renderings; aligning their renderings decides
(see ``_alignment``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from transferkit.auditing._alignment import Fit, fit_pairs
from transferkit.auditing._search import search_among
from transferkit.neighbours import Search

Rows = NDArray[np.int64]

# If all pictures are alike, as X-rays are, a higher correlation is required: the one that a normal
# distribution with the mean and the deviation of random pairs exceeds once in fifty million.
_DEVIATIONS, _MOST_NEEDED, _RANDOM_PAIRS = 5.5, 0.85, 1000
SAME_DETAIL = 0.75  # correlation of detail; benchmarks/near_duplicates.py says what it finds and misses
_NEIGHBOURS = 4  # candidates of an image: among all others, and of one of the test among those to train on
_COARSE = 16  # pixels a side of renderings that are searched
_LEAST_COARSE = 0.5  # correlation of these; a picture cropped by a tenth, or turned by 5 degrees, has more
_FEW = 100  # images; among fewer, random pairs are too often duplicates
_PERHAPS_SAME, _BELOW_ONE = 0.9995, 0.9999
_BLOCK = 4096  # pairs at a time


class Pairs(NamedTuple):
    """Pairs of images that show the same.

    Attributes
    ----------
    first, second : ndarray of int64, shape (n,)
        Rows, ``first < second``.
    score : ndarray of float64, shape (n,)
        Correlation of the detail, below 1; exactly 1 for equal content or equal pixels.
    mirrored : ndarray of bool, shape (n,)
        Whether one is a mirror image of the other.
    moved : ndarray of float64, shape (n,)
        By how much the picture was moved to fit, as a share of its side.
    """

    first: Rows
    second: Rows
    score: NDArray[np.float64]
    mirrored: NDArray[np.bool_]
    moved: NDArray[np.float64]


def originals(digests: Sequence[str | None]) -> Rows:
    """Return for each image the first one with the same content; -1 for images that could not be read."""
    first: dict[str, int] = {}
    return np.array(
        [-1 if digest is None else first.setdefault(digest, row) for row, digest in enumerate(digests)]
    )


def near_pairs(
    renderings: NDArray[np.uint8], vectors: NDArray[np.float32] | None, rows: Rows, n_train: int
) -> Pairs:
    """Return near duplicates among images of different content.

    Parameters
    ----------
    renderings : ndarray of uint8, shape (n, 64, 64)
    vectors : ndarray of float32, shape (len(rows), d), or None
        Features; None to search by renderings only.
    rows : ndarray of int64
        One image of each content, ascending.
    n_train : int
        Number of training images; test images follow.
    """
    empty = np.zeros(0, np.int64), np.zeros(0, np.int64)
    found = [_candidates(vectors, rows, n_train)] if vectors is not None else [empty]
    small = _small(renderings[rows])
    plain = search_among(small)
    found.append(_candidates(small, rows, n_train, plain))
    found.append(_candidates(small, rows, n_train, plain, queries=_small(renderings[rows][:, :, ::-1])))
    pairs = np.concatenate([np.stack(each, axis=1) for each in found])
    pairs = np.unique(np.sort(pairs, axis=1), axis=0)
    pairs = pairs[pairs[:, 0] < pairs[:, 1]]
    limit = _limit(renderings, rows)
    blocks = [pairs[i : i + _BLOCK] for i in range(0, max(1, len(pairs)), _BLOCK)]
    parts = [_look_closer(renderings, block, limit) for block in blocks]
    return Pairs(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def same_picture(rendering: NDArray[np.uint8], others: NDArray[np.uint8]) -> bool:
    """Return whether a rendering (64, 64) shows the same picture as one of the others (n, 64, 64)."""
    pairs = np.stack([np.arange(1, len(others) + 1), np.zeros(len(others), np.int64)], axis=1)
    return len(_look_closer(np.concatenate([rendering[None], others]), pairs, SAME_DETAIL).first) > 0


def mark_same_pixels(pairs: Pairs, load: Callable[[int], NDArray[np.uint8]]) -> Pairs:
    """Return the pairs, with a score of 1 for those with identical pixels in different files.

    Only pictures for which that is possible are loaded in full.
    """
    score = np.minimum(pairs.score, _BELOW_ONE)
    for place in np.flatnonzero((pairs.score > _PERHAPS_SAME) & ~pairs.mirrored):
        first, second = load(int(pairs.first[place])), load(int(pairs.second[place]))
        score[place] = 1.0 if np.array_equal(first, second) else score[place]
    return pairs._replace(score=score)


def _limit(renderings: NDArray[np.uint8], rows: Rows) -> float:
    """Return the correlation of detail from which on two pictures of this set count as the same."""
    if len(rows) < _FEW:
        return SAME_DETAIL
    pairs = rows[np.random.default_rng(0).integers(0, len(rows), (2, _RANDOM_PAIRS))]
    pairs = pairs[:, pairs[0] != pairs[1]]
    detail = fit_pairs(renderings[pairs[0]], renderings[pairs[1]]).detail
    usual = float(detail.mean() + _DEVIATIONS * detail.std())
    return min(max(SAME_DETAIL, usual), _MOST_NEEDED)


def _look_closer(renderings: NDArray[np.uint8], pairs: Rows, limit: float) -> Pairs:
    """Return those of the pairs that show the same picture."""
    first, second = renderings[pairs[:, 0]], renderings[pairs[:, 1]]
    plain, mirrored = _fit_likely(first, second, limit), _fit_likely(first[:, :, ::-1], second, limit)
    turned = mirrored.detail > plain.detail
    score = np.where(turned, mirrored.detail, plain.detail).astype(np.float64)
    moved = np.where(turned, mirrored.moved, plain.moved).astype(np.float64)
    same = score >= limit
    return Pairs(pairs[same, 0], pairs[same, 1], score[same], turned[same], moved[same])


def _fit_likely(first: NDArray[np.uint8], second: NDArray[np.uint8], limit: float) -> Fit:
    """Align pairs whose coarse pictures are similar as they are; all others have no detail in common."""
    small, other = _small(first), _small(second)
    lengths = np.linalg.norm(small, axis=1) * np.linalg.norm(other, axis=1)
    likely = np.flatnonzero((small * other).sum(axis=1) >= _LEAST_COARSE * lengths)
    fit = fit_pairs(first[likely], second[likely])
    detail, moved = np.zeros(len(first), np.float32), np.zeros(len(first), np.float32)
    detail[likely], moved[likely] = fit.detail, fit.moved
    # Aligning a crop with the whole picture succeeds more often than the reverse.
    again = likely[fit.detail < limit]
    other_way = fit_pairs(second[again], first[again])
    better = other_way.detail > detail[again]
    detail[again[better]], moved[again[better]] = other_way.detail[better], other_way.moved[better]
    return Fit(detail, moved)


def _candidates(
    vectors: NDArray[np.float32],
    rows: Rows,
    n_train: int,
    search: Search | None = None,
    queries: NDArray[np.float32] | None = None,
) -> tuple[Rows, Rows]:
    """Return rows of images and of their nearest ones: among all, and for test images among training ones."""
    search = search or search_among(vectors)
    queries = vectors if queries is None else queries
    pairs = [_nearest(search, queries, rows, rows)]
    n_first = int(np.searchsorted(rows, n_train))
    if 0 < n_first < len(rows):
        pairs.append(_nearest(search_among(vectors[:n_first]), queries[n_first:], rows[n_first:], rows))
    return np.concatenate([pair[0] for pair in pairs]), np.concatenate([pair[1] for pair in pairs])


def _nearest(search: Search, queries: NDArray[np.float32], asked: Rows, rows: Rows) -> tuple[Rows, Rows]:
    """Return pairs of a query and each of its nearest other images."""
    k = min(_NEIGHBOURS + 1, len(search))  # one may be the image itself
    near, _ = search.nearest(queries, k, lambda found: np.zeros(found.shape, bool), 0)
    return np.repeat(asked, k), rows[near].ravel()


def _small(renderings: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return renderings as vectors whose cosine is the correlation of the coarse picture."""
    n, side = len(renderings), renderings.shape[1]
    step = side // _COARSE
    out = np.empty((n, _COARSE * _COARSE), np.float32)
    for i in range(0, n, _BLOCK):
        part = renderings[i : i + _BLOCK].reshape(-1, _COARSE, step, _COARSE, step).mean(axis=(2, 4))
        part = part.reshape(len(part), -1)
        out[i : i + _BLOCK] = part - part.mean(axis=1, keepdims=True)
    return out
