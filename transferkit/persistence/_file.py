"""The safetensors file of a model: arrays, and one JSON document that describes them.

There is no pickle and no code: a document is plain data, and a bad file is refused before anything large is
allocated. A SHA-256 of the document and the arrays detects damaged files; it is not a signature. The file is
written beside its target and then renamed, so that a crash leaves either the old file or the new one.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.errors import InvalidInputError, ModelFileError
from transferkit.foundation.arguments import is_path
from transferkit.foundation.files import replaced

FORMAT = "transferkit"
SCHEMA = 2
_DIGEST = "sha256"
_LARGEST_HEADER = 16 << 20
_FOREIGN = "this is no model of transferkit. Expected a file written by save()."


def write_model(
    path: str | os.PathLike[str], tensors: Mapping[str, NDArray[Any]], document: Mapping[str, Any]
) -> None:
    """Write finite arrays and a JSON document, replacing the file in one step.

    Raises
    ------
    InvalidInputError
        An array has NaN or infinite values, or ``path`` is not a path.
    """
    from safetensors.numpy import save

    _check_path(path)
    arrays = {name: np.asarray(array, order="C") for name, array in tensors.items()}
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise InvalidInputError(
                f"The array {name!r} of the model is not finite: its training diverged. Train again with a "
                "smaller learning rate, or check the features."
            )
    text = json.dumps({"format": FORMAT, "schema": SCHEMA, **document}, allow_nan=False, default=_item)
    data = save(arrays, {FORMAT: text, _DIGEST: _digest(text, arrays)})
    target = Path(path)
    if not target.parent.is_dir():
        raise FileNotFoundError(
            f"The folder {str(target.parent)!r} does not exist. Make it, then save again."
        )
    if target.is_dir():
        raise IsADirectoryError(
            f"{str(path)!r} is a folder. Pass the name of a file, such as model.safetensors."
        )
    try:
        with replaced(target) as stream:
            stream.write(data)
    except OSError as error:
        raise type(error)(error.errno, f"The model was not saved: {error.strerror}", str(path)) from error


def read_model(path: str | os.PathLike[str]) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Return the arrays and the document of a saved model.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    InvalidInputError
        ``path`` is not a path.
    ModelFileError
        The file is damaged, is not a model of transferkit, or is of a newer version.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    _check_path(path)
    target = Path(path)
    if not target.exists():
        raise FileNotFoundError(f"There is no model at {str(target)!r}. Expected a file that save() wrote.")
    text, digest, document = _read_document(target)
    try:
        tensors = load(target.read_bytes())
    except (SafetensorError, ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        raise ModelFileError(f"the file is damaged: {error}", path=path) from error
    if _digest(text, tensors) != digest:
        raise ModelFileError(
            "the file is damaged: its SHA-256 is not that of what was saved. Copy it again, or train again.",
            path=path,
        )
    if not all(array.dtype.kind in "fiub" and np.isfinite(array).all() for array in tensors.values()):
        raise ModelFileError("the file is damaged: an array is not of finite numbers.", path=path)
    return tensors, document


def _item(value: Any) -> Any:
    """Convert a NumPy number to a Python one, because parameter searches pass NumPy numbers."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} is no JSON")


def _check_path(path: Any) -> None:
    """Raise InvalidInputError unless this is a path; ``open`` would take a number for a file descriptor."""
    if not is_path(path):
        raise InvalidInputError(
            f"path must be the path of a file, such as 'model.safetensors'. Got {path!r}."
        )


def _read_document(path: Path) -> tuple[str, str, dict[str, Any]]:
    """Return the document as text, the digest, and the document, from the header alone."""
    size = path.stat().st_size if path.is_file() else 0
    with path.open("rb") if path.is_file() else contextlib.nullcontext() as stream:
        start = stream.read(8) if stream else b""
        length = int.from_bytes(start, "little") if len(start) == 8 else 0
        if stream is None or not 2 <= length <= min(size - 8, _LARGEST_HEADER):
            raise ModelFileError("expected a safetensors file written by save(). It is not one.", path=path)
        header = stream.read(length)
    try:
        metadata = _parse(header.decode())["__metadata__"]
        text, digest = metadata[FORMAT], metadata.get(_DIGEST)
        document = _parse(text)
        known = document["format"] == FORMAT
        schema = document["schema"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ModelFileError(_FOREIGN, path=path) from error
    if not known or type(schema) is not int or schema < 1:
        raise ModelFileError(_FOREIGN, path=path)
    if schema > SCHEMA:
        raise ModelFileError(
            f"the model has schema {schema}, this version reads up to {SCHEMA}. Upgrade transferkit.",
            path=path,
        )
    return text, digest, document


def _parse(text: str) -> Any:
    """Return JSON data, stricter than Python: no NaN, no infinity, no key twice."""
    return json.loads(text, parse_constant=_number, parse_float=_number, object_pairs_hook=_unique)


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is no finite number")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice")
    return found


def _digest(text: str, tensors: Mapping[str, NDArray[Any]]) -> str:
    """Return the SHA-256 of a document and arrays."""
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass"))
    for name, array in sorted(tensors.items()):
        digest.update(f"\n{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
