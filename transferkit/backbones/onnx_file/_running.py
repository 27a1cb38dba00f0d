"""Run a graph with ONNX Runtime: the reference for files, as Keras is for its own models."""

from __future__ import annotations

from typing import Any

from transferkit.errors import EngineError

_LARGEST = 2**31 - 1  # bytes of a message of protobuf


def session_of(model: Any, *, n_threads: int, optimise: bool = True) -> Any:
    """Return a session of ONNX Runtime; its ``run`` is safe in threads.

    Parameters
    ----------
    model : onnx.ModelProto
    n_threads : int
        Threads for one call; 0 for one on each core.
    optimise : bool, default=True
        Rewrite the graph first, which takes longer and makes it faster.

    Raises
    ------
    EngineError
        ONNX Runtime cannot run it.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = n_threads
    options.log_severity_level = 4  # warnings of its optimiser are of no use here
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
