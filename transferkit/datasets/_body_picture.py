"""Render a frame: a body in its arena, sometimes half hidden, with lighting and camera effects."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from transferkit.datasets._body_arena import Arena, soft_noise
from transferkit.datasets._body_paint import outline, paint_body
from transferkit.datasets._body_pose import Pose
from transferkit.datasets._paint import Brush, mix

__all__ = ["draw_frame"]

FloatArray = npt.NDArray[np.float64]
FloatImage = npt.NDArray[np.float32]

_SUPERSAMPLING = 2  # drawn without antialiasing on a larger canvas, then averaged
_GHOSTS = 8  # number of places along the path of a fast body


def draw_frame(
    arena: Arena, pose: Pose, look: np.random.Generator, nuisance: np.random.Generator, clutter: float
) -> npt.NDArray[np.uint8]:
    """Return the image, (height, width, 3)."""
    scene = _with_shadow(arena, pose)
    height, width = scene.shape[:2]
    canvas = Image.fromarray(scene.clip(0, 255).astype(np.uint8))
    large = canvas.resize((width * _SUPERSAMPLING, height * _SUPERSAMPLING), Image.Resampling.NEAREST)
    brush = Brush(large, _SUPERSAMPLING)
    paint_body(brush, pose, arena.coat, arena.skin, arena.sun, look)
    painted = np.array(large.reduce(_SUPERSAMPLING), dtype=np.float32)
    drawn = np.abs(painted - np.asarray(canvas, dtype=np.float32)).max(axis=2) > 0
    fur = 1 + 0.06 * soft_noise((height, width), 0.02 * pose.scale, look)
    painted = np.where(drawn[..., None], painted * (fur * arena.light)[..., None], painted)
    painted = _moving(painted, scene, pose)
    painted = _hide(painted, arena, pose, nuisance, clutter)
    return _photograph(painted, arena, nuisance, clutter)


def _with_shadow(arena: Arena, pose: Pose) -> FloatImage:
    """Return the arena with the soft shadow of the body."""
    mask = Image.new("L", arena.picture.shape[1::-1])
    Brush(mask, 1).fill(outline(pose) + arena.sun * pose.scale, 255)
    soft = np.asarray(mask.filter(ImageFilter.GaussianBlur(0.05 * pose.scale)), dtype=np.float32) / 255
    return np.asarray(arena.picture * (1 - 0.45 * soft[..., None]), dtype=np.float32)


def _moving(painted: FloatImage, scene: FloatImage, pose: Pose) -> FloatImage:
    """Return the frame with motion blur: the mean over the body's places while the shutter is open."""
    if pose.speed == 0:
        return painted
    step = pose.speed * pose.scale / _GHOSTS * np.array([np.cos(pose.heading), np.sin(pose.heading)])
    change, moved = painted - scene, np.zeros_like(painted)
    for ghost in range(_GHOSTS):
        shift = np.rint((ghost - (_GHOSTS - 1) / 2) * step).astype(int)
        moved += np.roll(change, (shift[1], shift[0]), axis=(0, 1))
    return np.asarray(scene + moved / _GHOSTS, dtype=np.float32)


def _hide(
    painted: FloatImage, arena: Arena, pose: Pose, rng: np.random.Generator, clutter: float
) -> FloatImage:
    """Return the frame with a cable, a block or bedding over the body, and the shade of something above."""
    height, width = painted.shape[:2]
    cable, block, nest, shade = rng.random(4) < np.array([0.15, 0.06, 0.06, 0.12]) * clutter
    image = Image.fromarray(painted.clip(0, 255).astype(np.uint8))
    brush, scale = Brush(image, 1), pose.scale
    grey = (int(rng.integers(20, 230)),) * 3
    if nest:
        centre = pose.points[int(rng.integers(8))]
        for _ in range(45):
            place, angle = centre + rng.normal(0, 0.16 * scale, 2), rng.uniform(0, np.pi)
            half = 0.09 * scale * np.array([np.cos(angle), np.sin(angle)])
            floor = painted[int(rng.integers(height)), int(rng.integers(width))].clip(0, 255).astype(int)
            tone = mix((int(floor[0]), int(floor[1]), int(floor[2])), (255, 255, 255), rng.uniform(0, 0.3))
            brush.stroke(np.stack([place - half, place + half]), 0.035 * scale, tone)
    if block:
        angle = rng.uniform(0, np.pi)
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        centre = pose.points[int(rng.integers(8))] + rng.normal(0, 0.12 * scale, 2)
        corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * rng.uniform(0.1, 0.24, 2) * scale
        brush.fill(centre + corners @ turn, grey)
    if cable:
        start, end = pose.trunk[-1], rng.random(2) * [width, height]
        middle = (start + end) / 2 + rng.normal(0, 0.2 * scale, 2)
        brush.stroke(np.stack([start, middle, end]), 0.035 * scale, mix(grey, (0, 0, 0), 0.4))
    painted = np.array(image, dtype=np.float32)
    if shade:
        mask = Image.new("L", image.size, 255)
        places = rng.random((3, 2)) * [width, height] + (pose.trunk[-1] - [width / 2, height / 2]) * 0.7
        Brush(mask, 1).fill(places, int(rng.integers(90, 190)))
        soft = mask.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.05, 0.4) * scale)))
        painted *= np.asarray(soft, dtype=np.float32)[..., None] / 255
    return painted


def _photograph(
    scene: FloatImage, arena: Arena, rng: np.random.Generator, clutter: float
) -> npt.NDArray[np.uint8]:
    """Return the scene with exposure, blur, noise and JPEG artefacts."""
    scene = scene * np.exp(clutter * rng.normal(0, 0.12))
    image = Image.fromarray(scene.clip(0, 255).astype(np.uint8))
    blur = clutter * max(0.0, rng.uniform(-0.5, 1.4)) * arena.scale / 90
    if blur > 0.2:
        image = image.filter(ImageFilter.GaussianBlur(blur))
    noise = rng.standard_normal((image.height, image.width, 1), dtype=np.float32)
    noisy = np.asarray(image, dtype=np.float32) + clutter * arena.noise * noise + np.float32(0.5)
    stored = io.BytesIO()
    Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(stored, "JPEG", quality=arena.quality)
    return np.array(Image.open(stored))
