"""Turn whatever is passed as X into a list of images."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from transferkit.errors import InvalidInputError
from transferkit.images._arrays import CHANNELS
from transferkit.images._files import is_url, refuse_url
from transferkit.images._image import LIMITS

__all__ = ["as_image_list", "is_single_image"]

_EXPECTED = (
    "X must be one image (path, bytes, binary file, Pillow image, array) or several: a list or tuple, a "
    "1-D array or pandas Series of paths, or a numeric array of shape (n, height, width[, channels])."
)


def is_single_image(X: Any) -> bool:
    """Return True if X is one image, False if it is a collection.

    Parameters
    ----------
    X : object
        As for :func:`as_image_list`.

    Returns
    -------
    bool
        True for a path, bytes, a file, a Pillow image and a numeric array of shape (h, w) or (h, w, c) with
        1, 3 or 4 channels; False for lists, tables, columns and stacks, even of one image.

    Raises
    ------
    InvalidInputError
        X is neither one image nor a collection.
    """
    if isinstance(X, str | os.PathLike | bytes | bytearray | memoryview | PIL.Image.Image):
        return True
    if isinstance(X, list | tuple) or _is_column(X) or _is_table(X):
        return False
    if hasattr(X, "__array__"):
        return _is_one_array(np.asanyarray(X))
    if callable(getattr(X, "read", None)):
        return True
    if hasattr(X, "__next__"):
        raise InvalidInputError("X is an iterator, which can be consumed only once. Pass list(X).")
    raise InvalidInputError(f"{_EXPECTED} Got {type(X).__name__}.")


def as_image_list(X: Any) -> list[Any]:
    """Return the images in X as a list, each in a form accepted by :func:`read_source`.

    Parameters
    ----------
    X : object
        One image in any form, or a list, a tuple, a 1-D array, a pandas Series or a one-column DataFrame of
        images, or a numeric array of shape (n, height, width) or (n, height, width, channels).

    Returns
    -------
    list
        One image gives a list of one. Nothing is read, decoded or copied.

    Raises
    ------
    InvalidInputError
        X is empty, of another type, or ambiguous: an array of shape (3, h, w) or (4, h, w) may hold three
        or four grey images, or one image with channels first.
    BadImageError
        X is a URL.

    Notes
    -----
    A 3-D array is one image if its *last* axis has length 1, 3 or 4; as a stack, its images would be
    narrower than the size limits allow. *Inside* a list, (3, h, w) is one image with channels first, because
    each entry of a list is one image.
    """
    if isinstance(X, str) and is_url(X):
        refuse_url(X)
    if is_single_image(X):
        return [X]
    if _is_table(X):
        X = _only_column(X)
    elif not isinstance(X, list | tuple) and not _is_column(X):
        X = np.asanyarray(X)
        if X.ndim == 2:  # of objects or strings
            X = X[:, 0] if X.shape[1] == 1 else _refuse_columns(X.shape[1])
    images = X.to_list() if _is_column(X) else list(X)
    if not images:
        raise InvalidInputError(f"X has no images. {_EXPECTED}")
    return images


def _is_one_array(array: NDArray[Any]) -> bool:
    """Return True if an array is one image; raise InvalidInputError if it is ambiguous or unsuitable."""
    shape = array.shape
    if array.dtype.kind in "OUST":
        if array.ndim in (1, 2):
            return False
        raise InvalidInputError(
            f"{_EXPECTED} Got an array of dtype {array.dtype} and shape {shape}. Convert numbers with "
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
    raise InvalidInputError(f"{_EXPECTED} Got an array of shape {shape}.")


def _is_column(X: Any) -> bool:
    """Return True for a Series or Index of pandas or polars, without importing either."""
    return callable(getattr(X, "to_list", None)) and getattr(X, "ndim", 1) == 1


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
