"""Synthetic images of faces with exact keypoints, free of copyright."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from transferkit.datasets._face_picture import draw_picture
from transferkit.datasets._face_shape import draw_camera, draw_head
from transferkit.errors import InvalidInputError
from transferkit.keypoints import N_FACE_POINTS, KeypointTable, write_keypoints_csv

__all__ = ["Faces", "make_faces", "write_faces"]


class Faces(NamedTuple):
    """Synthetic faces with labels and keypoints.

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
    """Return synthetic faces with exact keypoints, for demonstrations and tests.

    Each face is a random three-dimensional head, rotated, lit and painted; half of them wear glasses. All 68
    points are inside the image and present, even if they are hidden by hair, an object or the rotation.

    Parameters
    ----------
    n : int, default=200
        Number of faces.
    size : int, default=128
        Width and height of each image in pixels, at least 16. The faces do not depend on it.
    random_state : int, default=0
        Seed, not negative. Face ``i`` depends only on the seed and ``i``, so a larger set begins with a
        smaller one. Pixels are identical for the same versions of NumPy and Pillow.
    pose : float, default=1.0
        Spread of rotation, size and position, from 0 to 1; with 0, all faces look into the camera.
    clutter : float, default=1.0
        Strength of background objects, occlusion, blur and noise, from 0 to 1. The faces do not depend on it.

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
        # Separate random streams, so that an option changes only its part of the image.
        shape, view, look, nuisance = (np.random.default_rng(child) for child in seed.spawn(4))
        head = draw_head(shape)
        camera = draw_camera(view, head.points, pose)
        glasses = bool(look.random() < 0.5)
        images[i] = draw_picture(head, camera, size, look, nuisance, glasses=glasses, clutter=clutter)
        labels[i] = "glasses" if glasses else "no_glasses"
        keypoints[i] = camera.project(head.points) * size - 0.5
    return Faces(images, labels, keypoints.reshape(n, 2 * N_FACE_POINTS))


def write_faces(faces: Faces, folder: str | os.PathLike[str]) -> Path:
    """Write faces as ``<folder>/<label>/<number>.png`` and their points as ``<folder>/keypoints.csv``.

    Parameters
    ----------
    faces : Faces
        Result of :func:`make_faces`.
    folder : path
        Created if it does not exist.

    Returns
    -------
    Path
        Path of the CSV file, for ``read_keypoints_csv``; ``read_image_folder(folder)`` reads the classes.

    Raises
    ------
    InvalidInputError
        If the folder is not empty, so that old and new faces are not mixed.
    """
    root = Path(folder)
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise InvalidInputError(f"Expected a new or empty folder. Got {root}. Pass another.")
    for label in np.unique(faces.labels):
        (root / label).mkdir(parents=True, exist_ok=True)
    names = [f"{label}/{i:05d}.png" for i, label in enumerate(faces.labels)]
    for name, image in zip(names, faces.images, strict=True):
        Image.fromarray(image).save(root / name)
    table = root / "keypoints.csv"
    write_keypoints_csv(KeypointTable([root / name for name in names], faces.keypoints), table)
    return table


def _check(n: int, size: int, random_state: int, pose: float, clutter: float) -> None:
    """Raise InvalidInputError with all arguments that are out of range."""
    problems = [
        f"{name} must be an integer of at least {least}. Got {value!r}."
        for name, value, least in (("n", n, 1), ("size", size, 16), ("random_state", random_state, 0))
        if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < least
    ]
    problems += [
        f"{name} must be in 0..1. Got {value!r}."
        for name, value in (("pose", pose), ("clutter", clutter))
        if not isinstance(value, int | float | np.integer | np.floating) or not 0 <= value <= 1
    ]
    if problems:
        raise InvalidInputError(*problems)
