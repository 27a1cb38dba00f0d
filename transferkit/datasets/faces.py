"""Procedural faces: pictures that nobody owns, with keypoints that are exactly right."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from transferkit.datasets._face_picture import draw_picture
from transferkit.datasets._face_shape import draw_camera, draw_head
from transferkit.errors import InvalidInputError
from transferkit.keypoints import N_FACE_POINTS

__all__ = ["Faces", "make_faces", "write_faces"]


class Faces(NamedTuple):
    """Pictures of faces and what is true of them.

    Attributes
    ----------
    images : ndarray of uint8, shape (n, size, size, 3)
        RGB.
    labels : ndarray of str, shape (n,)
        ``"glasses"`` or ``"no_glasses"``.
    keypoints : ndarray of float64, shape (n, 136)
        ``x0, y0, x1, ...`` of the 68 points of `transferkit.keypoints`, in pixels; integer
        coordinates are pixel centres.
    """

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.str_]
    keypoints: npt.NDArray[np.float64]


def make_faces(
    n: int = 200, size: int = 128, *, random_state: int = 0, pose: float = 1.0, clutter: float = 1.0
) -> Faces:
    """Return drawn faces with exact keypoints, for demonstrations and tests.

    Each face is a random head in three dimensions, turned, lit and painted; half of them wear
    glasses. All 68 points lie inside the picture and are present, also where hair, a hand or
    the turn of the head hides them.

    Parameters
    ----------
    n : int, default=200
        Number of faces.
    size : int, default=128
        Width and height of each picture in pixels, at least 16. Another size shows the same faces.
    random_state : int, default=0
        Seed, not negative. Face ``i`` depends on the seed and ``i`` alone, so a longer set begins with a
        shorter one. Bytes are the same for the same versions of numpy and Pillow.
    pose : float, default=1.0
        Spread of turn, size and place in 0..1; with 0 all faces look straight at you.
    clutter : float, default=1.0
        Strength in 0..1 of what hides a face: things in the background and in front, blur and noise.
        The faces stay the same.

    Returns
    -------
    Faces
        ``(images, labels, keypoints)``.

    Raises
    ------
    InvalidInputError
        If an argument is out of range.

    Examples
    --------
    >>> images, labels, keypoints = make_faces(4, size=32)
    >>> images.shape, keypoints.shape
    ((4, 32, 32, 3), (4, 136))
    """
    _check(n, size, random_state, pose, clutter)
    images = np.empty((n, size, size, 3), dtype=np.uint8)
    labels = np.empty(n, dtype="<U10")
    keypoints = np.empty((n, N_FACE_POINTS, 2))
    for i in range(n):
        seed = np.random.SeedSequence(random_state, spawn_key=(i,))
        # Streams of their own, so that an option changes its part of the picture only.
        shape, view, look, nuisance = (np.random.default_rng(child) for child in seed.spawn(4))
        head = draw_head(shape)
        camera = draw_camera(view, head.points, pose)
        glasses = bool(look.random() < 0.5)
        images[i] = draw_picture(head, camera, size, look, nuisance, glasses=glasses, clutter=clutter)
        labels[i] = "glasses" if glasses else "no_glasses"
        keypoints[i] = camera.project(head.points) * size - 0.5
    return Faces(images, labels, keypoints.reshape(n, 2 * N_FACE_POINTS))


def write_faces(faces: Faces, folder: str | os.PathLike[str]) -> Path:
    """Write ``<folder>/<label>/<number>.png`` and ``<folder>/keypoints.csv``; return the path of the latter.

    Parameters
    ----------
    faces : Faces
    folder : path
        Made if it is not there.

    Returns
    -------
    Path
        The table, which ``read_keypoints_csv`` reads; ``read_image_folder(folder)`` reads the classes.

    Raises
    ------
    InvalidInputError
        If the folder has something in it: old faces must not mix with new ones.
    """
    root = Path(folder)
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise InvalidInputError(
            f"Expected a new or empty folder to write faces to. Got {root}. Pass another."
        )
    for label in np.unique(faces.labels):
        (root / label).mkdir(parents=True, exist_ok=True)
    names = [f"{label}/{i:05d}.png" for i, label in enumerate(faces.labels)]
    for name, image in zip(names, faces.images, strict=True):
        Image.fromarray(image).save(root / name)
    table = root / "keypoints.csv"
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["", *range(faces.keypoints.shape[1])])
        writer.writerows([name, *row.tolist()] for name, row in zip(names, faces.keypoints, strict=True))
    return table


def _check(n: int, size: int, random_state: int, pose: float, clutter: float) -> None:
    """Raise with every argument that is out of range."""
    problems = [
        f"{name} must be a whole number, at least {least}. Got {value!r}."
        for name, value, least in (("n", n, 1), ("size", size, 16), ("random_state", random_state, 0))
        # True and False are whole numbers to Python, but a mistake here.
        if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < least
    ]
    problems += [
        f"{name} must be in 0..1. Got {value!r}."
        for name, value in (("pose", pose), ("clutter", clutter))
        if not 0 <= value <= 1
    ]
    if problems:
        raise InvalidInputError(*problems)
