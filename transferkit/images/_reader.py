"""Read images as a model does, for whoever looks at them."""

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
    """How images are read; by default as :func:`load_image` does.

    Attributes
    ----------
    selection : Selection
        The frame of a file, and the channels.
    value_range : (float, float) or None
        Values of black and white, as for :func:`load_image`.
    ranges : mapping or None
        What :func:`array_ranges` found in the images that a model was fitted on.
    isolate : float or None
        Seconds that a helper process may take to decode a file; None decodes here.
    """

    selection: Selection = EVERYTHING
    value_range: ValueRange | None = None
    ranges: ArrayRanges | None = None
    isolate: float | None = None

    def source(self, item: Any) -> Source:
        """Return an image that is not decoded yet; errors as of :func:`read_source`."""
        return read_source(item, ranges=self.ranges, selection=self.selection)

    def decode(self, source: Source, target: Target | None = None) -> Image:
        """Return the pixels of a source; with ``target``, perhaps at reduced size."""
        return source.decode(self.value_range, target, isolate=self.isolate)

    def load(self, item: Any, target: Target | None = None) -> Image:
        """Return the pixels of an image; errors as of :func:`load_image`."""
        return self.decode(self.source(item), target)
