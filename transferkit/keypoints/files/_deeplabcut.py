"""DeepLabCut's labels and predictions: CSV with three or four header rows, or HDF5."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from transferkit.errors import InvalidInputError, quoted
from transferkit.images import find_folder, raise_problems, read_rows
from transferkit.keypoints.files._columns import number
from transferkit.keypoints.files._deeplabcut_h5 import read_h5
from transferkit.keypoints.files._kinds import refuse_others
from transferkit.keypoints.files._places import check_different, checked_file
from transferkit.keypoints.files._table import KeypointTable

__all__ = ["read_deeplabcut"]

_LEVELS = ("scorer", "individuals", "bodyparts", "coords")
_COORDS = ("x", "y", "likelihood")
_UNIQUE = "single"  # DeepLabCut's individual for points that belong to no animal

_logger = logging.getLogger("transferkit")


class _Content(NamedTuple):
    """The table in a file: the name of each row, the levels of each column, and values (rows, columns)."""

    names: list[str]
    columns: list[dict[str, str]]
    values: npt.NDArray[np.float64]


def read_deeplabcut(
    path: str | os.PathLike[str], *, image_folder: str | os.PathLike[str] | None = None
) -> KeypointTable:
    """Read labels of DeepLabCut, for one animal or several.

    Parameters
    ----------
    path : path
        ``CollectedData_NAME.csv`` or ``.h5``.
    image_folder : path, optional
        Folder that contains ``labeled-data/...``. By default the project that contains the file; if the
        images are not there, their names are looked for in the folder of the file.

    Returns
    -------
    KeypointTable
        With names, and likelihood if the file has it. Groups are the folders of the images, since frames of a
        video look alike. Each of several animals is a row, named in ``individuals``; rows without any point
        are left out.

    Raises
    ------
    InvalidInputError
        If the file or the images are not found, the header is not DeepLabCut's, a value is not a number, or
        an image has two rows or a point two columns, as with two scorers. Files of predictions for a video,
        which have frame numbers instead of images, cannot be read.

    See Also
    --------
    write_deeplabcut : Write predictions for DeepLabCut.

    Notes
    -----
    HDF5 files are read without pandas and PyTables, which would execute pickled content. HDF5 files of
    predictions have pickled columns and cannot be read; the CSV file beside them has the same numbers.

    Examples
    --------
    >>> table = read_deeplabcut("labeled-data/mouse1/CollectedData_Ann.csv")  # doctest: +SKIP
    >>> table.names                                                           # doctest: +SKIP
    ('snout', 'leftear', 'rightear', 'tailbase')
    """
    path = checked_file(path, "a CSV or HDF5 file of DeepLabCut")
    refuse_others(path, "DeepLabCut")
    with path.open("rb") as file:
        hdf5 = file.read(4) == b"\x89HDF"
    names, columns, values = _Content(*read_h5(path)) if hdf5 else _read_csv(path)
    names = [name.replace("\\", "/") for name in names]
    if all(name.replace(".", "", 1).isdigit() for name in names):
        raise InvalidInputError(
            f"{path} has predictions for the frames of a video, not for images. Extract and label frames in "
            "DeepLabCut, and pass the CollectedData file; for the frames of a film use datasets.video_frames."
        )
    _check_once(path, names, columns)
    points, likelihood, rows, animals, parts = _by_individual(columns, values)
    kept: npt.NDArray[np.bool_] = np.isfinite(points).all(axis=2).max(axis=1)
    if not kept.any():
        raise InvalidInputError(f"{path} has no labelled point.")
    if len(kept) > kept.sum():
        _logger.info("%s: %d rows without any point are left out", path, len(kept) - kept.sum())
    stated = [names[row] for row in rows[kept]]
    folder, files = _find(path, stated, image_folder)
    videos = [Path(name).parent.name or folder.resolve().name for name in stated]
    return KeypointTable(
        [folder / file for file in files],
        points[kept],
        names=parts,
        groups=np.array(videos, dtype=np.str_),
        individuals=animals[kept] if any(animals) else None,
        likelihood=None if likelihood is None else likelihood[kept],
        folder=folder,
    )


def _read_csv(path: Path) -> _Content:
    """Return the content of a CSV file."""
    rows = read_rows(path, "DeepLabCut labels")
    heads: dict[str, list[str]] = {}
    while rows and rows[0][1][0].strip() in _LEVELS and len(heads) < len(_LEVELS):
        _, row = rows.pop(0)
        heads[row[0].strip()] = [cell.strip() for cell in row]
    if not {"scorer", "bodyparts", "coords"} <= set(heads) or not rows:
        raise InvalidInputError(
            f"{path}: a DeepLabCut file starts with the rows scorer, bodyparts and coords, and has a row for "
            f"each image below them. Got {len(heads)} such rows and {len(rows)} others."
        )
    width = len(heads["coords"])
    # Newer versions use three cells for an image: labeled-data, the video, the file.
    indexes = next((i for i, cell in enumerate(heads["coords"]) if cell in _COORDS), width)
    if indexes == width:
        found = quoted(list(dict.fromkeys(heads["coords"][1:]))[:5])
        raise InvalidInputError(f"{path}: row 'coords' of the header must have x and y. Got {found}.")
    problems = [
        f"row {place} has {len(row)} cells, but its header {width}"
        for place, row in rows
        if len(row) != width
    ]
    problems += [f"row {level!r} of the header is shorter" for level in heads if len(heads[level]) != width]
    raise_problems(path, problems)
    values = np.array([[number(cell) for cell in row[indexes:]] for _, row in rows]).reshape(len(rows), -1)
    problems = [
        f"row {rows[i][0]}, column {j + indexes + 1}: {rows[i][1][j + indexes]!r} is not a finite number"
        for i, j in np.argwhere(np.isinf(values))
    ]
    raise_problems(path, problems)
    columns = [{level: cells[j] for level, cells in heads.items()} for j in range(indexes, width)]
    names = ["/".join(cell.strip() for cell in row[:indexes] if cell.strip()) for _, row in rows]
    return _Content(names, columns, values)


def _check_once(path: Path, names: list[str], columns: list[dict[str, str]]) -> None:
    """Raise if an image has several rows, or a coordinate several columns; one would overwrite the other."""
    problems = [f"{name!r} has {n} rows; keep one" for name, n in Counter(names).items() if n > 1]
    own = [tuple(column.get(level, "") for level in _LEVELS[1:]) for column in columns]
    for twice in [one for one, n in Counter(own).items() if n > 1]:
        scorers = dict.fromkeys(c["scorer"] for c, one in zip(columns, own, strict=True) if one == twice)
        problems.append(
            f"{' '.join(twice[1:])} has several columns, of the scorers {quoted(scorers)}; keep one"
        )
    raise_problems(path, problems)


def _by_individual(
    columns: list[dict[str, str]], values: npt.NDArray[np.float64]
) -> tuple[
    npt.NDArray[np.float64],
    npt.NDArray[np.float64] | None,
    npt.NDArray[np.intp],
    npt.NDArray[np.str_],
    tuple[str, ...],
]:
    """Return points (n * animals, k, 2), likelihood, row and animal of each, and the names of the points."""
    animals = list(dict.fromkeys(column.get("individuals", "") for column in columns))
    if len(animals) > 1 and _UNIQUE in animals:
        _logger.warning("The points of no individual (%r in DeepLabCut) are left out", _UNIQUE)
        animals.remove(_UNIQUE)
    own = [column for column in columns if column.get("individuals", "") in animals]
    parts = tuple(dict.fromkeys(column["bodyparts"] for column in own))
    found: npt.NDArray[np.float64] = np.full((len(values), len(animals), len(parts), 3), np.nan)
    for column, numbers in zip(columns, values.T, strict=True):
        animal = column.get("individuals", "")
        if animal in animals and column["coords"] in _COORDS:
            place = animals.index(animal), parts.index(column["bodyparts"]), _COORDS.index(column["coords"])
            found[:, place[0], place[1], place[2]] = numbers
    rows = np.repeat(np.arange(len(values)), len(animals))
    found = found.reshape(-1, len(parts), 3)
    points = np.where(np.isnan(found[..., :2]).any(axis=-1, keepdims=True), np.nan, found[..., :2])
    stated = any(column["coords"] == "likelihood" for column in columns)
    names = np.tile(np.array(animals, dtype=np.str_), len(values))
    return points, found[..., 2] if stated else None, rows, names, parts


def _find(
    path: Path, files: Sequence[str], image_folder: str | os.PathLike[str] | None
) -> tuple[Path, list[str]]:
    """Return the folder of the images and their names in it."""
    alone = [file.rsplit("/", 1)[-1] for file in files]
    try:
        return find_folder(path, list(files), image_folder, ("../..", "..")), list(files)
    except InvalidInputError:
        folder = Path(image_folder) if image_folder is not None else path.parent
        if not any((folder / name).is_file() for name in alone[:20]):
            raise
        problems: list[str] = []
        check_different(files, [folder / name for name in alone], problems)
        raise_problems(path, problems)
        return folder, alone
