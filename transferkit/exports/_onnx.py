"""ONNX files, run by ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transferkit.exports._format import Format, Run
from transferkit.exports._model import build


def _write(model: Any, path: Path) -> list[Path]:
    path.write_bytes(model.SerializeToString())
    return [path]


def _open(path: Path) -> Run:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [entry.name for entry in session.get_inputs()]
    return lambda *inputs: session.run(None, dict(zip(names, inputs, strict=True)))[0]


def _describe(path: Path, metadata: Mapping[str, str]) -> None:
    import onnx

    more = onnx.ModelProto()
    onnx.helper.set_model_props(more, dict(metadata))
    with path.open("ab") as stream:
        # Concatenated protobuf messages are read as one, so the graph need not be rewritten.
        stream.write(more.SerializeToString())


ONNX = Format("onnx", "onnxruntime", ".onnx", build, _write, _open, _describe)
