"""Search for the nearest other images of every image."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from transferkit.neighbours import Search

_EXACT_UP_TO = 10_000  # images; comparing each with all takes the square of their number


def search_among(vectors: NDArray[np.float32]) -> Search:
    """Return a search by cosine distance; among many vectors, faiss (if installed) visits likely ones."""
    many = len(vectors) > _EXACT_UP_TO and find_spec("faiss") is not None
    return Search(vectors, "cosine", "approximate" if many else "exact")
