"""``datasets.Dataset`` of Hugging Face."""

from __future__ import annotations

from typing import Any

from transferkit.errors import InvalidInputError, quoted
from transferkit.images.gathering._elements import read_elements
from transferkit.images.gathering._gathered import Gathered

__all__ = ["file_content", "gather", "is_one"]


def is_one(X: Any) -> bool:
    """Return True for a dataset with features and columns."""
    return hasattr(X, "features") and hasattr(X, "column_names")


def gather(X: Any) -> Gathered:
    """Read the column of images (as encoded files if nothing changes their pixels) and the class labels."""
    features = dict(X.features or {})
    pictures = [name for name, feature in features.items() if type(feature).__name__ == "Image"]
    classes = [name for name, feature in features.items() if type(feature).__name__ == "ClassLabel"]
    if len(pictures) != 1:
        raise InvalidInputError(
            f"X must have one column of images. Got {len(pictures)}, among {quoted(X.column_names or [])}. "
            "Pass the column, such as X['image'], and y."
        )
    image, label = pictures[0], classes[0] if len(classes) == 1 else None
    names = None if label is None else features[label].names
    columns = [image] if label is None else [image, label]
    if _is_plain(X, features[image]):
        rows = X.select_columns(columns).cast_column(image, type(features[image])(decode=False))
    else:
        rows = X
    pairs = (tuple(row[column] for column in columns) for row in rows)
    found = read_elements(pairs, batches=False)
    return found._replace(images=[file_content(picture) for picture in found.images], names=names)


def _is_plain(X: Any, feature: Any) -> bool:
    """Return True if images are unchanged: no transform, no format, and no mode that loses colours."""
    formatted = (getattr(X, "format", None) or {}).get("type")
    return formatted is None and getattr(feature, "mode", None) in (None, "RGB")


def file_content(picture: Any) -> Any:
    """Return the bytes or the path of an undecoded image; anything else unchanged."""
    if not isinstance(picture, dict) or set(picture) != {"bytes", "path"}:
        return picture
    return picture["path"] if picture["bytes"] is None else picture["bytes"]
