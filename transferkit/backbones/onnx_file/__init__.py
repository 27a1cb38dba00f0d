"""Networks in ONNX files; ``onnx`` and ``onnxruntime`` are imported only when a file is read."""

from transferkit.backbones.onnx_file._advice import contrasts, metadata_failures
from transferkit.backbones.onnx_file._json import fields_from_json, to_json
from transferkit.backbones.onnx_file._make import describe_file
from transferkit.backbones.onnx_file._network import OnnxNetwork, run_in_portions
from transferkit.backbones.onnx_file._normalisation import USUAL
from transferkit.backbones.onnx_file._running import serialised, session_of
from transferkit.backbones.onnx_file._source import OnnxFile, files_of

__all__ = [
    "USUAL",
    "OnnxFile",
    "OnnxNetwork",
    "contrasts",
    "describe_file",
    "fields_from_json",
    "files_of",
    "metadata_failures",
    "run_in_portions",
    "serialised",
    "session_of",
    "to_json",
]
