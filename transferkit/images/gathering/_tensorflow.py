"""``tf.data.Dataset``, including those of ``keras.utils.image_dataset_from_directory``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import numpy as np

from transferkit.errors import BadImageError, InvalidInputError
from transferkit.images._formats import identify
from transferkit.images.gathering._elements import read_elements
from transferkit.images.gathering._gathered import Gathered

__all__ = ["gather", "is_one"]

_LOADER = ".utils.image_dataset_utils"  # the module of Keras that loads images from paths
_LONGEST_PATH = 4096
_ENDLESS = -1  # tf.data.INFINITE_CARDINALITY


def is_one(X: Any) -> bool:
    """Return True for a dataset of TensorFlow."""
    return hasattr(X, "element_spec") and hasattr(X, "as_numpy_iterator")


def gather(X: Any) -> Gathered:
    """Read it once: files and labels if it was made from a folder, otherwise pixels or paths."""
    if int(X.cardinality()) == _ENDLESS:
        raise InvalidInputError("X has no end: it repeats. Pass the dataset without repeat(), or X.take(n).")
    names = getattr(X, "class_names", None)
    shuffled = _is_shuffled(X)
    pairs = _files(X)
    if pairs is not None:
        found = read_elements(pairs.as_numpy_iterator())
        paths = [os.fsdecode(path) for path in found.images]
        # Exactly each file once. Shuffled files are sorted, so that a fit does not depend on chance.
        if sorted(paths) == sorted(X.file_paths) and len(set(paths)) == len(paths):
            order = np.argsort(paths, kind="stable") if shuffled else np.arange(len(paths))
            labels = None if found.labels is None else [found.labels[row] for row in order]
            return Gathered([paths[row] for row in order], labels, shuffled, names)
    found = read_elements(X.as_numpy_iterator())
    images = [_path_or_content(image) if isinstance(image, bytes) else image for image in found.images]
    return Gathered(images, found.labels, shuffled, names)


def _is_shuffled(X: Any) -> bool:
    """Return True if a stage takes elements at random, or as they become ready."""
    options = getattr(X, "options", None)
    if callable(options) and getattr(options(), "deterministic", None) is False:
        return True
    return any(
        "Shuffle" in type(stage).__name__
        or "Random" in type(stage).__name__
        or getattr(stage, "_deterministic", None) == "false"
        for stage in _stages(X)
    )


def _inputs(stage: Any) -> list[Any]:
    """Return the inputs of a stage; none if TensorFlow no longer exposes them."""
    inputs = getattr(stage, "_inputs", None)
    return list(inputs()) if callable(inputs) else []


def _stages(X: Any) -> Iterator[Any]:
    yield X
    for stage in _inputs(X):
        yield from _stages(stage)


def _files(X: Any) -> Any:
    """Return the dataset of paths and labels that Keras loads RGB images from, or None.

    Any stage other than Keras's own loading, batching and prefetching may change pixels or labels.
    """
    spec = X.element_spec
    shape = getattr(spec[0] if isinstance(spec, tuple) else spec, "shape", None)
    if not hasattr(X, "file_paths") or shape is None or shape.rank not in (3, 4) or shape[-1] != 3:
        return None
    stage = X
    for kind in ("Prefetch", "Batch"):
        if kind in type(stage).__name__ and len(inputs := _inputs(stage)) == 1:
            stage = inputs[0]
    load = getattr(getattr(stage, "_map_func", None), "_func", None)
    if not getattr(load, "__module__", "").endswith(_LOADER):
        return None
    return next(iter(_inputs(stage)), None)


def _path_or_content(data: bytes) -> str | bytes:
    """Return a string of TensorFlow as a path, unless it is the content of an image file."""
    if len(data) > _LONGEST_PATH or b"\0" in data:
        return data
    if os.path.exists(data):  # noqa: PTH110 - bytes; such as b"P1 left/1.png", which is no bitmap
        return os.fsdecode(data)
    try:
        identify(data, "")
    except BadImageError:
        return os.fsdecode(data)
    return data
