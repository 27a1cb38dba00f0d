"""Find the output tensor of each layer within a Keras model."""

from __future__ import annotations

from typing import Any


def layer_outputs(model: Any) -> dict[int, Any]:
    """Return the output tensor of each operation that has a single one, by the ``id`` of the operation.

    A layer knows all of its calls, even those in other models that share it, and ``layer.output`` is that of
    the first call. So the graph is followed from the outputs of the model back to its inputs. A layer that is
    called twice within the model has no single output, and is left out.
    """
    found: dict[int, list[Any]] = {}
    seen = set()
    waiting = list(model.outputs)
    while waiting:
        operation, index, _ = waiting.pop()._keras_history
        node = operation._inbound_nodes[index]
        if id(node) not in seen:
            seen.add(id(node))
            found.setdefault(id(operation), []).extend(node.output_tensors)
            waiting += node.input_tensors
    return {key: tensors[0] for key, tensors in found.items() if len(tensors) == 1}
