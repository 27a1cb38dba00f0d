"""Build the same network every time, whatever else the process has built or drawn."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

from transferkit.backbones.layer_names import fresh_names


@contextmanager
def reproducible() -> Iterator[None]:
    """Let Keras start its names and its random weights anew; afterwards both are what they were.

    Import Keras and all that is called within before: an import draws random numbers too.
    """
    # Keras seeds its initialisers from Python's generator, which must be unchanged afterwards.
    state = random.getstate()
    random.seed(0)
    try:
        with fresh_names():
            yield
    finally:
        random.setstate(state)
