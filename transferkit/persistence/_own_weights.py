"""Weights of a backbone that lie in the model file itself, because nobody else has them."""

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

KEY = "fine_tuning"  # of the document; its array ``weights`` has the bytes of the file
_CLOSER = "of_closer_look"  # a fact


def keep_weights(content: NDArray[np.uint8]) -> Path:
    """Write a file of weights under its SHA-256, if it is not there, and return where.

    It lies in the folder ``tuned`` beside the features, which deleting features leaves alone; where nothing
    can be written there, in a folder for temporary files.
    """
    data = content.tobytes()
    digest = hashlib.sha256(data).hexdigest()
    try:
        return _kept(data, digest, FeatureCache().folder / "tuned")
    except OSError:  # a folder that may only be read
        return _kept(data, digest, Path(tempfile.gettempdir()) / f"transferkit-tuned-{getpass.getuser()}")


def _kept(data: bytes, digest: str, folder: Path) -> Path:
    path = folder / f"{digest}.weights.h5"
    if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != digest:
        folder.mkdir(parents=True, exist_ok=True)
        with replaced(path) as stream:
            stream.write(data)
    return path


def with_own_weights(document: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    """Return a document whose weights are the file that the model has inside, if all looks use it."""
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
    """Return the file that only closer looks use, from what else a model knows; None where they share."""
    arrays, facts = extras.get(KEY, ({}, {}))
    return str(keep_weights(arrays["weights"])) if facts.get(_CLOSER) else None
