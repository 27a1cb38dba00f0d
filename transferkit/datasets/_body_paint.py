"""Paint a mouse from above."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from transferkit.datasets._body_pose import Pose
from transferkit.datasets._paint import Brush, Colour, mix, smooth

__all__ = ["outline", "paint_body"]

FloatArray = npt.NDArray[np.float64]
_BLACK, _WHITE = (0, 0, 0), (255, 255, 255)

# Half widths in body lengths: of the trunk from tail base to neck, and of the head from neck to snout.
_TRUNK = (0.035, 0.13, 0.185, 0.2, 0.19, 0.155, 0.11)
_HEAD = (0.105, 0.108, 0.085, 0.052, 0.016)
_LAYERS = ((1.0, 0.0), (0.82, 0.05), (0.6, 0.1), (0.35, 0.14))  # layers of the back: width, share of white
_N_HAIRS = 60


def paint_body(
    brush: Brush, pose: Pose, coat: Colour, skin: Colour, sun: FloatArray, rng: np.random.Generator
) -> None:
    """Paint tail, paws, trunk, head and ears; `sun` is the shift of the shadow in body lengths."""
    scale = pose.scale
    belly = mix(coat, _BLACK, 0.3)
    _tail(brush, pose, skin)
    for paw in pose.paws:
        brush.disc(paw, 0.036 * scale, 0.03 * scale, skin)
    lit = -0.5 * sun * scale
    for width, white in _LAYERS:
        tone = mix(coat, _WHITE, white) if width < 1 else belly
        brush.fill(_hull(pose.trunk, _TRUNK, width * scale) + (1 - width) * lit, tone)
    _hairs(brush, pose, coat, rng)
    for ear in pose.ears:
        brush.disc(ear, 0.066 * scale, 0.066 * scale, mix(skin, coat, 0.6))
        brush.disc(ear, 0.042 * scale, 0.042 * scale, mix(skin, coat, 0.25))
    for width, white in _LAYERS:
        tone = mix(coat, _WHITE, 0.8 * white) if width < 1 else belly
        brush.fill(_hull(pose.head, _HEAD, width * scale) + (1 - width) * lit, tone)
    ahead = pose.head[-1] - pose.head[0]
    aside = np.array([-ahead[1], ahead[0]]) / np.hypot(*ahead)
    for side in (-1, 1):
        eye = pose.head[0] + 0.6 * ahead + 0.075 * side * scale * aside
        brush.disc(eye, 0.017 * scale, 0.017 * scale, (12, 10, 10))
    brush.disc(pose.head[-1] - 0.04 * ahead, 0.02 * scale, 0.02 * scale, skin)


def outline(pose: Pose) -> FloatArray:
    """Return the outline of trunk and head, (k, 2), for masks and shadows."""
    trunk, head = _hull(pose.trunk, _TRUNK, pose.scale), _hull(pose.head, _HEAD, pose.scale)
    half, nose = len(trunk) // 2, len(head) // 2
    return np.concatenate([trunk[:half], head[:nose], head[nose:], trunk[half:]])


def _hull(spine: FloatArray, widths: tuple[float, ...], scale: float) -> FloatArray:
    """Return the closed outline of a curve with these half widths: one side, and back along the other."""
    curve = smooth(spine, closed=False, steps=3)
    along = np.linspace(0, 1, len(curve))
    half = np.interp(along, np.linspace(0, 1, len(widths)), widths) * scale
    ahead = np.gradient(curve, axis=0)
    ahead /= np.maximum(np.hypot(ahead[:, 0], ahead[:, 1]), 1e-9)[:, None]
    aside = np.stack([-ahead[:, 1], ahead[:, 0]], axis=1) * half[:, None]
    return np.concatenate([curve + aside, (curve - aside)[::-1]])


def _tail(brush: Brush, pose: Pose, skin: Colour) -> None:
    """Paint the tail, which gets thinner."""
    curve = smooth(pose.tail, closed=False)
    for start in range(0, len(curve) - 1, 8):
        width = 0.05 - 0.032 * start / len(curve)
        brush.stroke(curve[start : start + 9], width * pose.scale, mix(skin, _BLACK, 0.12))


def _hairs(brush: Brush, pose: Pose, coat: Colour, rng: np.random.Generator) -> None:
    """Paint short lines of fur along the trunk."""
    for _ in range(_N_HAIRS):
        start = int(rng.integers(1, len(pose.trunk) - 2))
        ahead = pose.trunk[start + 1] - pose.trunk[start]
        aside = np.array([-ahead[1], ahead[0]]) / np.hypot(*ahead) * pose.scale * rng.normal(0, 0.07)
        tone = rng.normal(0, 0.1)
        colour = mix(coat, _WHITE if tone > 0 else _BLACK, abs(tone))
        place = pose.trunk[start] + aside
        brush.stroke(np.stack([place, place + ahead * 0.8]), 0.012 * pose.scale, colour)
