"""Images to their nearest neighbours."""

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
    """Find the most similar images of a collection, by features of a frozen backbone.

    Parameters
    ----------
    backbone : str or Backbone, default="mobilenet"
        Name in the registry, see :func:`transferkit.list_backbones`.
    weights, image_size : default="imagenet" and None
        See :class:`FeatureExtractor`.
    layers : str or sequence of str, optional
        Layers whose features are compared, one after the other in one vector; by default the last one. See
        :class:`FeatureExtractor`.
    grid : int, "full" or sequence of these, default=1
        Average each map over this many cells a side; 1 forgets where in the image things are.
    metric : {"cosine", "euclidean"}, default="cosine"
        "cosine" is 1 - cosine of the angle between two vectors, from 0 to 2.
    method : {"auto", "exact", "approximate"}, default="auto"
        "exact" compares with all images. "approximate" visits the likely ones only, needs
        ``transferkit[neighbours]``, and may miss a neighbour; its distances are exact. "auto" is approximate
        above 100,000 images, where it is installed.
    extractor : FeatureExtractor, optional
        All other settings of the extraction; see :class:`Classifier`.

    Attributes
    ----------
    vectors_ : ndarray of float32, shape (n_readable, n_features)
        Features of the images that could be read.
    rows_ : ndarray of int64, shape (n_readable,)
        Their positions in the list that was passed to ``fit``.
    paths_ : list of str or None, length n_images
        Files of all images; None for images that are no files. After ``load``, they start at the folder that
        holds all of them.
    report_ : ExtractionReport or None
        Images from the cache, decoded, left out, and why; None after ``load``.
    extractor_ : FeatureExtractor

    See Also
    --------
    transferkit.plots.plot_neighbours : Draw an answer.

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
        """Extract features, once per image, and keep one vector of each.

        Parameters
        ----------
        X : sequence of images
            Paths, bytes, PIL images or arrays. What cannot be read is left out; all others keep their
            positions.
        y : ignored

        Returns
        -------
        NearestImages
            Itself.

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
            By default all fitted images: then no image is a neighbour of itself.
        k : int, default=5
        copies : bool, default=True
            Whether images of the same content as the query, byte by byte, are answers. False leaves a fitted
            image out of its own neighbours, and with it all copies of it.

        Returns
        -------
        Neighbours
            The nearest first; images at the same distance are in the order of ``fit``.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        InvalidInputError
            k is larger than the number of images that can be an answer.
        BadImageError
            An image of X cannot be read; ``.index`` says which.
        """
        self._check_fitted()
        found = snapshot(self)  # another thread may fit anew meanwhile
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
        """Return groups of fitted images that are nearly the same.

        All pairs are compared, whatever the method.

        Parameters
        ----------
        threshold : float
            The largest distance between an image and the next one of its group; 0 finds the same features.
            With MobileNet and "cosine", 0.01 found photographs that were saved again, 0.05 most that were
            resized, too; 99 % of different ones were 0.16 or more from the nearest.

        Returns
        -------
        list of ndarray of int64
            Positions in the list that was passed to ``fit``, two or more in each group, ascending.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        InvalidInputError
            The threshold is no distance.
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
        """Write the vectors, and what names the images, to one safetensors file, replacing it in one step.

        The images themselves are not in it. :func:`transferkit.load` reads it back.

        Parameters
        ----------
        path : path
            By custom with the suffix ``.safetensors``.
        absolute_paths : bool, default=False
            Keep the paths of images and weights as they are on this machine. Otherwise those of images start
            at the folder that holds all of them.

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
        """Return the nearest rows as positions in the list of ``fit``."""
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
        """Tell scikit-learn if there is anything to search."""
        return "vectors_" in self.__dict__

    @classmethod
    def _from_arrays(cls, arrays: Any, ranges: images.ArrayRanges, **parameters: Any) -> NearestImages:
        """Return what was saved; ValueError where the arrays do not fit together."""
        made = cls(**parameters)
        check(choice("metric", made.metric, METRICS) + choice("method", made.method, METHODS))
        made._array_ranges = ranges
        made.extractor_ = made._make_extractor()
        made.vectors_, made.rows_, made._digests, made.paths_ = from_arrays(arrays)
        made.report_ = None
        made._search = Search(made.vectors_, made.metric, made.method)
        return made
