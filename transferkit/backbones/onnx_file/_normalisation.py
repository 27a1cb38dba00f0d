"""The normalisation of pixels for a network, which is the most frequent source of mistakes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.foundation.arguments import check, choice, is_number

CHANNELS = ("RGB", "BGR")
USUAL: dict[str, dict[str, Any]] = {
    "0..1": {"mean": 0, "std": 255},
    "-1..1": {"mean": 127.5, "std": 127.5},
    "ImageNet": {"mean": (123.675, 116.28, 103.53), "std": (58.395, 57.12, 57.375)},
}
"""The three that most networks were trained with, for pixels in 0..255."""


@dataclass(frozen=True)
class Normalisation:
    """``(pixels * scale - mean) / std``, for RGB pixels in 0..255.

    Parameters
    ----------
    mean, std : tuple of 3 float
        For red, green and blue.
    scale : float
    channels : {"RGB", "BGR"}
        Order of the channels that the network expects.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    scale: float = 1.0
    channels: str = "RGB"

    def __call__(self, pixels: Any) -> NDArray[np.float32]:
        """Return the input of the network, float32 (n, h, w, 3), for pixels of this shape."""
        ready = np.asarray(pixels, dtype=np.float32)
        if self.channels == "BGR":
            ready = ready[..., ::-1]
        for operator, numbers in self.steps():
            ready = (ready * numbers if operator == "Mul" else ready + numbers).astype(np.float32)
        return ready

    def keeps_pixels(self) -> bool:
        """Return True if pixels are unchanged, except for the order of colours."""
        return all(np.allclose(numbers, operator == "Mul") for operator, numbers in self.steps())

    def steps(self) -> Iterator[tuple[str, NDArray[np.float32]]]:
        """Yield a factor and a summand for each channel, in the order of the network."""
        mean, std = np.array(self.mean), np.array(self.std)
        if self.channels == "BGR":
            mean, std = mean[::-1], std[::-1]
        yield "Mul", (self.scale / std).astype(np.float32)
        yield "Add", (-mean / std).astype(np.float32)


def make_normalisation(mean: Any, std: Any, scale: Any = None, channels: Any = None) -> Normalisation:
    """Return a checked normalisation; raise InvalidInputError, which lists the usual ones."""
    scale = 1.0 if scale is None else scale
    channels = "RGB" if channels is None else channels
    problems = choice("channels", channels, CHANNELS)
    if not is_number(scale, above=0):
        problems.append(f"scale must be a factor for pixels in 0..255, such as 1 or 1/255. Got {scale!r}.")
    numbers = {name: _three(name, value, problems) for name, value in (("mean", mean), ("std", std))}
    if min(numbers["std"]) <= 0:
        problems.append(f"std must be positive. Got {std!r}.")
    if not problems and scale == 1 and 0 < max(map(abs, numbers["mean"])) <= 1 and max(numbers["std"]) <= 1:
        problems.append(
            f"mean={mean!r} and std={std!r} are those of pixels in 0..1, and pixels here are 0..255. "
            "Pass scale=1/255 too, or both times 255."
        )
    check(problems)
    return Normalisation(numbers["mean"], numbers["std"], float(scale), channels)


def _three(name: str, value: Any, problems: list[str]) -> tuple[float, ...]:
    """Return a number for each of red, green and blue; if invalid, ones, and add a problem."""
    listed = value if isinstance(value, list | tuple | np.ndarray) else [value] * 3
    if len(listed) == 3 and all(is_number(each, above=-np.inf) for each in listed):
        return tuple(float(each) for each in listed)
    problems.append(f"{name} must be a number, or one for each of red, green and blue. Got {value!r}.")
    return (1.0, 1.0, 1.0)
