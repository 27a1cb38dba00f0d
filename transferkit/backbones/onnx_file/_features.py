"""Find the tensors of a graph that are features, and their shapes; only this module knows about tokens.

A map is a tensor (n, c, h, w) or (n, h, w, c) with h = w; tokens are (n, t, c), of which the first few are
the class and registers and the others patches of a square grid; a vector is (n, c).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from math import isqrt
from typing import Any

from transferkit.backbones.layer_choice import Feature

PREFIX_TOKENS = (0, 1, 2, 4, 5, 8, 9)  # none, class, two (DeiT), and 4 or 8 registers without or with class
MOST_OTHER_TENSORS = 6
_PRODUCTS = {"Gemm", "MatMul", "MatMulInteger", "QGemm", "QLinearMatMul"}
_BETWEEN = {
    "Softmax", "LogSoftmax", "Sigmoid", "Add", "Mul", "Cast", "Identity", "DequantizeLinear",
    "QuantizeLinear",
}  # fmt: skip


def find_features(
    shapes: Mapping[str, Sequence[int]],
    layouts: Mapping[str, str],
    nodes: Sequence[Any],
    image_size: int,
    n_prefix: int | None,
    *,
    not_tokens: Collection[tuple[int, int]] = (),
) -> dict[str, Feature]:
    """Return the features among tensors by name, in the order of the graph, with "last" and "summary".

    Parameters
    ----------
    shapes : mapping
        The shape of each tensor for one image, in the order of the graph.
    layouts : mapping
        Known layouts of tensors, which decide if a shape is ambiguous.
    nodes : sequence of onnx.NodeProto
    image_size : int
    n_prefix : int or None
        Number of tokens before those of patches; None means the smallest number that leaves a square.
    not_tokens : collection of (int, int), default=()
        Cells per side and number of prefix tokens of tensors whose patches are in another order.
    """
    found = {
        name: _feature(name, shape, image_size, layouts.get(name, ""), n_prefix)
        for name, shape in shapes.items()
    }
    for name, feature in found.items():
        if (
            feature is not None
            and feature.kind == "tokens"
            and (feature.shape[0], feature.n_prefix) in not_tokens
        ):
            found[name] = None
    features = {name: feature for name, feature in found.items() if feature is not None}
    spatial = [each for each in features.values() if each.kind != "vector" and each.shape[0] > 1]
    if not spatial or _has_other_tokens(found, shapes, spatial[-1].tensor):
        return features
    features["last"] = spatial[-1]
    after = list(features).index(spatial[-1].tensor)
    vectors = [each for each in list(features.values())[after:] if each.kind == "vector"]
    if vectors:
        features["summary"] = vectors[-1 - _n_answers(vectors, nodes)]
    elif spatial[-1].n_prefix:
        last = spatial[-1]
        features["summary"] = Feature(last.tensor, "token", last.shape[-1:], n_prefix=last.n_prefix)
    return features


def _has_other_tokens(found: Mapping[str, Any], shapes: Mapping[str, Sequence[int]], last: str) -> bool:
    """Return True if tensors (n, t, c) follow the last map that are not patches of a square.

    The map is then an early one, such as the embedding of patches. A few such tensors may be the boxes of a
    detector.
    """
    after = list(found)[list(found).index(last) :]
    unknown = [name for name in after if len(shapes[name]) == 3 and shapes[name][0] == 1 and not found[name]]
    return len(unknown) > MOST_OTHER_TENSORS


def _n_answers(vectors: Sequence[Feature], nodes: Sequence[Any]) -> int:
    """Return how many vectors at the end are outputs of a linear classifier, which are not features."""
    made_by = {name: node for node in nodes for name in node.output}
    names = [each.tensor for each in vectors]
    at, answers = names[-1], {names[-1]}
    while at in made_by and made_by[at].op_type in _BETWEEN:  # back to the product that gives the scores
        inputs = [name for name in made_by[at].input if name in made_by]
        if not inputs:
            return 0
        at = inputs[0]
        answers.add(at)
    if at not in made_by or made_by[at].op_type not in _PRODUCTS:
        return 0
    number = sum(1 for name in names if name in answers)
    return number if number < len(names) and answers >= set(names[-number:]) else 0


def _feature(
    name: str, shape: Sequence[int], image_size: int, layout: str, n_prefix: int | None
) -> Feature | None:
    """Return a tensor as a feature, or None if its shape is not that of a feature."""
    if not shape or shape[0] != 1 or min(shape) < 1:
        return None
    sides = tuple(shape[1:])
    if len(sides) == 1 and sides[0] > 1:
        return Feature(name, "vector", sides)
    if len(sides) == 2 and layout == "NCT":
        return None  # places come last, so these are not tokens, whatever their number
    if len(sides) == 2:
        return _tokens(name, sides, image_size, n_prefix)
    if len(sides) != 3:
        return None
    first, last = sides[1] == sides[2], sides[0] == sides[1]  # possible positions of the channels
    if not (first or last):
        return None
    if first and last:
        if layout not in ("NCHW", "NHWC"):
            return None  # it is unknown where its channels are
        first = layout == "NCHW"
    h, c = (sides[1], sides[0]) if first else (sides[0], sides[2])
    if not _is_stride(h, image_size) or c < 2:
        return None
    return Feature(name, "map", (h, h, c), "NCHW" if first else "NHWC")


def _tokens(name: str, sides: tuple[int, ...], image_size: int, n_prefix: int | None) -> Feature | None:
    n, c = sides
    cells = isqrt(n if n_prefix is None else max(0, n - n_prefix))
    prefix = n - cells * cells
    if cells < 2 or c < 2 or prefix not in (PREFIX_TOKENS if n_prefix is None else (n_prefix,)):
        return None
    if n_prefix is None and image_size % cells:  # perhaps queries of a detector, since patches fill the image
        return None
    return Feature(name, "tokens", (cells, cells, c), n_prefix=prefix)


def _is_stride(side: int, image_size: int) -> bool:
    """Return True if this may be the side of a map at some stride, which attention matrices rarely have."""
    if side > image_size:
        return False
    stride = round(image_size / side)
    return abs(side - image_size / stride) <= 2
