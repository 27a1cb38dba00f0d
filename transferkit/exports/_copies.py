"""Copy nodes of another model into a graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any


def needed(nodes: Sequence[Any], tensors: set[str]) -> list[Any]:
    """Return the nodes that these tensors depend on."""
    wanted, kept = set(tensors), []
    for node in reversed(nodes):
        if wanted.intersection(node.output):
            kept.append(node)
            wanted |= _read_by(node)
    return kept[::-1]


def _read_by(node: Any) -> set[str]:
    """Return the tensors that a node reads, including those read by graphs within it."""
    found = set(node.input)
    for attribute in node.attribute:
        for graph in (attribute.g, *attribute.graphs):
            found.update(*map(_read_by, graph.node), {each.name for each in graph.output})
    return found


def copied(node: Any, renamed: Callable[[str], str]) -> Any:
    """Return a node with other names, also in graphs within it."""
    copy = type(node).FromString(node.SerializeToString())
    copy.name = ""
    copy.input[:] = [renamed(name) for name in node.input]
    copy.output[:] = [renamed(name) for name in node.output]
    for attribute in copy.attribute:
        own = [attribute.g] if attribute.HasField("g") else []  # merely accessing the field would set it
        for graph in (*own, *attribute.graphs):
            inner = [copied(each, renamed) for each in graph.node]
            del graph.node[:]
            graph.node.extend(inner)
            for each in (*graph.initializer, *graph.input, *graph.output):
                each.name = renamed(each.name)
    return copy
