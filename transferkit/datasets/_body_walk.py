"""The walk of a mouse through its arena: its place and posture at each moment of a film.

Everything is a smooth function of time, a sum of sines, so that moments can be requested in any order, and
frames at nearby moments are similar, as in a film.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Motion", "Walk", "draw_walk"]

FloatArray = npt.NDArray[np.float64]

_N_SINES = 4
_PERIODS = {"place": (30.0, 180.0), "posture": (4.0, 20.0)}  # seconds
_POSTURES = 5
_REACH = 1.5  # standard deviations at which the place reaches a wall, where the mouse then stays
_MOMENT = 0.05  # time in seconds over which the direction is measured


@dataclass(frozen=True)
class Motion:
    """One moment: place in the arena (0..1), heading in radians, speed in pixels per second, and posture.

    `posture` (5,) has smooth normal variables: bend of the trunk, turn of the head, sway of the tail,
    stretching, and glancing aside.
    """

    place: FloatArray
    heading: float
    speed: float
    posture: FloatArray


@dataclass(frozen=True)
class Walk:
    """Amplitudes, angular frequencies and phases (signals, sines) of place and posture."""

    place: tuple[FloatArray, FloatArray, FloatArray]
    posture: tuple[FloatArray, FloatArray, FloatArray]

    def at(self, time: float, shape: FloatArray) -> Motion:
        """Return the motion at a time in seconds; `shape` is the arena's width and height."""
        before, here = (_signals(self.place, time + moment) for moment in (-_MOMENT, 0.0))
        step = (here - before) * shape
        # At a wall the mouse follows it: its place is limited, but not its direction.
        place = np.clip(here / (2 * _REACH) + 0.5, 0, 1)
        posture = _signals(self.posture, time)
        heading = float(np.arctan2(step[1], step[0]) + 0.5 * posture[4])
        return Motion(place, heading, float(np.hypot(*step) / _MOMENT), posture)


def draw_walk(rng: np.random.Generator) -> Walk:
    """Return a random walk."""
    return Walk(_draw(2, "place", rng), _draw(_POSTURES, "posture", rng))


def _draw(n: int, kind: str, rng: np.random.Generator) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return sines of about equal power, with periods spread evenly on a logarithmic scale."""
    shortest, longest = np.log(_PERIODS[kind])
    periods = np.exp(rng.uniform(shortest, longest, (n, _N_SINES)))
    amplitude = rng.uniform(0.6, 1.0, (n, _N_SINES))
    amplitude *= np.sqrt(2) / np.linalg.norm(amplitude, axis=1, keepdims=True)
    return amplitude, 2 * np.pi / periods, rng.uniform(0, 2 * np.pi, (n, _N_SINES))


def _signals(sines: tuple[FloatArray, FloatArray, FloatArray], time: float) -> FloatArray:
    """Return all signals at a time, with mean 0 and standard deviation 1."""
    amplitude, frequency, phase = sines
    signals: FloatArray = (amplitude * np.sin(frequency * time + phase)).sum(axis=1)
    return signals
