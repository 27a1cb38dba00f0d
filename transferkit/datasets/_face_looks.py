"""Random colours, hair and clothes of a face."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from transferkit.datasets._paint import Colour, mix

__all__ = ["Looks", "any_colour", "draw_looks"]

_SKIN: tuple[Colour, ...] = (
    (242, 206, 182),
    (230, 184, 152),
    (210, 158, 121),
    (176, 120, 84),
    (128, 82, 58),
    (86, 54, 40),
)
_HAIR: tuple[Colour, ...] = (
    (26, 21, 21),
    (48, 33, 25),
    (84, 56, 36),
    (132, 92, 54),
    (198, 160, 100),
    (152, 74, 40),
    (158, 156, 154),
)
_IRIS: tuple[Colour, ...] = ((70, 44, 26), (98, 66, 36), (72, 104, 84), (84, 118, 150), (40, 28, 22))
_BLACK: Colour = (0, 0, 0)


@dataclass(frozen=True)
class Looks:
    """The look of one face, apart from its shape.

    `hair_length` is 0 for a shaved head, 1 for short and 2 for long hair. `volume` is the thickness of the
    hair, `fall` the length of long hair, `hairline` its upper edge and `parting` the position of the parting,
    in eye distances.
    """

    skin: Colour
    hair: Colour
    brow: Colour
    lips: Colour
    iris: Colour
    cloth: Colour
    hair_length: int
    volume: float
    hairline: float
    parting: float
    curls: float
    fringe: float
    fall: float
    beard: float
    brow_width: float
    hat: Colour | None


def draw_looks(rng: np.random.Generator) -> Looks:
    """Return a random look."""
    tone = rng.uniform(0, len(_SKIN) - 1.001)
    skin = mix(_SKIN[int(tone)], _SKIN[int(tone) + 1], tone % 1)
    dark = tone / len(_SKIN)
    # Dark skin usually goes with dark hair, which comes first in the table.
    hair = _HAIR[min(int(rng.random() ** (1 + 2 * dark) * len(_HAIR)), len(_HAIR) - 1)]
    hair = mix(hair, any_colour(rng), rng.uniform(0, 0.12))
    if rng.random() < 0.04:  # dyed
        hair = mix(hair, any_colour(rng), 0.7)
    length = int(rng.choice(3, p=[0.08, 0.5, 0.42]))
    made_up = rng.uniform(0.15, 0.75) if length == 2 else rng.uniform(0.05, 0.3)
    return Looks(
        skin=skin,
        hair=hair,
        brow=mix(mix(hair, _BLACK, 0.35), skin, rng.uniform(0.0, 0.35)),
        lips=mix(mix(skin, _BLACK, 0.1), (186, 44, 60), 0.25 + 0.5 * made_up),
        iris=_IRIS[int(rng.random() ** (1 + 2 * dark) * len(_IRIS))],
        cloth=any_colour(rng),
        hair_length=length,
        volume=float(rng.uniform(0.05, 0.32)),
        hairline=float(rng.uniform(-0.86, -0.6)),
        parting=float(rng.normal(0, 0.25)),
        curls=float(rng.choice([0.0, 0.03, 0.07], p=[0.65, 0.2, 0.15])),
        fringe=float(rng.uniform(0.15, 0.4)) if rng.random() < 0.3 else 0.0,
        fall=float(rng.uniform(0.65, 1.5)),
        beard=float(rng.uniform(0.25, 0.9)) if length < 2 and rng.random() < 0.3 else 0.0,
        brow_width=float(rng.uniform(0.035, 0.085)),
        hat=any_colour(rng) if rng.random() < 0.1 else None,
    )


def any_colour(rng: np.random.Generator) -> Colour:
    """Return a random, mostly dull colour for clothes and walls."""
    *channels, dull = rng.random(4).tolist()
    grey = sum(channels) / 3
    red, green, blue = (int(20 + 216 * (c + (0.1 + 0.7 * dull) * (grey - c))) for c in channels)
    return red, green, blue
