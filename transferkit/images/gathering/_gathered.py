"""What was found in X."""

from __future__ import annotations

from typing import Any, NamedTuple

__all__ = ["Gathered"]


class Gathered(NamedTuple):
    """Images, and what came with them.

    Attributes
    ----------
    images : list
        Each in a form that :func:`transferkit.images.read_source` takes.
    labels : list, optional
        One for each image, where the data set has labels: names, if it names its classes.
    shuffled : bool
        Whether the order is another one at each reading, so that nothing outside can refer to it.
    names : sequence, optional
        Where labels are still positions among the names of the classes, these; what was not checked yet.
    """

    images: list[Any]
    labels: list[Any] | None = None
    shuffled: bool = False
    names: Any = None
