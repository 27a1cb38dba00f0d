"""One safetensors file: arrays, and one JSON document that says what they are.

No pickle and no code: a document is plain data against a closed schema, and a file is refused
before anything large is allocated. Written beside its target and renamed, so that a crash leaves
the old file or the new one.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.errors import ModelFileError

FORMAT = "transferkit"
SCHEMA = 1
_LARGEST_HEADER = 16 << 20


def write_model(
    path: str | os.PathLike[str], tensors: Mapping[str, NDArray[Any]], document: Mapping[str, Any]
) -> None:
    """Write arrays and a JSON document, replacing the file in one step."""
    from safetensors.numpy import save

    text = json.dumps({"format": FORMAT, "schema": SCHEMA, **document}, allow_nan=False)
    data = save({name: np.ascontiguousarray(array) for name, array in tensors.items()}, {FORMAT: text})
    target = Path(path)
    handle, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        umask = os.umask(0)
        os.umask(umask)
        Path(temporary).chmod(0o666 & ~umask)
        Path(temporary).replace(target)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            Path(temporary).unlink()
        raise
    _sync_folder(target.parent)


def read_model(path: str | os.PathLike[str]) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Return the arrays and the document of a saved model.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ModelFileError
        The file is damaged, is not a model of transferkit, or is of a newer version.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    target = Path(path)
    if not target.exists():
        raise FileNotFoundError(f"There is no model at {str(target)!r}. Expected a file that save() wrote.")
    document = _read_document(target)
    try:
        return load(target.read_bytes()), document
    except (SafetensorError, ValueError, TypeError, KeyError) as error:
        raise ModelFileError(f"the file is damaged: {error}", path=path) from error


def _read_document(path: Path) -> dict[str, Any]:
    """Return the checked document from the header alone."""
    size = path.stat().st_size if path.is_file() else 0
    with path.open("rb") if path.is_file() else contextlib.nullcontext() as stream:
        start = stream.read(8) if stream else b""
        length = int.from_bytes(start, "little") if len(start) == 8 else 0
        if stream is None or not 2 <= length <= min(size - 8, _LARGEST_HEADER):
            raise ModelFileError("expected a safetensors file written by save(). It is not one.", path=path)
        header = stream.read(length)
    try:
        metadata = json.loads(header, parse_constant=_refuse)["__metadata__"]
        document = json.loads(metadata[FORMAT], parse_constant=_refuse)
        known = document["format"] == FORMAT
        schema = document["schema"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelFileError(
            "this is no model of transferkit. Expected a file written by save().", path=path
        ) from error
    if not known or not isinstance(schema, int) or schema < 1:
        raise ModelFileError("this is no model of transferkit. Expected a file written by save().", path=path)
    if schema > SCHEMA:
        raise ModelFileError(
            f"the model has schema {schema}, this version reads up to {SCHEMA}. Upgrade transferkit.",
            path=path,
        )
    checked: dict[str, Any] = document
    return checked


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _sync_folder(folder: Path) -> None:
    """Make the rename itself last through a power cut, where the system can."""
    if hasattr(os, "O_DIRECTORY"):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
