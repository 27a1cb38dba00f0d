"""A Keras model as a Network. Layer names do not depend on what else the process has built."""

from __future__ import annotations

import difflib
import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.backbones.keras_defaults import keras_defaults
from transferkit.backbones.layer_names import counted_from_input, is_automatic, snake
from transferkit.backbones.layer_outputs import layer_outputs
from transferkit.backbones.network import Tap
from transferkit.errors import InvalidInputError, quoted

# Layers and operations that may put channels first; those of Python code may do anything.
_MOVE_AXES = frozenset({"Permute", "Transpose", "Moveaxis", "Swapaxes", "Reshape", "Einsum", "Lambda"})


class KerasNetwork:
    """A Keras model whose layers can be tapped by name.

    Parameters
    ----------
    model : keras.Model
        With known inputs and outputs, functional or Sequential.
    image_size : int, optional
        Side of its input in pixels, if the model does not fix it.
    count_from_input : bool, default=False
        Number unnamed layers from the input on, as for the backbones of this library. Otherwise all names are
        those of Keras.

    Attributes
    ----------
    model : keras.Model
    tensors : dict of str to KerasTensor
        Output of each layer by name; ``"last"`` is the output of the model, if it has a single one.
    operations : dict of str to keras.Operation
        Operations of these outputs by name, from the input on.
    image_size : int
        Side of the input in pixels.
    """

    def __init__(self, model: Any, *, image_size: int | None = None, count_from_input: bool = False) -> None:
        self.model = model
        self.image_size = int(image_size or model.inputs[0].shape[1])
        self.tensors: dict[str, Any] = {}
        self.operations: dict[str, Any] = {}
        # A Sequential has only layers.
        operations = getattr(model, "operations", model.layers)
        names = counted_from_input(operations) if count_from_input else (each.name for each in operations)
        outputs = layer_outputs(model)
        for operation, name in zip(operations, names, strict=True):
            self.operations[name] = operation
            if id(operation) in outputs:
                self.tensors[name] = outputs[id(operation)]
        if len(model.outputs) == 1:
            self.tensors["last"] = model.outputs[0]

    @property
    def n_parameters(self) -> int:
        """Number of weights."""
        return int(self.model.count_params())

    def sizes(self) -> dict[str, int]:
        """Return the number of values of each layer per image, as far as the model knows."""
        return {name: prod(side or 1 for side in tensor.shape[1:]) for name, tensor in self.tensors.items()}

    def layer_names(self) -> list[str]:
        """Return the layers that can be tapped, from the input to ``"last"``."""
        return list(self.tensors)

    def tap(self, layers: tuple[str, ...], *, compiled: bool = False, one_graph: bool = False) -> Tap:
        """Return a function from a preprocessed batch to one float32 array for each layer.

        Parameters
        ----------
        layers : tuple of str
        compiled : bool, default=False
            If Keras runs on TensorFlow, trace a graph for each batch size: slower once, faster afterwards.
        one_graph : bool, default=False
            Trace a single graph for all batch sizes, so that later calls do not execute the code of layers.
        """
        import keras

        model = self.tapped_model(layers)

        def call(batch: Any) -> Any:
            return model(batch, training=False)

        if compiled and keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            any_size = [tf.TensorSpec((None, *self.model.inputs[0].shape[1:]), tf.float32)]
            call = tf.function(call, any_size if one_graph else None, reduce_retracing=False)

        def run(batch: NDArray[np.float32]) -> list[NDArray[np.float32]]:
            with keras_defaults():  # custom layers may read them when called
                outputs = call(keras.ops.convert_to_tensor(batch))
            # Keras returns the tensor itself for a list of one output.
            outputs = outputs if isinstance(outputs, list | tuple) else [outputs]
            return [np.asarray(keras.ops.convert_to_numpy(output), dtype=np.float32) for output in outputs]

        return run

    def check_input(self, name: str, shape: tuple[int, ...]) -> None:
        """Raise InvalidInputError unless the model accepts the output of the backbone's preprocessing."""
        taken = tuple(self.model.inputs[0].shape)
        if len(shape) != len(taken) or any(
            side not in (None, ours) for ours, side in zip(shape[1:], taken[1:], strict=True)
        ):
            raise InvalidInputError(
                f"preprocess_input of backbone {name!r} must give what its network takes, {taken}. "
                f"Got {shape} for images of {self.image_size} pixels. Correct it, or the constructor, which "
                "must build the network for input_shape."
            )

    def check_maps(self, layers: tuple[str, ...]) -> None:
        """Raise InvalidInputError if a map has channels first, since averages would then be wrong."""
        if not _moves_axes(self.model):
            return
        for name in layers:
            shape: tuple[Any, ...] = self.tensors[name].shape if name in self.tensors else ()
            if len(shape) == 4 and shape[1] != shape[2] == shape[3]:
                raise InvalidInputError(
                    f"layers must give maps (n, h, w, c), or vectors. Got layer {name!r} of shape {shape}, "
                    "with h and w that differ: is it (n, c, h, w)? Name a layer before axes are moved, or "
                    "move them back with keras.layers.Permute((2, 3, 1))."
                )

    def tapped_model(self, layers: tuple[str, ...]) -> Any:
        """Return a Keras model with one output for each layer.

        Raises
        ------
        InvalidInputError
            The model has no such layer; the message lists similar names.
        """
        import keras

        unknown = [name for name in layers if name not in self.tensors]
        if unknown:
            near = difflib.get_close_matches(unknown[0], self.layer_names(), n=3)
            guess = f" Did you mean {quoted(near, 'or')}?" if near else ""
            raise InvalidInputError(
                f"layers must name layers of the backbone. Got {quoted(unknown)}.{guess} "
                f"Call transferkit.list_layers() for all {len(self.tensors)}."
            )
        # With a list of one input, Keras would warn at every call with an array.
        return keras.Model(_single(self.model.inputs), [self.tensors[name] for name in layers])

    def fingerprint(self) -> dict[str, str]:
        """Return the SHA-256 of the weights and of the graph."""
        digest = hashlib.sha256()
        for array in self.model.get_weights():
            digest.update(np.ascontiguousarray(array).tobytes())
        try:
            document = json.loads(self.model.to_json())
        except NotImplementedError as error:  # its first line names the layer
            reason = next(iter(str(error).strip().splitlines()), "")
            raise InvalidInputError(
                f"Layers of a registered backbone must have get_config(), by which features are told apart. "
                f"Keras says: {reason}"
            ) from error
        graph = json.dumps(_as_saved_earlier(document), sort_keys=True)
        return {"weights": digest.hexdigest(), "graph": hashlib.sha256(graph.encode()).hexdigest()}


