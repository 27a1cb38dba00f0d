"""Translate the exceptions of decoders to BadImageError."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from PIL.Image import DecompressionBombError

from transferkit.errors import BadImageError, InvalidInputError

__all__ = ["RAW_SUFFIXES", "is_lasting", "translated"]

# Files of cameras that start with a TIFF thumbnail.
RAW_SUFFIXES = (".dng", ".nef", ".arw", ".pef", ".srw", ".3fr", ".cr2", ".nrw")
# Signals that end a helper process because of the machine, not of the image.
_FROM_OUTSIDE = ("SIGKILL", "SIGTERM", "SIGINT", "SIGHUP")

# Words by which Pillow and its libraries report truncated data.
_CUT = (
    "truncated",
    "unexpected end",
    "not enough",
    "no more images",
    "end of file",
    "buffer is not large",
    "requires a buffer",
)

# Words by which Pillow and Python report a closed image or file.
_CLOSED = ("Operation on closed image", "of closed file", "on closed file")


@contextlib.contextmanager
def translated(name: str, format: str) -> Iterator[None]:
    """Raise BadImageError for every exception of a decoder."""
    try:
        yield
    except InvalidInputError:
        raise
    except DecompressionBombError as error:
        raise BadImageError(name, "too_large", f"{format}: {error}.", "Scale it down first.") from error
    except MemoryError as error:
        raise BadImageError(
            name, "too_large", f"{format} does not fit in memory.", "Scale it down first."
        ) from error
    except ValueError as error:
        if any(word in str(error) for word in _CLOSED):
            raise BadImageError(
                name,
                "unreadable",
                "is closed, so its pixels cannot be read.",
                "Call load() inside the with block, or pass the path.",
            ) from error
        raise _damaged(name, format, error) from error
    except Exception as error:  # damaged files raise at least nine unrelated types
        raise _damaged(name, format, error) from error


def _damaged(name: str, format: str, error: Exception) -> BadImageError:
    """Return the error for truncated or corrupt data."""
    text = str(error) or type(error).__name__
    cut = isinstance(error, EOFError) or any(word in text.lower() for word in _CUT)
    category = "truncated" if cut else "corrupt"
    problem = "is truncated" if cut else "is damaged"
    hint = "Download or copy the file again."
    if format == "TIFF" and "unknown pixel mode" in text:  # perhaps a valid file with wide or signed values
        hint += " If other programs open it, pass its array, such as that of tifffile.imread(path)."
    return BadImageError(name, category, f"{format} {problem}: {text.rstrip('.')}.", hint)


def is_lasting(error: BadImageError) -> bool:
    """Return True if an image with this content will always fail like this, on any machine.

    False for a lack of time, memory or packages, for a helper process that was killed from outside, and for
    files that are refused as camera raw, which depends on the name.
    """
    killed = error.category == "crashed" and any(signal in error.reason for signal in _FROM_OUTSIDE)
    by_name = error.category == "format_not_supported" and str(error.path).lower().endswith(RAW_SUFFIXES)
    return not (
        error.category in ("timed_out", "missing_package")
        or isinstance(error.__cause__, MemoryError)
        or killed
        or by_name
    )
