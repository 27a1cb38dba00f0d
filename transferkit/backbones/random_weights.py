"""Seeded random weights: the same in every process that runs Keras on the same backend."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from transferkit.backbones.source import Weights

_DEFAULT = "tensorflow"


def random_weights() -> Weights:
    """Return the description of seeded random weights, which differ between backends of Keras."""
    backend = keras_backend()
    return Weights("random", None, "random:0" if backend == _DEFAULT else f"random:0:{backend}")


def keras_backend() -> str:
    """Return the backend of Keras, without importing it."""
    keras = sys.modules.get("keras")
    if keras is not None:
        return str(keras.backend.backend())
    home = Path(os.environ.get("KERAS_HOME") or "~/.keras").expanduser()
    try:
        configured = json.loads((home / "keras.json").read_text("utf-8")).get("backend", _DEFAULT)
    except (OSError, ValueError, AttributeError):
        configured = _DEFAULT
    return os.environ.get("KERAS_BACKEND") or str(configured)
