"""Give layers names that do not depend on what the process has built before."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

_COUNTERS = "object_name_uids"


@contextmanager
def fresh_names() -> Iterator[None]:
    """Let Keras number unnamed layers from the start, and restore its counters afterwards.

    Keras counts unnamed layers over the whole process (``activation_187``). From the start, the same code
    gives the same names every time.
    """
    from keras.src.backend.common import global_state

    users = global_state.get_global_attribute(_COUNTERS)
    global_state.set_global_attribute(_COUNTERS, defaultdict(int))
    try:
        yield
    finally:
        global_state.set_global_attribute(_COUNTERS, users)


def counted_from_input(operations: Iterable[Any]) -> Iterator[str]:
    """Yield names of operations, in which names that look automatic are renumbered in order.

    The layers of this library's networks have these names, which differ from Keras's if layers are not
    created in the order in which they are connected.
    """
    counts: Counter[str] = Counter()
    for operation in operations:
        stem = snake(type(operation).__name__)
        if not is_automatic(operation.name, stem):
            yield operation.name
        else:
            yield stem if counts[stem] == 0 else f"{stem}_{counts[stem]}"
            counts[stem] += 1


def is_automatic(name: str, stem: str) -> bool:
    """Return True if Keras could have made this name from the snake-case name of a class."""
    return re.fullmatch(rf"{re.escape(stem)}(_\d+)?", name) is not None


def snake(name: str) -> str:
    """Spell a class name as Keras does in automatic names."""
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()
