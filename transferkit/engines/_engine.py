"""What every engine is, and how few shapes its batches have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Engine:
    """A backbone that runs.

    Parameters
    ----------
    name : str
    run : callable
        Maps uint8 pixels (n, S, S, 3) of any n to a list of float32 arrays (n, h, w, c) or (n, c),
        one for each layer. A row does not depend on the rows beside it. Safe to call from several threads.
    model : keras.Model or None
        The backbone without taps, where there is one.
    n_parameters : int or None
        Of the backbone, where that is known.
    """

    name: str
    run: Callable[[np.ndarray], list[np.ndarray]]
    model: Any = None
    n_parameters: int | None = None


def pad(pixels: np.ndarray, target: int) -> np.ndarray:
    """Repeat the last image until there are ``target`` of them; more stay as they are.

    In the place of none stands a black one: convolutions of TensorFlow fail on empty batches.
    """
    n = len(pixels)
    if n >= target:
        return pixels
    last = pixels[-1:] if n else np.zeros_like(pixels, shape=(1, *pixels.shape[1:]))
    return np.concatenate([pixels, np.repeat(last, target - n, axis=0)])
