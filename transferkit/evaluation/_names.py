"""Names of images for tables and plots."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

__all__ = ["image_names"]


def image_names(images: Iterable[Any]) -> list[str]:
    """Return the file name of each image, or ``"#position"`` for images that are not files.

    File names that occur several times are preceded by the folders that tell them apart.
    """
    items = list(images)
    paths = [Path(item) for item in items if isinstance(item, str | os.PathLike)]
    if len({path.name for path in paths}) < len(set(paths)):
        common = Path(os.path.commonpath([path.absolute() for path in paths]))
        shown = iter([path.absolute().relative_to(common).as_posix() for path in paths])
    else:
        shown = iter([path.name for path in paths])
    return [next(shown) if isinstance(item, str | os.PathLike) else f"#{i}" for i, item in enumerate(items)]
