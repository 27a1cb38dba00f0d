"""A Keras network within a traced function of TensorFlow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from transferkit.backbones import KerasNetwork
from transferkit.errors import ExportError
from transferkit.exports._network import pixel_table, ready
from transferkit.exports._tensor import Tensor


class TracedNetwork:
    """The counterpart of ``EmbeddedNetwork`` for TensorFlow; see there for parameters and attributes.

    ``model`` is the Keras model.
    """

    fixed_batch = None

    def __init__(self, settings: Any, layers: Sequence[str]) -> None:
        network = settings.network()
        if not isinstance(network, KerasNetwork) or not _on_tensorflow():
            raise ExportError(
                f"Only networks of Keras that run on TensorFlow become LiteRT files, and backbone "
                f"{settings.backbone.name!r} is none. Pass format='onnx' or 'openvino'."
            )
        self._layers = list(dict.fromkeys(layers))
        self.model = network.tapped_model(tuple(self._layers))
        self._table = pixel_table(settings)
        outputs = self.model.output
        outputs = outputs if isinstance(outputs, list | tuple) else [outputs]
        self.shapes = {
            layer: tuple(output.shape[1:]) for layer, output in zip(self._layers, outputs, strict=True)
        }

    def maps(self, graph: Any, planes: Tensor, layers: Sequence[str]) -> list[Tensor]:
        """Return the features of squares (n, 3, S, S), levels of 0 to 255: (n, h, w, c) or (n, c)."""
        batch = ready(planes, self._table).transpose(0, 2, 3, 1)
        found = self.model(graph.values[batch.name], training=False)
        found = found if isinstance(found, list | tuple) else [found]
        return [graph.tensor(found[self._layers.index(layer)]) for layer in layers]


def _on_tensorflow() -> bool:
    import keras

    return bool(keras.backend.backend() == "tensorflow")
