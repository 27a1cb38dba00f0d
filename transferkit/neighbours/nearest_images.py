"""Search for the nearest neighbours of images."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit import images
from transferkit.backbones import Backbone
from transferkit.errors import InvalidInputError, gather
from transferkit.estimators import ExtractorOwner, Taps, all_or_nothing, not_fitted, snapshot
from transferkit.extraction import ExtractionReport, FeatureExtractor, Features, grid_problems, is_precomputed
from transferkit.foundation.arguments import check, choice, flag, is_count, is_number
from transferkit.foundation.linked import linked_groups
from transferkit.foundation.scratch import memory_limit
from transferkit.neighbours._arrays import absolute_names, from_arrays, relative_names, to_arrays
from transferkit.neighbours._copies import same_content
from transferkit.neighbours._neighbours import Neighbours
from transferkit.neighbours._search import METHODS, METRICS, Search
from transferkit.persistence import register_estimator, save_collection


@register_estimator
class NearestImages(ExtractorOwner):
    """Find the most similar images of a collection by features of a frozen backbone.

    Parameters
    ----------
    backbone : str or Backbone, default="mobilenet"
        Name in the registry (see :func:`transferkit.list_backbones`).
    weights, image_size : default="imagenet" and None
        See :class:`FeatureExtractor`.
    layers : str or sequence of str, optional
        Layers whose features are compared, concatenated to one vector; by default the last one. See
        :class:`FeatureExtractor`.
    grid : int, "full" or sequence of these, default=1
        Number of cells per side over which each feature map is averaged; 1 ignores where things are in the
        image.
    metric : {"cosine", "euclidean"}, default="cosine"
        Distance between two vectors; "cosine" is 1 minus the cosine of their angle, from 0 to 2.
    method : {"auto", "exact", "approximate"}, default="auto"
        "exact" compares a query with all images. "approximate" compares it with likely ones only: it may miss
        a neighbour, but its distances are exact; it needs ``transferkit[neighbours]``. "auto" is
        "approximate" above 100,000 images if that is installed, else "exact".
    extractor : FeatureExtractor, optional
        All other settings of feature extraction; see :class:`Classifier`.

    Attributes
    ----------
    vectors_ : ndarray of float32, shape (n_readable, n_features)
        Features of the images that could be read.
    rows_ : ndarray of int64, shape (n_readable,)
        Their positions in the list that was passed to ``fit``.
    paths_ : list of str or None, length n_images
        Files of all images; None for images that are not files. After ``load``, paths are relative to the
        folder that contains all of them.
    report_ : ExtractionReport or None
        How many images came from the cache, were decoded, or were left out, and why; None after ``load``.
    extractor_ : FeatureExtractor

    See Also
    --------
    transferkit.plots.plot_neighbours : Draw the result of a query.

    Examples
    --------
    >>> from transferkit import NearestImages
    >>> from transferkit.datasets import make_faces
    >>> faces = make_faces(30, size=64)
    >>> nearest = NearestImages("scattering", image_size=64).fit(faces.images)  # doctest: +SKIP
    >>> nearest.query(faces.images[3], k=2).indices  # doctest: +SKIP
    array([[ 3, 12]])
    """

    def __init__(
        self,
        backbone: str | Backbone = "mobilenet",
        *,
        weights: str | os.PathLike[str] | None = "imagenet",
        image_size: int | None = None,
        layers: str | Sequence[str] | None = None,
        grid: int | str | Sequence[Any] = 1,
        metric: str = "cosine",
        method: str = "auto",
        extractor: FeatureExtractor | None = None,
    ) -> None:
        self.backbone = backbone
        self.weights = weights
        self.image_size = image_size
        self.layers = layers
        self.grid = grid
        self.metric = metric
        self.method = method
        self.extractor = extractor

    @all_or_nothing
    def fit(self, X: Any, y: Any = None) -> NearestImages:
        """Extract the features of each image once, and keep them as one vector.

        Parameters
        ----------
        X : sequence of images
            Paths, bytes, PIL images or arrays. Images that cannot be read are left out; the positions of all
            others do not change.
        y : ignored

        Returns
        -------
        NearestImages
            The estimator itself.

        Raises
        ------
        InvalidInputError
            A parameter cannot be used, or no image can be read; all problems are listed at once.
        BadImageError
            An image cannot be read and ``on_error`` is "raise".
        MissingDependencyError
            The method is "approximate", and faiss is not installed.
        """
        problems = choice("metric", self.metric, METRICS) + choice("method", self.method, METHODS)
        self._array_ranges: images.ArrayRanges = {}
        extractor = gather(problems, self._make_extractor)
        items = gather(problems, lambda: images.as_collection(X))
        if items is not None and extractor is not None and extractor.value_range is None:
            self._array_ranges = (
                gather(problems, lambda: images.array_ranges(items, extractor.channels)) or {}
            )
        if items is None or extractor is None or problems:
            raise InvalidInputError(*problems)
        extractor.settle_ranges(self._array_ranges)
        features = extractor.extract(items, on_error=extractor.on_error or "skip")
        self.extractor_ = extractor
        self.report_: ExtractionReport | None = features.report
        self.rows_ = np.flatnonzero(features.ok)
        self.vectors_ = self._vectors(features)
        self._digests = [features.digests[row] for row in self.rows_]
        self.paths_ = [os.fspath(item) if isinstance(item, str | os.PathLike) else None for item in items]
        self._search = Search(self.vectors_, self.metric, self.method)
        return self

    def query(self, X: Any = None, k: int = 5, *, copies: bool = True) -> Neighbours:
        """Return the k nearest images of each image.

        Parameters
        ----------
        X : image or sequence of images, optional
            By default all fitted images; an image is then not a neighbour of itself.
        k : int, default=5
            Number of neighbours of each image.
        copies : bool, default=True
            Whether exact copies of the query, byte by byte, may be neighbours. With False, a query that is a
            fitted image does not find itself or its copies.

        Returns
        -------
        Neighbours
            Nearest first; images at the same distance are in the order of ``fit``.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        InvalidInputError
            k is larger than the number of images that may be neighbours.
        BadImageError
            An image of X cannot be read; ``.index`` says which.
        """
        self._check_fitted()
        found = snapshot(self)  # another thread may refit meanwhile
        problems = flag("copies", copies)
        if not is_count(k):
            problems.append(f"k must be a positive integer. Got {k!r}.")
        check(problems)
        if X is None:
            rows, vectors, digests = found.rows_, found.vectors_, found._digests
            queries = [found.paths_[row] for row in rows]
        else:
            queries = images.readable_again(images.as_image_list(X))
            features = found.extractor_.extract(queries, on_error="raise")
            rows, vectors, digests = np.arange(len(queries)), found._vectors(features), features.digests
        return found._answer(rows, vectors, digests, queries, k, own=X is None, copies=copies)

    def duplicates(self, threshold: float) -> list[NDArray[np.int64]]:
        """Return groups of fitted images that are nearly identical.

        All pairs are compared, whatever the method.

        Parameters
        ----------
        threshold : float
            Largest distance between an image and the nearest one of its group; 0 finds identical features.
            With MobileNet and "cosine", 0.01 found photographs that were saved again, and 0.05 also found
            most of those that were resized; 99 % of different photographs were at least 0.16 from the
            nearest one.

        Returns
        -------
        list of ndarray of int64
            Positions in the list that was passed to ``fit``, two or more in each group, ascending.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        InvalidInputError
            The threshold is not a valid distance.
        """
        self._check_fitted()
        if not (is_number(threshold, above=-1) and threshold >= 0):
            raise InvalidInputError(f"threshold must be a distance, 0 or more. Got {threshold!r}.")
        found = snapshot(self)
        first, second = found._search.pairs(float(threshold))
        group = linked_groups(len(found.rows_), first, second)
        members = np.unique(np.concatenate([first, second]))
        return [found.rows_[members[group[members] == one]] for one in dict.fromkeys(group[members].tolist())]

    def save(self, path: str | os.PathLike[str], *, absolute_paths: bool = False) -> None:
        """Save the vectors and the names of the images to a safetensors file, replaced atomically.

        The images themselves are not saved. :func:`transferkit.load` loads the file.

        Parameters
        ----------
        path : path
            Usually with the suffix ``.safetensors``.
        absolute_paths : bool, default=False
            Keep the paths of images and weights as they are on this machine. By default, paths of images are
            relative to the folder that contains all of them.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        FileNotFoundError
            The folder of the path does not exist.
        """
        self._check_fitted()
        check(flag("absolute_paths", absolute_paths))
        found = snapshot(self)
        names = absolute_names(found.paths_) if absolute_paths else relative_names(found.paths_)
        arrays = to_arrays(found.vectors_, found.rows_, found._digests, names)
        save_collection(found, path, arrays, absolute_paths=absolute_paths)

    def _answer(
        self,
        rows: NDArray[np.int64],
        vectors: NDArray[np.float32],
        digests: Sequence[Any],
        queries: Sequence[Any],
        k: int,
        *,
        own: bool,
        copies: bool,
    ) -> Neighbours:
        """Return the nearest rows, as positions in the list passed to ``fit``."""
        same = None if copies else same_content(digests, self._digests)
        most = max(int(own), 0 if same is None else same.most)
        if k > (largest := len(self.rows_) - most):
            raise InvalidInputError(
                f"k must be {largest} or less: {len(self.rows_)} images could be read, and an answer leaves "
                f"out {most or 'none'} of them. Got {k}."
            )

        def left_out(found: NDArray[np.int64]) -> NDArray[np.bool_]:
            out = np.zeros(found.shape, bool) if same is None else same(found)
            return out | (found == np.arange(len(rows))[:, None]) if own else out

        nearest, distances = self._search.nearest(vectors, k, left_out, most)
        indices = self.rows_[nearest]
        paths = np.array([[self.paths_[index] for index in row] for row in indices], dtype=object)
        reader = self.extractor_.reader()
        return Neighbours(indices, distances, paths, rows, queries, own, reader)

    def _make_extractor(self) -> FeatureExtractor:
        """Return a checked extractor."""
        if is_precomputed(self.backbone):
            raise InvalidInputError(
                "backbone='precomputed' has no images. Pass features to sklearn.neighbors.NearestNeighbors."
            )
        check(grid_problems(self.grid))
        layers = "last" if self.layers is None else self.layers
        return self._make_image_extractor(Taps(layers, self.grid))

    def _vectors(self, features: Features) -> NDArray[np.float32]:
        """Return one vector of each image that can be read."""
        with memory_limit(self._run_settings()["memory_limit"]):
            return features.flat()

    def _check_fitted(self) -> None:
        if not self.__sklearn_is_fitted__():
            raise not_fitted(
                "This NearestImages is not fitted yet. Call fit(images) first, or transferkit.load(path)."
            )

    def __sklearn_is_fitted__(self) -> bool:
        """Tell scikit-learn whether the estimator is fitted."""
        return "vectors_" in self.__dict__

    @classmethod
    def _from_arrays(cls, arrays: Any, ranges: images.ArrayRanges, **parameters: Any) -> NearestImages:
        """Return the saved estimator; raise ValueError if the arrays do not fit together."""
        made = cls(**parameters)
        check(choice("metric", made.metric, METRICS) + choice("method", made.method, METHODS))
        made._array_ranges = ranges
        made.extractor_ = made._make_extractor()
        made.vectors_, made.rows_, made._digests, made.paths_ = from_arrays(arrays)
        made.report_ = None
        made._search = Search(made.vectors_, made.metric, made.method)
        return made
