"""A Keras model as a Network. Layer names do not depend on what else the process has built."""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.backbones.keras_defaults import keras_defaults
from transferkit.backbones.network import Tap
from transferkit.errors import InvalidInputError, quoted


class KerasNetwork:
    """A Keras model whose layers can be tapped by name.

    Keras numbers unnamed layers over the whole process (``activation_187``). Here they are numbered within
    the model (``activation``, ``activation_1``, ...), so that a name means the same layer in every run.

    Parameters
    ----------
    model : keras.Model
        With known inputs and outputs, functional or Sequential.

    Attributes
    ----------
    model : keras.Model
    tensors : dict of str to KerasTensor
        The output of each layer, by name; ``"last"`` is the output of the model.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self.tensors: dict[str, Any] = {}
        counts: Counter[str] = Counter()
        # A Sequential has only layers.
        for operation in getattr(model, "operations", model.layers):
            name = operation.name
            stem = _snake(type(operation).__name__)
            if _is_automatic(name, stem):
                name = stem if counts[stem] == 0 else f"{stem}_{counts[stem]}"
                counts[stem] += 1
            try:
                self.tensors[name] = operation.output
            except (AttributeError, ValueError):
                continue  # called more than once, so it has several outputs
        self.tensors["last"] = _single(model.outputs)

    @property
    def n_parameters(self) -> int:
        """Number of weights."""
        return int(self.model.count_params())

    def layer_names(self) -> list[str]:
        """Return the layers that can be tapped, from the input to ``"last"``."""
        return list(self.tensors)

    def tap(self, layers: tuple[str, ...], *, compiled: bool = False) -> Tap:
        """Return a function from a preprocessed batch to one float32 array for each layer.

        Parameters
        ----------
        layers : tuple of str
        compiled : bool, default=False
            Trace a graph for each batch size, if Keras runs on TensorFlow: slower once, faster afterwards.
        """
        import keras

        model = self.tapped_model(layers)

        def call(batch: Any) -> Any:
            return model(batch, training=False)

        if compiled and keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            call = tf.function(call, reduce_retracing=False)

        def run(batch: NDArray[np.float32]) -> list[NDArray[np.float32]]:
            with keras_defaults():  # custom layers may read them when called
                outputs = call(keras.ops.convert_to_tensor(batch))
            # Keras returns the tensor itself for a list of one output.
            outputs = outputs if isinstance(outputs, list | tuple) else [outputs]
            return [np.asarray(keras.ops.convert_to_numpy(output), dtype=np.float32) for output in outputs]

        return run

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
        # With a list around one input, Keras would warn at every call with an array.
        return keras.Model(_single(self.model.inputs), [self.tensors[name] for name in layers])

    def fingerprint(self) -> dict[str, str]:
        """Return the SHA-256 of the weights and of the graph."""
        digest = hashlib.sha256()
        for array in self.model.get_weights():
            digest.update(np.ascontiguousarray(array).tobytes())
        graph = json.dumps(_renumbered(json.loads(self.model.to_json())), sort_keys=True)
        return {"weights": digest.hexdigest(), "graph": hashlib.sha256(graph.encode()).hexdigest()}


def _single(tensors: list[Any]) -> Any:
    """Return the tensor of a list of one, which ``model.input`` cannot do for a Sequential."""
    return tensors[0] if len(tensors) == 1 else tensors


def _is_automatic(name: str, stem: str) -> bool:
    """Return True if Keras made this name from the snake-case name of a class."""
    return re.fullmatch(rf"{re.escape(stem)}(_\d+)?", name) is not None


def _snake(name: str) -> str:
    """Spell a class name as Keras does in automatic names."""
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def _renumbered(document: Any) -> Any:
    """Return a serialised model with automatic names numbered within it."""
    names: dict[str, str] = {}
    counts: Counter[str] = Counter()

    def collect(item: Any) -> None:
        if isinstance(item, dict):
            kind, config = item.get("class_name"), item.get("config")
            name = config.get("name") if isinstance(config, dict) else None
            if isinstance(kind, str) and isinstance(name, str) and name not in names:
                stem = _snake(kind)
                if _is_automatic(name, stem):
                    names[name] = f"{stem}_{counts[stem]}"
                    counts[stem] += 1
        for value in item.values() if isinstance(item, dict) else item if isinstance(item, list) else ():
            collect(value)

    def rename(item: Any) -> Any:
        if isinstance(item, dict):
            return {key: rename(value) for key, value in item.items()}
        if isinstance(item, list):
            return [rename(value) for value in item]
        return names.get(item, item) if isinstance(item, str) else item

    collect(document)
    return rename(document)
