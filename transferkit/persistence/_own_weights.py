"""Weights of a fine-tuned backbone, which are stored in the model file because they exist nowhere else."""

from __future__ import annotations

import getpass
import hashlib
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.cache import FeatureCache
from transferkit.foundation.files import replaced
from transferkit.persistence._parts import EXTRAS

KEY = "fine_tuning"  # key in the document; its array ``weights`` has the bytes of the weights file
_CLOSER = "of_closer_look"  # fact that only closer looks use these weights


def keep_weights(content: NDArray[np.uint8]) -> Path:
    """Write a weights file named by its SHA-256, unless it exists, and return its path.

    It is written to the folder ``tuned`` beside the cached features, which is kept when features are deleted,
    or to a folder for temporary files if ``tuned`` cannot be written.
    """
    data = content.tobytes()
    digest = hashlib.sha256(data).hexdigest()
    try:
        return _kept(data, digest, FeatureCache().folder / "tuned")
    except OSError:  # such as a read-only folder
        return _kept(data, digest, Path(tempfile.gettempdir()) / f"transferkit-tuned-{getpass.getuser()}")


def _kept(data: bytes, digest: str, folder: Path) -> Path:
    path = folder / f"{digest}.weights.h5"
    if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != digest:
        folder.mkdir(parents=True, exist_ok=True)
        with replaced(path) as stream:
            stream.write(data)
    return path


def with_own_weights(document: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    """Return a document that names the weights inside the model file, unless only closer looks use them."""
    if KEY not in document:
        return dict(document)
    content = tensors.get(f"{EXTRAS[KEY]}weights")
    if content is None or content.dtype != np.uint8 or content.ndim != 1:
        raise ValueError("a fine-tuned model without the weights of its backbone")
    if document[KEY].get(_CLOSER):
        return dict(document)
    parameters = {**document["parameters"], "weights": str(keep_weights(content))}
    return {**document, "parameters": parameters}


def weights_of_closer_look(extras: Mapping[str, tuple[Mapping[str, Any], Mapping[str, Any]]]) -> str | None:
    """Return the weights file that only closer looks use, or None if all looks share the same weights."""
    arrays, facts = extras.get(KEY, ({}, {}))
    return str(keep_weights(arrays["weights"])) if facts.get(_CLOSER) else None
