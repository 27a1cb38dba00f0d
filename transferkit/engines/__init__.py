"""Engines run backbones: a function from :class:`EngineRequest` to :class:`Engine`, entered in ``ENGINES``.

An engine that cannot run a network, or gives other features than Keras, raises ``EngineError``.
"""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Callable

from transferkit.backbones import Backbone, Function, OnnxFile, is_shipped
from transferkit.engines._choice import EngineChoice
from transferkit.engines._engine import Engine, EngineRequest, as_they_are
from transferkit.engines._keras import keras_engine
from transferkit.engines._onnxruntime import onnxruntime_engine
from transferkit.engines._openvino import has_openvino, openvino_engine
from transferkit.engines._python import python_engine
from transferkit.engines._rows import with_own_rows
from transferkit.engines._verdicts import Verdicts
from transferkit.errors import InvalidInputError, MissingDependencyError, quoted
from transferkit.foundation.arguments import check, choice
from transferkit.foundation.forks import enter_network

ENGINES: dict[str, Callable[[EngineRequest], Engine]] = {
    "keras": keras_engine,
    "openvino": openvino_engine,
    "onnxruntime": onnxruntime_engine,
    "python": python_engine,
}
BFLOAT16_ENGINES = ("openvino",)
REFERENCES = {
    "keras": "Keras models",
    "onnxruntime": "ONNX files",
    "python": "functions",
}  # and what each of them runs
PRECISIONS = ("float32", "bfloat16")

__all__ = [
    "BFLOAT16_ENGINES",
    "ENGINES",
    "PRECISIONS",
    "Engine",
    "EngineChoice",
    "EngineRequest",
    "Verdicts",
    "as_they_are",
    "available_engines",
    "build_engine",
    "check_engine",
    "choose_engine",
    "has_openvino",
    "keras_engine",
    "onnxruntime_engine",
    "openvino_engine",
    "python_engine",
    "reference_engine",
    "shared_engine",
]


def build_engine(name: str, request: EngineRequest) -> Engine:
    """Return the engine of a name; equal requests share one, unless they have their own network."""
    enter_network()
    make = ENGINES[name]
    return shared_engine(make, request) if request.network is None else _made(make, request)


@functools.lru_cache(maxsize=4)
def shared_engine(make: Callable[[EngineRequest], Engine], request: EngineRequest) -> Engine:
    """Return the same engine for the same arguments, so that folds and grids build it once."""
    return _made(make, request)


def _made(make: Callable[[EngineRequest], Engine], request: EngineRequest) -> Engine:
    """Return an engine whose rows do not depend on their batch; functions are asked by their own engine."""
    engine = make(request)
    asked = is_shipped(request.backbone) or isinstance(request.backbone.constructor, Function)
    return engine if asked else with_own_rows(engine, request)


def check_engine(engine: str, precision: str = "float32") -> tuple[str, str | None]:
    """Return the name of the engine to use, and of its fallback or None.

    Raises
    ------
    InvalidInputError
        The engine or the precision is unknown, or the engine does not support the precision.
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


def available_engines() -> list[str]:
    """Return the names of the engines whose packages are installed."""
    needs = {
        "keras": ("keras", "tensorflow"),
        "openvino": ("openvino",),
        "onnxruntime": ("onnx", "onnxruntime"),
    }
    found = importlib.util.find_spec
    return [name for name in ENGINES if all(found(package) for package in needs.get(name, ()))]


def reference_engine(backbone: Backbone) -> str:
    """Return the name of the engine that needs no conversion, with which others are compared."""
    if isinstance(backbone.constructor, OnnxFile):
        return "onnxruntime"
    return "python" if isinstance(backbone.constructor, Function) else "keras"


def choose_engine(backbone: Backbone, engine: str, precision: str) -> tuple[str, str | None]:
    """Return the name of the engine to use for a backbone, and of its fallback or None.

    Raises
    ------
    InvalidInputError
        As for :func:`check_engine`, or this engine does not run networks of this kind.
    MissingDependencyError
        The engine needs a package that is not installed.
    """
    name, fallback = check_engine(engine, precision)
    reference = reference_engine(backbone)
    if engine != reference and (engine in REFERENCES or (engine == "openvino" and reference == "python")):
        others = ("auto", "openvino", reference) if reference != "python" else ("auto", reference)
        raise InvalidInputError(
            f"engine must be {quoted(others, 'or')} for backbone {backbone.name!r}. "
            f"Got {engine!r}, which runs {REFERENCES.get(engine, 'graphs')}."
        )
    if reference == "python" and precision != "float32":
        raise InvalidInputError(
            f"precision must be 'float32' for backbone {backbone.name!r}, a function. Got {precision!r}."
        )
    if engine != "auto" or (precision != "float32" and reference != "python"):
        return name, fallback
    return ("openvino", reference) if name == "openvino" and reference != "python" else (reference, None)
