"""OpenVINO's own format: a file with the graph, and one beside it with the weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

from transferkit.engines import import_openvino
from transferkit.exports._format import Format, Run
from transferkit.exports._model import build

_EXACT = {"INFERENCE_PRECISION_HINT": "f32"}


def _write(model: Any, path: Path) -> list[Path]:
    openvino = import_openvino()
    read = openvino.Core().read_model(model.SerializeToString())
    openvino.save_model(read, str(path), compress_to_fp16=False)
    return [path.with_suffix(".bin"), path]


def _open(path: Path) -> Run:
    return _compiled(path, _EXACT)


def _compiled(path: Path, settings: dict[str, str]) -> Run:
    compiled = import_openvino().Core().compile_model(str(path), "CPU", settings)
    return lambda *inputs: compiled(list(inputs))[0]


def _describe(path: Path, metadata: Mapping[str, str]) -> None:
    entries = "".join(f"<{name} value={quoteattr(value)} />" for name, value in metadata.items())
    graph = path.read_text(encoding="utf-8")
    start, found, end = graph.rpartition("</net>")
    path.write_text(f"{_with_entries(start, entries)}{found}{end}", encoding="utf-8")


def _with_entries(graph: str, entries: str) -> str:
    """Return a graph with additional entries in its last element, the information on the model."""
    start, found, end = graph.rpartition("</rt_info>")
    if found and not end.strip():
        return f"{start}<transferkit>{entries}</transferkit>{found}{end}"
    return f"{graph}<rt_info><transferkit>{entries}</transferkit></rt_info>"


def _notes(path: Path, difference: Callable[[Run], float]) -> tuple[str, ...]:
    """Return a note on the difference in the processor's default precision, if that is not float32."""
    plain = difference(_compiled(path, {}))
    return (
        "Compile it with {'INFERENCE_PRECISION_HINT': 'f32'}: some processors compute in bfloat16 by default "
        f"(with the defaults of this one, it differs by {plain:.2g}).",
    )


OPENVINO = Format(
    "openvino",
    "openvino",
    ".xml",
    build,
    _write,
    _open,
    _describe,
    _notes,
    others=(".bin",),
    extras={"onnx": "export", "onnxruntime": "export", "openvino": "openvino"},
)
