"""Project features to a plane."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.errors import InvalidInputError, MissingDependencyError

METHODS = ("pca", "umap")
_FEWEST = 3  # fewest images for a map
_KEPT = 50  # principal components for UMAP: neighbours are kept as well, in a tenth of the time

Floats = NDArray[np.float64]


def as_vectors(features: Any) -> Floats:
    """Return features as finite numbers (n, d); maps are flattened."""
    flat = getattr(features, "flat", None)
    array = np.asarray(flat() if callable(flat) else features)
    if array.ndim < 2 or array.dtype.kind not in "fiub" or len(array) < _FEWEST or array[0].size == 0:
        raise InvalidInputError(
            f"features must be numbers of shape (n, d) of at least {_FEWEST} images. Got shape "
            f"{array.shape} of {array.dtype}. Pass what extract() returns, or its flat()."
        )
    vectors = array.reshape(len(array), -1).astype(np.float64)
    if not np.isfinite(vectors).all():
        raise InvalidInputError("features must be finite. Some are NaN or infinite: leave those images out.")
    return vectors


def on_a_plane(vectors: Floats, method: str, random_state: int) -> tuple[Floats, Sequence[str]]:
    """Return two coordinates of each row (n, 2), and the labels of the axes."""
    # Only directions are used: length is mostly contrast, and would spread the map along one line.
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors = vectors / np.where(lengths > 0, lengths, 1)
    if method == "pca":
        places, shares = _components(vectors, 2, random_state)
        return places, [f"Component {i} ({share:.0%} of the variance)" for i, share in enumerate(shares, 1)]
    try:
        from umap import UMAP
    except ImportError as error:
        raise MissingDependencyError("umap-learn", "map", "plot_feature_map(method='umap')") from error
    n = len(vectors)
    reduced, _ = _components(vectors, min(_KEPT, n - 1, vectors.shape[1]), random_state)
    # UMAP starts from eigenvectors, which do not exist for so few images.
    few: dict[str, Any] = {"init": "random"} if n <= 5 else {}
    mapper = UMAP(n_neighbors=min(15, n - 1), random_state=random_state, n_jobs=1, **few)
    places = np.asarray(mapper.fit_transform(reduced.astype(np.float32)), dtype=np.float64)
    return places, ["UMAP 1", "UMAP 2"]


def _components(vectors: Floats, n: int, random_state: int) -> tuple[Floats, list[float]]:
    """Return principal components, and the share of the variance of each; 0 if nothing varies."""
    from sklearn.decomposition import PCA

    n_made = min(n, *vectors.shape)
    if not np.ptp(vectors, axis=0).any():
        return np.zeros((len(vectors), n)), [0.0] * n
    pca = PCA(n_made, random_state=random_state).fit(vectors)
    places = np.zeros((len(vectors), n))
    places[:, :n_made] = pca.transform(vectors)
    return places, [*pca.explained_variance_ratio_.tolist(), *[0.0] * (n - n_made)]
