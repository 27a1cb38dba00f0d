"""Write DeepLabCut's CSV files."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path

import numpy as np

from transferkit.foundation.files import write_text
from transferkit.keypoints._layouts import as_points
from transferkit.keypoints.files._places import counted, names_to_write
from transferkit.keypoints.files._table import KeypointTable

__all__ = ["write_deeplabcut"]

_ROOT = "labeled-data"


def write_deeplabcut(
    table: KeypointTable, path: str | os.PathLike[str], *, scorer: str = "transferkit"
) -> None:
    """Write keypoints as labels of DeepLabCut, so that they can be displayed and corrected in its GUI.

    Parameters
    ----------
    table : KeypointTable
        Points without names are named ``point0``, ``point1``, ... Individuals keep their names; if the table
        has none, several rows of an image become ``individual1``, ``individual2``, ... Missing points are
        empty cells. Likelihoods are written to columns with that name.
    path : path
        File to write; for DeepLabCut, ``CollectedData_SCORER.csv`` in the folder of the images, which
        ``deeplabcut.convertcsv2h5`` converts to the HDF5 file that the GUI opens.
    scorer : str, default="transferkit"
        Scorer; for DeepLabCut, that in the project's ``config.yaml``.

    See Also
    --------
    read_deeplabcut : Read the file.

    Examples
    --------
    >>> table = read_deeplabcut("labeled-data/mouse1/CollectedData_Ann.csv")         # doctest: +SKIP
    >>> found = table.with_keypoints(kp.predict(table.paths))                        # doctest: +SKIP
    >>> write_deeplabcut(found, "labeled-data/mouse1/predicted.csv", scorer="Ann")   # doctest: +SKIP
    """
    points = as_points(table.keypoints)
    n_points = points.shape[1]
    names = table.names or tuple(f"point{i}" for i in range(n_points))
    values = points if table.likelihood is None else np.dstack([points, table.likelihood])
    coords = ("x", "y", "likelihood")[: values.shape[2]]
    files = _names(table, Path(path))
    own = _individuals(table, files)
    subjects = list(dict.fromkeys(own)) or ["individual1"]
    places = {image: place for place, image in enumerate(dict.fromkeys(files))}
    images = list(places)
    cells = np.full((len(images), len(subjects), n_points, len(coords)), np.nan)
    for file, individual, row in zip(files, own, values, strict=True):
        cells[places[file], subjects.index(individual)] = row
    # labeled-data, video and file have a cell each, as in DeepLabCut since version 2.2.
    folders = all(image.count("/") == 2 for image in images)
    indexes = 3 if folders else 1
    columns = [(subject, name, coord) for subject in subjects for name in names for coord in coords]
    heads = [["scorer", *[scorer] * len(columns)], ["individuals", *(column[0] for column in columns)]]
    heads += [
        ["bodyparts", *(column[1] for column in columns)],
        ["coords", *(column[2] for column in columns)],
    ]
    if table.individuals is None and len(subjects) < 2:
        del heads[1]
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerows([head[0], *[""] * (indexes - 1), *head[1:]] for head in heads)
    for image, numbers in zip(images, cells.reshape(len(images), len(columns)).tolist(), strict=True):
        index = image.split("/") if folders else [image]
        writer.writerow([*index, *("" if value != value else value for value in numbers)])
    write_text(path, text.getvalue())


def _individuals(table: KeypointTable, files: list[str]) -> list[str]:
    """Return the individual of each row: its name in the table, or else its number within the image."""
    if table.individuals is not None:
        return [str(individual) for individual in table.individuals]
    return [f"individual{number}" for number in counted(files)]


def _names(table: KeypointTable, file: Path) -> list[str]:
    """Return the names of the images, from ``labeled-data`` on where they lie in it."""
    names = names_to_write(table.paths, table.folder, file)
    parts = [path.absolute().parts for path in table.paths]
    if table.folder is not None or not all(_ROOT in part for part in parts):
        return names
    return ["/".join(part[len(part) - 1 - part[::-1].index(_ROOT) :]) for part in parts]
