"""Engines: from a row of data to ``run(batch) -> one array of activations per layer``.

An engine is one function ``(backbone, weights, image_size, layers, batch_size, *, model=None) -> Engine``,
entered in ``ENGINES``; ``model`` is a Keras model that was built already. Only engines touch TensorFlow. One
that cannot run a network, or not rightly, raises ``EngineError``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from transferkit.backbones import Backbone, Weights
from transferkit.engines._choice import EngineChoice
from transferkit.engines._engine import Engine, as_they_are
from transferkit.engines._keras import frozen_model, keras_engine
from transferkit.engines._openvino import has_openvino, openvino_bfloat16_engine, openvino_engine
from transferkit.engines._verdicts import Verdicts
from transferkit.errors import MissingDependencyError, quoted
from transferkit.foundation.arguments import check, choice
from transferkit.foundation.forks import enter_network

ENGINES: dict[str, Callable[..., Engine]] = {"keras": keras_engine, "openvino": openvino_engine}
BFLOAT16_ENGINES: dict[str, Callable[..., Engine]] = {"openvino": openvino_bfloat16_engine}
PRECISIONS = ("float32", "bfloat16")
# Engines whose features in float32 are the same: each is compared with Keras before it runs.
EQUIVALENT = ("keras", "openvino")

__all__ = [
    "BFLOAT16_ENGINES",
    "ENGINES",
    "EQUIVALENT",
    "Engine",
    "EngineChoice",
    "Verdicts",
    "as_they_are",
    "build_engine",
    "check_engine",
    "engine_function",
    "frozen_model",
    "has_openvino",
    "keras_engine",
    "openvino_engine",
    "shared_engine",
]


def build_engine(
    make: Callable[..., Engine],
    backbone: Backbone,
    weights: Weights,
    image_size: int,
    layers: tuple[str, ...],
    batch_size: int,
    **details: Any,
) -> Engine:
    """Return a new engine."""
    enter_network()
    return make(backbone, weights, image_size, layers, batch_size, **details)


# The same engine for the same arguments, so that folds and grids need not build it again.
shared_engine = functools.lru_cache(maxsize=4)(build_engine)


def engine_function(name: str, precision: str) -> Callable[..., Engine]:
    """Return the function that builds an engine."""
    return (BFLOAT16_ENGINES if precision == "bfloat16" else ENGINES)[name]


def check_engine(engine: str, precision: str = "float32") -> tuple[str, str | None]:
    """Return the name of the engine that ``"auto"`` or a name stands for, and what runs where it cannot.

    Raises
    ------
    InvalidInputError
        No such engine or precision, or an engine that does not compute with it.
    MissingDependencyError
        The engine needs a package that is not installed.
    """
    problems = choice("precision", precision, PRECISIONS)
    problems += choice("engine", engine, ("auto", *ENGINES))
    if not problems and precision == "bfloat16" and engine not in ("auto", *BFLOAT16_ENGINES):
        problems.append(
            f"precision='bfloat16' needs engine='auto' or {quoted(BFLOAT16_ENGINES, 'or')}. "
            f"Got engine={engine!r}. Leave engine out, or pass precision='float32'."
        )
    check(problems)
    if precision == "bfloat16" or engine == "openvino":
        if not has_openvino():
            purpose = "engine='openvino'" if precision == "float32" else f"precision={precision!r}"
            raise MissingDependencyError("openvino", "openvino", purpose)
        return "openvino", None
    if engine == "auto":
        return ("openvino", "keras") if has_openvino() else ("keras", None)
    return engine, None
