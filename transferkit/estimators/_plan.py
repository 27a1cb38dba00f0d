"""Plan a fit from the parameters: its head, its views and its extractor."""

from __future__ import annotations

from typing import Any, ClassVar

from transferkit import images
from transferkit.backbones import Backbone
from transferkit.datasets import labelled_images
from transferkit.errors import InvalidInputError, gather, quoted
from transferkit.estimators._fitted import FittedEstimator
from transferkit.estimators._splitting import seed_problems
from transferkit.estimators._taps import Taps, class_taps
from transferkit.extraction import (
    FeatureExtractor,
    find_backbone,
    grid_problems,
    is_precomputed,
    parameter_problems,
)
from transferkit.foundation.arguments import check, choice
from transferkit.heads import Head, get_head
from transferkit.tasks import dense_labels
from transferkit.views import AUGMENTATIONS, MEANS, ORIGINAL, View


class PlannedEstimator(FittedEstimator):
    """An estimator that can plan its extraction before it is fitted."""

    kind: ClassVar[str]  # kind of the task on images

    def plan_extraction(self, y: Any) -> tuple[FeatureExtractor, tuple[View, ...]] | None:
        """Return the extractor and the views that ``fit`` will use on whole images.

        None for ``backbone="precomputed"``. Nothing is learned, and the estimator does not change. After an
        extraction with these, ``fit`` on the same number of images finds all features in the cache, except
        for a few hundred images that ``augment="auto"`` looks at without mirroring.

        Parameters
        ----------
        y : array-like
            Targets, as for ``fit``.

        Raises
        ------
        InvalidInputError
            A parameter cannot be used.
        WeightsError, MissingDependencyError
        """
        head = self._head(len(dense_labels(y)))
        extractor = self._make_extractor(head)
        return None if extractor is None else (extractor, self._views(head, y))

    def _backbone(self) -> Backbone:
        return find_backbone(self.backbone, self)

    def _head(self, n_images: int | None = None) -> Head:
        """Return the head to train on this number of images."""
        head = get_head(self.head)
        if self.kind not in head.kinds:
            fit = [name for name in ("auto", "linear", "mlp", "conv") if self.kind in get_head(name).kinds]
            raise InvalidInputError(
                f"head={self.head!r} learns {quoted(sorted(head.kinds))}, not {self.kind}. "
                f"Choose {quoted(fit, 'or')}."
            )
        return head

    def _views(self, head: Head | None, y: Any = None) -> tuple[View, ...]:
        """Return the views for ``augment`` with this head."""
        check(choice("augment", self.augment, ("auto", *AUGMENTATIONS), or_none=True))
        if self.augment is None or is_precomputed(self.backbone):
            return (ORIGINAL,)
        name = "mirror" if self.augment == "auto" else self.augment
        means = head is not None and head.averages_views
        return (MEANS[name],) if means else AUGMENTATIONS[name]

    def _taps(self, head: Head) -> Taps:
        """Return the layers to use and their grids."""
        return class_taps(self._backbone(), head, self.layers, self.grid)

    def _make_extractor(self, head: Head) -> FeatureExtractor | None:
        """Return a checked extractor of whole images; None if X holds features."""
        return None if is_precomputed(self.backbone) else self._make_image_extractor(self._taps(head))

    def _gather(self, X: Any, y: Any, problems: list[str]) -> tuple[Any, Any]:
        """Return images as a list (empty if X is invalid) and targets; arrays of features are unchanged."""
        if is_precomputed(self.backbone):
            return X, y
        if y is not None:
            found = len(problems)
            gather(problems, lambda: images.refuse_one_image(X))
            if problems[found:]:
                return [], y
        return gather(problems, lambda: labelled_images(X, y)) or ([], y)

    def _plan(self, X: Any, problems: list[str]) -> tuple[Any, Head, FeatureExtractor | None]:
        """Check the parameters and the images of ``fit``, or its arrays of features."""
        problems += seed_problems(self.random_state)
        if is_precomputed(self.backbone):  # no extractor is used, but its parameters are saved with the model
            settings = gather(problems, self._run_settings)
            problems += parameter_problems(settings | {"grid": self.grid}) if settings else []
        else:
            problems += grid_problems(self.grid)
        head = gather(problems, lambda: self._head(len(X) if hasattr(X, "__len__") else None))
        gather(problems, lambda: self._views(head))
        found = len(problems)
        extractor = gather(problems, lambda: self._make_extractor(head or get_head("linear")))
        problems[found:] = [problem for problem in problems[found:] if problem not in problems[:found]]
        if head is None or (extractor is None and problems):
            raise InvalidInputError(*problems)
        if extractor is None:
            return X, head, None
        self._array_ranges = {}
        if extractor.value_range is None:
            self._array_ranges = gather(problems, lambda: images.array_ranges(X, extractor.channels)) or {}
        extractor.settle_ranges(self._array_ranges)
        return X, head, extractor
