"""Shade a painted face."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from transferkit.datasets._face_shape import Camera, Head
from transferkit.datasets._paint import Brush, smooth

__all__ = ["shading"]

FloatArray = npt.NDArray[np.float64]
_NEUTRAL = 128  # grey level of the relief without effect


def shading(head: Head, camera: Camera, size: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Return the brightness of each pixel, shape (size, size), about 1 under direct light."""
    side = float(rng.uniform(-1, 1))
    light = np.array([side, rng.normal(-0.35, 0.3), 1.0])
    light /= np.linalg.norm(light)
    ambient = float(rng.uniform(0.35, 0.8))
    small = max(24, size // 2)  # shadows are soft: half the resolution suffices
    facing = _egg(camera, small) @ light
    lit = ambient + (1 - ambient) * 1.1 * np.maximum(0, facing)
    lit *= _relief(head, camera, small, side, 1 - ambient)
    full = Image.fromarray(lit.astype(np.float32)).resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(full)


def _egg(camera: Camera, size: int) -> FloatArray:
    """Return the surface normals of an egg that replaces the head, shape (size, size, 3)."""
    grid = (np.arange(size) + 0.5) / size
    centre, up = camera.project([[0, 0.3, -0.1]])[0], camera.up / camera.scale
    right, down = (grid - centre[0]) / camera.scale, (grid - centre[1])[:, None] / camera.scale
    x, y = (up[0] * down - up[1] * right) / 1.15, (-up[0] * right - up[1] * down) / 1.45
    beyond = np.maximum(1.0, np.hypot(x, y) / 0.9)  # shoulders are lit like the rim of the egg
    x, y = x / beyond, y / beyond
    z = np.sqrt(1 - x * x - y * y)
    return np.stack([up[0] * -y - up[1] * x, up[0] * x - up[1] * y, z], axis=-1)


def _relief(head: Head, camera: Camera, size: int, side: float, contrast: float) -> FloatArray:
    """Return the factors, about 1, of soft shadows and highlights of hollows and ridges."""
    image = Image.new("L", (size, size), _NEUTRAL)
    brush, points, scale = Brush(image), camera.project(head.points), camera.scale
    strength = 0.6 + contrast

    def tone(amount: float) -> int:
        return max(0, min(255, int(_NEUTRAL + strength * amount)))

    for brow, eye in ((slice(17, 22), slice(36, 42)), (slice(22, 27), slice(42, 48))):
        pupil = points[eye].mean(axis=0)
        brush.fill(np.concatenate([points[brow], pupil[None]]), tone(-34))
        brush.disc(pupil, 0.25 * scale, 0.13 * scale, tone(-26))
    for wing, cheek, lips, away in ((31, 2, 48, side), (35, 14, 54, -side)):
        bone = 0.5 * (points[wing] + points[cheek])
        brush.disc(bone, 0.2 * scale, 0.15 * scale, tone(20))
        fold = 0.5 * (points[wing] + points[lips]) + 0.3 * (bone - points[wing])
        brush.stroke(np.stack([points[wing], fold]), 0.05 * scale, tone(-34))
        # The side of the nose away from the light is in shadow.
        brush.fill(smooth(points[[27, 30, 33, wing]]), tone(-16 - 36 * max(0.0, away)))
    brush.stroke(points[27:31], 0.07 * scale, tone(34))
    brush.disc(points[30], 0.07 * scale, 0.07 * scale, tone(46))
    brush.stroke(points[31:36], 0.05 * scale, tone(-52))
    chin, lip = points[8], points[57]
    brush.disc(0.67 * lip + 0.33 * chin, 0.17 * scale, 0.05 * scale, tone(-46))
    brush.disc(0.33 * lip + 0.67 * chin, 0.15 * scale, 0.1 * scale, tone(18))
    brush.disc(points[27] + 0.45 * camera.up, 0.4 * scale, 0.2 * scale, tone(20))
    soft = image.filter(ImageFilter.GaussianBlur(float(0.06 * scale * size)))
    return np.asarray(soft, dtype=np.float64) / _NEUTRAL
