"""Extract a block of images without the cache, for workers of a cluster, which send the rows on."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from transferkit.cache import MemorySpace, RowKey
from transferkit.extraction._extraction import Extraction
from transferkit.extraction._failed import KnownFailures
from transferkit.extraction._features import Features
from transferkit.extraction._report import ExtractionReport
from transferkit.extraction._stream import compute
from transferkit.views import AnyView


def extract_apart(
    extraction: Extraction,
    sources: Sequence[Any],
    views: Sequence[AnyView],
    is_known: Callable[[str], bool],
) -> Features:
    """Return the features of a block of images, which are freed with the result.

    Rows and digests of files are neither read from the cache nor written to it; converted graphs are. Bad
    images are left out, however many there are; the caller, which sees all blocks, decides if there are too
    many.

    Parameters
    ----------
    extraction : Extraction
    sources : sequence of images
    views : sequence of View or Crops
    is_known : callable
        Returns whether the rows of a digest exist elsewhere; such an image gets its digest, but no row.
    """
    settings = copy.copy(extraction.settings())  # the engine stays shared
    settings.files = None
    space = _BlockSpace(settings.space.half, is_known)
    job = replace(settings.job(tuple(views)), space=space, failures=KnownFailures(space, retry=False))
    report = _BlockReport(n_images=len(sources))
    digests: list[str | None] = [None] * len(sources)
    compute(settings, job, sources, range(len(sources)), digests, report, "skip", lambda n: None)
    shapes = tuple(space.part_shape(part) or () for part in job.parts)
    recent = space.recent()
    return Features(
        tuple(digests), settings.layers, job.parts, shapes, job.views, report, sources, extraction, recent
    )


class _BlockSpace(MemorySpace):
    """Rows of one block; those that exist elsewhere count as found, so that they are not computed."""

    def __init__(self, half: bool, is_known: Callable[[str], bool]) -> None:
        super().__init__(half=half)
        self._is_known = is_known

    def find(self, keys: Iterable[RowKey], parts: Sequence[str]) -> set[RowKey]:
        asked = set(keys)
        return super().find(asked, parts) | {key for key in asked if self._is_known(key.digest)}


@dataclass
class _BlockReport(ExtractionReport):
    """The report of a block; it is no error if all images of a block are bad."""

    def check_enough(self, attempted: int, *, finished: bool) -> None:
        """Do nothing."""
