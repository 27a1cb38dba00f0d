"""Read the bytes of a path or a file object once."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import IO, Any, NoReturn

from transferkit.errors import BadImageError
from transferkit.images._image import Limits
from transferkit.images._remote import is_url

__all__ = ["check_bytes", "local_path", "read_file", "read_path", "read_rest"]


def local_path(source: Any) -> str | None:
    """Return the path of an image in a file of this machine; None for any other form, and for addresses."""
    if not isinstance(source, str | os.PathLike) or (isinstance(source, str) and is_url(source)):
        return None
    return os.fsdecode(source)


def read_path(path: Path, limits: Limits) -> bytes:
    """Return the bytes of a regular file; folders, pipes and devices are not opened."""
    try:
        _check_kind(path, path.stat())
        # O_NONBLOCK: opening must not hang if a pipe replaces the file after the check.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0))
        with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor
            status = os.fstat(descriptor)
            _check_kind(path, status)
            _check_length(str(path), status.st_size, limits)
            data = file.read(limits.max_bytes + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        if isinstance(error, BadImageError):
            raise
        _refuse(path, error)
    _check_length(str(path), len(data), limits)
    return data


def read_file(file: IO[bytes], name: str, limits: Limits) -> bytes:
    """Return the bytes from the current position to the end."""
    try:
        data = read_rest(file, limits)
    except Exception as error:  # file objects of other libraries may raise anything
        raise BadImageError(name, "unreadable", f"cannot be read: {error}.", "Is the file open?") from error
    if not isinstance(data, bytes | bytearray | memoryview):
        raise BadImageError(
            name, "unreadable", f"returns {type(data).__name__}, not bytes.", 'Open the file with mode "rb".'
        )
    if not data:
        raise BadImageError(
            name, "empty", "has no bytes left to read.", "Was it read before? Call file.seek(0)."
        )
    _check_length(name, len(data), limits)
    return bytes(data)


def read_rest(file: IO[bytes], limits: Limits) -> Any:
    """Return what a file has left, but at most one byte more than the limits allow."""
    data: Any = file.read(limits.max_bytes + 1)
    if not isinstance(data, bytes):
        return data
    # A stream may return less than requested; only its end returns nothing.
    blocks, left = [data], limits.max_bytes + 1 - len(data)
    while blocks[-1] and left > 0:
        blocks.append(file.read(left) or b"")
        left -= len(blocks[-1])
    return b"".join(blocks)


def check_bytes(data: bytes, name: str, limits: Limits) -> bytes:
    """Return encoded bytes after checking their length."""
    _check_length(name, len(data), limits)
    return data


def _check_kind(path: Path, status: os.stat_result) -> None:
    if stat.S_ISREG(status.st_mode):
        return
    if stat.S_ISDIR(status.st_mode):
        raise BadImageError(path, "not_a_file", "is a folder.", "Pass the paths of the images in it.")
    raise BadImageError(
        path, "not_a_file", "is a pipe, a socket or a device, not a regular file.", "It was not opened."
    )


def _check_length(name: str, length: int, limits: Limits) -> None:
    if length == 0:
        raise BadImageError(name, "empty", "has zero bytes.", "Download it again or remove it.")
    if length > limits.max_bytes:
        raise BadImageError(
            name,
            "too_large",
            f"has {length / 1e6:,.1f} MB or more; at most {limits.max_bytes / 1e6:,.0f} are allowed.",
            "Save it smaller.",
        )


def _refuse(path: Path, error: OSError | ValueError) -> NoReturn:
    """Raise the BadImageError for a path that cannot be read."""
    code = getattr(error, "errno", None)
    if isinstance(error, ValueError) or code in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG):
        try:
            target = path.readlink()
        except (OSError, ValueError):
            where = "" if path.is_absolute() else f"Relative paths start at {Path.cwd()}."
            if str(path).startswith("~"):
                where = "Call Path(path).expanduser() first."
            elif is_url(str(path).replace(":/", "://", 1)):
                where = "Pass an address as str: a Path leaves out one of its slashes."
            raise BadImageError(path, "not_found", "does not exist.", where) from error
        raise BadImageError(
            path, "not_found", f"is a link to '{target}', which does not exist.", "Repair or remove it."
        ) from error
    reason = "you do not have permission to read it." if code in (errno.EACCES, errno.EPERM) else f"{error}."
    raise BadImageError(path, "unreadable", reason, "Check its owner and permissions.") from error
