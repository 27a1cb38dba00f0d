"""Verdicts on networks in OpenVINO: which layers passed the comparison with the original, and which failed.

The engine is part of the name of a feature space, so it must be known before the cache is read, without
importing TensorFlow or OpenVINO. Verdicts are kept in the process and, with a cache on disk, in a small file
for each network. If the file is lost or damaged, the comparison is repeated.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import json
import logging
import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from transferkit._version import __version__
from transferkit.cache import Note

logger = logging.getLogger("transferkit")
_PACKAGES = ("openvino", "keras", "tensorflow", "onnxruntime")
_WORDS = {"keras": "uses Keras", "onnxruntime": "uses ONNX Runtime"}
_memory: dict[str, dict[str, str]] = {}
_said: set[str] = set()


class Verdicts:
    """The verdicts on one network: for each tuple of layers, the reason why it failed, or "" if it passed.

    Parameters
    ----------
    folder : Path or None
        Folder of the cache; None keeps verdicts in the process only.
    network : mapping
        JSON data that verdicts depend on: the backbone with its weights, and the image size.
    """

    def __init__(self, folder: Path | None, network: Mapping[str, Any]) -> None:
        facts = {**network, "versions": _versions(), "backend": os.environ.get("KERAS_BACKEND", "")}
        self._key = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
        self._note = Note(folder, "engine", self._key)

    @property
    def key(self) -> str:
        """Digest of the network and of the versions of all packages that a verdict depends on."""
        return self._key

    def find(self, layers: tuple[str, ...]) -> str | None:
        """Return why these layers failed, "" if they passed, or None if they have not been compared yet."""
        known = {**self._read(), **_memory.get(self._key, {})}
        if (verdict := known.get(_joined(layers))) is not None:
            return verdict
        # Layers are compared one by one, so a subset of those that passed has passed too.
        passed = {layer for key, reason in known.items() if not reason for layer in json.loads(key)}
        return "" if passed >= set(layers) else None

    def add(self, layers: tuple[str, ...], reason: str) -> None:
        """Store why layers failed, or "" if they passed."""
        in_file = self._read()
        known = _memory[self._key] = {**in_file, **_memory.get(self._key, {}), _joined(layers): reason}
        if known != in_file:
            self._note.write(known)

    def tell(self, reason: str, instead: str) -> None:
        """Log why another engine is used, once per process."""
        text = f"engine='auto' {_WORDS.get(instead, instead)}: {reason}"
        if text not in _said:
            _said.add(text)
            logger.warning(text)

    def _read(self) -> dict[str, str]:
        known = self._note.read()
        try:
            sound = all(
                isinstance(reason, str) and all(isinstance(layer, str) for layer in json.loads(key))
                for key, reason in known.items()
            )
        except (ValueError, TypeError, AttributeError, RecursionError):
            return {}
        return known if sound else {}


def _joined(layers: tuple[str, ...]) -> str:
    return json.dumps(list(layers))


@lru_cache(maxsize=1)
def _versions() -> dict[str, str]:
    """Return the versions that a verdict depends on, without importing the packages."""
    versions = {"transferkit": __version__}
    for package in _PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[package] = importlib.metadata.version(package)
    return versions
