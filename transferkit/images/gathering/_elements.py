"""The elements of a data set: images, pairs (image, label) or dictionaries of both, alone or in batches."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from transferkit.errors import InvalidInputError
from transferkit.images._arrays import CHANNELS
from transferkit.images.gathering._gathered import Gathered

__all__ = ["named", "read_elements"]


def read_elements(
    elements: Iterable[Any], names: Sequence[str] | None = None, *, shuffled: bool = False
) -> Gathered:
    """Return the images and labels of elements, reading each once.

    Parameters
    ----------
    elements : iterable
        The first one says whether they are batches and have labels.
    names : sequence of str, optional
        Of the classes; labels are positions among them.
    shuffled : bool, default=False

    Raises
    ------
    InvalidInputError
        Elements are no images, or labels are no positions among the names.
    """
    images: list[Any] = []
    labels: list[Any] = []
    batched = None
    for element in elements:
        image, label = _pair(element)
        batched = _is_batch(image, label) if batched is None else batched
        images += list(image) if batched else [image]
        if label is not None:
            labels += list(label) if batched else [label]
    if not labels:
        return Gathered(images, None, shuffled)
    if len(labels) != len(images):
        raise InvalidInputError(f"X has {len(images)} images but {len(labels)} labels. Each image needs one.")
    return Gathered(images, named([_plain(label) for label in labels], names), shuffled)


def named(labels: Sequence[Any], names: Sequence[str] | None) -> Any:
    """Return the names of labels that are positions or one-hot rows; other labels as they are."""
    if names is None or any(isinstance(label, str) for label in labels):
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


def _pair(element: Any) -> tuple[Any, Any]:
    """Return image and label; None for no label."""
    if isinstance(element, Mapping):
        if "image" in element:
            return _array(element["image"]), _array(element.get("label"))
        got = f"dictionaries with {sorted(map(str, element))}"
    elif not isinstance(element, tuple | list):
        return _array(element), None
    elif len(element) in (1, 2):
        return _array(element[0]), _array(element[1]) if len(element) == 2 else None
    else:
        got = f"{len(element)} parts"
    raise InvalidInputError(
        "X must have elements that are an image, a pair (image, label), or a dictionary with 'image' and "
        f"'label'. Got {got}. Map them to pairs first."
    )


def _array(part: Any) -> Any:
    """Return a tensor as an array, anything else as it is; a tensor elsewhere is refused when it is read."""
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
    shape: tuple[int, ...] = np.shape(image) if isinstance(image, np.ndarray) else ()
    if len(shape) != 3:
        return len(shape) in (1, 4)
    if shape[2] in CHANNELS:
        return False
    if shape[0] in CHANNELS and np.shape(label)[:1] == shape[:1]:
        raise InvalidInputError(
            f"X has elements of shape {shape}, with labels of shape {np.shape(label)}: {shape[0]} grey "
            "images, or one with channels first? Add an axis of channels: (n, height, width, 1)."
        )
    return shape[0] not in CHANNELS


def _plain(label: Any) -> Any:
    """Return a label as Python has it; rows of numbers stay arrays."""
    if isinstance(label, np.ndarray | np.generic) and np.ndim(label) == 0:
        label = label.item()
    return label.decode() if isinstance(label, bytes) else label


def _is_one_hot(rows: Any) -> bool:
    return bool(np.isin(rows, (0, 1)).all() and (rows.sum(axis=1) == 1).all())
