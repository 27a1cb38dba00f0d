"""Paint shoulders, neck, ears, hair and hat."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from transferkit.datasets._face_looks import Looks
from transferkit.datasets._face_shape import Camera, Head
from transferkit.datasets._paint import Brush, Colour, mix, smooth
from transferkit.keypoints import GROUPS

__all__ = ["Outline", "draw_outline", "paint_back", "paint_hair"]

FloatArray = npt.NDArray[np.float64]
_BLACK, _WHITE = (0, 0, 0), (255, 255, 255)
_ARCH = np.linspace(0, np.pi, 21)  # from the subject's right ear over the crown to the left one
_RISE = np.sin(_ARCH)
_N_STRANDS = 18


class Outline(NamedTuple):
    """Outlines of a head in the unit square, each of shape (k, 2).

    `face` is closed, around jaw and forehead; `hair` is open, from ear to ear over the crown.
    """

    face: FloatArray
    hair: FloatArray


def draw_outline(head: Head, camera: Camera, looks: Looks, rng: np.random.Generator) -> Outline:
    """Return the outlines; curls vary the distance of the hair from the skull."""
    arch = np.stack(
        [-0.83 * head.width * np.cos(_ARCH), -0.02 - 1.06 * _RISE**0.85, -0.42 + 0.2 * _RISE], axis=1
    )
    skull, centre = camera.project(arch), camera.project([[0, 0.1, -0.4]])
    off = 1.03 + looks.volume * (0.35 + 0.65 * _RISE) + looks.curls * rng.normal(0, 1, len(_ARCH))
    jaw = smooth(camera.project(head.points[list(GROUPS["jaw"])]), closed=False)
    return Outline(np.concatenate([jaw, skull[::-1]]), centre + (skull - centre) * off[:, None])


def paint_back(brush: Brush, head: Head, camera: Camera, looks: Looks, outline: Outline) -> list[FloatArray]:
    """Paint everything behind the face; return the shapes that are lit."""
    scale, width, hair = camera.scale, head.width, outline.hair
    bald = looks.hair_length == 0
    back = mix(looks.skin, _BLACK, 0.12) if bald else mix(looks.hair, _BLACK, 0.22)
    fall = np.array([[0.1, 0.5], [0.06, 1.0], [-0.2, 1.12], [-0.9, 1.0]]) * [1, looks.fall] * scale
    locks = smooth(np.concatenate([hair, hair[-1] + fall, (hair[0] + fall * [-1, 1])[::-1]]))
    base = camera.offset + np.array([0, 1.5 * scale])
    slope = np.array([[-1.6, 0.75], [-1.35, 0.1], [-0.8, -0.13], [-0.42, -0.34]])
    half = base + np.concatenate([[[-1.7, 6.0]], slope]) * scale
    shoulders = np.concatenate([half, (half * [-1, 1] + [2 * base[0], 0])[::-1]])
    top = camera.project([[-0.45, 0.75, -0.45], [0.45, 0.75, -0.45]])
    collar = base + np.array([[0.46, -0.35], [0.3, -0.05], [0, 0.06], [-0.3, -0.05], [-0.46, -0.35]]) * scale
    neck = np.concatenate([top, collar])
    shade = np.stack(
        [top[0], top[1], 0.6 * collar[0] + 0.4 * top[1], collar[2], 0.6 * collar[4] + 0.4 * top[0]]
    )
    if looks.hair_length == 2:
        brush.fill(locks, back)
    brush.disc(camera.project([[0, -0.15, -0.7]])[0], 0.8 * width * scale, 0.9 * scale, back)
    brush.fill(shoulders, looks.cloth)
    brush.fill(neck, mix(looks.skin, _BLACK, 0.14))
    brush.fill(shade, mix(looks.skin, _BLACK, 0.3))
    brush.stroke(collar, 0.05 * scale, mix(looks.cloth, _BLACK, 0.25))
    for ear in camera.project([[-0.9 * width, 0.2, -0.6], [0.9 * width, 0.2, -0.6]]):
        brush.disc(ear, 0.11 * scale, 0.21 * scale, mix(looks.skin, _BLACK, 0.1))
        brush.disc(ear, 0.055 * scale, 0.13 * scale, mix(looks.skin, _BLACK, 0.28))
    above = [locks] if looks.hair_length == 2 else [hair] if looks.hair_length or looks.hat else []
    return [shoulders, neck, *above]


def paint_hair(
    brush: Brush, head: Head, camera: Camera, looks: Looks, outline: Outline, rng: np.random.Generator
) -> None:
    """Paint the hair in front of the skull, or a hat."""
    edge, scale = outline.hair, camera.scale
    x, z = -0.84 * head.width * np.cos(_ARCH), -0.1 - 0.35 * np.cos(_ARCH) ** 2
    parted = np.exp(-(((np.cos(_ARCH) + looks.parting) / 0.5) ** 2))
    line = camera.project(np.stack([x, looks.hairline * _RISE**0.6 + looks.fringe * (1 - parted), z], axis=1))
    if looks.hat is not None:
        rim = camera.project(np.stack([1.06 * x, -0.42 - 0.12 * _RISE, z], axis=1))
        _fill_between(brush, edge[2:-2], rim, looks.hat)
        brush.stroke(smooth(rim, closed=False), 0.16 * scale, mix(looks.hat, _BLACK, 0.2))
    elif looks.hair_length:
        _fill_between(brush, edge, line, looks.hair)
        at = rng.integers(1, len(edge) - 1, _N_STRANDS)  # strands from the hairline to the edge
        middle = 0.45 * (line[at] + edge[at]) + 0.1 * edge[at - 1]
        tones, widths = rng.uniform(-0.3, 0.2, _N_STRANDS), rng.uniform(0.008, 0.035, _N_STRANDS)
        strands = np.stack([line[at], middle, 0.97 * edge[at - 1] + 0.03 * line[at]], axis=1)
        for strand, tone, width in zip(strands, tones, widths, strict=True):
            colour = mix(looks.hair, _WHITE if tone > 0 else _BLACK, abs(tone))
            brush.stroke(smooth(strand, closed=False), width * scale, colour)


def _fill_between(brush: Brush, outer: FloatArray, inner: FloatArray, colour: Colour) -> None:
    """Fill the area between two open lines."""
    there, back = smooth(outer, closed=False), smooth(inner, closed=False)[::-1]
    brush.fill(np.concatenate([there, back]), colour)
