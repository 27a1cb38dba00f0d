"""A row: the activation of one part of one view of one image, as bytes with a checksum.

Rows are stored in half precision where it costs little. A float16 has 11 significant bits down to 2**-14 and
a fixed step of 2**-24 below. If the largest magnitude of a row is in [2**-14, 65504], **the error of every
value is at most 2**-11 of that magnitude**. Other rows would overflow or
underflow, and keep single precision.

The CRC32 covers the space, the key, shape, dtype and data, so a row under a wrong key counts as damaged.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from transferkit.errors import InvalidInputError
from transferkit.foundation.halves import LARGEST_HALF, SMALLEST_HALF, as_half

HALF, SINGLE = "<f2", "<f4"  # little-endian, so that a cache can be copied between machines


class RowKey(NamedTuple):
    """Key of a row: the content digest of an image (64 hex digits) and the name of a view."""

    digest: str
    view: str


class EncodedRow(NamedTuple):
    """The stored form of an array, without its checksum."""

    shape: tuple[int, ...]
    dtype: str
    data: bytes


def digest_bytes(key: RowKey | tuple[str, str]) -> bytes:
    """Return the digest of a key as 32 bytes."""
    try:
        raw = bytes.fromhex(key[0])
    except (TypeError, ValueError):
        raw = b""
    if len(raw) != 32:
        raise InvalidInputError(
            f"The digest of a row must be 64 hex digits (a SHA-256). Got {key[0]!r}. "
            "Pass RowKey(digest, view)."
        )
    return raw


def encode(
    key: RowKey | tuple[str, str], part: str, array: ArrayLike | EncodedRow, *, half: bool
) -> EncodedRow:
    """Return the stored form of an array of real numbers; a row in this form as it is."""
    if isinstance(array, EncodedRow):
        return array
    values = np.asarray(array)
    if values.dtype.kind != "f" or values.size == 0:
        raise InvalidInputError(
            f"A row must be a non-empty array of floats. Got dtype {values.dtype} and shape "
            f"{values.shape} for part {part!r} of image {key[0][:12]}."
        )
    with np.errstate(over="ignore"):  # a float64 beyond single precision is rejected below
        values = np.ascontiguousarray(values, dtype=SINGLE).reshape(values.shape)
    largest = max(float(values.max()), -float(values.min()))  # NaN if any value is NaN
    if not np.isfinite(largest):
        bad = values.size - np.count_nonzero(np.isfinite(values))
        raise InvalidInputError(
            f"Part {part!r} of image {key[0][:12]} (view {key[1]!r}) has {bad} of {values.size} values "
            "that are NaN or infinite in single precision. Features must be finite: check the image, "
            "the weights and the precision of the engine."
        )
    if half and (SMALLEST_HALF <= largest <= LARGEST_HALF or largest == 0):
        return EncodedRow(values.shape, HALF, as_half(values).astype(HALF, copy=False).tobytes())
    return EncodedRow(values.shape, SINGLE, values.tobytes())


def checksum_seed(space: str, view: str, part: str, shape: Sequence[int], dtype: str) -> int:
    """Return the CRC32 of everything but digest and data; lengths separate the fields."""
    fields = (space, view, part, "x".join(map(str, shape)), dtype)
    return zlib.crc32("".join(f"{len(field)}:{field}" for field in fields).encode())


def checksum(seed: int, digest: bytes, data: bytes) -> int:
    """Return the CRC32 of a row."""
    return zlib.crc32(data, zlib.crc32(digest, seed))


def decode(
    seed: int, digest: bytes, crc: object, shape: tuple[int, ...], dtype: str, data: object
) -> NDArray | None:
    """Return the array (a read-only view of ``data``), or None if it is damaged."""
    if not isinstance(data, bytes) or checksum(seed, digest, data) != crc:
        return None
    return np.frombuffer(data, dtype=dtype).reshape(shape)
