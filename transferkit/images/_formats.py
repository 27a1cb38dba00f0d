"""Identify the format of a file by its first bytes."""

from __future__ import annotations

import re

from transferkit.errors import BadImageError

__all__ = ["identify"]

# First bytes -> supported format; see _decode.py for the decoders.
_DECODED = (
    (re.compile(rb".{128}DICM", re.DOTALL), "DICOM"),  # first, since the preamble may be the header of a TIFF
    (re.compile(rb"\xff\xd8\xff"), "JPEG"),
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "PNG"),
    (re.compile(rb"GIF8[79]a"), "GIF"),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), "WEBP"),
    (re.compile(rb"(?:II[*+]\x00|MM\x00[*+])(?!\x10\x00\x00\x00CR)"), "TIFF"),
    # The size of the second header distinguishes a bitmap from text that starts with "BM".
    (re.compile(rb"BM.{12}[\x0c\x10\x28\x34\x38\x40\x6c\x7c]\x00\x00\x00", re.DOTALL), "BMP"),
    (re.compile(rb"P(?:[1-6]|f)[\s#]"), "PPM"),
    (re.compile(rb"....ftyp(?:hei|hev|heix|mif1|msf1)", re.DOTALL), "HEIC"),
)


def _table(*rows: tuple[bytes, str, str]) -> list[tuple[re.Pattern[bytes], str, str]]:
    """Compile the first column."""
    return [(re.compile(magic, re.DOTALL | re.IGNORECASE), what, hint) for magic, what, hint in rows]


# What may precede the first tag of a text format. A comment can match in only one way, so that hostile text
# does not cause exponential backtracking.
_PROLOGUE = rb"\xef?\xbb?\xbf?\s*(?:<\?xml[^>]*>\s*)?(?:<!--(?:(?!-->).)*-->\s*)*"

# Unsupported image formats: first bytes -> name, program to convert with.
_OTHER_PICTURES = _table(
    (rb"....ftypavi[fs]", "AVIF", "Pillow or a photo editor"),
    (rb"(?:\x00\x00\x00\x0cjP  \r\n|\xff\x4f\xff\x51)", "JPEG 2000", "Pillow or ImageMagick"),
    (rb"(?:\xff\x0a|\x00\x00\x00\x0cJXL )", "JPEG XL", "djxl"),
    (_PROLOGUE + rb"(?:<!DOCTYPE svg[^>]*>\s*)?<svg", "SVG", "a drawing program"),
    (rb"\s{0,16}%PDF", "PDF", "pdftoppm"),
    (rb"%!PS|\xc5\xd0\xd3\xc6", "EPS or PostScript", "a drawing program"),
    (rb"8BPS", "PSD", "Photoshop or GIMP"),
    (rb"\x00\x00[\x01\x02]\x00[^\x00]\x00", "ICO or CUR", "Pillow"),
    (rb"\x76\x2f\x31\x01", "OpenEXR", "an HDR program, with a tone curve"),
    (rb"#\?(?:RADIANCE|RGBE)", "Radiance HDR", "an HDR program, with a tone curve"),
    (rb"SIMPLE  =", "FITS", "astropy, with a suitable range"),
    (rb"II(?:\*\x00\x10\x00\x00\x00CR|RO|U\x00)|FUJIFILM|....ftypcrx", "camera raw", "the camera's software"),
    (rb"qoif", "QOI", "Pillow"),
    (rb"DDS ", "DDS", "Pillow"),
    (rb"gimp xcf", "GIMP", "GIMP"),
    (rb"AT&TFORM", "DjVu", "ddjvu"),
    (rb".{344}(?:ni1|n\+1)\x00", "NIfTI", "nibabel, one slice at a time"),
)  # fmt: skip

# Other files: first bytes -> name, hint.
_FOREIGN = _table(
    (rb"version https://git-lfs", "a Git LFS pointer, not the file itself", "Run: git lfs pull"),
    (
        _PROLOGUE + rb"<(?:!doctype html|html|head|body)",
        "an HTML page: the download returned a web page instead of the image",
        "Download it again; the site may require a login.",
    ),
    (rb"\xef?\xbb?\xbf?\s*<(?:\?xml|[a-z])", "XML", ""),
    (rb"\x00\x05\x16[\x00\x07]\x00\x02\x00\x00", "a macOS side file (AppleDouble)", "Delete it."),
    (rb"\x00\x00\x00\x01Bud1", "a macOS folder file (.DS_Store)", "Delete it."),
    (rb"\xd0\xcf\x11\xe0\xa1\xb1", "an OLE file (Thumbs.db or an old Office document)", ""),
    (rb"PK(?:\x03\x04|\x05\x06)", "a ZIP archive or an Office document", "Unpack it first."),
    (rb"\x1f\x8b", "gzip data", "Unpack it first."),
    (rb"(?:7z\xbc\xaf\x27\x1c|Rar!\x1a\x07|BZh[1-9]|\xfd7zXZ|.{257}ustar)", "an archive", "Unpack it."),
    (rb"\x93NUMPY", "a NumPy array file", "Pass numpy.load(path)."),
    (rb"\x89HDF\r\n", "an HDF5 file", "Read the arrays from it and pass those."),
    (rb"\x80[\x02-\x05][c}\]K\x95(]", "a pickle", ""),
    (
        rb"(?:....ftyp|RIFF....AVI |\x1aE\xdf\xa3|\x00\x00\x01[\xb3\xba])",
        "a video",
        "Extract its frames first.",
    ),
    (rb"(?:ID3|OggS|fLaC|RIFF....WAVE)", "a sound file", ""),
    (rb"\s*[\[{]\s*[\"\[{\]}0-9]", "JSON", ""),
    (rb"(?:\x7fELF|MZ)", "a program", ""),
)

_HEAD = 4096


def identify(data: bytes, name: str) -> str:
    """Return the format ("JPEG", "PNG", ...) of these bytes, or raise BadImageError saying what they are."""
    head = data[:_HEAD]
    for pattern, decoded in _DECODED:
        if pattern.match(head):
            return decoded
    for pattern, what, tool in _OTHER_PICTURES:
        if pattern.match(head):
            raise BadImageError(
                name,
                "format_not_supported",
                f"is {what}, which is not supported.",
                f"Convert it to PNG or JPEG with {tool}.",
            )
    what, hint = _foreign(data, head)
    raise BadImageError(name, "not_an_image", f"is {what}.", hint or "Remove or replace it.")


def _foreign(data: bytes, head: bytes) -> tuple[str, str]:
    """Explain why these bytes are not an image."""
    for pattern, what, hint in _FOREIGN:
        if pattern.match(head):
            return what, hint
    if not head.strip(b"\x00") and not data.strip(b"\x00"):
        return f"{len(data):,} zero bytes: a download or a disk lost the content", "Download it again."
    if re.fullmatch(rb"[\t\n\f\r\x20-\x7e\x80-\xff]+", head) and _is_text(head):
        start = head[:40].decode("utf-8", "replace").strip()
        path = " A path must be a str, not bytes." if re.fullmatch(rb"\S+\.\w{2,5}", data) else ""
        return f"text that begins with {start!r}", f"Remove or replace it.{path}"
    return f"not in a known image format (it begins with {head[:8].hex(' ')})", "Is it complete?"


def _is_text(head: bytes) -> bool:
    try:
        head[:-3].decode("utf-8")  # the last character may be cut
    except UnicodeDecodeError:
        return False
    return True
