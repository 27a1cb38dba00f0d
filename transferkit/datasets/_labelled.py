"""Get images and their labels from folders, patterns and datasets that hold both."""

from __future__ import annotations

import os
from typing import Any

from transferkit.datasets._folder import read_image_folder
from transferkit.errors import InvalidInputError
from transferkit.images import gather_images, is_pattern, local_path, readable_again

__all__ = ["labelled_images"]


def labelled_images(X: Any, y: Any = None) -> tuple[list[Any], Any]:
    """Return images as a list that can be read several times, and their labels.

    Parameters
    ----------
    X : images
        As for ``fit``.
    y : array-like, optional
        Labels; by default those that X holds, which are the names of sub-folders or the labels of a dataset.

    Returns
    -------
    (list, array-like or None)
        Images and labels; None if y is None and X holds no labels.

    Raises
    ------
    InvalidInputError
        X holds no images; both X and y hold labels; or y cannot be matched with X, whose order changes each
        time it is read.

    Examples
    --------
    >>> paths, labels = labelled_images("photos")             # doctest: +SKIP
    >>> paths, labels = labelled_images("photos/*.jpg", y)    # doctest: +SKIP
    """
    path = local_path(X) if y is None else None
    if path is not None and not is_pattern(X) and not os.path.isfile(path):  # noqa: PTH113 - of any length
        try:
            return read_image_folder(X)
        except InvalidInputError as error:
            raise InvalidInputError(f"X must come with y, or be a folder of classes. {error}") from error
    images, labels, shuffled, _ = gather_images(X)
    if y is not None and labels is not None:
        raise InvalidInputError(
            "y must be left out where X has labels of its own. To use others, pass a list of the images, and "
            "y in their order."
        )
    if y is not None and shuffled:
        raise InvalidInputError(
            "y cannot be told apart from X, which is shuffled anew at each reading. Put the labels into the "
            "data set, as pairs (image, label), or do not shuffle it."
        )
    return readable_again(images), labels if y is None else y
