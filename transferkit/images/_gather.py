"""Convert X, in any form, to a list of images, with its labels."""

from __future__ import annotations

import os
from typing import Any

from transferkit.errors import InvalidInputError
from transferkit.images._collections import EXPECTED, is_dataset, plain_list
from transferkit.images.gathering import Gathered, dataset_reader, list_images, named

__all__ = ["as_image_list", "gather_images"]


def gather_images(X: Any) -> Gathered:
    """Return the images in X, and their labels if X holds both.

    Parameters
    ----------
    X : object
        As for :func:`as_image_list`.

    Returns
    -------
    Gathered
        ``images``, ``labels`` and ``shuffled``. A dataset is read once, in a single pass.

    Raises
    ------
    InvalidInputError
        As for :func:`as_image_list`, except that a dataset may be shuffled; or labels cannot be used.
    """
    found = _gathered(X)
    return Gathered(found.images, named(found), found.shuffled)


def _gathered(X: Any) -> Gathered:
    """Return the images in X, and its labels unchanged."""
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
        (n, height, width, channels), or a dataset of TensorFlow, PyTorch or Hugging Face.

    Returns
    -------
    list
        List of images, also for a single image. Nothing is read, decoded or copied, except the elements of a
        dataset.

    Raises
    ------
    InvalidInputError
        X is empty, of another type, or ambiguous: an array of shape (3, h, w) or (4, h, w) may hold three
        or four grey images, or one image with channels first. Or X is a dataset whose order changes each time
        it is read.
    MissingDependencyError
        X is a pattern of addresses, and fsspec or a package that it needs is not installed.

    Notes
    -----
    A 3-D array is one image if its *last* axis has length 1, 3 or 4; as a stack, its images would be
    narrower than the size limits allow. *Inside* a list, (3, h, w) is one image with channels first, because
    each entry of a list is one image.
    """
    found = _gathered(X)  # labels are not checked: those of new images may be -1
    if found.shuffled:
        raise InvalidInputError(
            "X is shuffled anew at each reading, so nobody could tell which image a row belongs to. Pass the "
            "data set without shuffling."
        )
    return found.images
