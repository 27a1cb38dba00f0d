"""Read the HDF5 files of DeepLabCut, which pandas wrote through PyTables.

Labels are in pandas' layout "fixed", whose levels are plain arrays: the distinct values of each level and,
for each column, the position of its value. Predictions are in the layout "table", which has pickled columns.
Nothing is unpickled here. So predictions must be read from CSV files, and levels are identified by their
known order instead of their names.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from transferkit.errors import InvalidInputError

__all__ = ["read_h5"]

_LEVELS = {
    3: ("scorer", "bodyparts", "coords"),
    4: ("scorer", "individuals", "bodyparts", "coords"),
}
# Errors that h5py and NumPy raise for invalid bytes.
_BROKEN = (
    *(AttributeError, LookupError, MemoryError, OSError, RuntimeError, StopIteration),
    *(TypeError, ValueError),
)


def read_h5(path: Path) -> tuple[list[str], list[dict[str, str]], npt.NDArray[np.float64]]:
    """Return the names of the rows, the levels of each column, and values (rows, columns)."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            group = next(iter(file.values()))  # "df_with_missing" or "keypoints"
            if "table" in group:
                raise ValueError("it has the layout of predictions, not of labels")
            return _read_fixed(group)
    except _BROKEN as error:
        raise InvalidInputError(
            f"{path} is not an HDF5 file of DeepLabCut's labels: {error}. Pass the CSV file beside it."
        ) from error


def _read_fixed(group: Any) -> tuple[list[str], list[dict[str, str]], npt.NDArray[np.float64]]:
    """Read a data frame in the layout "fixed"."""
    columns, index = _axis(group, "axis0"), _axis(group, "axis1")
    values = np.full((len(index), len(columns)), np.nan)
    for number in range(int(group.attrs["nblocks"])):
        places = [columns.index(entry) for entry in _axis(group, f"block{number}_items")]
        values[:, places] = group[f"block{number}_values"][()]
    levels = _LEVELS.get(len(columns[0]))
    if levels is None:
        raise ValueError(f"its columns have {len(columns[0])} levels, not 3 or 4")
    # Newer versions use a level for each folder of a path.
    names = ["/".join(part for part in entry if part) for entry in index]
    return names, [dict(zip(levels, entry, strict=True)) for entry in columns], values


def _axis(group: Any, name: str) -> list[tuple[str, ...]]:
    """Return the entries of an axis, each with its levels."""
    if name in group:
        return [(_text(value),) for value in group[name][()]]
    parts: list[list[str]] = []
    while (level := f"{name}_level{len(parts)}") in group:
        values = [_text(value) for value in group[level][()]]
        labels = group[f"{name}_label{len(parts)}"][()]
        parts.append([values[label] if label >= 0 else "" for label in labels])
    return list(zip(*parts, strict=True))


def _text(value: Any) -> str:
    """Return bytes, or anything else, as text."""
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)
