"""The folder of an output, on this machine or at an fsspec address; files appear only when complete."""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from pathlib import Path
from typing import Any

from transferkit.errors import CacheError, MissingDependencyError
from transferkit.foundation.files import replaced
from transferkit.images import local_path

_WHOLE = {"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "oss", "memory"}  # writes are atomic
_ABANDONED_SECONDS = 3600


class Store:
    """The files in one folder.

    Parameters
    ----------
    address : str or path
        Folder, such as ``features`` or ``s3://bucket/features``; created by the first write.
    """

    def __init__(self, address: str | os.PathLike[str]) -> None:
        text = os.fsdecode(address)
        self._folder = None if local_path(text) is None else Path(text).absolute()
        self.address = text if self._folder is None else str(self._folder)
        self._system: Any = None
        self._root = ""
        if self._folder is None:
            self._system, self._root = _open(text)

    def __getstate__(self) -> dict[str, Any]:
        """Keep only the address, which other processes open again."""
        return {"address": self.address}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Open the address."""
        self.__init__(state["address"])  # type: ignore[misc]

    def place(self, name: str) -> str:
        """Return the path or address of a file, for messages."""
        return f"{self.address.rstrip('/')}/{name}"

    def names(self) -> list[str]:
        """Return the sorted names of all files; an empty list if there is no folder."""
        with self._naming(""):
            if self._folder is not None:
                return sorted(path.name for path in self._folder.iterdir()) if self._folder.is_dir() else []
            self._system.invalidate_cache()
            if not self._system.exists(self._root):
                return []
            found = self._system.ls(self._root, detail=False)
        return sorted(name.rstrip("/").rpartition("/")[2] for name in found)

    def open(self, name: str) -> Any:
        """Open a file for reading bytes."""
        with self._naming(name):
            if self._folder is not None:
                return (self._folder / name).open("rb")
            return self._system.open(f"{self._root}/{name}", "rb")

    def read(self, name: str) -> bytes | None:
        """Return the content of a file, or None if it does not exist."""
        if name not in self.names():
            return None
        with self._naming(name), self.open(name) as stream:
            data: bytes = stream.read()
        return data

    def write(self, name: str, data: bytes) -> None:
        """Write or replace a file in one step."""
        with self._naming(name):
            if self._folder is not None:
                self._folder.mkdir(parents=True, exist_ok=True)
                with replaced(self._folder / name) as stream:
                    stream.write(data)
                return
            protocol = self._system.protocol
            self._system.makedirs(self._root, exist_ok=True)
            if {protocol} & _WHOLE if isinstance(protocol, str) else set(protocol) & _WHOLE:
                self._system.pipe_file(f"{self._root}/{name}", data)
                return
            temporary = f"{self._root}/.transferkit-{secrets.token_hex(8)}.tmp"
            self._system.pipe_file(temporary, data)
            self._system.mv(temporary, f"{self._root}/{name}")

    def clean(self) -> None:
        """Remove incomplete files of killed processes, when they are too old to be still being written."""
        for name in self.names() if self._folder is not None else ():
            if name.startswith(".transferkit-") and name.endswith(".tmp"):
                assert self._folder is not None
                path = self._folder / name
                with contextlib.suppress(OSError):
                    if path.stat().st_mtime < time.time() - _ABANDONED_SECONDS:
                        path.unlink()

    @contextlib.contextmanager
    def _naming(self, name: str) -> Any:
        """Turn errors in reading or writing a file into a CacheError that names the file."""
        try:
            yield
        except CacheError:
            raise
        except Exception as error:  # each file system raises the errors of its own library
            place = self.place(name)
            raise CacheError(
                f"{place} cannot be read or written: {error}. Check the address, the room on its disk and "
                "your permissions, and run the same call again: what is written stays.",
                path=place,
            ) from error


def _open(address: str) -> tuple[Any, str]:
    """Return the file system of an address, and its path there."""
    try:
        import fsspec

        system, path = fsspec.core.url_to_fs(address)
    except ImportError as error:
        package = getattr(error.__cause__, "name", None) or error.name or "fsspec"
        extra = "remote" if package in ("fsspec", "aiohttp", "requests") else ""
        raise MissingDependencyError(package, extra, f"Features at {address!r}") from error
    except ValueError as error:
        raise CacheError(f"{address!r} is no address that fsspec knows: {error}.", path=address) from error
    return system, path.rstrip("/")
