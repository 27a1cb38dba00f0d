"""A random three-dimensional head with keypoints, and a camera.

The unit of the head is the distance between the outer eye corners. The origin is between the eyes; x points
to the right of the image, y down, and z towards the viewer. The camera projects to the unit square of the
image.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from transferkit.keypoints import EYE_POINTS, GROUPS, N_FACE_POINTS, mirror_order

__all__ = ["Camera", "Head", "draw_camera", "draw_head"]

FloatArray = npt.NDArray[np.float64]

# The subject's right half and the midline of an average adult face; the left half is its mirror image.
_RIGHT_HALF = {
    0: [(-0.85, 0.00, -0.50), (-0.84, 0.24, -0.47), (-0.81, 0.48, -0.42), (-0.76, 0.70, -0.34)],
    4: [(-0.67, 0.90, -0.24), (-0.53, 1.07, -0.12), (-0.37, 1.20, -0.02), (-0.19, 1.29, 0.05)],
    8: [(0.0, 1.32, 0.08)],
    17: [(-0.67, -0.19, 0.0), (-0.57, -0.27, 0.07), (-0.44, -0.30, 0.12), (-0.31, -0.285, 0.15)],
    21: [(-0.19, -0.25, 0.17)],
    27: [(0.0, 0.00, 0.17), (0.0, 0.15, 0.25), (0.0, 0.30, 0.34), (0.0, 0.44, 0.43)],
    31: [(-0.15, 0.53, 0.20), (-0.08, 0.565, 0.27), (0.0, 0.58, 0.30)],
    36: [(-0.50, 0.0, 0.0), (-0.425, -0.06, 0.05), (-0.30, -0.06, 0.06), (-0.205, 0.015, 0.04)],
    40: [(-0.30, 0.05, 0.05), (-0.42, 0.05, 0.045)],
    48: [(-0.28, 0.83, 0.12), (-0.18, 0.775, 0.21), (-0.07, 0.74, 0.26), (0.0, 0.755, 0.27)],
    57: [(0.0, 0.965, 0.25), (-0.09, 0.955, 0.24), (-0.19, 0.91, 0.19)],
    60: [(-0.235, 0.83, 0.13), (-0.085, 0.815, 0.22), (0.0, 0.82, 0.23)],
    66: [(0.0, 0.84, 0.22), (-0.09, 0.838, 0.21)],
}
_LOWER_LIP = [55, 56, 57, 58, 59, 65, 66, 67]
_CHIN_DROP = np.sin(np.linspace(0, np.pi, 17)) ** 2  # how much each point of the jaw follows the chin
_PIVOT = np.array([0.0, 0.3, -0.5])  # heads rotate about the neck, not about the eyes
_VIEW_DISTANCE = 9.0  # distance of the camera in eye distances, typical for a portrait


@dataclass(frozen=True)
class Head:
    """The shape of one face before rotation, with points of shape (68, 3)."""

    points: FloatArray
    width: float
    smile: float
    gaze: FloatArray


@dataclass(frozen=True)
class Camera:
    """Rotation, size and position of a head in the image."""

    rotation: FloatArray
    scale: float
    offset: FloatArray

    @property
    def up(self) -> FloatArray:
        """Vector towards the crown with the length of one eye distance, in units of the image."""
        upwards = -self.rotation[:2, 1]
        return np.asarray(upwards / np.hypot(*upwards) * self.scale)

    def project(self, points: npt.ArrayLike) -> FloatArray:
        """Project points (k, 3) of the head to the unit square of the image, shape (k, 2)."""
        turned = (np.asarray(points, dtype=np.float64) - _PIVOT) @ self.rotation.T
        nearness = _VIEW_DISTANCE / (_VIEW_DISTANCE - turned[:, 2:])
        return np.asarray(turned[:, :2] * nearness * self.scale + self.offset)


def draw_head(rng: np.random.Generator) -> Head:
    """Return a random face: first the identity, then the expression."""
    points = _TEMPLATE + _symmetric(rng.normal(0, 0.008, (N_FACE_POINTS, 3)))
    jaw, nose = points[GROUPS["jaw"]], points[27:36]
    brows, mouth = points[17:27], points[48:68]
    width, taper, length = rng.normal(1, [0.05, 0.07, 0.045])
    jaw[:, 0] *= width * (1 + (taper - 1) * jaw[:, 1])
    jaw[:, 1] *= length
    nose *= rng.normal(1, [0.16, 0.05, 0.1])
    mouth[:, 1] += (length - 1) * 0.8
    mouth[:, 0] *= rng.normal(1, 0.08)
    _scale_y(mouth, rng.normal(1.0, 0.16))
    eye_slant, eye_spread = rng.normal(0, [0.06, 0.02])
    eye_sizes = rng.normal(1, [0.05, 0.1])

    raised, tilted, smile, opened, closed = rng.normal(0, [0.04, 0.06, 1, 1, 1])
    brows[:, 1] += -raised + tilted * (np.abs(brows[:, 0]) - 0.4)
    for side, eye in zip((-1, 1), EYE_POINTS, strict=True):
        contour = points[list(eye)]
        centre = contour.mean(axis=0)
        contour = (contour - centre) * [eye_sizes[0], eye_sizes[1] * np.clip(1 + 0.22 * closed, 0.15, 1.4), 1]
        contour[:, 1] += -eye_slant * side * contour[:, 0]
        points[list(eye)] = contour + centre + [side * eye_spread, 0, 0]

    smile = float(np.clip(smile, -1.5, 2))
    corner = (np.abs(mouth[:, 0]) / np.abs(mouth[:, 0]).max()) ** 2
    mouth[:, 0] *= 1 + 0.09 * smile
    mouth[:, 1] -= 0.05 * smile * (corner - 0.4)
    gap = 0.13 * max(0.0, opened - 0.3 + 0.25 * smile)
    points[_LOWER_LIP, 1] += gap * (1 - corner[np.array(_LOWER_LIP) - 48])
    jaw[:, 1] += 0.8 * gap * _CHIN_DROP
    points += rng.normal(0, 0.004, points.shape)  # faces are not perfectly symmetric
    return Head(points, float(width), smile, np.clip(rng.normal(0, [0.02, 0.006]), -0.035, 0.035))


def draw_camera(rng: np.random.Generator, points: FloatArray, pose: float) -> Camera:
    """Return a random camera for which all points of the face lie inside the image."""
    yaw, pitch, roll = pose * np.clip(rng.normal(0, [0.28, 0.13, 0.11]), -0.6, 0.6)
    rotation = _turn(0, 1, roll) @ _turn(1, 2, pitch) @ _turn(0, 2, yaw)
    scale = 0.31 * np.exp(pose * rng.uniform(-0.18, 0.14))
    flat = Camera(rotation, scale, np.zeros(2)).project(points)
    low, high = flat.min(axis=0), flat.max(axis=0)
    room = 1 - (high - low)  # space left around the face
    centred = np.array([0.5, 0.58]) - (low + high) / 2
    wanted = centred + pose * rng.normal(0, [0.045, 0.035])
    margin = np.minimum(0.02, room / 2)
    return Camera(rotation, scale, np.clip(wanted, margin - low, 1 - margin - high))


def _turn(first: int, second: int, angle: float) -> FloatArray:
    """Return the rotation matrix from one axis towards another, by an angle in radians."""
    matrix = np.eye(3)
    matrix[first, first] = matrix[second, second] = np.cos(angle)
    matrix[first, second], matrix[second, first] = -np.sin(angle), np.sin(angle)
    return matrix


def _scale_y(points: FloatArray, factor: float) -> None:
    """Stretch points in place about their mean height."""
    points[:, 1] = points[:, 1].mean() + factor * (points[:, 1] - points[:, 1].mean())


def _symmetric(points: FloatArray) -> FloatArray:
    """Return the symmetric part of a face or of a displacement."""
    mirrored = points[mirror_order(N_FACE_POINTS)] * [-1, 1, 1]
    return np.asarray((points + mirrored) / 2)


def _template() -> FloatArray:
    """Return the mean face, shape (68, 3)."""
    points = np.full((N_FACE_POINTS, 3), np.nan)
    for first, rows in _RIGHT_HALF.items():
        points[first : first + len(rows)] = rows
    mirrored = points[mirror_order(N_FACE_POINTS)] * [-1, 1, 1]
    return np.where(np.isnan(points), mirrored, points)


_TEMPLATE = _template()
