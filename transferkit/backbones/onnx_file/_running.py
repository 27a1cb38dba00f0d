"""Run a graph with ONNX Runtime, which is the reference for ONNX files, as Keras is for its models."""

from __future__ import annotations

from typing import Any

from transferkit.errors import EngineError

_LARGEST = 2**31 - 1  # largest size of a protobuf message in bytes


def session_of(model: Any, *, n_threads: int, optimise: bool = True) -> Any:
    """Return a session of ONNX Runtime, whose ``run`` is thread-safe.

    Parameters
    ----------
    model : onnx.ModelProto
    n_threads : int
        Number of threads for a call; 0 for one per core.
    optimise : bool, default=True
        Optimise the graph first, which takes time but makes calls faster.

    Raises
    ------
    EngineError
        ONNX Runtime cannot run it.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = n_threads
    options.log_severity_level = 4  # warnings of its optimiser are useless here
    if not optimise:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        return onnxruntime.InferenceSession(serialised(model), options, providers=["CPUExecutionProvider"])
    except EngineError:
        raise
    except Exception as error:  # its own exceptions have no common base
        reason = next(iter(str(error).strip().splitlines()), "")
        raise EngineError(f"ONNX Runtime cannot run this graph: {reason}", name="onnxruntime") from error


def serialised(model: Any) -> bytes:
    """Return a model as bytes."""
    if model.ByteSize() > _LARGEST:
        raise EngineError(
            f"The ONNX model has {model.ByteSize() / 1e9:.1f} GB of weights, and 2 GB can be run here. "
            "Export it in half precision.",
            name="onnxruntime",
        )
    found: bytes = model.SerializeToString()
    return found
