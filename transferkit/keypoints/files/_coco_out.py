"""Write keypoints in COCO's format."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from transferkit.foundation.files import write_text
from transferkit.keypoints._layouts import as_points
from transferkit.keypoints.files._places import image_size, names_to_write
from transferkit.keypoints.files._table import KeypointTable

__all__ = ["write_coco_keypoints"]

_VISIBLE = 2


def write_coco_keypoints(
    table: KeypointTable, path: str | os.PathLike[str], *, category: str = "person"
) -> None:
    """Write keypoints in COCO's format, which most labelling tools can import.

    Parameters
    ----------
    table : KeypointTable
        Points without names are named ``point0``, ``point1``, ... File names are relative to the folder of
        the table; by default to that of the file, or to the deepest folder that contains all images. Images
        are opened to get their size.
    path : path
        File to write.
    category : str, default="person"
        Name of the category of the subjects.

    Raises
    ------
    BadImageError
        If an image cannot be read.

    Notes
    -----
    Present points are marked as visible (2) and missing ones as not labelled (0), unless the table has
    visibilities. Subjects without a box get the bounding box of their points; the area is that of the box. If
    the table has likelihoods, their mean over the points of a subject is its ``score``, as in COCO's result
    files; points without one are left out.

    See Also
    --------
    read_coco_keypoints : Read the file.

    Examples
    --------
    >>> found = table.with_keypoints(kp.predict(table.paths))  # doctest: +SKIP
    >>> write_coco_keypoints(found, "predicted.json")          # doctest: +SKIP
    """
    points = as_points(table.keypoints)
    names = table.names or tuple(f"point{i}" for i in range(points.shape[1]))
    files = names_to_write(table.paths, table.folder, Path(path))
    ids = {file: number for number, file in enumerate(dict.fromkeys(files), start=1)}
    places = dict(zip(files, table.paths, strict=True))
    images = []
    for file, number in ids.items():
        width, height = image_size(places[file])
        images.append({"id": number, "file_name": file, "width": width, "height": height})
    annotations = [
        {
            "id": row + 1,
            "image_id": ids[file],
            "category_id": 1,
            "iscrowd": 0,
            **_annotation(table, points, row),
        }
        for row, file in enumerate(files)
    ]
    kind: dict[str, Any] = {"id": 1, "name": category, "supercategory": category, "keypoints": list(names)}
    kind["skeleton"] = [[a + 1, b + 1] for a, b in table.skeleton]
    content = {"images": images, "annotations": annotations, "categories": [kind]}
    write_text(path, json.dumps(content, indent=1, allow_nan=False))


def _annotation(table: KeypointTable, points: npt.NDArray[np.float64], row: int) -> dict[str, Any]:
    """Return the annotation of one subject."""
    present = np.isfinite(points[row]).all(axis=1)
    states = np.where(present, _VISIBLE, 0) if table.visibility is None else table.visibility[row] * present
    triples = [
        value
        for (x, y), state in zip(points[row].tolist(), states.tolist(), strict=True)
        for value in ((x, y, state) if state else (0, 0, 0))
    ]
    box = None if table.boxes is None else table.boxes[row]
    if box is None or not np.isfinite(box).all():
        seen = points[row][present] if present.any() else np.zeros((1, 2))
        box = np.concatenate([seen.min(axis=0), seen.max(axis=0)])
    left, top, right, bottom = box.tolist()
    likelihood = np.zeros(0) if table.likelihood is None else table.likelihood[row][present]
    known = likelihood[np.isfinite(likelihood)]  # a file may state it of some points only
    score = {"score": float(known.mean())} if len(known) else {}
    return score | {
        "keypoints": triples,
        "num_keypoints": int((states > 0).sum()),
        "bbox": [left, top, right - left, bottom - top],
        "area": (right - left) * (bottom - top),
    }
