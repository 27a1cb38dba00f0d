"""Read DICOM files: convert stored values to grey levels, as a viewer displays them.

Stored values become those of the modality (rescale slope and intercept, or its table), then grey levels: by
``value_range``, or else the window of the file (or its table), or else percentiles. MONOCHROME1 is inverted.
"""

from __future__ import annotations

import io
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.errors import BadImageError
from transferkit.images._failures import translated
from transferkit.images._image import Image, Limits, check_size
from transferkit.images._quiet import quiet
from transferkit.images._ranges import ValueRange, to_uint8
from transferkit.images._selection import Selection, pick_channels

__all__ = ["PERCENTILES", "decode_dicom"]

PERCENTILES = (0.5, 99.5)  # black and white of a file without a window
_FAR = 100.0  # window widths from the centre, where every window function has reached its limits


def decode_dicom(
    data: bytes, name: str, value_range: ValueRange | None, limits: Limits, selection: Selection
) -> Image:
    """Return the image in a DICOM file.

    Raises
    ------
    BadImageError
        Category ``missing_package`` if pydicom, or a decoder for it, is not installed; ``bad_frame`` if there
        are several frames and none was chosen; and the usual ones.
    """
    try:
        import pydicom
    except ImportError as error:
        raise BadImageError(
            name, "missing_package", "is DICOM, which needs pydicom.", 'Run: pip install "transferkit[dicom]"'
        ) from error
    with translated(name, "DICOM"):
        _check_inflated(data, name, limits)
        with quiet():  # also while pixels are read, since pydicom also warns of these
            file = pydicom.dcmread(io.BytesIO(data))
            if "Columns" not in file or "Rows" not in file:
                raise BadImageError(name, "not_an_image", "is DICOM without an image.", "Leave it out.")
            check_size(name, int(file.Columns), int(file.Rows), limits)
            frame = _frame(file, name, selection)
            _check_decoder(file, name)
            values = _stored_values(file, frame, name)
            _take_from_frame(file, frame)
        if file.PhotometricInterpretation == "PALETTE COLOR":
            values = pydicom.pixels.apply_color_lut(values, file)
        if values.ndim == 3:
            mapped = file.PhotometricInterpretation == "PALETTE COLOR"
            pixels, notes = to_uint8(values, name, None if mapped else value_range)
        else:
            pixels, notes = _grey_levels(file, values, value_range, name)
    if selection.channels is not None:
        pixels = pick_channels(pixels, selection.channels, name)
    if pixels.ndim == 2 or pixels.shape[2] == 1:
        pixels = np.repeat(pixels.reshape(*pixels.shape[:2], 1), 3, axis=2)
    pixels = np.ascontiguousarray(pixels)
    pixels.flags.writeable = False
    return Image(pixels, notes)


def _check_inflated(data: bytes, name: str, limits: Limits) -> None:
    """Raise BadImageError for a file compressed as a whole that would grow beyond the limit for files."""
    import pydicom

    stream = io.BytesIO(data)
    stream.seek(132)  # after the preamble and "DICM"
    meta = pydicom.filereader.read_dataset(stream, False, True, stop_when=lambda tag, *_: tag >> 16 != 2)
    if meta.get("TransferSyntaxUID") != pydicom.uid.DeflatedExplicitVRLittleEndian:
        return
    inflate, rest, held = zlib.decompressobj(-zlib.MAX_WBITS), data[stream.tell() :], 0
    while rest and held <= limits.max_bytes:
        held += len(inflate.decompress(rest, 1 << 20))
        rest = inflate.unconsumed_tail
    if held > limits.max_bytes:
        raise BadImageError(
            name,
            "too_large",
            f"is compressed DICOM of more than {limits.max_bytes / 1e6:,.0f} MB.",
            "Save it smaller.",
        )


def _frame(file: Any, name: str, selection: Selection) -> int:
    """Return the frame to decode; if there are several, one must have been chosen."""
    count, frame = int(file.get("NumberOfFrames") or 1), selection.frame
    if frame is None and count > 1:
        raise BadImageError(
            name,
            "bad_frame",
            f"has {count} frames.",
            "Choose one: FeatureExtractor(frame=0), counted from 0.",
        )
    if frame is not None and frame >= count:
        raise BadImageError(name, "bad_frame", f"has {count} frame(s), but frame={frame}.", "Count from 0.")
    return frame or 0


