"""The most similar images of a collection, by features of a frozen backbone.

``nearest_images`` is the estimator, ``_search`` finds the nearest of many vectors, ``_copies`` finds exact
copies, ``_neighbours`` is the result of a query, and ``_arrays`` converts a collection to arrays for saving.
``load`` knows all estimators once they are imported, which happens here.
"""

from transferkit.estimators import Classifier, ImageRegressor, KeypointRegressor  # noqa: F401
from transferkit.neighbours._neighbours import Neighbours
from transferkit.neighbours._search import Search
from transferkit.neighbours.nearest_images import NearestImages
from transferkit.persistence import load

__all__ = ["NearestImages", "Neighbours", "Search", "load"]
