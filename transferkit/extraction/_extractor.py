"""The only way from images to features, and the only user of the cache."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin

from transferkit import images
from transferkit.backbones import Backbone
from transferkit.cache import FeatureCache
from transferkit.cache._memory import SpillingSpace
from transferkit.extraction._features import Features
from transferkit.extraction._report import ExtractionReport
from transferkit.extraction._settings import LOCK, Settings
from transferkit.extraction._stream import compute, look_up
from transferkit.foundation.arguments import check, choice
from transferkit.views import ORIGINAL, AnyView


class FeatureExtractor(TransformerMixin, BaseEstimator):
    """Turn images into features of a frozen backbone, each picture only once.

    Parameters
    ----------
    backbone : str or Backbone, default="mobilenet"
        Name in the registry; see :func:`transferkit.list_backbones`.
    weights : "imagenet", path or None, default="imagenet"
        ImageNet weights, a weights file, or seeded random weights.
    image_size : int, optional
        Side in pixels of the square that the backbone sees; by default what it was trained at.
    layers : str or sequence of str, default="last"
        Layers to tap: ``"last"`` is the output of the backbone, ``"auto"`` the layers that its
        row in the registry recommends; see :func:`transferkit.list_layers` for all names.
    grid : int or sequence of int, optional
        Average each map over a grid of this many cells a side (1 is global average pooling), the same for
        all layers or one number for each; None keeps maps as they are.
    resize : {"stretch", "pad"}, default="stretch"
        Fill the square, or keep the aspect on a black ground.
    engine : {"auto", "keras", "openvino"}, default="auto"
        What runs the backbone: "auto" is OpenVINO where it is installed and gives the features of Keras on
        a few probe pictures, else Keras.
    precision : {"float32", "bfloat16"}, default="float32"
        What the backbone computes in. "bfloat16" is faster on processors that have it, needs OpenVINO,
        and gives other features: models trained on one do not run on the other.
    batch_size : int, default=32
        Images in one call of the backbone. Features do not depend on it.
    cache : bool, path or FeatureCache, default=True
        Where features are kept: True is the folder named by ``TRANSFERKIT_CACHE`` or the usual one of
        the system; False keeps them in memory only, for this object.
    value_range : (float, float), optional
        Black and white of float arrays, such as ``(0, 1)``.
    on_error : {"raise", "skip"}, default="raise"
        What ``extract`` does with an image that cannot be read. ``transform`` always raises, since
        a row must not vanish from between its neighbours.
    isolate : bool or float, default=False
        Decode files in helper processes, for pictures of strangers: a decoder that crashes, or takes longer
        than so many seconds (True: 30), costs one image. Arrays and Pillow images are decoded here.
    retry_failed : bool, default=False
        Try images again that this version could not decode before; the cache remembers them.
    progress : bool, default=True
        Show a bar on stderr when the work takes longer than a second.

    Attributes
    ----------
    image_size_ : int
        Side in pixels of what the backbone sees, set by ``fit``.
    layers_ : tuple of str
        Layers that are tapped, set by ``fit``.
    report_ : ExtractionReport
        What the last extraction did.

    Examples
    --------
    >>> from transferkit import FeatureExtractor
    >>> from transferkit.datasets import make_faces
    >>> extractor = FeatureExtractor("scattering", grid=1, cache=False)
    >>> extractor.transform(make_faces(2).images).shape  # doctest: +SKIP
    (2, 219)
    """

    def __init__(
        self,
        backbone: str | Backbone = "mobilenet",
        *,
        weights: str | os.PathLike[str] | None = "imagenet",
        image_size: int | None = None,
        layers: str | Sequence[str] = "last",
        grid: int | Sequence[int | None] | None = None,
        resize: str = "stretch",
        engine: str = "auto",
        precision: str = "float32",
        batch_size: int = 32,
        cache: bool | str | os.PathLike[str] | FeatureCache = True,
        value_range: tuple[float, float] | None = None,
        on_error: str = "raise",
        isolate: bool | float = False,
        retry_failed: bool = False,
        progress: bool = True,
    ) -> None:
        self.backbone = backbone
        self.weights = weights
        self.image_size = image_size
        self.layers = layers
        self.grid = grid
        self.resize = resize
        self.engine = engine
        self.precision = precision
        self.batch_size = batch_size
        self.cache = cache
        self.value_range = value_range
        self.on_error = on_error
        self.isolate = isolate
        self.retry_failed = retry_failed
        self.progress = progress

    def fit(self, X: Any = None, y: Any = None) -> FeatureExtractor:
        """Check the parameters; nothing is learned from images.

        Parameters
        ----------
        X, y : ignored

        Returns
        -------
        FeatureExtractor

        Raises
        ------
        InvalidInputError
            A parameter that cannot be used.
        MissingDependencyError
            The engine is not installed.
        """
        settings = self._settings()
        self.image_size_ = settings.image_size
        self.layers_ = settings.layers
        return self

    def transform(self, X: Any) -> NDArray[np.float32]:
        """Return the features of images as one row each, layer after layer.

        Parameters
        ----------
        X : image or sequence of images
            Paths, bytes, file objects, PIL images or arrays.

        Returns
        -------
        ndarray of float32, shape (n, n_features)

        Raises
        ------
        BadImageError
            An image cannot be read; ``.index`` says which.
        """
        return self.extract(X, on_error="raise").flat()

    def extract(
        self,
        X: Any,
        *,
        views: Sequence[AnyView] = (ORIGINAL,),
        on_error: str | None = None,
        advance: Callable[[int], Any] | None = None,
    ) -> Features:
        """Make sure that the features of all images are there, and return a handle on them.

        Parameters
        ----------
        X : image or sequence of images
        views : sequence of View or Crops, default=(ORIGINAL,)
        on_error : {"raise", "skip"}, optional
            By default as the parameter of the same name.
        advance : callable, optional
            Called with how many more images are done, in place of a bar: for a bar over several extractions.

        Returns
        -------
        Features

        Raises
        ------
        BadImageError
            An image cannot be read and ``on_error`` is "raise".
        InvalidInputError
            Most images cannot be read, or ``on_error`` is neither.
        EngineError
            The engine that was asked for by name cannot run this backbone, or not on this machine.
        IsolationError
            ``isolate`` is set, and no helper process can be started.
        """
        started = time.perf_counter()
        settings = self._settings()
        check(choice("on_error", on_error, ("raise", "skip"), or_none=True))
        on_error = on_error or self.on_error
        sources = images.as_image_list(X)
        recipe = settings.recipe(tuple(views))
        report = self.report_ = ExtractionReport(n_images=len(sources))
        digests, pending = look_up(settings, recipe, sources)
        report.n_cached = len(sources) - len(pending)
        pending = recipe.failures.leave_out(sources, pending, digests, report, on_error)
        if 0 < len(sources) <= settings.batch_size and isinstance(recipe.space, SpillingSpace):
            recipe = replace(recipe, space=recipe.space.recent())
        if advance is not None:
            advance(len(sources) - len(pending))
        if pending:
            compute(settings, recipe, sources, pending, digests, report, on_error, self.progress, advance)
        report.failures.sort(key=lambda failure: failure.index)
        report.seconds = time.perf_counter() - started
        report.check_enough(len(sources), finished=True)

        def repair(rows: list[int]) -> None:
            again = ExtractionReport(n_images=len(rows))
            compute(settings, recipe, sources, rows, list(digests), again, "raise", self.progress)

        space = recipe.space
        shapes = tuple(space.part_shape(part) or () for part in recipe.parts)
        return Features(
            tuple(digests), settings.layers, recipe.parts, shapes, tuple(views), report, space, repair
        )

    def describe(self) -> dict[str, Any]:
        """Return everything that can change a feature, as it goes into the cache key.

        Builds nothing: with ``engine="auto"``, before the first extraction, the engine is what will run
        unless it turns out to give other features than Keras.
        """
        settings = self._settings()
        return {**settings.description, "layers": list(settings.layers), "grid": list(settings.grids)}

    def _settings(self) -> Settings:
        """Return the checked parameters with what was made from them, made again when they change."""
        # Parameters are the attributes without underscores at the ends; get_params takes half a millisecond.
        key = repr([(name, value) for name, value in vars(self).items() if name.strip("_") == name])
        with LOCK:
            known: Settings | None = self.__dict__.get("_made")
            if known is None or known.key != key:
                known = self.__dict__["_made"] = Settings(self, key)
            return known

    def __getstate__(self) -> dict[str, Any]:
        """Leave models and connections behind when pickled."""
        return {name: value for name, value in super().__getstate__().items() if name != "_made"}

    def __sklearn_is_fitted__(self) -> bool:
        """Tell scikit-learn that there is nothing to learn."""
        return True
