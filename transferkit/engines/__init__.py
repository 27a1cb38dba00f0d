"""Engines run backbones. Each is a function from :class:`EngineRequest` to :class:`Engine` in ``ENGINES``.

An engine raises ``EngineError`` if it cannot run a network, or if its features differ from the reference.
"""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Callable

from transferkit.backbones import Backbone, Function, OnnxFile, is_shipped
from transferkit.engines._choice import EngineChoice
from transferkit.engines._engine import Engine, EngineRequest, as_they_are
from transferkit.engines._gpu import has_gpu
from transferkit.engines._keras import keras_engine
from transferkit.engines._onnx_graph import onnx_graph
from transferkit.engines._onnxruntime import onnxruntime_engine
from transferkit.engines._openvino import has_openvino, import_openvino, openvino_engine
from transferkit.engines._prepared import GraphStore, PixelTable
from transferkit.engines._python import python_engine
from transferkit.engines._rows import batch_independent
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
REFERENCES = {
    "keras": "Keras models",
    "onnxruntime": "ONNX files",
    "python": "functions",
}  # engines that need no conversion, and what each of them runs
PRECISIONS = {
    "float32": ENGINES,
    "bfloat16": ("openvino", "keras"),
    "float16": ("keras",),
}  # number formats, and the engines that support them
_GRAPHS = {"keras": ("openvino",), "onnxruntime": ("openvino",), "python": ()}  # other engines that run them

__all__ = [
    "ENGINES",
    "PRECISIONS",
    "Engine",
    "EngineChoice",
    "EngineRequest",
    "GraphStore",
    "PixelTable",
    "Verdicts",
    "as_they_are",
    "available_engines",
    "build_engine",
    "check_engine",
    "choose_engine",
    "has_gpu",
    "has_openvino",
    "import_openvino",
    "keras_engine",
    "onnx_graph",
    "onnxruntime_engine",
    "openvino_engine",
    "python_engine",
    "reference_engine",
    "shared_engine",
]


def build_engine(name: str, request: EngineRequest) -> Engine:
    """Return the engine with this name; equal requests share one, unless they have their own network."""
    enter_network()
    make = ENGINES[name]
    return shared_engine(make, request) if request.network is None else _checked_engine(make, request)


@functools.lru_cache(maxsize=6)
def shared_engine(make: Callable[[EngineRequest], Engine], request: EngineRequest) -> Engine:
    """Return the same engine for the same arguments, so that folds and grid searches build it once."""
    return _checked_engine(make, request)


def _checked_engine(make: Callable[[EngineRequest], Engine], request: EngineRequest) -> Engine:
    """Return an engine whose features do not depend on the batch; functions are checked by their engine."""
    engine = make(request)
    needs_no_check = is_shipped(request.backbone) or isinstance(request.backbone.constructor, Function)
    return engine if needs_no_check else batch_independent(engine, request)


def check_engine(engine: str, precision: str = "float32") -> None:
    """Check that there is such an engine, with this precision, before the backbone is known.

    Raises
    ------
    InvalidInputError
        The engine or the precision is unknown, or the engine does not support the precision.
    MissingDependencyError
        The engine needs a package that is not installed.
    """
    problems = choice("precision", precision, tuple(PRECISIONS))
    problems += choice("engine", engine, ("auto", *ENGINES))
    if not problems and engine not in ("auto", *PRECISIONS[precision]):
        able = quoted(("auto", *PRECISIONS[precision]), "or")
        problems.append(
            f"precision={precision!r} needs engine={able}. Got engine={engine!r}. "
            "Leave engine out, or pass precision='float32'."
        )
    check(problems)
    if engine == "openvino" and precision == "float32":
        _need_openvino("engine='openvino'")
    elif engine == "openvino" or (engine == "auto" and precision == "bfloat16" and not has_gpu()):
        _need_openvino(f"precision={precision!r}")


def _need_openvino(purpose: str) -> None:
    if not has_openvino():
        raise MissingDependencyError("openvino", "openvino", purpose)


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
    """Return the name of the engine that runs a backbone without conversion; others are compared with it."""
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
    check_engine(engine, precision)
    reference = reference_engine(backbone)
    if engine in {"openvino", *REFERENCES} - {reference, *_GRAPHS[reference]}:
        raise InvalidInputError(
            f"engine must be {quoted(('auto', *_GRAPHS[reference], reference), 'or')} "
            f"for backbone {backbone.name!r}. "
            f"Got {engine!r}, which runs {REFERENCES.get(engine, 'graphs')}."
        )
    runs = {reference, *_GRAPHS[reference]}
    able = tuple(name for name, engines in PRECISIONS.items() if runs & {*engines})
    if precision not in able:
        raise InvalidInputError(
            f"precision must be {quoted(able, 'or')} for backbone {backbone.name!r}: "
            f"only {REFERENCES['keras']} compute in others. Got {precision!r}."
        )
    if engine != "auto":
        return engine, None
    if reference == "python" or (reference == "keras" and (precision == "float16" or has_gpu())):
        return reference, None
    if precision == "bfloat16":
        _need_openvino("precision='bfloat16'")
        return "openvino", None
    return ("openvino", reference) if has_openvino() else (reference, None)
