"""Read rows and verify each against its key, its part and its checksum."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from sqlite3 import Connection

from numpy.typing import NDArray

from transferkit.cache import _tables as tables
from transferkit.cache._rows import RowKey, checksum_seed, decode
from transferkit.errors import InvalidInputError


@dataclass(frozen=True)
class RowReader:
    """A query of one space: digests of images (as bytes, with their hex form), one view, and parts."""

    space: str
    view: str
    digests: Mapping[bytes, str]
    parts: Sequence[str]

    def read(
        self, db: Connection, chunk: Sequence[bytes], take: Callable[[RowKey, str, NDArray], None]
    ) -> list[tuple[int, object]]:
        """Call ``take(key, part, array)`` for each sound row of a chunk; return the damaged ones."""
        views, known = tables.known_views(db), tables.known_parts(db)
        asked = {known[name].number: name for name in self.parts if name in known}
        damaged: list[tuple[int, object]] = []
        if self.view not in views:
            return damaged
        seeds: dict[tuple[int, str], int] = {}
        for number, digest, part, dtype, crc, data in tables.rows_of(
            db, chunk, views[self.view], list(asked)
        ):
            if digest not in self.digests or part not in asked:
                continue  # not part of the query: the index is damaged
            shape = known[asked[part]].shape
            if (part, dtype) not in seeds:
                seeds[part, dtype] = checksum_seed(self.space, self.view, asked[part], shape, str(dtype))
            array = decode(seeds[part, dtype], digest, crc, shape, dtype, data)
            if array is None:
                damaged.append((number, crc))
            else:
                take(RowKey(self.digests[digest], self.view), asked[part], array)
        return damaged


def part_names(parts: Sequence[str]) -> list[str]:
    """Return the parts without duplicates."""
    if isinstance(parts, str) or not parts:
        raise InvalidInputError(f"parts must be a non-empty list of strings. Got {parts!r}.")
    return list(dict.fromkeys(parts))


def check_shape(part: str, expected: tuple[int, ...], shape: tuple[int, ...]) -> None:
    """Raise InvalidInputError if the shape of an activation differs from that of its part."""
    if shape != expected:
        raise InvalidInputError(
            f"Part {part!r} has shape {expected} in this feature space. Got {shape}. "
            "Anything that changes the shape belongs in the recipe or in the name of the part."
        )
