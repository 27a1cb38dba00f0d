"""Rows that do not depend on their batch, also of networks that are not ours."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np

from transferkit.engines import _parity
from transferkit.engines._engine import Engine, EngineRequest, Keep, as_they_are
from transferkit.errors import InvalidInputError

logger = logging.getLogger("transferkit")
_TOLERANCE = 1e-3  # of one image alone and beside others, relative to the largest value of a layer


def with_own_rows(engine: Engine, request: EngineRequest) -> Engine:
    """Return an engine that gives an image the same features whatever it is computed with.

    A graph that normalises over the batch, or quantises by its range, does not: it then runs one image at a
    time, which is slower.

    Raises
    ------
    InvalidInputError
        The same image has other features each time.
    """
    images = _parity.probes(request.image_size)
    together = engine.run(images)
    if not _agree(engine.run(images), together):
        raise InvalidInputError(
            f"backbone {request.backbone.name!r} must give an image the same features each time. This one "
            "does not: is something random in it, such as dropout?"
        )
    alone = [np.concatenate(maps) for maps in zip(*(engine.run(each[None]) for each in images), strict=True)]
    if _agree(together, alone):
        return engine
    logger.warning(
        f"Backbone {request.backbone.name!r} gives an image other features beside others than alone, so "
        "images run one at a time. Is it in training mode, or quantised dynamically?"
    )

    def run(pixels: np.ndarray, keep: Keep = as_they_are) -> list[np.ndarray]:
        if len(pixels) < 2:
            return engine.run(pixels, keep)
        rows = [engine.run(pixels[at : at + 1], keep) for at in range(len(pixels))]
        return [np.concatenate(maps) for maps in zip(*rows, strict=True)]

    return replace(engine, run=run)


def _agree(some: list[np.ndarray], others: list[np.ndarray]) -> bool:
    return all(np.abs(a - b).max() <= _TOLERANCE * np.abs(b).max() for a, b in zip(some, others, strict=True))
