"""Convert a network to an ONNX model, for files that other programs run."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
from collections.abc import Iterator
from typing import Any

from transferkit.backbones import KerasNetwork, Network, OnnxNetwork, keras_defaults
from transferkit.errors import EngineError, MissingDependencyError

_OPSET = 17
_PREFIX = "transferkit_layer"


def onnx_graph(network: Network, layers: tuple[str, ...]) -> Any:
    """Return an ONNX model with one output per layer, (n, h, w, c) or (n, c).

    Its input is the preprocessed float32 input (n, S, S, 3) of a Keras network, or uint8 pixels of this shape
    for an ONNX file.

    Parameters
    ----------
    network : Network
    layers : tuple of str

    Returns
    -------
    onnx.ModelProto

    Raises
    ------
    EngineError
        The network is a function, or cannot be converted.
    MissingDependencyError
        The package tf2onnx is not installed.
    """
    if isinstance(network, OnnxNetwork):
        return network.prepared(layers)
    if not isinstance(network, KerasNetwork):
        raise EngineError(
            "A function has no graph that could be written to a file. Networks of Keras and ONNX files have "
            "one: write the network to an ONNX file, and pass Backbone.from_onnx(file).",
            name="onnx",
        )
    if importlib.util.find_spec("tf2onnx") is None:
        raise MissingDependencyError("tf2onnx", "export", "A network of Keras in another format")
    import keras

    if (backend := keras.backend.backend()) != "tensorflow":
        raise EngineError(
            f"Only TensorFlow's graphs can be converted, and Keras runs on {backend}. Set "
            "KERAS_BACKEND=tensorflow in a new process, load the model there, and call this again.",
            name="onnx",
        )
    return _converted(network, layers)


def _converted(network: KerasNetwork, layers: tuple[str, ...]) -> Any:
    import tensorflow as tf

    tapped, side = network.tapped_model(layers), network.image_size

    def call(batch: Any) -> dict[str, Any]:
        outputs = tapped(batch, training=False)
        outputs = outputs if isinstance(outputs, list | tuple) else [outputs]
        # Name each output, because layers may share a tensor, and the order of outputs is not kept.
        return {f"{_PREFIX}_{i}": tf.identity(output) for i, output in enumerate(outputs)}

    with keras_defaults(), _quiet():
        import tf2onnx

        signature = [tf.TensorSpec((None, side, side, 3), tf.float32, name="transferkit_input")]
        try:
            model, _ = tf2onnx.convert.from_function(
                tf.function(call, autograph=False), input_signature=signature, opset=_OPSET
            )
        except Exception as error:
            reason = f"{type(error).__name__}: {next(iter(str(error).strip().splitlines()), '')}"
            raise EngineError(
                f"tf2onnx cannot convert this network: {reason[:300]}. Where the network exists as an ONNX "
                "file, pass Backbone.from_onnx(file).",
                name="onnx",
            ) from error
    _spell_out(model.graph)
    _check(model.graph)
    places = {output.name: output for output in model.graph.output}
    _keep(model.graph.output, [places[f"{_PREFIX}_{i}"] for i in range(len(layers))])
    # Remove constants captured by TensorFlow, which remain as unused inputs.
    used = {name for node in model.graph.node for name in node.input}
    _keep(model.graph.input, [entry for entry in model.graph.input if entry.name in used])
    return model


def _keep(field: Any, chosen: list[Any]) -> None:
    """Keep only the chosen messages of a repeated field."""
    copies = [type(each).FromString(each.SerializeToString()) for each in chosen]
    del field[:]
    field.extend(copies)


def _spell_out(graph: Any) -> None:
    """Replace log(1 + x) and 1 - erf(x), which tf2onnx leaves as TensorFlow operators, by those of ONNX."""
    import onnx

    make, one = onnx.helper.make_node, f"{_PREFIX}_one"
    nodes: list[Any] = []
    for node in graph.node:
        between = f"{node.output[0]}_between"
        if node.op_type == "Log1p":
            nodes += [make("Add", [node.input[0], one], [between]), make("Log", [between], node.output)]
        elif node.op_type == "Erfc":
            nodes += [make("Erf", node.input, [between]), make("Sub", [one, between], node.output)]
        else:
            nodes.append(node)
    if len(nodes) > len(graph.node):
        graph.initializer.append(onnx.helper.make_tensor(one, onnx.TensorProto.FLOAT, [], [1.0]))
        _keep(graph.node, nodes)


def _check(graph: Any) -> None:
    """Raise EngineError for operators that tf2onnx has not converted and ONNX does not have."""
    import onnx

    unknown = {node.op_type for node in graph.node if not onnx.defs.has(node.op_type, node.domain)}
    if unknown:
        raise EngineError(
            f"tf2onnx cannot convert {', '.join(sorted(unknown))} of this network. Where it exists as "
            "an ONNX file, pass Backbone.from_onnx(file).",
            name="onnx",
        )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence the converter's progress messages, and restore the loggers that it changes."""
    root, own = logging.getLogger(), logging.getLogger("tf2onnx")
    levels = root.level, own.level
    handlers, filters = list(root.handlers), list(root.filters)
    own.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        root.setLevel(levels[0])
        own.setLevel(levels[1])
        root.handlers, root.filters = handlers, filters
