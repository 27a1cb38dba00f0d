"""Paint the parts of a face that have keypoints; each outline passes through its points."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from transferkit.datasets._face_looks import Looks
from transferkit.datasets._face_shape import Camera, Head
from transferkit.datasets._paint import Brush, mix, smooth
from transferkit.keypoints import EYE_POINTS, GROUPS

__all__ = ["paint_features"]

FloatArray = npt.NDArray[np.float64]
_BLACK, _WHITE, _BLOOD = (0, 0, 0), (255, 255, 255), (120, 40, 40)


def paint_features(brush: Brush, head: Head, camera: Camera, looks: Looks) -> None:
    """Paint nose, mouth, eyes and eyebrows on the bare face."""
    points = camera.project(head.points)
    if looks.beard:
        _beard(brush, points, looks)
    _nose(brush, points, looks, camera.scale)
    _mouth(brush, points, looks, camera.scale)
    right_eye, left_eye = (points[list(eye)] for eye in EYE_POINTS)
    _eye(brush, right_eye, 3, head.gaze, camera.up, looks)
    _eye(brush, left_eye, 0, head.gaze, camera.up, looks)
    _brow(brush, points[list(GROUPS["right_eyebrow"])], camera.up, looks)
    _brow(brush, points[list(GROUPS["left_eyebrow"])][::-1], camera.up, looks)


def _nose(brush: Brush, points: FloatArray, looks: Looks, scale: float) -> None:
    """Paint wings, nostrils and the line below; the bridge is shaded with the relief."""
    dark = mix(looks.skin, _BLACK, 0.34)
    base = points[31:36]
    up = (points[30] - points[33]) * 0.5
    for wing, inner in ((0, 1), (4, 3)):
        edge = np.stack([base[wing] + 0.7 * up, base[wing] * 1.1 - base[2] * 0.1 + 0.25 * up, base[wing]])
        brush.stroke(
            smooth(np.concatenate([edge, base[inner : inner + 1]]), closed=False), 0.018 * scale, dark
        )
        nostril = 0.45 * base[inner] + 0.35 * base[wing] + 0.2 * base[2] + 0.05 * up
        brush.disc(nostril, 0.042 * scale, 0.024 * scale, mix(looks.skin, (40, 10, 10), 0.72))
    brush.stroke(smooth(base[1:4], closed=False), 0.016 * scale, mix(looks.skin, _BLACK, 0.25))


def _mouth(brush: Brush, points: FloatArray, looks: Looks, scale: float) -> None:
    """Paint the lips, and teeth in an open mouth."""
    outer, inner = points[48:60], points[60:68]
    upper = np.concatenate([smooth(outer[:7], closed=False), smooth(inner[:5], closed=False)[::-1]])
    lower = np.concatenate(
        [smooth(outer[[6, 7, 8, 9, 10, 11, 0]], closed=False), smooth(inner[[0, 7, 6, 5, 4]], closed=False)]
    )
    brush.fill(smooth(outer), looks.lips)
    brush.fill(upper, mix(looks.lips, _BLACK, 0.16))
    brush.fill(lower, mix(looks.lips, _WHITE, 0.06))
    brush.fill(smooth(inner), mix(looks.lips, (40, 8, 12), 0.85))
    teeth = 0.62 * inner[[7, 6, 5]] + 0.38 * inner[[1, 2, 3]]  # below the upper lip
    if np.linalg.norm(inner[6] - inner[2]) > 0.05 * scale:
        brush.fill(smooth(np.concatenate([inner[:5], teeth[::-1]])), (236, 230, 220))
    else:
        brush.stroke(smooth(inner[:5], closed=False), 0.018 * scale, mix(looks.lips, _BLACK, 0.55))
    shine = 0.5 * (outer[8:11] + inner[[5, 6, 7]])
    brush.stroke(smooth(shine, closed=False), 0.02 * scale, mix(looks.lips, _WHITE, 0.22))


def _eye(
    brush: Brush, contour: FloatArray, tear: int, gaze: FloatArray, up: FloatArray, looks: Looks
) -> None:
    """Paint white, iris and pupil between the lids; `tear` is the index of the inner corner."""
    scale = float(np.hypot(*up))
    opening, upper, lower = smooth(contour), smooth(contour[:4], closed=False), contour[[3, 4, 5, 0]]
    low = np.floor(opening.min(axis=0) * brush.side).astype(int) - 1
    high = np.ceil(opening.max(axis=0) * brush.side).astype(int) + 1
    box = (*low.tolist(), *high.tolist())
    patch = brush.image.crop(box)
    mask = Image.new("L", patch.size)
    Brush(mask, brush.side, low).fill(opening, 255)
    inside = Brush(patch, brush.side, low)
    iris = contour.mean(axis=0) + gaze * scale
    inside.fill(opening, (232, 228, 224))
    inside.disc(iris, 0.088 * scale, 0.088 * scale, mix(looks.iris, _BLACK, 0.45))
    inside.disc(iris, 0.074 * scale, 0.074 * scale, looks.iris)
    inside.disc(iris, 0.036 * scale, 0.036 * scale, (8, 6, 8))
    inside.stroke(upper - 0.012 * up, 0.03 * scale, (120, 108, 104))  # shadow of the lid
    inside.disc(iris + 0.03 * up, 0.016 * scale, 0.016 * scale, _WHITE)
    brush.image.paste(patch, box[:2], mask)
    brush.disc(contour[tear], 0.014 * scale, 0.014 * scale, mix(looks.skin, _BLOOD, 0.6))
    brush.stroke(smooth(lower, closed=False), 0.011 * scale, mix(looks.skin, _BLOOD, 0.5))
    brush.stroke(upper, 0.026 * scale, mix(looks.skin, (20, 10, 10), 0.82))
    crease = contour[:4] + np.array([[0.03], [0.05], [0.05], [0.03]]) * up
    brush.stroke(smooth(crease, closed=False), 0.012 * scale, mix(looks.skin, _BLACK, 0.3))


def _brow(brush: Brush, line: FloatArray, up: FloatArray, looks: Looks) -> None:
    """Paint a band along the points, from temple to nose."""
    curve = smooth(line, closed=False)
    thickness = np.interp(np.linspace(0, 1, len(curve)), [0, 0.3, 0.85, 1], [0.2, 0.8, 1, 0.7])
    half = (looks.brow_width / 2 * thickness)[:, None] * up
    brush.fill(np.concatenate([curve + half, (curve - half)[::-1]]), looks.brow)


def _beard(brush: Brush, points: FloatArray, looks: Looks) -> None:
    """Darken the skin around the mouth and along the jaw."""
    top = 0.55 * points[[14, 12, 54, 51, 48, 4, 2]] + 0.45 * points[[14, 12, 35, 33, 31, 4, 2]]
    colour = mix(looks.skin, mix(looks.hair, _BLACK, 0.2), looks.beard)
    brush.fill(smooth(np.concatenate([points[2:15], top])), colour)
