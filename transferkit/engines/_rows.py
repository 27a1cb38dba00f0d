"""Make sure that the features of an image do not depend on its batch, also for networks of users."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from transferkit.backbones import random_features
from transferkit.engines import _parity
from transferkit.engines._engine import Engine, EngineRequest, Keep, as_they_are
from transferkit.errors import InvalidInputError, TransferKitError, quoted

logger = logging.getLogger("transferkit")
_TOLERANCE = 1e-3  # between an image alone and in a batch, relative to the largest value of a layer
_said: set[tuple[object, ...]] = set()
Run = Callable[..., list[np.ndarray]]


def batch_independent(engine: Engine, request: EngineRequest) -> Engine:
    """Return an engine whose features of an image do not depend on the rest of its batch.

    A graph that normalises over the batch or quantises by its range, or was exported for a batch of one, is
    run one image at a time, which is slower.

    Raises
    ------
    InvalidInputError
        The features of an image are random or not finite, or a single image cannot be computed.
    """
    images = _parity.probes(request.image_size)
    together = _together(engine, images)
    alone = _alone(engine, images, request.backbone.name)
    again = _alone(engine, images, request.backbone.name) if together is None else engine.run(images)
    known = alone if together is None else together
    endless = [
        layer
        for layer, *pair in zip(request.layers, known, again, strict=True)
        if not np.isfinite(pair).all()
    ]
    if endless:
        raise InvalidInputError(
            f"backbone {request.backbone.name!r} must give finite features. Got NaN or infinity from "
            f"{quoted(endless)} for simple pictures. Check preprocessing (mean and std of an ONNX file) and "
            "weights, leave out precision=, or pass other layers=."
        )
    if not _agree(again, known):
        raise random_features(request.backbone.name)

    def one_at_a_time() -> Run:
        seen = "cannot compute several images together", "Was it exported for a batch of one?"
        if together is not None:
            seen = (
                "gives an image other features beside others than alone",
                "Is it in training mode, or quantised dynamically?",
            )
        # Each combination of layers and batch size builds an engine, but one warning per network is enough.
        if (known := (request.backbone.name, request.identity, seen)) not in _said:
            _said.add(known)
            logger.warning(
                f"Backbone {request.backbone.name!r} {seen[0]}, so images run one at a time. {seen[1]}"
            )
        return run

    def run(pixels: np.ndarray, keep: Keep = as_they_are) -> list[np.ndarray]:
        if len(pixels) < 2:
            return engine.run(pixels, keep)
        rows = [engine.run(pixels[at : at + 1], keep) for at in range(len(pixels))]
        return [np.concatenate(maps) for maps in zip(*rows, strict=True)]

    if together is None or not _agree(together, alone):
        return replace(engine, run=one_at_a_time())
    return replace(engine, run=Watched(engine.run, len(images), one_at_a_time))


def _together(engine: Engine, images: np.ndarray) -> list[np.ndarray] | None:
    """Return the features of images computed together, or None on an error or with a wrong number of rows."""
    try:
        found = engine.run(images)
    except (TransferKitError, MemoryError):
        raise
    except Exception:  # noqa: BLE001 - a runtime may raise anything, and single images may do
        return None
    return found if all(len(maps) == len(images) for maps in found) else None


def _alone(engine: Engine, images: np.ndarray, name: str) -> list[np.ndarray]:
    """Return the features of images computed one by one."""
    try:
        rows = [engine.run(each[None]) for each in images]
    except (TransferKitError, MemoryError):
        raise
    except Exception as error:  # a runtime may raise anything
        reason = next(iter(str(error).strip().splitlines()), "")
        raise InvalidInputError(
            f"backbone {name!r} must be able to compute a single image. {engine.name} says: "
            f"{type(error).__name__}: {reason}"
        ) from error
    return [np.concatenate(maps) for maps in zip(*rows, strict=True)]


class Watched:
    """The ``run`` of an engine, which checks each batch that is larger than those before.

    There are only a few probe images, and a network may treat large batches differently. The first and the
    last image of such a batch are computed again, alone, to see whether their features depend on the batch.

    Parameters
    ----------
    run : callable
        The function to check.
    asked : int
        Batch size up to which it was checked already.
    otherwise : callable
        Returns the function to use instead if features depend on the batch, or raises an error.
    tolerance : float, optional
        Largest difference, relative to the largest value of a layer.
    """

    def __init__(
        self, run: Run, asked: int, otherwise: Callable[[], Run], tolerance: float = _TOLERANCE
    ) -> None:
        self._run, self._asked, self._otherwise, self._tolerance = run, asked, otherwise, tolerance

    def __call__(self, pixels: np.ndarray, keep: Keep = as_they_are) -> list[np.ndarray]:
        """Return features; at worst, concurrent threads check twice."""
        run, asked, ends = self._run, self._asked, [0, len(pixels) - 1]
        found = run(pixels, keep)
        if len(pixels) <= asked:
            return found
        alone = zip(*(run(pixels[at : at + 1], keep) for at in ends), strict=True)
        rows = [np.concatenate(maps) for maps in alone]
        whole = all(len(maps) == len(pixels) for maps in found)
        if not (whole and _agree([maps[ends] for maps in found], rows, self._tolerance)):
            self._run = self._otherwise()
            return self._run(pixels, keep)
        self._asked = max(self._asked, len(pixels))
        return found


def _agree(some: list[np.ndarray], others: list[np.ndarray], tolerance: float = _TOLERANCE) -> bool:
    return all(
        a.shape == b.shape and np.abs(a - b).max() <= tolerance * np.abs(b).max()
        for a, b in zip(some, others, strict=True)
    )
