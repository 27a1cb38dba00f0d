"""From a head, a look and a view to pixels."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from ._face_features import paint_features
from ._face_head import face_outline, hair_outline, paint_back, paint_glasses, paint_hair
from ._face_light import shading
from ._face_looks import Looks, draw_looks
from ._face_paint import Brush, Colour, mix, smooth
from ._face_shape import Camera, Head

__all__ = ["draw_picture"]

FloatArray = npt.NDArray[np.float64]
_SUPERSAMPLING = 3  # edges are drawn without antialiasing on a larger canvas, then averaged
_BLACK = (0, 0, 0)


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
    """Return the picture, shape (size, size, 3)."""
    looks = draw_looks(look)
    canvas = _background(nuisance, clutter, size * _SUPERSAMPLING)
    figure = Image.new("L", canvas.size)  # where there is somebody to fall light on
    brush = Brush(canvas)
    face, hair = face_outline(head, camera), hair_outline(head, camera, looks, look)
    paint_back(brush, head, camera, looks, hair)
    brush.fill(face, looks.skin)
    _beard(brush, head, camera, looks)
    paint_features(brush, head, camera, looks)
    paint_hair(brush, head, camera, looks, hair, look)
    if glasses:
        paint_glasses(brush, camera, look)
    Brush(figure).fill(face, 255)
    Brush(figure).fill(hair, 255)
    if nuisance.random() < 0.25 * clutter:
        _occluder(brush, camera, nuisance)
    flat = np.asarray(canvas.reduce(_SUPERSAMPLING), dtype=np.float32)
    mask = np.asarray(figure.reduce(_SUPERSAMPLING), dtype=np.float32) / 255
    lit = flat * (1 + mask * (shading(head, camera, size, look) - 1))[..., None]
    return _photograph(lit, nuisance, clutter)


def _beard(brush: Brush, head: Head, camera: Camera, looks: Looks) -> None:
    """Darken the skin around the mouth and along the jaw."""
    if not looks.beard:
        return
    points = head.points
    top = 0.55 * points[[14, 12, 54, 51, 48, 4, 2]] + 0.45 * points[[14, 12, 35, 33, 31, 4, 2]]
    outline = camera.project(np.concatenate([points[2:15], top]))
    brush.fill(smooth(outline), mix(looks.skin, mix(looks.hair, _BLACK, 0.2), looks.beard))


def _background(rng: np.random.Generator, clutter: float, side: int) -> Image.Image:
    """Return a wall with a slow gradient, and things on it out of focus."""
    first, second = rng.integers(30, 226, (2, 3))
    corner = rng.random((2, 2, 1))
    wall = (first + (second - first) * corner * (0.2 + 0.5 * clutter)).astype(np.uint8)
    small = 64
    image = Image.fromarray(wall).resize((small, small), Image.Resampling.BILINEAR)
    brush = Brush(image)
    for _ in range(int(rng.integers(0, 12) * clutter)):
        centre, reach = rng.random(2), rng.uniform(0.03, 0.25, 2)
        red, green, blue = rng.integers(10, 246, 3).tolist()
        if rng.random() < 0.5:
            brush.disc(centre, reach, (red, green, blue))
        else:
            corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) + rng.normal(0, 0.25, (4, 2))
            brush.fill(centre + corners * reach, (red, green, blue))
    soft = image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.3, 3))))
    return soft.resize((side, side), Image.Resampling.BILINEAR)


def _occluder(brush: Brush, camera: Camera, rng: np.random.Generator) -> None:
    """Paint something between the face and the camera: a blot or a bar."""
    red, green, blue = rng.integers(10, 246, 3).tolist()
    colour: Colour = (red, green, blue)
    centre = camera.project([[rng.uniform(-0.9, 0.9), rng.uniform(-0.5, 1.3), 0.3]])[0]
    turn = np.linspace(0, 2 * np.pi, 9)[:-1]
    radius = camera.scale * rng.uniform(0.2, 0.5) * rng.uniform(0.7, 1.3, (8, 1))
    brush.fill(smooth(centre + radius * np.stack([np.cos(turn), np.sin(turn)], axis=1)), colour)


def _photograph(
    lit: npt.NDArray[np.floating], rng: np.random.Generator, clutter: float
) -> npt.NDArray[np.uint8]:
    """Return the scene as a camera gives it: exposure, colour cast, blur and noise."""
    size = lit.shape[0]
    gain = np.exp(rng.normal(0, 0.04, 3) + rng.normal(0, 0.16))
    exposed = np.clip(lit * gain.astype(np.float32), 0, 255)
    blur = float(clutter * max(0.0, rng.uniform(-0.8, 1.2)) * size / 128)
    if blur > 0.2:
        image = Image.fromarray(exposed.astype(np.uint8)).filter(ImageFilter.GaussianBlur(blur))
        exposed = np.asarray(image, dtype=np.float32)
    noise = np.float32(clutter * abs(rng.normal(0, 7)))
    grain = rng.standard_normal(lit.shape, dtype=np.float32)  # last: its number depends on the size
    return np.clip(exposed + noise * grain + 0.5, 0, 255).astype(np.uint8)
