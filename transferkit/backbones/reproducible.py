"""Build the same network every time, whatever the process has built or drawn before."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

from transferkit.backbones.layer_names import fresh_names


@contextmanager
def reproducible() -> Iterator[None]:
    """Reset Keras's counters of names and its random generator, and restore both afterwards.

    Import Keras, and everything called within, before: imports draw random numbers, too.
    """
    # Keras seeds its initialisers from Python's generator, which must be unchanged afterwards.
    state = random.getstate()
    random.seed(0)
    try:
        with fresh_names():
            yield
    finally:
        random.setstate(state)
