"""Read the elements of a dataset: images, pairs (image, label) or dictionaries of both, maybe in batches."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeGuard

import numpy as np
import PIL.Image

from transferkit.errors import InvalidInputError
from transferkit.images._arrays import CHANNELS
from transferkit.images.gathering._gathered import Gathered

__all__ = ["named", "read_elements"]


def read_elements(elements: Iterable[Any], *, batches: bool | None = None) -> Gathered:
    """Return the images and labels of elements, reading each once.

    Parameters
    ----------
    elements : iterable
    batches : bool, optional
        Whether each element has several images; by default, the first element decides.

    Raises
    ------
    InvalidInputError
        Elements are not images, or a batch has a single label, or more or fewer labels than images.
    """
    images: list[Any] = []
    labels: list[Any] = []
    for element in elements:
        image, label = _pair(element, batches)
        if batches is None:
            batches = _is_batch(image, label)
        found = list(image) if batches else [image]
        images += found
        if label is not None and batches and _count(label) is None:
            raise InvalidInputError(f"X has a batch of images with one label, {label!r}. Each needs one.")
        if label is not None and batches and _count(label) != len(found):
            raise InvalidInputError(
                f"X has a batch of {len(found)} images with {_count(label)} labels. Each image needs one."
            )
        if label is not None:
            labels += list(label) if batches else [label]
    return Gathered(images, [_plain(label) for label in labels] or None)


def named(found: Gathered) -> Any:
    """Replace labels that are positions or one-hot rows by names; other labels are unchanged.

    Raises
    ------
    InvalidInputError
        Some images have no label, or labels are not positions among the names.
    """
    labels, names = found.labels, found.names
    if labels is None:
        return None
    if len(labels) != len(found.images):
        raise InvalidInputError(
            f"X has {len(found.images)} images but {len(labels)} labels. Each image needs one."
        )
    if not _are_names(names) or any(isinstance(label, str) for label in labels):
        return labels
    rows = np.asarray(labels)
    if rows.ndim == 2 and rows.shape[1] == 1:
        rows = rows[:, 0]
    elif rows.ndim == 2 and rows.shape[1] == len(names) and _is_one_hot(rows):
        rows = rows.argmax(axis=1)
    if rows.ndim != 1:
        return labels
    if not (np.isin(rows, np.arange(len(names)))).all():
        wrong = rows[~np.isin(rows, np.arange(len(names)))]
        raise InvalidInputError(
            f"X names {len(names)} classes, so its labels must be in 0..{len(names) - 1}. Got {wrong[0]} in "
            f"{len(wrong)} of {len(rows)} images. Leave those images out."
        )
    return [names[int(row)] for row in rows]


def _are_names(names: Any) -> TypeGuard[Sequence[str]]:
    """Return False if the attribute is something else: numbers of images, synonyms, names of two classes."""
    if names is None or not all(isinstance(name, str) for name in names):
        return False
    return len(set(names)) == len(names)


def _pair(element: Any, batches: bool | None) -> tuple[Any, Any]:
    """Return image and label; None for no label."""
    if isinstance(element, Mapping):
        if "image" in element:
            return _array(element["image"]), _array(element.get("label"))
        got = f"dictionaries with {sorted(map(str, element))}"
    elif not isinstance(element, tuple | list):
        return _array(element), None
    elif batches and all(isinstance(part, str | bytes) for part in element):
        return list(element), None  # only images, which PyTorch collates to a list
    elif len(element) == 2 and isinstance(element[1], PIL.Image.Image):
        got = "two images"
    elif len(element) in (1, 2):
        return _array(element[0]), _array(element[1]) if len(element) == 2 else None
    else:
        got = f"{len(element)} parts"
    raise InvalidInputError(
        "X must have elements that are an image, a pair (image, label), or a dictionary with 'image' and "
        f"'label'. Got {got}. Map them to pairs first."
    )


def _array(part: Any) -> Any:
    """Return a tensor as an array, anything else unchanged; a tensor on another device raises when read."""
    if isinstance(part, np.ndarray) or not (hasattr(part, "__array__") and hasattr(part, "dtype")):
        return part
    try:
        return np.asarray(part)
    except Exception:  # noqa: BLE001 - tensors on other devices raise errors of their library
        return part


def _is_batch(image: Any, label: Any) -> bool:
    """Return True if an element has several images: a stack, or a list of paths or pictures."""
    if isinstance(image, list | tuple):
        return True
    count = _count(label)
    if not isinstance(image, np.ndarray) or (label is not None and count is None):
        return False
    if image.ndim != 3:
        return image.ndim == 4 or (image.ndim == 1 and image.dtype.kind in "OUST")
    shape = image.shape
    if shape[2] in CHANNELS:
        return False
    if shape[0] in CHANNELS and count == shape[0]:
        raise InvalidInputError(
            f"X has elements of shape {shape}, with labels of shape {np.shape(label)}: {shape[0]} grey "
            "images, or one with channels first? Add an axis of channels: (n, height, width, 1)."
        )
    return shape[0] not in CHANNELS and count in (None, shape[0])


def _count(label: Any) -> int | None:
    """Return the number of labels; None for a single one."""
    if isinstance(label, np.ndarray):
        return label.shape[0] if label.ndim else None
    return len(label) if isinstance(label, list | tuple) else None


def _plain(label: Any) -> Any:
    """Return a label as a Python object; rows of numbers stay arrays."""
    if isinstance(label, np.ndarray | np.generic) and np.ndim(label) == 0:
        label = label.item()
    return label.decode() if isinstance(label, bytes) else label


def _is_one_hot(rows: Any) -> bool:
    return bool(np.isin(rows, (0, 1)).all() and (rows.sum(axis=1) == 1).all())
