"""Arenas: floor, walls, bedding, dirt and objects, which are the same in all frames of a session."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from transferkit.datasets._paint import Brush, Colour, mix

__all__ = ["Arena", "draw_arena", "soft_noise"]

FloatArray = npt.NDArray[np.float64]

_FLOORS: tuple[Colour, ...] = (
    (226, 222, 214),
    (196, 178, 146),
    (158, 154, 148),
    (120, 112, 100),
    (86, 84, 84),
)
_COATS: tuple[Colour, ...] = ((34, 31, 30), (92, 74, 58), (126, 120, 116), (224, 218, 208), (66, 52, 42))
_SKIN: Colour = (196, 150, 140)
_BLACK, _WHITE = (0, 0, 0), (255, 255, 255)
_LEAST_CONTRAST = 34.0  # between coat and floor, in grey levels
_LONG_SIDE = 640  # image size in pixels for which stroke widths are given


@dataclass(frozen=True)
class Arena:
    """Properties that all frames of a session share.

    `picture` is the lit, empty arena in float32 (height, width, 3); `light` (height, width) is the factor by
    which it is lit; `room` is the box for the body; `scale` is the length of a body in pixels; `sun` is the
    shift of the shadow in body lengths.
    """

    picture: npt.NDArray[np.float32]
    light: npt.NDArray[np.float32]
    room: FloatArray
    scale: float
    sun: FloatArray
    coat: Colour
    skin: Colour
    noise: float
    quality: int


def draw_arena(size: tuple[int, int], rng: np.random.Generator, clutter: float) -> Arena:
    """Return a random arena of width and height `size`."""
    width, height = size
    unit = max(size) / _LONG_SIDE
    floor = mix(_FLOORS[int(rng.integers(len(_FLOORS)))], _random_grey(rng), 0.3)
    coat = _coat(floor, rng)
    # Drawn before everything that depends on clutter, because poses do not depend on it.
    scale, sun, round_arena = rng.uniform(105, 130) * unit, rng.normal(0, 0.06, 2), rng.random() < 0.3
    margin = rng.uniform(0.02, 0.09, (2, 2)) * height
    room = np.array([margin[0], np.array(size) - margin[1]])
    wall = mix(floor, _random_grey(rng), 0.8)
    canvas = Image.new("RGB", size, wall)
    brush = Brush(canvas, 1)
    corners = np.array([room[0], [room[1, 0], room[0, 1]], room[1], [room[0, 0], room[1, 1]]])
    if round_arena:
        brush.disc(room.mean(axis=0), *_pair((room[1] - room[0]) / 2), floor)
        inset = (room[1] - room[0]) * 0.1
        room = room + np.stack([inset, -inset])
    else:
        brush.stroke(np.vstack([corners, corners[:1]]), 3 * unit, mix(wall, _BLACK, 0.4))
        brush.fill(corners + rng.normal(0, 4 * unit, (4, 2)), floor)
    _litter(brush, size, floor, rng, clutter, unit)
    _objects(brush, size, floor, rng, clutter, unit)
    picture = np.array(canvas.filter(ImageFilter.GaussianBlur(0.6 * unit)), dtype=np.float32)
    grain = soft_noise((height, width), 1.2 * unit, rng) + soft_noise((height, width), 9 * unit, rng)
    picture *= 1 + (0.02 + 0.05 * clutter * rng.random()) * grain[..., None]
    light = _light(size, rng)
    return Arena(
        picture * light[..., None],
        light,
        room,
        float(scale),
        sun,
        coat,
        mix(_SKIN, coat, rng.uniform(0.1, 0.6)),
        float(rng.uniform(1.5, 7.0)),
        int(rng.integers(35, 85)),
    )


def soft_noise(shape: tuple[int, int], width: float, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Return smooth noise with mean 0, standard deviation about 1 and blobs about this wide in pixels."""
    small = tuple(max(2, round(side / max(1.0, width))) for side in shape)
    noise = Image.fromarray(rng.standard_normal(small, dtype=np.float32))
    return np.asarray(noise.resize(shape[::-1], Image.Resampling.BICUBIC), dtype=np.float32)


