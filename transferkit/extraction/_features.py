"""The result of an extraction: a handle on rows in the cache."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.cache import RecentSpace
from transferkit.errors import CacheError
from transferkit.extraction._report import ExtractionReport
from transferkit.extraction._stored import StoredMaps
from transferkit.foundation.halves import LARGEST_HALF, largest_magnitude
from transferkit.foundation.scratch import scratch
from transferkit.images import Reader
from transferkit.views import AnyView

SIZE_PART = "size"
_DIGIT = 1024
_BLOCK = 256  # rows whose range is checked at a time


@dataclass(frozen=True)
class Features:
    """Features of n images, read from the cache when asked for.

    Attributes
    ----------
    ok : ndarray of bool, shape (n,)
        Which images could be read.
    layers : tuple of str
        Layers, in the order of the maps.
    shapes : tuple of tuple of int
        Shape of one image's map in each layer: (h, w, c), or (c,).
    views : tuple of View or Crops
        Views that were extracted.
    report : ExtractionReport
    sources : sequence of images
    extraction : Extraction
        How to compute features again if they are lost from the cache.
    reader : transferkit.images.Reader
        How the images were read.
    """

    digests: tuple[str | None, ...]
    layers: tuple[str, ...]
    parts: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    views: tuple[AnyView, ...]
    report: ExtractionReport
    sources: Sequence[Any] = field(repr=False)
    extraction: Any = field(repr=False)
    _space: RecentSpace | None = field(repr=False)

    @property
    def space(self) -> RecentSpace:
        """The feature space that holds the rows; opened again after pickling."""
        if self._space is None:
            object.__setattr__(self, "_space", self.extraction.settings().space.recent())
        assert self._space is not None
        return self._space

    def __getstate__(self) -> dict[str, Any]:
        """Drop open files when pickling."""
        return {**vars(self), "_space": None}

    @property
    def reader(self) -> Reader:
        """How the images were read, for plots."""
        reader: Reader = self.extraction.reader()
        return reader

    @property
    def ok(self) -> NDArray[np.bool_]:
        """Which images could be read."""
        return np.array([digest is not None for digest in self.digests], dtype=bool)

    @property
    def bytes_per_image(self) -> int:
        """Bytes of one image's rows in the cache, all views together, without SQLite's overhead."""
        values = sum(math.prod(shape) for shape in self.shapes)
        return len(self.views) * values * (2 if self.space.half else 4)

    def maps(
        self,
        rows: Sequence[int] | NDArray[np.int64] | None = None,
        view: AnyView | Sequence[AnyView] | None = None,
        *,
        half: bool = False,
    ) -> list[NDArray[Any]]:
        """Return one array (len(rows), h, w, c) per layer, of the readable images by default.

        They are float32; with ``half``, float16 where the values of a layer allow it, as in the cache. The
        rows of several views are stacked, one view after the other.
        """
        chosen = np.flatnonzero(self.ok) if rows is None else np.asarray(rows)
        views = view if isinstance(view, tuple | list) else (view or self.views[0],)
        return [
            self._read(chosen, part, shape, views, half=half and self.space.half)
            for part, shape in zip(self.parts, self.shapes, strict=True)
        ]

    def stored_maps(self, rows: NDArray[np.int64] | None, views: Sequence[AnyView]) -> list[Any]:
        """Return what ``maps`` does, but read rows from the cache only when they are asked for."""
        chosen = np.flatnonzero(self.ok) if rows is None else np.asarray(rows)

        def reader(part: str, shape: tuple[int, ...]) -> Any:
            return lambda some, view: self._read(some, part, shape, (view,))

        return [
            StoredMaps(reader(part, shape), chosen, tuple(views), shape, self.space.half)
            for part, shape in zip(self.parts, self.shapes, strict=True)
        ]

    def flat(self, rows: Any = None, view: AnyView | None = None) -> NDArray[np.float32]:
        """Return all layers of each image in one row: (len(rows), number of values)."""
        maps = [array.reshape(len(array), -1) for array in self.maps(rows, view)]
        if len(maps) == 1:
            return maps[0]
        out = scratch((len(maps[0]), sum(each.shape[1] for each in maps)), np.float32)
        return np.concatenate(maps, axis=1, out=out)

    def sizes(self, rows: Any = None) -> NDArray[np.int64]:
        """Return width and height in pixels of each upright original: (len(rows), 2)."""
        chosen = np.flatnonzero(self.ok) if rows is None else np.asarray(rows)
        return decode_sizes(self._read(chosen, SIZE_PART, (4,), self.views[:1]))

    def _read(
        self, rows: Any, part: str, shape: tuple[int, ...], views: Sequence[AnyView], *, half: bool = False
    ) -> NDArray[Any]:
        """Return all rows of the first view, then those of the next."""
        n = len(rows)
        out = scratch((len(views) * n, *shape), np.float16 if half else np.float32)
        for start in range(0, len(out), n or 1):
            view = views[start // n]
            if not half:
                self._fill(out[start : start + n], rows, part, view)
                continue
            for first in range(0, n, _BLOCK):
                block = out[start + first : start + min(first + _BLOCK, n)]
                self._fill(block, rows[first : first + _BLOCK], part, view)
                if largest_magnitude(block) > LARGEST_HALF:  # infinite: a row that half precision cannot hold
                    return self._read(rows, part, shape, views)
        return out

    def _fill(self, out: NDArray[Any], rows: Any, part: str, view: AnyView) -> None:
        keys = [view.at(int(row)).key(str(self.digests[row])) for row in rows]
        found = self.space.read_into(keys, part, out)
        if not found.all():
            # Damaged, evicted or cleared since they were looked up: a miss like any other.
            self.extraction.compute(self, [int(row) for row in np.asarray(rows)[~found]])
            for i in np.flatnonzero(~found).tolist():  # only these: others may have been evicted since
                found[i : i + 1] = self.space.read_into([keys[i]], part, out[i : i + 1])
        if not found.all():
            path = getattr(self.space, "path", "memory")
            raise CacheError(
                f"{int((~found).sum())} of {len(keys)} rows of part {part!r} are not in the cache at {path}, "
                "though they were computed again just now. Have the image files changed meanwhile? Run the "
                "same call again: only what is missing is computed.",
                path=path,
            )


def encode_size(width: int, height: int) -> NDArray[np.float32]:
    """Return a size as four digits that half precision holds exactly."""
    return np.array([*divmod(width, _DIGIT), *divmod(height, _DIGIT)], dtype=np.float32)


def decode_sizes(rows: NDArray[np.float32]) -> NDArray[np.int64]:
    """Undo ``encode_size``: map (n, 4) to (n, 2), width and height."""
    digits = rows.astype(np.int64)
    return np.stack([digits[:, 0] * _DIGIT + digits[:, 1], digits[:, 2] * _DIGIT + digits[:, 3]], axis=1)
