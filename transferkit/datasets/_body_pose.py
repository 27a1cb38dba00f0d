"""The pose of a mouse seen from above: spine, head, tail and paws, and where they lie in the image.

The unit is the length of the body from tail base to snout; x points to the right of the image and y down, so
that the left side of a body that looks along x is at negative y.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from transferkit.datasets._body_walk import Motion

__all__ = ["BODY_POINTS", "Pose", "draw_pose", "place_pose"]

FloatArray = npt.NDArray[np.float64]

BODY_POINTS = (
    "snout", "left_ear", "right_ear", "tail_base", "back", "tail_middle", "tail_tip", "neck",
    "left_forepaw", "right_forepaw", "left_hindpaw", "right_hindpaw",
)  # fmt: skip
"""Names of the keypoints of drawn bodies, in order."""

_TRUNK = 0.7  # from the tail's base to the neck; the head is the rest
_EARS = (0.3, 0.125)  # position along the head as a fraction of it, and sideways
_PAWS = ((0.62, 0.13), (0.18, 0.19))  # position along the trunk and sideways, of fore and hind paws
_STEPS = 13  # steps of the trunk
_TAIL_STEPS = 17
# Standard deviations of bend, turn and sway in radians, and of the length of the trunk relative to it.
_POSTURE = np.array([0.5, 0.4, 0.8, 0.08, 0.0])
_SHUTTER = 0.0004  # blur in body lengths for a speed of one pixel per second
_EDGE = 4.0  # minimum distance of points from the edge of the image, in pixels


@dataclass(frozen=True)
class Pose:
    """Curves (k, 2) of one body: trunk from tail base to neck, head to the snout, and tail.

    `paws` are (4, 2) and `ears` (2, 2), left ones first; `scale` is the length of a unit in pixels, and
    `speed` the length of the blur along the heading in body lengths.
    """

    trunk: FloatArray
    head: FloatArray
    tail: FloatArray
    ears: FloatArray
    paws: FloatArray
    scale: float = 1.0
    speed: float = 0.0
    heading: float = 0.0

    @property
    def points(self) -> FloatArray:
        """All keypoints, (12, 2)."""
        middle = len(self.tail) // 2
        single = [self.trunk[len(self.trunk) // 2], self.tail[middle], self.tail[-1], self.trunk[-1]]
        return np.vstack([self.head[-1:], self.ears, self.trunk[:1], single, self.paws])

    def moved(self, scale: float, offset: FloatArray) -> Pose:
        """Return the pose scaled and moved."""
        names = ("trunk", "head", "tail", "ears", "paws")
        curves = {name: getattr(self, name) * scale + offset for name in names}
        return replace(self, **curves, scale=self.scale * scale)


def draw_pose(motion: Motion, rng: np.random.Generator) -> Pose:
    """Return the pose at a moment in units of the body, with the middle of its trunk at the origin."""
    heading, (bend, turn, sway, stretching, _) = motion.heading, motion.posture * _POSTURE
    stretch, reared = np.clip(1 + stretching, 0.86, 1.1), motion.posture[3] < -1.3
    along = np.linspace(0, 1, _STEPS)
    length = _TRUNK * stretch * (rng.uniform(0.6, 0.85) if reared else 1.0)  # it looks shorter from above
    trunk = _curve(heading + bend * (along - 0.5), length)
    trunk -= trunk[_STEPS // 2]
    facing = heading + bend / 2 + np.clip(turn + 0.4 * bend, -1.1, 1.1)
    size = (1 - _TRUNK) * (rng.uniform(1.0, 1.15) if reared else rng.uniform(0.94, 1.04))
    head = trunk[-1] + _curve(np.full(5, facing), size)
    ahead, aside = _axes(facing)
    spread = _EARS[1] * rng.uniform(0.92, 1.06)
    ears = head[0] + _EARS[0] * size * ahead + np.outer([-spread, spread], aside)
    tail_along = np.linspace(0, 1, _TAIL_STEPS)
    wave = rng.normal(0, 0.5) * np.sin(rng.uniform(2, 5) * tail_along)
    tail = trunk[0] + _curve(heading - bend / 2 + np.pi + sway * tail_along + wave, rng.uniform(0.7, 0.9))
    return Pose(
        trunk,
        head,
        tail,
        ears,
        _paws(trunk, length, rng),
        speed=min(0.2, _SHUTTER * motion.speed),
        heading=float(facing),
    )


def place_pose(pose: Pose, place: FloatArray, scale: float, room: FloatArray) -> Pose:
    """Return the pose in pixels, at a place given by 0..1 within the available room.

    `room` is the box of the arena, ((left, upper), (right, lower)), in pixels from the edges of the image.
    All points are inside.
    """
    low, high = room[0] + _EDGE, room[1] - _EDGE
    inside = pose.points * scale
    low, high = low - inside.min(axis=0), high - inside.max(axis=0)
    offset = np.where(high > low, low + place * (high - low), (low + high) / 2)
    return pose.moved(scale, offset)


def _paws(trunk: FloatArray, length: float, rng: np.random.Generator) -> FloatArray:
    """Return the paws (4, 2), moved along the trunk by steps; most of them are half under it."""
    paws = []
    for along, aside in _PAWS:
        step = rng.normal(0, 0.06)
        for side in (-1, 1):
            at = np.clip(along / _TRUNK + side * step, 0.02, 0.98) * (len(trunk) - 1)
            index = min(int(at), len(trunk) - 2)
            ahead = trunk[index + 1] - trunk[index]
            ahead = ahead / np.hypot(*ahead)
            out = aside * rng.uniform(0.85, 1.15) * (0.7 + 0.3 * length / _TRUNK)
            paws.append(trunk[index] + (at - index) * (trunk[index + 1] - trunk[index])
                        + side * out * np.array([-ahead[1], ahead[0]]))  # fmt: skip
    return np.array(paws)


def _curve(angles: FloatArray, length: float) -> FloatArray:
    """Return a curve that starts at the origin and makes equal steps in these directions."""
    steps = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    middles = (steps[1:] + steps[:-1]) / 2
    return np.vstack([[0.0, 0.0], np.cumsum(middles, axis=0)]) * (length / (len(angles) - 1))


def _axes(angle: float) -> tuple[FloatArray, FloatArray]:
    """Return the unit vectors ahead and to the right for a body that looks along the angle."""
    return np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
