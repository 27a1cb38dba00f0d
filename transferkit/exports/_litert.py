"""LiteRT (TensorFlow Lite) files, for phones and small computers, which take images resized to a square."""

from __future__ import annotations

import json
import logging
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.errors import ExportError
from transferkit.exports._format import Format, Run
from transferkit.exports._model import IMAGE, check_exportable, from_squares
from transferkit.exports._resize import as_planes
from transferkit.exports._tensorflow import TracedGraph
from transferkit.exports._traced_network import TracedNetwork
from transferkit.images import resize_image

_METADATA = "transferkit.json"


def _build(predictor: Any, _branches: bool) -> bytes:
    """Return the content of a file whose input "image" is uint8 (n, S, S, 3): images resized to squares."""
    settings = predictor.extractor.settings()
    check_exportable(predictor, settings)
    refuse_looks(predictor)
    network = TracedNetwork(settings, settings.layers)
    settings.space  # noqa: B018 - chooses an engine, which must not be traced
    import tensorflow as tf

    size = settings.image_size

    entry = tf.TensorSpec([None, size, size, 3], tf.uint8, name=IMAGE)

    @tf.function(input_signature=[entry], autograph=False)
    def call(image: Any) -> dict[str, Any]:
        graph = TracedGraph()
        planes = as_planes(graph.tensor(image))
        found = from_squares(planes, planes, predictor, settings, network)
        return {found.name: graph.values[found.tensor.name]}

    # With the model as trackable_obj, as a warning suggests, TensorFlow 2.21 writes files that return NaN.
    log, level = logging.getLogger("absl"), logging.getLogger("absl").level
    log.setLevel(logging.ERROR)
    try:
        converter = tf.lite.TFLiteConverter.from_concrete_functions([call.get_concrete_function()])
        content: bytes = converter.convert()
    except ExportError:
        raise
    except Exception as error:  # such as ConverterError, which TensorFlow does not export
        reason = next(iter(str(error).strip().splitlines()), "")
        raise ExportError(
            f"TensorFlow cannot write this model for LiteRT: {type(error).__name__}: {reason[:300]}. Pass "
            "format='onnx' or 'openvino'."
        ) from error
    finally:
        log.setLevel(level)
    return content


def refuse_looks(predictor: Any) -> None:
    """Raise for models that crop squares from images, whose size is unknown when the file is written."""
    boxed = getattr(predictor.task, "boxed", False)
    if boxed or predictor.refinements or predictor.wide_look:
        what = "boxes" if boxed else "closer looks (refine=)"
        change = "without boxes=" if boxed else "with refine=0"
        raise ExportError(
            f"A LiteRT file takes squares of one size, and a model with {what} cuts its own out of the whole "
            f"image. Pass format='onnx' or 'openvino', or fit {change}."
        )


def _squares(predictor: Any, probes: list[NDArray[np.uint8]]) -> list[NDArray[np.uint8]]:
    """Return the squares to pass to the file instead of images."""
    settings = predictor.extractor.settings()
    return [resize_image(image, settings.image_size, resize=settings.resize) for image in probes]


def _write(content: bytes, path: Path) -> list[Path]:
    path.write_bytes(content)
    return [path]


def _open(path: Path) -> Run:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=path.read_bytes())
    (entry,), (end,) = interpreter.get_input_details(), interpreter.get_output_details()

    def run(images: NDArray[np.uint8]) -> NDArray[Any]:
        interpreter.resize_tensor_input(entry["index"], images.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(entry["index"], images)
        interpreter.invoke()
        answers: NDArray[Any] = interpreter.get_tensor(end["index"])
        return answers

    return run


def _describe(path: Path, metadata: Mapping[str, str]) -> None:
    facts = {name: json.loads(text) for name, text in metadata.items()}
    with zipfile.ZipFile(path, "a") as file:  # TensorFlow Lite stores additional files in a zip at the end
        file.writestr(_METADATA, json.dumps(facts))


def _notes(path: Path, _: Any) -> tuple[str, ...]:
    return (
        "It takes squares that are resized already, as Pillow's bilinear filter does it: other filters give "
        "other answers.",
    )


LITERT = Format(
    "litert",
    "ai_edge_litert",
    ".tflite",
    _build,
    _write,
    _open,
    _describe,
    _notes,
    given=_squares,
    extras={"tensorflow": "", "ai_edge_litert": "litert"},
)
