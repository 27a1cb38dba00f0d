"""``Extraction``: feature extraction without scikit-learn."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from transferkit import images
from transferkit.backbones import Backbone, get_backbone, list_backbones, resolve_weights
from transferkit.cache import FeatureCache, RecentSpace
from transferkit.errors import BadImageError, UnknownBackboneError, WeightsError
from transferkit.extraction._features import Features
from transferkit.extraction._parameters import ON_ERROR, resolve
from transferkit.extraction._report import ExtractionReport
from transferkit.extraction._settings import LOCK, Settings
from transferkit.extraction._stream import compute, look_up
from transferkit.foundation.arguments import check, choice
from transferkit.foundation.config import Configured
from transferkit.identity import feature_differences
from transferkit.views import ORIGINAL, AnyView, View


class Extraction(Configured):
    """Feature extraction; :class:`FeatureExtractor` documents the parameters."""

    def __init__(
        self,
        backbone: str | Backbone = "mobilenet",
        *,
        weights: str | os.PathLike[str] | None = "imagenet",
        image_size: int | None = None,
        layers: str | Sequence[str] | None = None,
        grid: int | str | Sequence[int | None] | None = None,
        resize: str = "stretch",
        precision: str = "float32",
        value_range: tuple[float, float] | None = None,
        frame: int | None = None,
        channels: Sequence[int] | None = None,
        on_error: str | None = None,
        engine: str | None = None,
        batch_size: int | None = None,
        memory_limit: float | None = None,
        cache: bool | str | os.PathLike[str] | FeatureCache | None = None,
        isolate: bool | float | None = None,
        retry_failed: bool | None = None,
        progress: bool | None = None,
    ) -> None:
        self.backbone = backbone
        self.weights = weights
        self.image_size = image_size
        self.layers = layers
        self.grid = grid
        self.resize = resize
        self.precision = precision
        self.value_range = value_range
        self.frame = frame
        self.channels = channels
        self.on_error = on_error
        self.engine = engine
        self.batch_size = batch_size
        self.memory_limit = memory_limit
        self.cache = cache
        self.isolate = isolate
        self.retry_failed = retry_failed
        self.progress = progress

    @property
    def array_ranges_(self) -> images.ArrayRanges:
        """Values of black and white in the arrays that ``fit`` saw, by family of dtypes; may be empty."""
        ranges: images.ArrayRanges = self.__dict__.get("_array_ranges", {})
        return ranges

    def settle(self, ranges: images.ArrayRanges) -> None:
        """Check and resolve the parameters; arrays will be read with the ranges found in ``fit``."""
        settings = self.settings()
        self.settle_ranges(ranges)
        self._check_backbone(settings)
        self.image_size_ = settings.image_size
        self.layers_ = settings.layers

    def settle_ranges(self, ranges: images.ArrayRanges) -> None:
        """Read arrays with these ranges, found in ``fit``, unless ``value_range`` is set.

        Parameters
        ----------
        ranges : mapping
            As :func:`transferkit.images.array_ranges` returns it.
        """
        self._array_ranges = {} if self.value_range is not None else dict(ranges)

    def reader(self) -> images.Reader:
        """Return a reader that reads images like this extractor, such as for plots.

        Returns
        -------
        transferkit.images.Reader
        """
        settings = self.settings()
        return images.Reader(settings.selection, settings.value_range, self.array_ranges_, settings.isolate)

    def extract(
        self,
        X: Any,
        *,
        views: Sequence[AnyView] = (ORIGINAL,),
        on_error: str | None = None,
        advance: Callable[[int], Any] | None = None,
    ) -> Features:
        """Return the features of images, computing only those that are not cached.

        Parameters
        ----------
        X : image or sequence of images
        views : sequence of View or Crops, default=(ORIGINAL,)
        on_error : {"raise", "skip"}, optional
            By default as the parameter of the same name.
        advance : callable, optional
            Called with the number of images done since the last call, in place of a progress bar: for one bar
            over several extractions.

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
        WeightsError
            Weights or backbone are not those of the first use.
        """
        started = time.perf_counter()
        settings = self.settings()
        check(choice("on_error", on_error, ON_ERROR, or_none=True))
        on_error = on_error or self.on_error or "raise"
        sources = images.as_image_list(X)
        if not self.array_ranges_ and settings.value_range is None:
            images.check_agreement(sources, settings.selection.channels)
        job = replace(settings.job(tuple(views)), ranges=self.array_ranges_)
        report = self.report_ = ExtractionReport(n_images=len(sources))
        digests, pending = look_up(settings.files, job, sources)
        report.n_cached = len(sources) - len(pending)
        pending = job.failures.leave_out(sources, pending, digests, report, on_error)
        if pending and len(sources) <= settings.batch_size:
            job = replace(job, space=settings.space.recent(soon=True))
        if advance is not None:
            advance(len(sources) - len(pending))
        if pending:
            compute(settings, job, sources, pending, digests, report, on_error, advance)
        report.failures.sort(key=lambda failure: failure.index)
        report.seconds = time.perf_counter() - started
        report.check_enough(len(sources), finished=True)
        shapes = tuple(job.space.part_shape(part) or () for part in job.parts)
        # Rows that other processes evict before they are read are computed again, and then kept in memory.
        space = job.space if isinstance(job.space, RecentSpace) else settings.space.recent()
        return Features(
            tuple(digests), settings.layers, job.parts, shapes, tuple(views), report, sources, self, space
        )

    def compute(self, features: Features, rows: list[int]) -> None:
        """Compute rows of features again that are no longer in the cache, and keep them in memory."""
        settings = self.settings()
        space = features.space.for_lost_rows()
        job = replace(settings.job(features.views), space=space, ranges=self.array_ranges_)
        again = ExtractionReport(n_images=len(rows))
        compute(settings, job, features.sources, rows, list(features.digests), again, "raise")

    def digests(self, X: Any) -> list[str | None]:
        """Return the content digest of each image; None for images that cannot be opened.

        No backbone runs, and nothing is decoded. Files whose size and times the cache knows are not opened.

        Parameters
        ----------
        X : image or sequence of images

        Returns
        -------
        list of str or None
            SHA-256, in hexadecimal digits.
        """
        settings, sources = self.settings(), images.as_image_list(X)
        known, _ = look_up(settings.files, settings.job((ORIGINAL,)), sources)
        reader = self.reader()
        for row, source in enumerate(sources):
            if known[row] is None:
                with contextlib.suppress(BadImageError):
                    known[row] = reader.source(source).digest
        return known

    def describe(self) -> dict[str, Any]:
        """Return all settings that can change a feature, as they are used in the cache key.

        Nothing is built. With ``engine="auto"`` and before the first extraction, the engine is the one that
        will run, unless it turns out to give other features than Keras.
        """
        settings = self.settings()
        ranges = {name: list(bounds) for name, bounds in self.array_ranges_.items()}
        return {
            **settings.description,
            **({"array_ranges": ranges} if ranges else {}),
            "layers": list(settings.layers),
            "grid": list(settings.grids),
        }

    def explain(self, X: Any, *, view: View = ORIGINAL) -> str:
        """Explain whether the features of an image are in the cache, and why.

        Parameters
        ----------
        X : image
            A single image.
        view : View, default=ORIGINAL
            View of the image; for a model, one of its ``views_``.

        Returns
        -------
        str
            One or two sentences, starting with "Hit" or "Miss".

        Raises
        ------
        BadImageError
            The file cannot be read.
        CacheError
            The cache cannot be read.

        Examples
        --------
        >>> print(clf.extractor_.explain("new.jpg", view=clf.views_[0]))  # doctest: +SKIP
        """
        return self.settings().explain(X, view)

    def own_parameters(self) -> dict[str, Any]:
        """Return the same as ``get_params``, which is slow since it inspects the signature each time."""
        return {name: value for name, value in vars(self).items() if name.strip("_") == name}

    def settings(self) -> Settings:
        """Return the resolved parameters, which are updated if they or the registry change.

        Raises
        ------
        InvalidInputError
            Parameters cannot be used; all problems are listed at once.
        MissingDependencyError
            The engine is not installed.
        WeightsError
            The weights are missing, or weights or backbone have changed since the first use.
        """
        parameters = resolve(self.own_parameters(), self.own_config())
        backbone = find_backbone(parameters.pop("backbone"), self)
        key = (backbone, repr(parameters), images.decoder())
        with LOCK:
            known: tuple[Any, Settings] | None = self.__dict__.get("_made")
            if known is None or known[0] != key:
                settings = Settings(backbone, parameters)
                self._check_backbone(settings)
                known = self.__dict__["_made"] = key, settings
            return known[1]

    def _forget_backbone(self) -> None:
        """Accept the present contents of registry and files, and copy a registered network again."""
        with LOCK:
            self.__dict__.pop("_backbone_facts", None)
            made = self.__dict__.pop("_made", None)
            if made is not None and made[1].guard is None:
                now = resolve_weights(made[1].backbone, self.weights)
                if now == made[1].weights:  # its rows may be in memory only
                    self.__dict__["_made"] = made

    def _check_backbone(self, settings: Settings) -> None:
        """Raise if the names refer to another backbone or other weights than at first use.

        A pickle, a copy or a worker finds both by name, which may refer to something else by now. So may the
        recommendations of the backbone, which are used for parameters that were not set.
        """
        asked = settings.backbone.name, str(self.weights)
        given = self.backbone, repr((self.image_size, self.layers, self.grid))
        now = settings.backbone_facts, settings.recommended
        known = self.__dict__.setdefault("_backbone_facts", (asked, given, now))
        if len(known) == 2:  # in a pickle of an earlier version, which did not store recommendations
            (name, weights, size), facts = known
            known = (name, weights), None, (facts, {"image_size": size})
        (facts, recommended), same = known[2], known[1] == given
        other_size = not same and recommended["image_size"] != settings.image_size
        if known[0] != asked or other_size:  # probe outputs depend on the image size
            self._backbone_facts = asked, given, now
            return
        differences = feature_differences(facts, now[0])
        differences += feature_differences(recommended, now[1]) if same else []
        if differences:
            name = settings.backbone.name
            raise WeightsError(
                f"Backbone {name!r} is not what it was when this object was fitted or first used: "
                f"{'; '.join(differences)}. Put the earlier weights or registration back, or call fit again.",
                name=name,
            )
        self._backbone_facts = asked, given, (facts, now[1])

    def __getstate__(self) -> dict[str, Any]:
        """Drop models and connections when pickling; they are created again."""
        state = super().__getstate__()
        for name in ("_made", "_known_shapes"):
            state.pop(name, None)
        return state


def find_backbone(name: str | Backbone, owner: Configured) -> Backbone:
    """Return a backbone for an object; the error is more detailed if the object is from another process."""
    try:
        return get_backbone(name)
    except UnknownBackboneError as error:
        if not owner.was_sent:
            raise
        raise UnknownBackboneError(error.name, list_backbones(), sent=True) from error
