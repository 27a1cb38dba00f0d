"""The images and labels found in X."""

from __future__ import annotations

from typing import Any, NamedTuple

__all__ = ["Gathered"]


class Gathered(NamedTuple):
    """Images, with labels if there are any.

    Attributes
    ----------
    images : list
        Images in forms that :func:`transferkit.images.read_source` accepts.
    labels : list, optional
        A label for each image if the dataset has labels: names, if it names its classes.
    shuffled : bool
        Whether the order changes each time the dataset is read, so that nothing outside can refer to it.
    names : sequence, optional
        Names of the classes, not yet checked, if labels are still positions among these.
    """

    images: list[Any]
    labels: list[Any] | None = None
    shuffled: bool = False
    names: Any = None
