"""The HDF5 files of DeepLabCut, which pandas wrote through PyTables.

There are two layouts. "fixed", that of labels, keeps the levels of the columns as arrays: of each level its
distinct values and, for each column, which of them. "table", that of predictions, keeps the columns as a
pickled list of tuples of text; ours is an unpickler that makes nothing but lists, tuples, text and numbers.
"""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from transferkit.errors import InvalidInputError

__all__ = ["read_h5"]

# What h5py, NumPy and pickle raise where bytes are not what they should be.
_BROKEN = (
    *(AttributeError, EOFError, LookupError, MemoryError, OSError, RuntimeError, StopIteration),
    *(TypeError, ValueError, pickle.UnpicklingError),
)


class _PlainUnpickler(pickle.Unpickler):
    """Unpickles lists, tuples, text and numbers; any other object is refused, so that no code runs."""

    def find_class(self, module: str, name: str) -> Any:
        """Refuse."""
        raise pickle.UnpicklingError(f"{module}.{name} is not text")


def read_h5(path: Path) -> tuple[list[str], list[dict[str, str]], npt.NDArray[np.float64]]:
    """Return the names of the rows, the levels of each column, and values (rows, columns)."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            group = next(iter(file.values()))  # "df_with_missing" or "keypoints"
            return _read_table(group) if "table" in group else _read_fixed(group)
    except _BROKEN as error:
        raise InvalidInputError(
            f"{path} is not an HDF5 file of DeepLabCut: {error}. Pass the CSV file beside it."
        ) from error


def _read_fixed(group: Any) -> tuple[list[str], list[dict[str, str]], npt.NDArray[np.float64]]:
    """Read a data frame in the layout "fixed"."""
    columns = _axis(group, "axis0")
    index = _axis(group, "axis1")
    values = np.full((len(index[1]), len(columns[1])), np.nan)
    for number in range(int(group.attrs["nblocks"])):
        own = _axis(group, f"block{number}_items")
        places = [columns[1].index(key) for key in own[1]]
        values[:, places] = group[f"block{number}_values"][()]
    return _row_names(index[1]), _levels(columns[0], columns[1]), values


def _axis(group: Any, name: str) -> tuple[list[str], list[tuple[str, ...]]]:
    """Return the names of the levels of an axis, and the entries."""
    if name in group:
        return [""], [(_text(value),) for value in group[name][()]]
    parts: list[list[str]] = []
    titles = []
    while f"{name}_level{len(parts)}" in group:
        level = group[f"{name}_level{len(parts)}"]
        values = [_text(value) for value in level[()]]
        labels = group[f"{name}_label{len(parts)}"][()]
        parts.append([values[label] if label >= 0 else "" for label in labels])
        titles.append(_text(_unpickled(level.attrs.get("name", b""))))
    return titles, list(zip(*parts, strict=True))


def _read_table(group: Any) -> tuple[list[str], list[dict[str, str]], npt.NDArray[np.float64]]:
    """Read a data frame in the layout "table"."""
    table = group["table"]
    blocks = [name for name in table.dtype.names if name.startswith("values_block_")]
    axis = _unpickled(group.attrs["non_index_axes"])
    entries = [tuple(map(_text, entry)) for entry in axis[0][1]]
    rows = table[()]
    values = np.full((len(rows), len(entries)), np.nan)
    for block in blocks:
        own = _unpickled(table.attrs[f"{block}_kind"])
        places = [entries.index(tuple(map(_text, entry))) for entry in own]
        values[:, places] = rows[block].reshape(len(rows), -1)
    indexes = [name for name in table.dtype.names if name not in blocks]
    return (
        _row_names([tuple(_text(row[name]) for name in indexes) for row in rows]),
        _levels([], entries),
        values,
    )


def _levels(titles: list[str], entries: list[tuple[str, ...]]) -> list[dict[str, str]]:
    """Return each column as its levels by name; three or four levels have a known order."""
    depth = len(entries[0])
    usual = (
        ["scorer", "bodyparts", "coords"] if depth == 3 else ["scorer", "individuals", "bodyparts", "coords"]
    )
    if depth not in (3, 4):
        raise ValueError(f"its columns have {depth} levels, not 3 or 4")
    names = titles if set(titles) == set(usual) else usual
    return [dict(zip(names, entry, strict=True)) for entry in entries]


def _row_names(entries: list[tuple[str, ...]]) -> list[str]:
    """Return the rows' names; newer versions give the folders of a path a level each."""
    return ["/".join(part for part in entry if part) for entry in entries]


def _unpickled(value: Any) -> Any:
    """Return what PyTables pickled in an attribute, or the value itself."""
    if isinstance(value, np.bytes_ | bytes):
        data = bytes(value)
        # PyTables pickles with protocol 0, which ends with a full stop; plain text does not begin like this.
        if data[:1] in (b"(", b"]", b"V", b"\x80", b"N", b"I"):
            return _PlainUnpickler(io.BytesIO(data)).load()
    return value


def _text(value: Any) -> str:
    """Return text of bytes or of anything else."""
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)
