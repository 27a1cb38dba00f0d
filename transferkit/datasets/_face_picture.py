"""Render a face to pixels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from transferkit.datasets._face_features import paint_features
from transferkit.datasets._face_glasses import paint_glasses
from transferkit.datasets._face_head import draw_outline, paint_back, paint_hair
from transferkit.datasets._face_light import shading
from transferkit.datasets._face_looks import any_colour, draw_looks
from transferkit.datasets._face_shape import Camera, Head
from transferkit.datasets._paint import Brush, mix

__all__ = ["draw_picture"]

_SUPERSAMPLING = 3  # drawn without antialiasing on a larger canvas, then averaged


def draw_picture(
    head: Head,
    camera: Camera,
    size: int,
    look: np.random.Generator,
    nuisance: np.random.Generator,
    *,
    glasses: bool,
    clutter: float,
) -> npt.NDArray[np.uint8]:
    """Return the image, shape (size, size, 3)."""
    looks = draw_looks(look)
    canvas = _background(nuisance, clutter, size)
    brush, figure = Brush(canvas), Brush(Image.new("L", canvas.size))
    outline = draw_outline(head, camera, looks, look)
    for shape in [*paint_back(brush, head, camera, looks, outline), outline.face]:
        figure.fill(shape, 255)  # the lit area
    brush.fill(outline.face, looks.skin)
    paint_features(brush, head, camera, looks)
    paint_hair(brush, head, camera, looks, outline, look)
    if glasses:
        paint_glasses(brush, camera, look)
    if nuisance.random() < 0.25 * clutter:
        _hold_something(brush, camera, nuisance)
    picture = np.array(canvas.reduce(_SUPERSAMPLING), dtype=np.float32)
    mask = np.asarray(figure.image.reduce(_SUPERSAMPLING), dtype=np.float32) / 255
    picture *= (1 + mask * (shading(head, camera, size, look) - 1))[..., None]
    return _photograph(picture, nuisance, clutter)


def _background(rng: np.random.Generator, clutter: float, size: int) -> Image.Image:
    """Return a wall with a gradient and objects out of focus, on the large canvas."""
    wall = np.array([any_colour(rng), any_colour(rng)], dtype=np.float64)
    corner = rng.random((2, 2, 1)) * (0.2 + 0.5 * clutter)
    shades = (wall[0] + (wall[1] - wall[0]) * corner).astype(np.uint8)
    small = max(8, size // 2)  # out of focus anyway
    image = Image.fromarray(shades).resize((small, small), Image.Resampling.BILINEAR)
    brush = Brush(image)
    for _ in range(int(rng.integers(0, 12) * clutter)):
        centre, reach, colour = rng.random(2), rng.uniform(0.03, 0.25, 2), any_colour(rng)
        if rng.random() < 0.5:
            brush.disc(centre, reach[0], reach[1], colour)
        else:
            corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) + rng.normal(0, 0.25, (4, 2))
            brush.fill(centre + corners * reach, colour)
    soft = image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.006, 0.04) * small)))
    soft = soft.resize((size, size), Image.Resampling.BILINEAR)
    # Nearest-neighbour resampling is fast, and reducing the canvas undoes it exactly.
    return soft.resize((size * _SUPERSAMPLING, size * _SUPERSAMPLING), Image.Resampling.NEAREST)


def _hold_something(brush: Brush, camera: Camera, rng: np.random.Generator) -> None:
    """Paint a ball on a stick in front of the face, as an occlusion."""
    colour, scale = any_colour(rng), camera.scale
    place = rng.uniform([-0.9, -0.4], [0.9, 1.3])
    centre = camera.project([[*place, 0.4]])[0]
    radius = scale * rng.uniform(0.16, 0.38)
    foot = np.array([centre[0] + rng.normal(0, 0.3) * scale, 1.1])
    brush.stroke(np.stack([centre, foot]), rng.uniform(0.06, 0.16) * scale, mix(colour, (30, 30, 30), 0.6))
    brush.disc(centre, radius, radius, mix(colour, (0, 0, 0), 0.25))
    brush.disc(centre - 0.1 * radius, 0.85 * radius, 0.85 * radius, colour)
    brush.disc(centre - 0.4 * radius, 0.25 * radius, 0.2 * radius, mix(colour, (255, 255, 255), 0.4))


def _photograph(
    scene: npt.NDArray[np.float32], rng: np.random.Generator, clutter: float
) -> npt.NDArray[np.uint8]:
    """Return the scene with exposure, colour cast, blur and noise; modifies the scene."""
    size = scene.shape[0]
    gain = np.exp(rng.normal(0, 0.04, 3) + rng.normal(-0.05, 0.14)).astype(np.float32)
    scene *= gain
    np.clip(scene, 0, 255, out=scene)
    blur = float(clutter * max(0.0, rng.uniform(-0.8, 0.9)) * size / 128)
    if blur > 0.2:
        image = Image.fromarray(scene.astype(np.uint8)).filter(ImageFilter.GaussianBlur(blur))
        scene = np.array(image, dtype=np.float32)
    noise = np.float32(clutter * abs(rng.normal(0, 5)))
    # Drawn last, because only the number of values depends on the size. The cast truncates, so add 0.5.
    scene += noise * rng.standard_normal((size, size, 1), dtype=np.float32) + np.float32(0.5)
    np.clip(scene, 0, 255, out=scene)
    return scene.astype(np.uint8)
