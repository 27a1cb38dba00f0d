"""Read one image of any form."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from transferkit.errors import BadImageError
from transferkit.images._files import check_bytes, read_file, read_path
from transferkit.images._image import LIMITS, Image, Limits
from transferkit.images._ranges import ValueRange
from transferkit.images._remote import is_url, read_address, shown
from transferkit.images._selection import EVERYTHING, Selection, check_selection
from transferkit.images._sources import ArraySource, EncodedSource, PictureSource, Source
from transferkit.images._stacks import ArrayRanges

__all__ = ["load_image", "read_source"]


def read_source(
    source: Any,
    *,
    limits: Limits = LIMITS,
    ranges: ArrayRanges | None = None,
    selection: Selection = EVERYTHING,
) -> Source:
    """Return an image as a :class:`Source`, without decoding it.

    Parameters
    ----------
    source : str, Path, bytes-like, binary file, PIL.Image.Image or ndarray
        A file is read once, here: digest and pixels come from the same bytes. A str may be an address,
        such as "https://...", which fsspec reads. A file object is read from its current position to its
        end. A Pillow image is taken as displayed, which loads it. Objects with
        ``__array__``, such as tensors, are arrays.
    limits : Limits, optional
        Limits on the size of the image.
    ranges : mapping, optional
        Result of :func:`array_ranges` for the images that this one belongs to.
    selection : Selection, optional
        The frame of a file, and the channels. For a Pillow image, its current frame is used.

    Returns
    -------
    Source

    Raises
    ------
    BadImageError
        Category ``not_found``, ``not_a_file``, ``unreadable``, ``empty`` or ``too_large`` if it cannot be
        read, ``bad_array`` for an array that does not hold numbers, ``not_an_image`` for other objects.
    MissingDependencyError
        An address needs a package that is not installed.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        data = bytes(source)
        name = f"bytes of length {len(data)}"
        return EncodedSource(check_bytes(data, name, limits), name, limits, selection)
    if isinstance(source, str | os.PathLike):
        text = os.fsdecode(os.fspath(source))
        if isinstance(source, str) and is_url(text):
            name = shown(text)
            return EncodedSource(
                check_bytes(read_address(text, limits), name, limits), name, limits, selection
            )
        path = Path(text)
        return EncodedSource(read_path(path, limits), str(path), limits, selection, path)
    if isinstance(source, PIL.Image.Image):
        return PictureSource(source, limits, selection)
    if hasattr(source, "__array__"):
        return ArraySource(_as_array(source), limits, selection, ranges)
    if callable(getattr(source, "read", None)):
        label = getattr(source, "name", None)
        name = label if isinstance(label, str) else f"{type(source).__name__} object"
        return EncodedSource(read_file(source, name, limits), name, limits, selection)
    text = repr(source)
    raise BadImageError(
        f"{type(source).__name__} {text if len(text) <= 60 else text[:60] + '...'}",
        "not_an_image",
        "is not an image. Expected a path, bytes, a binary file, a Pillow image or an array.",
        "Convert nested lists to an array with numpy.asarray." if isinstance(source, list | tuple) else "",
    )


def load_image(
    source: Any,
    *,
    value_range: ValueRange | None = None,
    limits: Limits = LIMITS,
    frame: int | None = None,
    channels: Sequence[int] | None = None,
) -> Image:
    """Return the pixels of one image.

    Parameters
    ----------
    source : str, Path, bytes-like, binary file, PIL.Image.Image or ndarray
        As for :func:`read_source`. Arrays are (height, width), (height, width, 1), RGB (height, width, 3) or
        RGBA (height, width, 4); channels may come first if that is unambiguous.
    value_range : (float, float), optional
        Values of black and white, for floats and for integers wider than 8 bits; 8-bit pixels always mean
        0..255. By default only unambiguous ranges are accepted: floats within 0..1, floats within 0..255
        that exceed 16, integers within 0..255 that reach 2, and 16 bits as 0..65535.
    limits : Limits, optional
        Limits on the size of the image.
    frame, channels : optional
        As for :class:`transferkit.FeatureExtractor`.

    Returns
    -------
    Image
        ``.pixels`` of shape (height, width, 3), uint8, and ``.notes``.

    Raises
    ------
    BadImageError
        With one of the categories in ``transferkit.images.CATEGORIES``.
    InvalidInputError
        ``value_range`` is not a range, or ``frame`` or ``channels`` are not positions.

    Examples
    --------
    >>> import numpy as np
    >>> image = load_image(np.zeros((32, 48), bool))
    >>> image.pixels.shape, image.pixels.dtype
    ((32, 48, 3), dtype('uint8'))
    """
    selection = check_selection(frame, channels)
    return read_source(source, limits=limits, selection=selection).decode(value_range)


def _as_array(source: Any) -> NDArray[Any]:
    """Convert an ndarray, a masked array or a tensor to an array."""
    try:
        return np.asanyarray(source)
    except Exception as error:  # tensors on other devices raise errors of their library
        raise BadImageError(
            f"{type(source).__name__} object",
            "bad_array",
            f"cannot be converted to an array: {error}.",
            "Convert it first, for example with tensor.detach().cpu().numpy().",
        ) from error
