"""Synthetic images of an animal seen from above with exact keypoints, free of copyright."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from transferkit.datasets._body_arena import draw_arena
from transferkit.datasets._body_picture import draw_frame
from transferkit.datasets._body_pose import BODY_POINTS, draw_pose, place_pose
from transferkit.datasets._body_walk import draw_walk
from transferkit.errors import InvalidInputError
from transferkit.foundation.arguments import is_number

__all__ = ["Bodies", "make_bodies"]

_GOLDEN = 0.6180339887498949  # any number of its multiples modulo 1 is spread evenly


class Bodies(NamedTuple):
    """Synthetic animals with keypoints.

    Attributes
    ----------
    images : ndarray of uint8, shape (n, height, width, 3)
        RGB.
    keypoints : ndarray of float64, shape (n, 2 k)
        ``x0, y0, x1, ...`` in pixels; integer coordinates are pixel centres.
    names : tuple of str, length k
        Names of the points: ``"snout"``, ``"left_ear"``, ...
    sessions : ndarray of int64, shape (n,)
        Session of each frame. Frames of a session share the arena, its light, the animal and the camera.
    """

    images: npt.NDArray[np.uint8]
    keypoints: npt.NDArray[np.float64]
    names: tuple[str, ...]
    sessions: npt.NDArray[np.int64]


def make_bodies(
    n: int = 116,
    *,
    n_points: int = 4,
    size: Sequence[int] = (640, 480),
    sessions: int = 1,
    seconds: float = 20.0,
    random_state: int = 0,
    clutter: float = 1.0,
) -> Bodies:
    """Return synthetic frames of a mouse in an arena, seen from above, for demonstrations and tests.

    The frames are taken at scattered times of videos, in which the mouse walks, turns in any direction, bends
    and rears. In a third of them a cable, a block, bedding or shade hides a part of it. Left and right can be
    told apart only by the direction of the body. All points are inside the image and present, even if they
    are hidden.

    Parameters
    ----------
    n : int, default=116
        Number of frames.
    n_points : int, default=4
        Number of points, 1 to 12: the first of snout, left ear, right ear, base of the tail; back, middle and
        tip of the tail, neck; left and right forepaw, left and right hindpaw.
    size : sequence of 2 int, default=(640, 480)
        Width and height in pixels, at least 64.
    sessions : int, default=1
        Number of videos, each with its own arena, light, animal and camera. Frame ``i`` is from video
        ``i % sessions``.
    seconds : float, default=20.0
        Length of each video, positive. Frames of a short video resemble each other; those of a video of
        several hours are independent.
    random_state : int, default=0
        Seed, not negative. A frame depends only on the seed and its number, so a larger set begins with a
        smaller one. Pixels are identical for the same versions of NumPy and Pillow.
    clutter : float, default=1.0
        Strength of litter, objects, occlusion, blur and noise, from 0 to 1. The poses do not depend on it.

    Returns
    -------
    Bodies
        ``(images, keypoints, names, sessions)``.

    Raises
    ------
    InvalidInputError
        If an argument is out of range.

    See Also
    --------
    make_faces : Faces with 68 keypoints.

    Examples
    --------
    >>> frames = make_bodies(2, size=(96, 64))
    >>> frames.images.shape, frames.keypoints.shape
    ((2, 64, 96, 3), (2, 8))
    >>> frames.names
    ('snout', 'left_ear', 'right_ear', 'tail_base')
    """
    _check(n, n_points, size, sessions, seconds, random_state, clutter)
    width, height = (int(side) for side in size)
    of_sessions, of_frames = np.random.SeedSequence(random_state).spawn(2)
    films = []
    for seed in of_sessions.spawn(sessions):
        of_arena, of_walk = seed.spawn(2)
        arena = draw_arena((width, height), np.random.default_rng(of_arena), clutter)
        films.append((arena, draw_walk(np.random.default_rng(of_walk))))
    images = np.empty((n, height, width, 3), dtype=np.uint8)
    keypoints = np.empty((n, n_points, 2))
    for i, seed in enumerate(of_frames.spawn(n)):
        # Separate random streams, so that clutter changes only its part of the frame.
        place, look, nuisance = (np.random.default_rng(child) for child in seed.spawn(3))
        arena, walk = films[i % sessions]
        shape = arena.room[1] - arena.room[0]
        motion = walk.at(seconds * (i * _GOLDEN % 1.0), shape)
        pose = place_pose(draw_pose(motion, place), motion.place, arena.scale, arena.room)
        images[i] = draw_frame(arena, pose, look, nuisance, clutter)
        keypoints[i] = pose.points[:n_points] - 0.5
    return Bodies(images, keypoints.reshape(n, 2 * n_points), BODY_POINTS[:n_points], np.arange(n) % sessions)


def _check(
    n: int,
    n_points: int,
    size: Sequence[int],
    sessions: int,
    seconds: float,
    random_state: int,
    clutter: float,
) -> None:
    """Raise InvalidInputError with all arguments that are out of range."""
    problems = [
        f"{name} must be an integer of at least {least}. Got {value!r}."
        for name, value, least in (("n", n, 1), ("sessions", sessions, 1), ("random_state", random_state, 0))
        if not _is_integer(value, least)
    ]
    if not _is_integer(n_points, 1) or n_points > len(BODY_POINTS):
        problems.append(f"n_points must be an integer in 1..{len(BODY_POINTS)}. Got {n_points!r}.")
    if np.shape(size) != (2,) or not all(_is_integer(side, 64) for side in size):
        problems.append(f"size must be width and height, two integers of at least 64. Got {size!r}.")
    if not is_number(seconds, above=0):
        problems.append(f"seconds must be a positive number. Got {seconds!r}.")
    if not 0 <= clutter <= 1:
        problems.append(f"clutter must be in 0..1. Got {clutter!r}.")
    if problems:
        raise InvalidInputError(*problems)


def _is_integer(value: object, least: int) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and bool(value >= least)