def _check_decoder(file: Any, name: str) -> None:
    """Raise BadImageError if no package is installed that decodes the compression of the file."""
    import pydicom

    syntax = file.file_meta.TransferSyntaxUID
    if not syntax.is_compressed or syntax.is_deflated:
        return
    if not pydicom.pixels.get_decoder(syntax).is_available:
        raise _no_decoder(file, name)


def _stored_values(file: Any, frame: int, name: str) -> NDArray[Any]:
    """Return the values of a frame, as RGB if there are three per pixel."""
    import pydicom

    try:
        return pydicom.pixels.pixel_array(file, index=frame)
    except RuntimeError as error:
        if "not support" not in str(error):
            raise
        raise _no_decoder(file, name) from error  # such as Pillow's for JPEG with 12 bits


def _no_decoder(file: Any, name: str) -> BadImageError:
    return BadImageError(
        name,
        "missing_package",
        f"is compressed as {file.file_meta.TransferSyntaxUID.name}, for which pydicom has no decoder here.",
        "Run: pip install pylibjpeg pylibjpeg-libjpeg pylibjpeg-openjpeg",
    )


def _take_from_frame(file: Any, frame: int) -> None:
    """Copy attributes from the functional groups of this frame to where single-frame files have them."""
    shared = list(file.get("SharedFunctionalGroupsSequence") or ())
    own = list(file.get("PerFrameFunctionalGroupsSequence") or ())[frame : frame + 1]
    for group in (*shared, *own):
        for sequence in ("PixelValueTransformationSequence", "FrameVOILUTSequence"):
            for item in group.get(sequence) or ():
                file.update(item)


def _grey_levels(
    file: Any, stored: NDArray[Any], value_range: ValueRange | None, name: str
) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """Return grey of stored values, and a note on the window."""
    from pydicom import pixels

    values = pixels.apply_modality_lut(stored, file)
    if value_range is not None:
        shown, (low, high), note = values, value_range, "the value_range"
    elif file.get("VOILUTSequence"):
        table = file.VOILUTSequence[0].LUTDescriptor
        entries, first, bits = table[0] or 1 << 16, table[1], table[2]
        inside = np.rint(values).astype(np.int64).clip(first, first + entries - 1)
        shown, (low, high), note = pixels.apply_voi(inside, file), (0, 2**bits - 1), "the file's VOI table"
    elif file.get("WindowWidth") is not None and file.get("WindowCenter") is not None:
        # The standard has several window functions, whose limits depend on the file.
        centre, width = _first(file.WindowCenter), _first(file.WindowWidth)
        if width <= 0:
            raise BadImageError(name, "corrupt", f"has a window of width {width:g}.", "Pass a value_range.")
        ends = pixels.apply_windowing(np.array([centre - _FAR * width, centre + _FAR * width]), file)
        shown, (low, high) = pixels.apply_windowing(values, file), ends.tolist()
        note = f"the file's window ({centre:g}, width {width:g})"
    else:
        padding = file.get("PixelPaddingValue")
        counted = values if padding is None else values[stored != padding]
        low, high = np.percentile(counted, PERCENTILES) if counted.size else (0.0, 1.0)
        shown, note = values, f"{PERCENTILES[0]} to {PERCENTILES[1]} % of its values, as it has no window"
    # With a negative rescale slope, pydicom's black end of a window is the larger number.
    grey = (shown.astype(np.float64) - low) * (255 / (high - low if high != low else 1))
    levels = np.rint(grey).clip(0, 255).astype(np.uint8)
    inverted = file.PhotometricInterpretation == "MONOCHROME1"
    return (~levels if inverted else levels), (f"DICOM, grey by {note}",)


def _first(value: Any) -> float:
    """Return the first of several windows."""
    return float(value if isinstance(value, int | float | str) else value[0])
