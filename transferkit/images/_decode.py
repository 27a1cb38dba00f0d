"""Decode encoded bytes, only with the decoders listed here."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import PurePath
from typing import Any

import PIL.Image
from PIL import (
    BmpImagePlugin,
    GifImagePlugin,
    JpegImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from transferkit.errors import BadImageError
from transferkit.images._arrays import array_to_image
from transferkit.images._bands import (
    MOST_CHANNELS,
    Layout,
    check_channels,
    check_order,
    read_bands,
    read_layout,
)
from transferkit.images._dicom import decode_dicom
from transferkit.images._failures import RAW_SUFFIXES, translated
from transferkit.images._folders import SUFFIX_FORMATS
from transferkit.images._formats import identify
from transferkit.images._headers import check_end, check_png, first_size, trailing_bytes
from transferkit.images._heic import open_heic, require_heic
from transferkit.images._image import Image, Limits, check_size
from transferkit.images._missing import check_complete, check_scans
from transferkit.images._pictures import orientation_of, picture_to_rgb, upright, upright_box
from transferkit.images._quiet import quiet
from transferkit.images._ranges import ValueRange
from transferkit.images._selection import EVERYTHING, Selection
from transferkit.images._target import Target

__all__ = ["decode_bytes", "decode_picture", "open_picture"]

# Called directly rather than through PIL.Image.open, which obeys the process-wide MAX_IMAGE_PIXELS, warns
# about sizes checked here, and tries every other decoder, including EPS.
_OPENERS: dict[str, Callable[..., PIL.Image.Image]] = {
    "BMP": BmpImagePlugin.BmpImageFile,
    "GIF": GifImagePlugin.GifImageFile,
    "HEIC": open_heic,
    "JPEG": JpegImagePlugin.jpeg_factory,  # MPO too
    "PNG": PngImagePlugin.PngImageFile,
    "PPM": PpmImagePlugin.PpmImageFile,
    "TIFF": TiffImagePlugin.TiffImageFile,
    "WEBP": WebPImagePlugin.WebPImageFile,
}
_MOST_FRAMES = 100  # largest number to count for a note; seeking in a TIFF of 100,000 pages takes 40 s
_DARK = (
    "the brightest value is below 4096 of 65535: if the image should be brighter, decode it yourself and "
    "pass the array with a value_range such as (0, 4095)"
)
_DNG_VERSION = 50706  # TIFF tag of camera raw files, which start with a TIFF thumbnail


def decode_bytes(
    data: bytes,
    name: str,
    value_range: ValueRange | None,
    limits: Limits,
    target: Target | None = None,
    selection: Selection = EVERYTHING,
) -> Image:
    """Decode the bytes of a file; a JPEG may be decoded at reduced size for a target."""
    format = identify(data, name)
    if format == "DICOM":
        return decode_dicom(data, name, value_range, limits, selection)
    if format == "HEIC":
        require_heic(name)
    layout = read_layout(data, name, selection.frame or 0) if format == "TIFF" else Layout()
    if selection.channels is not None and (layout.n_channels not in (1, 3) or layout.mixed_up):
        return array_to_image(read_bands(data, name, limits, selection), value_range, limits, name=name)
    check_channels(layout.n_channels, MOST_CHANNELS, name)
    check_order(layout, name)
    check_end(data, format, name)
    extra = check_png(data, name) if format == "PNG" else 0
    if size := first_size(data, format):
        check_size(name, *size, limits)
    with translated(name, format):
        with quiet():
            picture = _OPENERS[format](io.BytesIO(data))
        check_size(name, *picture.size, limits)
        _refuse_raw(picture, name)
        check_scans(data, picture, name)
        if selection.frame:
            with quiet():
                _go_to(picture, selection.frame, name)
        check_channels(layout.n_channels, len(picture.getbands()), name)
        whole = format != "JPEG" or bool(selection.frame)
        reduction = 1 if target is None or whole else target.reduction(*picture.size)
    image = decode_picture(picture, name, value_range, limits, reduction, selection.channels)
    with translated(name, format):
        if not selection.frame:
            check_complete(data, format, picture, name, lambda other: _OPENERS[format](io.BytesIO(other)))
    notes = list(image.notes)
    if selection.frame is None and (frames := _count_frames(picture)) > 1:
        count = f"{frames}" if frames <= _MOST_FRAMES else f"more than {_MOST_FRAMES}"
        notes.append(f"first {'page' if format == 'TIFF' else 'frame'} of {count}")
    if extra := extra or trailing_bytes(data, format):
        notes.append(f"{extra:,} trailing bytes ignored")
    suffix = PurePath(name).suffix.lower()
    if SUFFIX_FORMATS.get(suffix, format) != format:
        notes.append(f"named {suffix} but is {format}")
    return replace(image, notes=tuple(notes))


def open_picture(file: io.BytesIO, format: str) -> PIL.Image.Image:
    """Open a file of a known format without decoding its pixels; errors are those of Pillow."""
    return _OPENERS[format](file)


def decode_picture(
    picture: PIL.Image.Image,
    name: str,
    value_range: ValueRange | None,
    limits: Limits,
    reduction: int = 1,
    channels: Sequence[int] | None = None,
) -> Image:
    """Convert a Pillow image, loading it if necessary."""
    check_size(name, *picture.size, limits)
    width, height = picture.size
    with translated(name, picture.format or "image"):
        notes = depth = _depth_note(picture, name, value_range)
        with quiet():
            orientation = orientation_of(picture)
        if reduction > 1 and picture.draft(None, (width // reduction, height // reduction)) is None:
            reduction = 1
        if picture.format == "TIFF":
            with quiet():  # load() parses more TIFF tags, and rotates the image upright
                picture.load()
                turn = orientation_of(picture)
        else:
            picture.load()
            turn = orientation
        box = 0.0, 0.0, width / reduction, height / reduction
        box = upright_box(box, picture.size, turn)
        pixels, converted = picture_to_rgb(upright(picture, turn), name, value_range, channels)
        if orientation > 1:
            notes += (f"EXIF orientation {orientation} applied",)
    if depth and pixels.max(initial=0) < 16:
        notes = (f"{depth[0]}; {_DARK}", *notes[1:])
    pixels.flags.writeable = False
    return Image(pixels, notes + converted, (height, width) if turn >= 5 else (width, height), box)


def _depth_note(picture: PIL.Image.Image, name: str, value_range: ValueRange | None) -> tuple[str, ...]:
    """Return a note if Pillow drops the low byte of 16-bit colour; of 16-bit grey it keeps both."""
    tiles: list[Any] = getattr(picture, "tile", [])
    if not tiles or picture.mode.startswith("I") or ";16" not in repr(tiles[0][3]):
        return ()
    if value_range not in (None, (0.0, 65535.0)):
        raise BadImageError(
            name,
            "ambiguous_range",
            f"16-bit colour is read as 0..65535, but value_range is {value_range}.",
            "Decode it yourself and pass the array.",
        )
    return ("16 bits scaled to 8",)


def _refuse_raw(picture: PIL.Image.Image, name: str) -> None:
    """Raise BadImageError for camera raw files, which Pillow opens as a TIFF thumbnail."""
    tags = getattr(picture, "tag_v2", {})
    if _DNG_VERSION in tags or (tags and name.lower().endswith(RAW_SUFFIXES)):
        raise BadImageError(
            name,
            "format_not_supported",
            "is camera raw, which is not supported.",
            "Convert it to PNG or JPEG with the camera's software.",
        )


def _go_to(picture: PIL.Image.Image, frame: int, name: str) -> None:
    """Go to a frame or page, counted from 0."""
    try:
        picture.seek(frame)
    except EOFError as error:
        raise BadImageError(
            name, "bad_frame", f"has no frame {frame}.", "Count from 0, or pass frame=None for the first."
        ) from error


def _count_frames(picture: PIL.Image.Image) -> int:
    """Return the number of frames or pages, up to ``_MOST_FRAMES`` + 1; 1 if the others are damaged."""
    try:
        with quiet():
            if picture.format not in ("GIF", "TIFF"):
                return int(getattr(picture, "n_frames", 1))
            # These formats do not store the number, so that Pillow would go through all frames.
            for frame in range(1, _MOST_FRAMES + 1):
                try:
                    picture._seek(frame, *([False] if picture.format == "GIF" else []))  # type: ignore[attr-defined]
                except EOFError:
                    return frame
            return _MOST_FRAMES + 1
    except Exception:  # noqa: BLE001 - damage after the first frame may raise anything
        return 1