def _single(tensors: list[Any]) -> Any:
    """Return the only tensor of a list; ``model.input`` does not work for a Sequential."""
    return tensors[0] if len(tensors) == 1 else tensors


def _as_saved_earlier(document: dict[str, Any]) -> dict[str, Any]:
    """Return a serialised model as in earlier versions, if its names mean the same layers.

    Earlier versions numbered all automatic names in the order of the document, from ``conv2d_0``.
    """
    names: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for layer in document["config"]["layers"]:
        if "layers" in layer["config"]:
            return document  # nested models were numbered, too
        name, stem = layer["config"].get("name", ""), snake(layer["class_name"])
        if is_automatic(name, stem):
            if name != (stem if counts[stem] == 0 else f"{stem}_{counts[stem]}"):
                return document
            names[name] = f"{stem}_{counts[stem]}"
            counts[stem] += 1
    names[document["config"]["name"]] = f"{snake(document['class_name'])}_0"
    return _renamed(document, names)


def _renamed(item: Any, names: Mapping[str, str]) -> Any:
    """Return JSON data with some words replaced."""
    if isinstance(item, dict):
        return {key: _renamed(value, names) for key, value in item.items()}
    if isinstance(item, list):
        return [_renamed(value, names) for value in item]
    return names.get(item, item) if isinstance(item, str) else item


def _moves_axes(model: Any) -> bool:
    """Return whether a model may have maps with channels first, as any nested model may."""
    operations = getattr(model, "operations", model.layers)
    return any(
        type(each).__name__ in _MOVE_AXES
        or hasattr(each, "layers")
        or getattr(each, "data_format", None) == "channels_first"
        for each in operations
    )
