"""Read collections of images: folders, patterns, and datasets of other libraries.

Each file recognizes one kind by its attributes, without importing a library, and returns a :class:`Gathered`.
"""

from __future__ import annotations

from typing import Any

from transferkit.images.gathering import _huggingface, _tensorflow, _torch
from transferkit.images.gathering._elements import named
from transferkit.images.gathering._gathered import Gathered
from transferkit.images.gathering._huggingface import file_content
from transferkit.images.gathering._listing import has_pattern, is_folder, list_images

__all__ = ["Gathered", "dataset_reader", "file_content", "has_pattern", "is_folder", "list_images", "named"]

_LIBRARIES: tuple[Any, ...] = (_tensorflow, _huggingface, _torch)  # the last takes anything like a sequence


def dataset_reader(X: Any) -> Any:
    """Return the module that reads a dataset; None if X is not a dataset."""
    return next((library for library in _LIBRARIES if library.is_one(X)), None)
