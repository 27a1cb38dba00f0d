"""Whatever a user passes as one image -> a Source: a name, a digest, and pixels from the same bytes."""

from __future__ import annotations

import hashlib
import os
from abc import ABC, abstractmethod
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from transferkit.errors import BadImageError
from transferkit.images._arrays import array_to_image, check_dtype, describe
from transferkit.images._decode import decode_bytes, decode_picture
from transferkit.images._failures import translated
from transferkit.images._files import check_bytes, is_url, read_file, read_path, refuse_url
from transferkit.images._image import LIMITS, Image, Limits
from transferkit.images._pictures import is_white_zero, orientation_of
from transferkit.images._ranges import ValueRange, check_value_range

__all__ = ["Source", "load_image", "read_source"]


class Source(ABC):
    """One image as it came in. Made by :func:`read_source`.

    Attributes
    ----------
    name : str
        The path, or a description such as ``"array of shape (480, 640, 3)"``; what errors call it.
    path : Path or None
        Where it was read from.
    digest : str
        SHA-256 in hex, computed on first use: of a file's bytes; of an array's dtype, shape and values; of
        a Pillow image's mode, size, palette, transparency, orientation and values.
    """

    def __init__(self, name: str, limits: Limits, path: Path | None = None) -> None:
        self.name = name
        self.path = path
        self.limits = limits

    def __repr__(self) -> str:
        return f"<Source {self.name}>"

    @cached_property
    @abstractmethod
    def digest(self) -> str:
        """SHA-256 of what the pixels are made from."""

    def decode(self, value_range: ValueRange | None = None) -> Image:
        """Return the picture; parameters and errors as for :func:`load_image`."""
        return self._decode(check_value_range(value_range))

    @abstractmethod
    def _decode(self, value_range: ValueRange | None) -> Image: ...


class _EncodedSource(Source):
    """The bytes of a file."""

    def __init__(self, data: bytes, name: str, limits: Limits, path: Path | None = None) -> None:
        super().__init__(name, limits, path)
        self._data = data

    @cached_property
    def digest(self) -> str:
        return hashlib.sha256(self._data).hexdigest()

    def _decode(self, value_range: ValueRange | None) -> Image:
        return decode_bytes(self._data, self.name, value_range, self.limits)


class _ArraySource(Source):
    """Numbers."""

    def __init__(self, array: NDArray[Any], limits: Limits) -> None:
        super().__init__(describe(array), limits)
        check_dtype(array)
        self._array = np.asarray(array)

    @cached_property
    def digest(self) -> str:
        return _sha256("array", self._array.dtype.str, self._array.shape, self._array)

    def _decode(self, value_range: ValueRange | None) -> Image:
        return array_to_image(self._array, value_range, self.limits)


class _PictureSource(Source):
    """A Pillow image, as it is shown now."""

    def __init__(self, picture: PIL.Image.Image, limits: Limits) -> None:
        name = f"{picture.format or 'Pillow'} image of {picture.width} x {picture.height} pixels"
        if file := getattr(picture, "filename", ""):
            name += f" from {os.fsdecode(file)}"
        super().__init__(name, limits)
        if picture.format == "EPS":
            # Loading it would start Ghostscript, which runs programs.
            raise BadImageError(
                name, "format_not_supported", "is EPS or PostScript.", "Save it as PNG or JPEG first."
            )
        self._picture = picture

    @cached_property
    def digest(self) -> str:
        picture = self._picture
        with translated(self.name, picture.format or "picture"):
            picture.load()
            palette = picture.palette
            return _sha256(
                "picture",
                # Wide modes mean 0..65535 in some formats, see _pictures.py.
                (picture.mode, picture.format if picture.mode == "I" else None, is_white_zero(picture)),
                picture.size,
                None if palette is None else (palette.mode, bytes(palette.palette)),
                picture.info.get("transparency"),
                orientation_of(picture),
                picture.tobytes(),
            )

    def _decode(self, value_range: ValueRange | None) -> Image:
        return decode_picture(self._picture, self.name, value_range, self.limits)


