"""Distinguish single images from collections, and list the images of lists, columns, tables and arrays."""

from __future__ import annotations

import os
from collections import Counter
from typing import Any

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from transferkit.errors import InvalidInputError
from transferkit.images._arrays import CHANNELS
from transferkit.images._image import LIMITS
from transferkit.images.gathering import dataset_reader, file_content, has_pattern, is_folder

__all__ = ["EXPECTED", "is_dataset", "is_pattern", "is_single_image", "plain_list"]

EXPECTED = (
    "X must be one image (path, bytes, binary file, Pillow image, array) or several: a folder, a pattern "
    "such as 'photos/*.jpg', a list or tuple, a 1-D array or pandas Series of paths, a numeric array of "
    "shape (n, height, width[, channels]), or a data set of TensorFlow, PyTorch or Hugging Face."
)


def is_pattern(X: Any) -> bool:
    """Return True for a path with wildcards, unless there is a file or folder of this name."""
    return isinstance(X, str | os.PathLike) and has_pattern(os.fsdecode(X))


def is_single_image(X: Any) -> bool:
    """Return True if X is one image, False if it is a collection.

    Parameters
    ----------
    X : object
        As for :func:`as_image_list`; nothing is read.

    Returns
    -------
    bool
        True for the path of a file, bytes, a file, a Pillow image and a numeric array of shape (h, w) or
        (h, w, c) with 1, 3 or 4 channels; False for folders, patterns, lists, tables, columns, data sets and
        stacks, even of one image.

    Raises
    ------
    InvalidInputError
        X is neither one image nor a collection.
    """
    if isinstance(X, str | os.PathLike):
        return not is_pattern(X) and not is_folder(os.fsdecode(X))
    if isinstance(X, bytes | bytearray | memoryview | PIL.Image.Image):
        return True
    if isinstance(X, list | tuple) or _is_column(X) or _is_table(X) or is_dataset(X):
        return False
    if hasattr(X, "__array__"):
        return _is_one_array(np.asanyarray(X))
    if callable(getattr(X, "read", None)):
        return True
    if hasattr(X, "__next__"):
        raise InvalidInputError("X is an iterator, which can be consumed only once. Pass list(X).")
    raise InvalidInputError(f"{EXPECTED} Got {type(X).__name__}.")


def is_dataset(X: Any) -> bool:
    """Return True for a dataset of another library, and for sequences of no other known form."""
    if isinstance(X, str | os.PathLike | bytes | bytearray | memoryview | PIL.Image.Image | list | tuple):
        return False
    plain = _is_column(X) or _is_table(X) or hasattr(X, "__array__") or hasattr(X, "read")
    return not plain and dataset_reader(X) is not None


def plain_list(X: Any) -> list[Any]:
    """Return a single image, or the images of a list, column, table or array, as a list."""
    if is_single_image(X):
        return [X]
    if _is_table(X):
        X = _only_column(X)
    elif not isinstance(X, list | tuple) and not _is_column(X):
        X = np.asanyarray(X)
        if X.ndim == 2:  # objects or strings
            X = X[:, 0] if X.shape[1] == 1 else _refuse_columns(X.shape[1])
    # Rows of a parquet file that Hugging Face wrote are dictionaries of bytes and path.
    found = [file_content(image) for image in (X.to_list() if _is_column(X) else X)]
    _refuse_one_of_many_frames(found)
    return found


def _refuse_one_of_many_frames(images: list[Any]) -> None:
    """Raise InvalidInputError for ``list(PIL.ImageSequence.Iterator(...))``: one picture for every frame.

    A list may repeat one frame, for each subject in it; but hardly the last frame, as often as there are
    frames.
    """
    times = Counter(id(image) for image in images if isinstance(image, PIL.Image.Image))
    for image in images:
        if times[id(image)] > 1 and times[id(image)] == image.tell() + 1:
            raise InvalidInputError(
                f"X has one Pillow image {times[id(image)]} times, and all of them show its frame "
                f"{image.tell()}. Pass [frame.copy() for frame in PIL.ImageSequence.Iterator(picture)]."
            )


def _is_one_array(array: NDArray[Any]) -> bool:
    """Return True if an array is one image; raise InvalidInputError if it is ambiguous or unsuitable."""
    shape = array.shape
    if array.dtype.kind in "OUST":
        if array.ndim in (1, 2):
            return False
        raise InvalidInputError(
            f"{EXPECTED} Got an array of dtype {array.dtype} and shape {shape}. Convert numbers with "
            "X.astype(numpy.uint8), and pass paths as a 1-D array."
        )
    if array.ndim == 2:
        return True
    if array.ndim == 3:
        if shape[2] in CHANNELS:
            return True
        if shape[0] in CHANNELS and shape[0] > 1 and min(shape[1:]) >= LIMITS.min_side:
            raise InvalidInputError(
                f"X has shape {shape}: {shape[0]} grey images, or one image with channels first? Pass "
                "list(X) for several images or numpy.moveaxis(X, 0, -1) for one."
            )
        if 0 < shape[2] < LIMITS.min_side:
            raise InvalidInputError(
                f"X has shape {shape}: an image has {', '.join(map(str, CHANNELS[:-1]))} or {CHANNELS[-1]} "
                f"channels, not {shape[2]}, and several grey images would be {shape[2]} pixels wide. Choose "
                "channels, such as X[..., :1]."
            )
        return False
    if array.ndim == 4:
        return False
    raise InvalidInputError(f"{EXPECTED} Got an array of shape {shape}.")


def _is_column(X: Any) -> bool:
    """Return True for a Series or Index of pandas or polars, without importing either."""
    # A table of Hugging Face also has to_list().
    one = getattr(X, "ndim", 1) == 1 and not hasattr(X, "column_names")
    return one and callable(getattr(X, "to_list", None))


def _is_table(X: Any) -> bool:
    """Return True for a DataFrame."""
    return hasattr(X, "columns") and len(getattr(X, "shape", ())) == 2


def _only_column(X: Any) -> Any:
    if X.shape[1] != 1:
        _refuse_columns(X.shape[1])
    return X[X.columns[0]]


def _refuse_columns(count: int) -> Any:
    raise InvalidInputError(
        f"X has {count} columns, but images must be in one. Pass that column, such as table['path']."
    )
