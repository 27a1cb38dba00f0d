"""Turn whatever is passed as X into a list of images, with the labels that it holds."""

from __future__ import annotations

import os
from typing import Any

from transferkit.errors import InvalidInputError
from transferkit.images._collections import EXPECTED, is_dataset, plain_list
from transferkit.images.gathering import Gathered, dataset_reader, list_images, named

__all__ = ["as_image_list", "gather_images"]


def gather_images(X: Any) -> Gathered:
    """Return the images in X, and their labels where X holds both.

    Parameters
    ----------
    X : object
        As for :func:`as_image_list`.

    Returns
    -------
    Gathered
        ``images``, ``labels`` and ``shuffled``. A data set is read once, in one pass.

    Raises
    ------
    InvalidInputError
        As for :func:`as_image_list`, but that a data set may be shuffled; or its labels cannot be used.
    """
    found = _gathered(X)
    return Gathered(found.images, named(found), found.shuffled)


def _gathered(X: Any) -> Gathered:
    """Return the images in X, and labels as they are there."""
    if isinstance(X, str | os.PathLike) and (paths := list_images(os.fsdecode(X))) is not None:
        return Gathered(list(paths))
    gathered = dataset_reader(X).gather(X) if is_dataset(X) else Gathered(plain_list(X))
    if not gathered.images:
        raise InvalidInputError(f"X has no images. {EXPECTED}")
    return gathered


def as_image_list(X: Any) -> list[Any]:
    """Return the images in X as a list, each in a form accepted by :func:`read_source`.

    Parameters
    ----------
    X : object
        One image in any form, or a folder, a pattern of paths, a list, a tuple, a 1-D array, a pandas Series
        or a one-column DataFrame of images, a numeric array of shape (n, height, width) or
        (n, height, width, channels), or a data set of TensorFlow, PyTorch or Hugging Face.

    Returns
    -------
    list
        One image gives a list of one. Nothing is read, decoded or copied, but the elements of a data set.

    Raises
    ------
    InvalidInputError
        X is empty, of another type, or ambiguous: an array of shape (3, h, w) or (4, h, w) may hold three
        or four grey images, or one image with channels first. Or it is a data set that is shuffled anew at
        each reading.
    MissingDependencyError
        X is a pattern of addresses, and fsspec or a package of its is not installed.

    Notes
    -----
    A 3-D array is one image if its *last* axis has length 1, 3 or 4; as a stack, its images would be
    narrower than the size limits allow. *Inside* a list, (3, h, w) is one image with channels first, because
    each entry of a list is one image.
    """
    found = _gathered(X)  # whatever its labels are: those of new images may be -1
    if found.shuffled:
        raise InvalidInputError(
            "X is shuffled anew at each reading, so nobody could tell which image a row belongs to. Pass the "
            "data set without shuffling."
        )
    return found.images
