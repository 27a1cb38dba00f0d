"""The formats by name."""

from __future__ import annotations

from transferkit.exports._format import Format
from transferkit.exports._litert import LITERT
from transferkit.exports._onnx import ONNX
from transferkit.exports._openvino import OPENVINO

FORMATS: dict[str, Format] = {each.name: each for each in (ONNX, OPENVINO, LITERT)}
