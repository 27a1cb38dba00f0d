"""Find the channel axis of tensors whose shape is ambiguous, such as (1, 16, 16, 16)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

# By ONNX's definition, these operators have inputs and outputs (n, c, h, w).
_CHANNELS_FIRST = {
    "AveragePool", "BatchNormalization", "Conv", "ConvTranspose", "GlobalAveragePool", "GlobalMaxPool",
    "GroupNormalization", "InstanceNormalization", "LRN", "MaxPool",
}  # fmt: skip
_TURNS = {
    ("NHWC", (0, 3, 1, 2)): "NCHW",
    ("NCHW", (0, 2, 3, 1)): "NHWC",
    ("NCT", (0, 2, 1)): "NTC",
    ("NTC", (0, 2, 1)): "NCT",
}


def find_layouts(
    nodes: Sequence[Any], shapes: Mapping[str, Sequence[int]], entry: str, layout: str
) -> dict[str, str]:
    """Return the layout of tensors, as propagated by operators from the input.

    "NCHW" and "NHWC" are for 4 dimensions; "NTC" for patch tokens, and "NCT" if places come last.
    """
    layouts = {entry: layout}
    for node in nodes:
        known = next((name for name in node.input if name in layouts), None)
        for name in node.output:
            if node.op_type in _CHANNELS_FIRST:
                found = {4: "NCHW", 3: "NCT"}.get(len(shapes.get(name, ())), "")
            elif known is None:
                found = ""
            elif node.op_type == "Transpose":
                order = next((tuple(each.ints) for each in node.attribute if each.name == "perm"), ())
                found = _TURNS.get((layouts[known], order), "")
            else:
                found = _kept(layouts[known], shapes.get(known), shapes.get(name, ()))
            if found:
                layouts[name] = found
    return layouts


def _kept(layout: str, before: Sequence[int] | None, after: Sequence[int]) -> str:
    """Return the layout after an operator that does not transpose, given the shapes before and after it."""
    if len(after) == len(layout):
        return layout
    if before is None or len(before) != len(layout) or len(after) not in (3, 4):
        return ""
    n, *sides = before
    if layout == "NCHW" and tuple(after) == (n, sides[0], sides[1] * sides[2]):
        return "NCT"
    if layout == "NHWC" and tuple(after) == (n, sides[0] * sides[1], sides[2]):
        return "NTC"
    if layout == "NCT" and len(after) == 4 and after[1] == sides[0] and after[2] * after[3] == sides[1]:
        return "NCHW"
    if layout == "NTC" and len(after) == 4 and after[3] == sides[1] and after[1] * after[2] == sides[0]:
        return "NHWC"
    return ""
