"""Light and shadow on a painted face."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from ._face_paint import Brush, smooth
from ._face_shape import Camera, Head

__all__ = ["shading"]

FloatArray = npt.NDArray[np.float64]
_NEUTRAL = 128  # grey of the relief that changes nothing


def shading(head: Head, camera: Camera, size: int, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Return the brightness of each pixel, shape (size, size), about 1 where light falls straight."""
    side = float(rng.uniform(-1, 1))
    light = np.array([side, rng.normal(-0.35, 0.3), 1.0])
    light /= np.linalg.norm(light)
    ambient = rng.uniform(0.35, 0.8)
    centre = camera.project([[0, 0.3, -0.1]])[0]
    grid = (np.arange(size) + 0.5) / size
    # An egg, as far as light is concerned; in the frame of the rolled head.
    across, along = (grid - centre[0]) / camera.scale, (grid - centre[1])[:, None] / camera.scale
    up = camera.up / camera.scale
    x, y = (-up[1] * across + up[0] * along) / 1.15, (-up[0] * across - up[1] * along) / 1.45
    far = np.maximum(1.0, np.sqrt(x * x + y * y) / 0.97)
    x, y = x / far, y / far
    facing = light[0] * x + light[1] * y + light[2] * np.sqrt(1 - x * x - y * y)
    lit = ambient + (1 - ambient) * 1.25 * np.maximum(0, facing)
    return np.asarray(lit * _relief(head, camera, size, side, 1 - ambient), dtype=np.float32)


def _relief(head: Head, camera: Camera, size: int, side: float, contrast: float) -> FloatArray:
    """Return the soft shadows and lights that hollows and ridges make, about 1."""
    small = max(24, size // 2)  # shadows are soft: half the pixels will do
    image = Image.new("L", (small, small), _NEUTRAL)
    brush, points, scale = Brush(image), camera.project(head.points), camera.scale
    strength = 0.6 + contrast

    def tone(amount: float) -> int:
        return int(np.clip(_NEUTRAL + strength * amount, 0, 255))

    for brow, eye in ((slice(17, 22), slice(36, 42)), (slice(22, 27), slice(42, 48))):
        brush.fill(np.concatenate([points[brow], points[eye].mean(axis=0)[None]]), tone(-34))
        brush.disc(points[eye].mean(axis=0), [0.25 * scale, 0.13 * scale], tone(-26))
    for wing, cheek, lips, weight in ((31, 2, 48, -side), (35, 14, 54, side)):
        bone = 0.5 * points[wing] + 0.5 * points[cheek]
        brush.disc(bone, [0.2 * scale, 0.15 * scale], tone(20))
        fold = np.stack([points[wing], 0.5 * points[wing] + 0.5 * points[lips] + (bone - points[wing]) * 0.3])
        brush.stroke(fold, 0.05 * scale, tone(-34))
        # The side of the nose turned from the light lies in shadow.
        flank = np.stack([points[27], points[30], points[33], points[wing]])
        brush.fill(smooth(flank), tone(-16 - 36 * max(0.0, -weight)))
    brush.stroke(points[27:31], 0.07 * scale, tone(34))
    brush.disc(points[30], 0.07 * scale, tone(46))
    brush.stroke(points[31:36], 0.05 * scale, tone(-52))
    brush.disc(points[[57, 57, 8]].mean(axis=0), [0.17 * scale, 0.05 * scale], tone(-46))
    brush.disc(points[[8, 8, 57]].mean(axis=0), [0.15 * scale, 0.1 * scale], tone(18))
    brush.disc(points[27] + 0.45 * camera.up, [0.4 * scale, 0.2 * scale], tone(20))
    soft = image.filter(ImageFilter.GaussianBlur(float(0.06 * scale * small)))
    full = soft.resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(full, dtype=np.float64) / _NEUTRAL