def _coat(floor: Colour, rng: np.random.Generator) -> Colour:
    """Return the colour of the fur, which differs from the floor."""
    coats = [mix(coat, _random_grey(rng), 0.1) for coat in _COATS]
    far = [coat for coat in coats if abs(np.mean(coat) - np.mean(floor)) > _LEAST_CONTRAST]
    return far[int(rng.integers(len(far)))]


def _litter(
    brush: Brush, size: tuple[int, int], floor: Colour, rng: np.random.Generator, clutter: float, unit: float
) -> None:
    """Strew wood chips, droppings and stains."""
    for _ in range(int(rng.integers(0, 9) * clutter)):
        reach = rng.uniform(8, 60, 2) * unit
        brush.disc(rng.random(2) * size, *_pair(reach), mix(floor, _random_grey(rng), rng.uniform(0.05, 0.3)))
    n_chips = int(rng.choice([0, 60, 700], p=[0.3, 0.3, 0.4]) * clutter)
    for place, angle, length, tone in zip(
        rng.random((n_chips, 2)) * size,
        rng.uniform(0, np.pi, n_chips),
        rng.uniform(3, 13, n_chips) * unit,
        rng.normal(0, 0.2, n_chips),
        strict=True,
    ):
        half = np.array([np.cos(angle), np.sin(angle)]) * length / 2
        colour = mix(floor, _WHITE if tone > 0 else _BLACK, abs(tone))
        brush.stroke(np.stack([place - half, place + half]), rng.uniform(1.5, 4) * unit, colour)
    for _ in range(int(rng.integers(0, 40) * clutter)):
        reach = rng.uniform(1.2, 3.6, 2) * unit
        brush.disc(rng.random(2) * size, *_pair(reach), mix((52, 42, 34), floor, rng.uniform(0, 0.4)))


def _objects(
    brush: Brush, size: tuple[int, int], floor: Colour, rng: np.random.Generator, clutter: float, unit: float
) -> None:
    """Put bowls, blocks and bottles into the arena, some as large and as dark as the mouse."""
    for _ in range(int(rng.integers(0, 5) * clutter)):
        centre, colour = rng.random(2) * size, mix(_random_grey(rng), floor, rng.uniform(0, 0.4))
        shadow, reach = mix(floor, _BLACK, 0.4), rng.uniform(9, 34, 2) * unit
        kind = rng.random()
        if kind < 0.4:
            brush.disc(centre + 3 * unit, *_pair(reach), shadow)
            brush.disc(centre, *_pair(reach), colour)
            brush.disc(centre, *_pair(0.75 * reach), mix(colour, _BLACK, rng.uniform(0.1, 0.5)))
        else:
            angle = rng.uniform(0, np.pi)
            ahead, aside = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
            box = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * reach @ np.stack([ahead, aside])
            brush.fill(centre + box + 4 * unit, shadow)
            brush.fill(centre + box, colour)
            if kind > 0.7:  # a bottle has a spout
                brush.stroke(np.stack([centre, centre + 1.8 * reach[0] * ahead]), 5 * unit, colour)


def _light(size: tuple[int, int], rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Return the brightness of each pixel, (height, width): a slope, a lamp, and darker corners."""
    x = (np.arange(size[0]) / size[0] - 0.5)[None]
    y = (np.arange(size[1]) / size[1] - 0.5)[:, None]
    slope, lamp = rng.normal(0, 0.25, 2), rng.uniform(-0.5, 0.5, 2)
    light = 0.9 + slope[0] * x + slope[1] * y - rng.uniform(0, 0.7) * (x * x + y * y)
    reach = rng.uniform(0.15, 0.5)
    light = light + rng.uniform(0, 0.45) * np.exp(-((x - lamp[0]) ** 2 + (y - lamp[1]) ** 2) / reach**2)
    return np.clip(light, 0.25, 1.4).astype(np.float32)


def _random_grey(rng: np.random.Generator) -> Colour:
    """Return a random dull colour."""
    red, green, blue = (rng.uniform(30, 235) + rng.normal(0, 9, 3)).clip(0, 255).astype(int).tolist()
    return red, green, blue


def _pair(values: FloatArray) -> tuple[float, float]:
    """Return two numbers."""
    first, second = values.tolist()
    return first, second
