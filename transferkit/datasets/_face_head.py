"""Painting what surrounds the features: neck, ears, skull, hair, hat and glasses."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..keypoints import GROUPS
from ._face_looks import Looks
from ._face_paint import Brush, Colour, mix, smooth
from ._face_shape import Camera, Head

__all__ = ["face_outline", "hair_outline", "paint_back", "paint_glasses", "paint_hair"]

FloatArray = npt.NDArray[np.float64]
_BLACK, _WHITE = (0, 0, 0), (255, 255, 255)
_ARCH = np.linspace(0, np.pi, 21)  # from the subject's right ear over the crown to the left one


def face_outline(head: Head, camera: Camera) -> FloatArray:
    """Return the closed line along the jaw and over the forehead, in the unit square."""
    forehead = _arch(0.83 * head.width, 1.08, -0.02, -0.42, 0.2)[::-1]
    jaw = smooth(head.points[list(GROUPS["jaw"])], closed=False)
    return camera.project(np.concatenate([jaw, forehead]))


def hair_outline(head: Head, camera: Camera, looks: Looks, rng: np.random.Generator) -> FloatArray:
    """Return the outer edge of the hair from ear to ear, shape (21, 2), in the unit square."""
    edge = _arch((0.86 + 0.6 * looks.volume) * head.width, 1.08 + looks.volume, 0.12, -0.45, 0.0)
    curls = rng.normal(0, 1, len(edge))
    return camera.project(edge * (1 + looks.curls * curls[:, None] * [1, 1, 0]))


def paint_back(brush: Brush, head: Head, camera: Camera, looks: Looks, hair: FloatArray) -> None:
    """Paint what lies behind the face: long hair, shoulders, neck and ears."""
    scale, shadow = camera.scale, mix(looks.skin, _BLACK, 0.3)
    chin = camera.project(head.points[[8]])[0]
    right, left = hair[0], hair[-1]
    if looks.hair_length == 2:
        fall = np.array([0.02, 1.1 * scale])
        ends = np.stack([left + fall, right + fall * [-1, 1]])
        brush.fill(np.concatenate([hair, ends]), mix(looks.hair, _BLACK, 0.25))
    neck = camera.project([[0, 0.9, -0.5]])[0]
    bottom = np.array([neck[0] + 0.25 * (0.5 - neck[0]), max(1.02, chin[1] + 0.9 * scale)])
    slope = np.array([[-1.5, 0.3], [-0.9, -0.28], [-0.36, -0.55], [0.36, -0.55], [0.9, -0.28], [1.5, 0.3]])
    base = np.array([bottom[0], chin[1] + 0.75 * scale])
    below = np.array([[1.7 * scale, 0.8], [-1.7 * scale, 0.8]])
    shoulders = np.concatenate([base + slope * scale, bottom + below])
    width = np.array([0.44 * scale, 0])
    brush.fill(smooth(shoulders), looks.cloth)
    brush.fill(np.stack([neck - width, neck + width, base + width * 1.05, base - width * 1.05]), shadow)
    brush.disc(base - [0, 0.02 * scale], [0.46 * scale, 0.2 * scale], shadow)
    for ear in (-1, 1):
        centre = camera.project([[ear * 0.9 * head.width, 0.2, -0.62]])[0]
        brush.disc(centre, [0.11 * scale, 0.21 * scale], mix(looks.skin, _BLACK, 0.1))
        brush.disc(centre, [0.055 * scale, 0.13 * scale], mix(looks.skin, _BLACK, 0.28))


def paint_hair(
    brush: Brush,
    head: Head,
    camera: Camera,
    looks: Looks,
    edge: FloatArray,
    rng: np.random.Generator,
) -> None:
    """Paint the hair in front of the skull, or a hat."""
    low = looks.hairline * np.sin(_ARCH) ** 0.6
    fall = np.exp(-(((np.cos(_ARCH) + looks.parting) / 0.5) ** 2))
    line = np.stack(
        [
            -0.84 * head.width * np.cos(_ARCH),
            low + looks.fringe * (1 - fall),
            -0.1 - 0.35 * np.cos(_ARCH) ** 2,
        ],
        axis=1,
    )
    inner = camera.project(line)
    if looks.hat is not None:
        rim = camera.project(np.stack([line[:, 0] * 1.06, -0.42 - 0.12 * np.sin(_ARCH), line[:, 2]], axis=1))
        _band(brush, edge[2:-2], rim, looks.hat)
        brush.stroke(smooth(rim, closed=False), 0.14 * camera.scale, mix(looks.hat, _BLACK, 0.2))
        return
    if looks.hair_length == 0:
        return
    _band(brush, edge, inner, looks.hair)
    for tone in rng.uniform(-0.3, 0.3, 26).tolist():  # strands run from the hairline to the edge
        at = int(rng.integers(1, len(edge) - 1))
        strand = np.stack([inner[at], 0.45 * (inner[at] + edge[at]) + 0.1 * edge[at - 1], edge[at - 1]])
        colour = mix(looks.hair, _WHITE if tone > 0 else _BLACK, abs(tone))
        brush.stroke(smooth(strand, closed=False), rng.uniform(0.008, 0.03) * camera.scale, colour)


def paint_glasses(brush: Brush, camera: Camera, rng: np.random.Generator) -> None:
    """Paint a frame of random shape, width and colour around the eyes."""
    colours: tuple[Colour, ...] = ((24, 22, 22), (70, 46, 32), (150, 140, 130), (120, 36, 40), (40, 50, 90))
    colour = colours[int(rng.integers(len(colours)))]
    width = rng.uniform(0.018, 0.05) * camera.scale
    reach = np.array([rng.uniform(0.22, 0.29), rng.uniform(0.15, 0.24)])
    power = 2 / rng.uniform(2, 4.5)  # of a superellipse: from round to nearly square
    turn = np.linspace(0, 2 * np.pi, 25)[:-1]
    cos, sin = np.cos(turn), np.sin(turn)
    rim = np.stack([np.sign(cos) * np.abs(cos) ** power, np.sign(sin) * np.abs(sin) ** power], axis=1) * reach
    drop = rng.uniform(0.01, 0.07)
    for side in (-1, 1):
        temple = [[side * (0.355 + reach[0]), drop - 0.05, 0.16], [side * 0.9, -0.02, -0.5]]
        brush.stroke(camera.project(temple), width, mix(colour, _BLACK, 0.2))
        lens = np.column_stack([side * 0.355 + rim[:, 0], drop + rim[:, 1], 0.2 - 0.12 * np.abs(rim[:, 0])])
        outline = camera.project(lens)
        brush.stroke(np.concatenate([outline, outline[:2]]), width, colour)
    nose = [
        [-0.355 + reach[0], drop - 0.03, 0.17],
        [0, drop - 0.07, 0.24],
        [0.355 - reach[0], drop - 0.03, 0.17],
    ]
    brush.stroke(smooth(camera.project(nose), closed=False), width, colour)


def _arch(rx: float, ry: float, y: float, z: float, lean: float) -> FloatArray:
    """Return an arch over the crown, shape (21, 3); it comes forward by `lean` at the top."""
    return np.stack([-rx * np.cos(_ARCH), y - ry * np.sin(_ARCH) ** 0.85, z + lean * np.sin(_ARCH)], axis=1)


def _band(brush: Brush, outer: FloatArray, inner: FloatArray, colour: Colour) -> None:
    """Fill what lies between two open lines."""
    brush.fill(np.concatenate([smooth(outer, closed=False), smooth(inner, closed=False)[::-1]]), colour)
