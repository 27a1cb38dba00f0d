"""The formats by name."""

from __future__ import annotations

from transferkit.export._format import Format
from transferkit.export._onnx import ONNX
from transferkit.export._openvino import OPENVINO

FORMATS: dict[str, Format] = {each.name: each for each in (ONNX, OPENVINO)}
