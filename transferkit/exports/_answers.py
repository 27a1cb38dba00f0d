"""Convert the outputs of a head to predictions, as nodes of a graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from transferkit.exports._tensor import Tensor
from transferkit.tasks import Classes, Labels, Points


class Answer(NamedTuple):
    """An output of a model: its name, and its shape without the batch."""

    name: str
    tensor: Tensor
    shape: Sequence[int]


def answer_name(task: Any) -> str:
    """Return the name of the output of a model."""
    if isinstance(task, Points):
        return "keypoints"
    return "probabilities" if isinstance(task, Classes | Labels) else "values"


def answer(task: Any, outputs: Tensor) -> Answer:
    """Return probabilities (n, n_classes) for logits, or unchanged values (n, k)."""
    if isinstance(task, Classes):
        if task.n_classes == 2:
            outputs = outputs.graph.join([outputs * 0, outputs], 1)
        return Answer("probabilities", outputs.apply("Softmax", axis=1), [task.n_classes])
    if isinstance(task, Labels):
        return Answer("probabilities", outputs.apply("Sigmoid"), [task.n_outputs])
    return Answer("values", outputs, [task.n_outputs])
