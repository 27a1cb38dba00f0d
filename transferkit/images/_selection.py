"""Select the frame of a file, and the channels, to use as the image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from transferkit.errors import BadImageError, InvalidInputError

__all__ = ["EVERYTHING", "Selection", "check_selection", "pick_channels"]

_USUAL = (1, 3, 4)  # grey, RGB, RGBA; these may be on the first axis


class Selection(NamedTuple):
    """The part of a file or an array to use as the image.

    Attributes
    ----------
    frame : int or None
        Position of the frame or page in a file; None means the first one of an animation or a TIFF, and the
        only one of a DICOM file.
    channels : tuple of one or three int, or None
        Positions of grey, or of red, green and blue; None if there are 1, 3 or 4 channels.
    """

    frame: int | None = None
    channels: tuple[int, ...] | None = None


EVERYTHING = Selection()


def check_selection(frame: Any, channels: Any) -> Selection:
    """Return the selection for two parameters, or raise InvalidInputError."""
    problems = []
    if frame is not None and not _is_position(frame):
        problems.append(f"frame must be the position of a frame, 0 or more, or None. Got {frame!r}.")
    if channels is not None and not (
        isinstance(channels, list | tuple) and len(channels) in (1, 3) and all(map(_is_position, channels))
    ):
        problems.append(
            "channels must be the positions of red, green and blue, such as (3, 2, 1), or of one channel, "
            f"counted from 0, or None. Got {channels!r}."
        )
    if problems:
        raise InvalidInputError(*problems)
    return Selection(
        None if frame is None else int(frame), None if channels is None else tuple(map(int, channels))
    )


def pick_channels(array: NDArray[Any], channels: Sequence[int], name: str) -> NDArray[Any]:
    """Return the channels of an image as an array (height, width, 1 or 3).

    Raises
    ------
    BadImageError
        There are fewer channels, or they are not on the last axis.
    """
    if array.ndim == 4 and array.shape[0] == 1:
        array = array[0]
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim == 3 and array.shape[0] in _USUAL and array.shape[2] not in _USUAL:
        array = np.moveaxis(array, 0, -1)
    if array.ndim != 3 or array.shape[2] >= min(array.shape[:2]):
        raise BadImageError(
            name,
            "bad_array",
            f"is no image with channels on its last axis, as channels={tuple(channels)} needs.",
            "Move them there: numpy.moveaxis(array, 0, -1).",
        )
    if max(channels) >= array.shape[2]:
        raise BadImageError(
            name,
            "bad_channels",
            f"has {array.shape[2]} channel(s), but channels={tuple(channels)} needs {max(channels) + 1}.",
            "Count them from 0, or leave the image out.",
        )
    return array[:, :, list(channels)]


def _is_position(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and bool(value >= 0)
