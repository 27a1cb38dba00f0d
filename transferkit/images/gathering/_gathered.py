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
    labels : list or ndarray, optional
        One for each image, where the data set has labels: names, if it names its classes.
    shuffled : bool
        Whether the order is another one at each reading, so that nothing outside can refer to it.
    """

    images: list[Any]
    labels: Any = None
    shuffled: bool = False
