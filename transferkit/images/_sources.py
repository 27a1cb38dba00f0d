"""Undecoded images with a name and a digest."""

from __future__ import annotations

import hashlib
import os
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from transferkit.errors import BadImageError
from transferkit.images._arrays import array_to_image, check_dtype, describe
from transferkit.images._decode import decode_bytes, decode_picture
from transferkit.images._failures import translated
from transferkit.images._image import Image, Limits
from transferkit.images._pictures import is_signed, is_white_zero, orientation_of
from transferkit.images._ranges import ValueRange, check_value_range, range_alone
from transferkit.images._selection import EVERYTHING, Selection, pick_channels
from transferkit.images._stacks import ArrayRanges, family_of
from transferkit.images._target import Target
from transferkit.images._turns import turn_with
from transferkit.images.isolation import decode_apart

__all__ = ["ArraySource", "EncodedSource", "PictureSource", "Source"]


class Source(ABC):
    """An image before decoding, as returned by :func:`read_source`.

    Attributes
    ----------
    name : str
        The path, or a description such as ``"array of shape (480, 640, 3)"``; used in errors.
    path : Path or None
        The file it was read from.
    digest : str
        SHA-256 in hex, computed on first use: of the bytes of a file; of dtype, shape and values of an
        array, of its chosen channels only; of mode, size, palette, transparency, orientation and values of a
        Pillow image.
    """

    def __init__(
        self, name: str, limits: Limits, selection: Selection = EVERYTHING, path: Path | None = None
    ) -> None:
        self.name = name
        self.path = path
        self.limits = limits
        self.selection = selection
        self._digest: str | None = None

    def __repr__(self) -> str:
        return f"<Source {self.name}>"

    @property
    def digest(self) -> str:
        """SHA-256 of the content."""
        # Not functools.cached_property: before Python 3.12 all instances share its lock, so threads would
        # hash one at a time, and a child forked meanwhile would deadlock.
        if self._digest is None:
            self._digest = self._hash()
        return self._digest

    @abstractmethod
    def _hash(self) -> str: ...

    def decode(
        self,
        value_range: ValueRange | None = None,
        target: Target | None = None,
        *,
        isolate: float | None = None,
    ) -> Image:
        """Decode the image; parameters and errors as for :func:`load_image`.

        With ``target``, it may be decoded at reduced size. With ``isolate``, encoded bytes are decoded by a
        helper process, within this many seconds.
        """
        return self._decode(check_value_range(value_range), target, isolate)

    @abstractmethod
    def _decode(
        self, value_range: ValueRange | None, target: Target | None, isolate: float | None
    ) -> Image: ...


class EncodedSource(Source):
    """Encoded bytes."""

    def __init__(
        self,
        data: bytes,
        name: str,
        limits: Limits,
        selection: Selection = EVERYTHING,
        path: Path | None = None,
    ) -> None:
        super().__init__(name, limits, selection, path)
        self._data = data

    @property
    def data(self) -> bytes:
        """The encoded bytes."""
        return self._data

    def _hash(self) -> str:
        return hashlib.sha256(self._data).hexdigest()

    def _decode(self, value_range: ValueRange | None, target: Target | None, isolate: float | None) -> Image:
        if isolate is not None:
            return decode_apart(
                self._data, self.name, value_range, self.limits, isolate, target, self.selection
            )
        return decode_bytes(self._data, self.name, value_range, self.limits, target, self.selection)


class ArraySource(Source):
    """An array; ``ranges`` are the values of black and white in the images that it belongs to."""

    def __init__(
        self,
        array: NDArray[Any],
        limits: Limits,
        selection: Selection = EVERYTHING,
        ranges: ArrayRanges | None = None,
    ) -> None:
        super().__init__(describe(array), limits, selection)
        check_dtype(array)
        self._array = np.asarray(array)
        if selection.channels is not None:
            self._array = pick_channels(self._array, selection.channels, self.name)
        self._range = (ranges or {}).get(family_of(self._array.dtype) or "")

    def _hash(self) -> str:
        reading: tuple[Any, ...] = ("array", self._array.dtype.str, self._array.shape)
        if self._range is not None and self._range != range_alone(self._array):
            reading = (*reading, self._range)  # on its own, the array would be a different image
        return _sha256(*reading, self._array)

    def _decode(self, value_range: ValueRange | None, target: Target | None, isolate: float | None) -> Image:
        return array_to_image(self._array, value_range, self.limits, self._range)


class PictureSource(Source):
    """A Pillow image, as currently displayed."""

    def __init__(self, picture: PIL.Image.Image, limits: Limits, selection: Selection = EVERYTHING) -> None:
        name = f"{picture.format or 'Pillow'} image of {picture.width} x {picture.height} pixels"
        if file := getattr(picture, "filename", ""):
            name += f" from {os.fsdecode(file)}"
        super().__init__(name, limits, selection)
        if picture.format == "EPS":
            # Loading it would start Ghostscript, which executes PostScript programs.
            raise BadImageError(
                name, "format_not_supported", "is EPS or PostScript.", "Save it as PNG or JPEG first."
            )
        self._picture = picture

    @property
    def picture(self) -> PIL.Image.Image:
        """The Pillow image."""
        return self._picture

    def _hash(self) -> str:
        picture = self._picture
        with turn_with(picture), translated(self.name, picture.format or "image"):
            picture.load()
            palette = picture.palette
            return _sha256(
                "picture",
                # Wide modes mean 0..65535 in some formats, and bytes may have a sign: see _pictures.py.
                (
                    "signed" if is_signed(picture) else picture.mode,
                    picture.format if picture.mode == "I" else None,
                    is_white_zero(picture),
                ),
                picture.size,
                None if palette is None else (palette.mode, bytes(palette.palette)),
                picture.info.get("transparency"),
                orientation_of(picture),
                picture.tobytes(),
            )

    def _decode(self, value_range: ValueRange | None, target: Target | None, isolate: float | None) -> Image:
        channels = self.selection.channels
        with turn_with(self._picture):
            return decode_picture(self._picture, self.name, value_range, self.limits, channels=channels)


def _sha256(*parts: Any) -> str:
    """Return the SHA-256 of parts, each preceded by its length so that the boundaries count."""
    hashed = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            part = np.ascontiguousarray(part).reshape(-1).view(np.uint8).data
        elif not isinstance(part, bytes):
            part = repr(part).encode()
        hashed.update(b"%d:" % len(part))
        hashed.update(part)
    return hashed.hexdigest()