def read_source(source: Any, *, limits: Limits = LIMITS) -> Source:
    """Return one image as a :class:`Source`, before it is decoded.

    Parameters
    ----------
    source : str, Path, bytes-like, binary file, PIL.Image.Image or ndarray
        A file is read here, once: the digest and the pixels come from the same bytes. A file object is read
        from its current position to its end and left there. A Pillow image is taken as it is shown, which
        loads it. Objects with ``__array__``, such as tensors, are arrays.
    limits : Limits, optional
        How large a picture may be.

    Returns
    -------
    Source

    Raises
    ------
    BadImageError
        Category ``not_found``, ``not_a_file``, ``unreadable``, ``empty`` or ``too_large`` for what cannot be
        read, ``bad_array`` for an array that does not hold numbers, ``not_an_image`` for other objects.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        data = bytes(source)
        name = f"bytes of length {len(data)}"
        return _EncodedSource(check_bytes(data, name, limits), name, limits)
    if isinstance(source, str | os.PathLike):
        text = os.fsdecode(os.fspath(source))
        if isinstance(source, str) and is_url(text):
            refuse_url(text)
        path = Path(text)
        return _EncodedSource(read_path(path, limits), str(path), limits, path)
    if isinstance(source, PIL.Image.Image):
        return _PictureSource(source, limits)
    if hasattr(source, "__array__"):
        return _ArraySource(_as_array(source), limits)
    if callable(getattr(source, "read", None)):
        label = getattr(source, "name", None)
        name = label if isinstance(label, str) else f"{type(source).__name__} object"
        return _EncodedSource(read_file(source, name, limits), name, limits)
    shown = repr(source)
    raise BadImageError(
        f"{type(source).__name__} {shown if len(shown) <= 60 else shown[:60] + '...'}",
        "not_an_image",
        "is not an image. Expected a path, bytes, a binary file, a Pillow image or an array.",
        "Turn nested lists into an array with numpy.asarray." if isinstance(source, list | tuple) else "",
    )


def load_image(source: Any, *, value_range: ValueRange | None = None, limits: Limits = LIMITS) -> Image:
    """Return the pixels of one image.

    Parameters
    ----------
    source : str, Path, bytes-like, binary file, PIL.Image.Image or ndarray
        As for :func:`read_source`. Arrays are (height, width), (height, width, 1), RGB (height, width, 3) or
        RGBA (height, width, 4); channels may come first where no other reading exists.
    value_range : (float, float), optional
        Which values are black and white, for floats and for integers wider than 8 bits. 8-bit pixels
        always mean 0..255. By default only what has one reading is accepted: floats within 0..1, floats
        within 0..255 that reach 16, integers within 0..255 that reach 2, and 16 bits as 0..65535.
    limits : Limits, optional
        How large a picture may be.

    Returns
    -------
    Image
        ``.pixels`` of shape (height, width, 3), uint8, and ``.notes``.

    Raises
    ------
    BadImageError
        With one of the categories in ``transferkit.images.CATEGORIES``.
    InvalidInputError
        ``value_range`` is not a range.

    Examples
    --------
    >>> import numpy as np
    >>> image = load_image(np.zeros((32, 48), bool))
    >>> image.pixels.shape, image.pixels.dtype
    ((32, 48, 3), dtype('uint8'))
    """
    return read_source(source, limits=limits).decode(value_range)


def _as_array(source: Any) -> NDArray[Any]:
    """The array in an ndarray, a masked array or a tensor."""
    try:
        return np.asanyarray(source)
    except Exception as error:  # a tensor on another device raises what its library likes
        raise BadImageError(
            f"{type(source).__name__} object",
            "bad_array",
            f"cannot be turned into an array: {error}.",
            "Convert it with numpy.asarray yourself, for example tensor.detach().cpu().numpy().",
        ) from error


def _sha256(*parts: Any) -> str:
    """SHA-256 of parts that cannot run into each other: each is preceded by its length."""
    hashed = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            part = np.ascontiguousarray(part).reshape(-1).view(np.uint8).data
        elif not isinstance(part, bytes):
            part = repr(part).encode()
        hashed.update(b"%d:" % len(part))
        hashed.update(part)
    return hashed.hexdigest()
