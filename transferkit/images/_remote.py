"""Read images at addresses such as ``s3://bucket/1.jpg``, by means of fsspec.

Nothing is remembered about an address: it is read again each time, and its rows are found by the digest of
the content. Tag, size and time do not identify the content, since servers are free to choose them.
"""

from __future__ import annotations

import re
from typing import Any, NoReturn

from transferkit.errors import BadImageError, InvalidInputError, MissingDependencyError
from transferkit.images._folders import is_side_file
from transferkit.images._image import Limits

__all__ = ["is_url", "list_addresses", "read_address", "shown"]

_URL = re.compile(r"(?:[a-z][a-z0-9+.-]+://|data:)", re.IGNORECASE)
_BLOCK = 1 << 20


def is_url(text: str) -> bool:
    """Return True if a string is an address rather than a path."""
    return _URL.match(text) is not None


def shown(address: str) -> str:
    """Return an address for messages, shortened and without a password."""
    address = _without_password(address)
    return address if len(address) <= 200 else f"{address[:200]}..."


def _without_password(text: str) -> str:
    return re.sub(r"(?<=://)[^/@\s]+@", "", text)


def read_address(address: str, limits: Limits) -> bytes:
    """Return the bytes at an address.

    Raises
    ------
    BadImageError
        Category ``not_found``, ``unreadable``, ``empty`` or ``too_large``.
    MissingDependencyError
        fsspec, or a package that it needs for this kind of address, is not installed.
    """
    name = shown(address)
    if address[:5].lower() == "data:":
        raise BadImageError(
            name, "not_found", "is a data: URL.", "Pass the bytes: base64.b64decode(url.partition(',')[2])."
        )
    filesystem, path = _open(address)
    data = bytearray()
    try:
        filesystem.invalidate_cache(path)  # it may have cached the size from an earlier listing
        with filesystem.open(path, "rb") as file:
            # A stream may return less than requested; only its end returns nothing.
            while len(data) <= limits.max_bytes and (block := file.read(_BLOCK)):
                data += block
    except Exception as error:  # noqa: BLE001 - each kind of server raises errors of its library
        _refuse(name, error)
    return bytes(data)


def list_addresses(pattern: str) -> list[str]:
    """Return the addresses of files that match a pattern, sorted.

    Raises
    ------
    InvalidInputError
        No file does, they cannot be listed, or the addresses would lack the server.
    MissingDependencyError
        As for `read_address`.
    """
    filesystem, path = _open(pattern)
    _, link, container = pattern.partition("::")  # as in zip://*.png::archive.zip
    try:
        filesystem.invalidate_cache()
        found = filesystem.glob(path, detail=True)
        names = sorted(
            name
            for name, facts in found.items()
            if facts.get("type") != "directory" and not is_side_file(name)
        )
        addresses = [filesystem.unstrip_protocol(name) + link + container for name in names]
        # Some file systems drop server and user of an address.
        lost = bool(names) and _open(addresses[0]) != (filesystem, names[0])
    except MissingDependencyError:
        raise
    except Exception as error:
        text = _without_password(str(error)).rstrip(".")
        raise InvalidInputError(
            f"X must be images. {shown(pattern)!r} cannot be listed: {text}. Pass a list of addresses."
        ) from error
    if not addresses:
        raise InvalidInputError(f"X must be images. No file matches the pattern {shown(pattern)!r}.")
    if lost:
        raise InvalidInputError(
            f"X must be images. Patterns cannot be used with addresses such as {shown(pattern)!r}: what is "
            "listed there has no address of its own. Pass a list of addresses."
        )
    return addresses


def _open(address: str) -> tuple[Any, str]:
    """Return the file system of an address, and its path there."""
    try:
        import fsspec
    except ImportError as error:
        raise MissingDependencyError("fsspec", "remote", f"Reading {shown(address)!r}") from error
    try:
        return fsspec.core.url_to_fs(address)
    except ImportError as error:
        package = getattr(error.__cause__, "name", None) or error.name or "a package"
        extra = "remote" if package in ("aiohttp", "requests") else ""
        raise MissingDependencyError(package, extra, f"Reading {shown(address)!r}") from error
    except Exception as error:  # noqa: BLE001 - as when reading
        _refuse(shown(address), error)


def _refuse(name: str, error: Exception) -> NoReturn:
    """Raise BadImageError for an unreadable address; for HTTP, fsspec reports all errors as "not found"."""
    reason: BaseException = error
    while isinstance(reason, FileNotFoundError) and reason.__cause__ is not None:
        reason = reason.__cause__
    if isinstance(reason, FileNotFoundError) or getattr(reason, "status", None) == 404:
        raise BadImageError(name, "not_found", "does not exist.", "Check the address.") from error
    text = _without_password(str(reason) or type(reason).__name__).rstrip(".")
    raise BadImageError(
        name, "unreadable", f"cannot be read: {text}.", "Check the address, the network and your permissions."
    ) from error
