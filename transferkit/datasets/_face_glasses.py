"""Paint glasses, which distinguish the two classes."""

from __future__ import annotations

import numpy as np

from transferkit.datasets._face_shape import Camera
from transferkit.datasets._paint import Brush, Colour, mix, smooth

__all__ = ["paint_glasses"]

_FRAMES: tuple[Colour, ...] = ((20, 18, 18), (58, 36, 24), (206, 198, 184), (104, 24, 30), (30, 38, 78))
_BLACK = (0, 0, 0)
_TURN = np.linspace(0, 2 * np.pi, 25)[:-1]
_EYE = 0.355  # from the midline to the middle of a lens, in eye distances


def paint_glasses(brush: Brush, camera: Camera, rng: np.random.Generator) -> None:
    """Paint a frame of random shape, width and colour around the eyes."""
    colour = _FRAMES[int(rng.integers(len(_FRAMES)))]
    width = rng.uniform(0.036, 0.075) * camera.scale
    across, down, drop = rng.uniform([0.22, 0.15, 0.01], [0.29, 0.24, 0.07])
    glint = rng.random() < 0.5
    power = 2 / rng.uniform(2, 4.5)  # exponent of a superellipse, from round to nearly square
    cos, sin = np.cos(_TURN), np.sin(_TURN)
    x = across * np.sign(cos) * np.abs(cos) ** power
    y = drop + down * np.sign(sin) * np.abs(sin) ** power
    for side in (-1, 1):
        hinge = [side * (_EYE + across), drop - 0.05, 0.16]
        brush.stroke(camera.project([hinge, [side * 0.9, -0.02, -0.5]]), width, mix(colour, _BLACK, 0.2))
        rim = camera.project(np.column_stack([side * _EYE + x, y, 0.2 - 0.12 * np.abs(x)]))
        brush.stroke(np.concatenate([rim, rim[:2]]), width, colour)
        if glint:
            shine = rim[[14, 16]] * 0.7 + rim.mean(axis=0) * 0.3
            brush.stroke(shine, 0.022 * camera.scale, (246, 248, 250))
    inner = _EYE - across
    bridge = [[-inner, drop - 0.03, 0.17], [0, drop - 0.07, 0.24], [inner, drop - 0.03, 0.17]]
    brush.stroke(smooth(camera.project(bridge), closed=False), width, colour)
