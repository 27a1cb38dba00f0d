"""A job: everything that the threads of an extraction need to compute rows."""

from __future__ import annotations

from dataclasses import dataclass, field

from transferkit.cache import Space
from transferkit.extraction._failed import KnownFailures
from transferkit.images import EVERYTHING, ArrayRanges, Selection
from transferkit.views import AnyView


@dataclass(frozen=True)
class Job:
    """Where rows are stored, and how they are computed: layers at grids, views, and how images are read."""

    space: Space
    parts: tuple[str, ...]
    grids: tuple[int | None, ...]
    views: tuple[AnyView, ...]
    image_size: int
    resize: str
    batch_size: int
    value_range: tuple[float, float] | None
    failures: KnownFailures
    isolate: float | None = None
    ranges: ArrayRanges = field(default_factory=dict)
    selection: Selection = EVERYTHING
