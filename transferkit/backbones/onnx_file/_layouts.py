"""Where the channels of a tensor are, for those whose shape does not show it, such as (1, 16, 16, 16)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

# By ONNX's definition they take and give (n, c, h, w).
_CHANNELS_FIRST = {
    "AveragePool", "BatchNormalization", "Conv", "ConvTranspose", "GlobalAveragePool", "GlobalMaxPool",
    "GroupNormalization", "InstanceNormalization", "LRN", "MaxPool",
}  # fmt: skip
_TURNS = {("NHWC", (0, 3, 1, 2)): "NCHW", ("NCHW", (0, 2, 3, 1)): "NHWC"}


def find_layouts(
    nodes: Sequence[Any], shapes: Mapping[str, Sequence[int]], entry: str, layout: str
) -> dict[str, str]:
    """Return the layout of tensors of 4 dimensions, as operators hand it on from the input."""
    layouts = {entry: layout}
    for node in nodes:
        known = [layouts[name] for name in node.input if name in layouts]
        if node.op_type in _CHANNELS_FIRST:
            found = "NCHW"
        elif node.op_type == "Transpose" and known:
            order = next((tuple(each.ints) for each in node.attribute if each.name == "perm"), ())
            found = _TURNS.get((known[0], order), "")
        else:
            found = known[0] if known else ""
        for name in node.output:
            if found and len(shapes.get(name, ())) == 4:
                layouts[name] = found
    return layouts
