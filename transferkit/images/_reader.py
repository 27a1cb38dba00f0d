"""Read images in the same way as a model, such as for plots."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from transferkit.images._image import Image
from transferkit.images._ranges import ValueRange
from transferkit.images._reading import read_source
from transferkit.images._selection import EVERYTHING, Selection
from transferkit.images._sources import Source
from transferkit.images._stacks import ArrayRanges
from transferkit.images._target import Target


@dataclass(frozen=True)
class Reader:
    """How images are read; by default as by :func:`load_image`.

    Attributes
    ----------
    selection : Selection
        The frame of a file, and the channels.
    value_range : (float, float) or None
        Values of black and white, as for :func:`load_image`.
    ranges : mapping or None
        Result of :func:`array_ranges` for the images that a model was fitted on.
    isolate : float or None
        Time limit in seconds for decoding a file in a helper process; None decodes in this process.
    """

    selection: Selection = EVERYTHING
    value_range: ValueRange | None = None
    ranges: ArrayRanges | None = None
    isolate: float | None = None

    def source(self, item: Any) -> Source:
        """Return an undecoded image; errors as for :func:`read_source`."""
        return read_source(item, ranges=self.ranges, selection=self.selection)

    def decode(self, source: Source, target: Target | None = None) -> Image:
        """Return the pixels of a source; with ``target``, possibly at reduced size."""
        return source.decode(self.value_range, target, isolate=self.isolate)

    def load(self, item: Any, target: Target | None = None) -> Image:
        """Return the pixels of an image; errors as for :func:`load_image`."""
        return self.decode(self.source(item), target)
