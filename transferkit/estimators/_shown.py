"""The views of the training images, and their features."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from numpy.typing import NDArray

from transferkit.estimators._fitted import AnyFeatures
from transferkit.estimators._given import Given
from transferkit.extraction import ExtractionReport
from transferkit.views import AnyView, View


@dataclass(frozen=True)
class Shown:
    """What a head is shown of the training images.

    Attributes
    ----------
    views : tuple of View
        Views of whole images, or of squares around boxes; the model will predict from these.
    subject_views : tuple of View or Crops
        The same views of these images: in their boxes, if there are any.
    extra_views : tuple of View or Crops
        Views that are only trained on.
    extra_targets : ndarray
        Targets of the extra views.
    features : Features or PrecomputedFeatures
        Features of the subject and extra views.
    report : ExtractionReport or None
        Report of all extractions so far; None if X holds features.
    """

    views: tuple[View, ...]
    subject_views: tuple[AnyView, ...]
    extra_views: tuple[AnyView, ...]
    extra_targets: NDArray[Any]
    features: AnyFeatures
    report: ExtractionReport | None

    @classmethod
    def of(
        cls,
        given: Given,
        views: tuple[View, ...],
        subject_views: tuple[AnyView, ...],
        extra: tuple[tuple[AnyView, ...], NDArray[Any]],
    ) -> Shown:
        """Extract the features of the images; those of ``backbone="precomputed"`` are there already."""
        extra_views, extra_targets = extra
        features: Any = given.arrays
        if given.extractor is not None:
            features = _extract(given, (*subject_views, *extra_views))
        return cls(views, subject_views, extra_views, extra_targets, features, features.report)

    def with_views(self, given: Given, views: tuple[View, ...]) -> Shown:
        """Show other views of whole images instead."""
        features = _extract(given, views)
        assert self.report is not None
        assert features.report is not None
        self.report.add_work(features.report)
        return replace(self, views=views, subject_views=views, features=features)


def _extract(given: Given, views: tuple[AnyView, ...]) -> Any:
    assert given.extractor is not None
    return given.extractor.extract(given.items, views=views, on_error=given.extractor.on_error or "skip")
