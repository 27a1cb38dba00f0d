"""What is known of a network and OpenVINO: which layers passed, and what failed and why.

The name of the engine is part of the name of a feature space, so it must be known before the cache is asked,
in a process that imports neither TensorFlow nor OpenVINO. A verdict is remembered in the process and, beside
a cache on disk, in one small file for each network. A file that is lost or damaged costs one more proof.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import json
import logging
import os
import tempfile
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from transferkit._version import __version__
from transferkit.cache import verdict_path
from transferkit.cache._folder import make_folder

logger = logging.getLogger("transferkit")
_PACKAGES = ("openvino", "keras", "tensorflow")
_memory: dict[str, dict[str, str]] = {}
_said: set[str] = set()


class Verdicts:
    """The verdicts on one network: a reason by its layers, empty where they passed.

    Parameters
    ----------
    folder : Path or None
        Of the cache; None keeps verdicts in the process.
    network : mapping
        What can change a verdict, as JSON: the backbone with its weights, and the image size.
    """

    def __init__(self, folder: Path | None, network: Mapping[str, Any]) -> None:
        facts = {**network, "versions": _versions(), "backend": os.environ.get("KERAS_BACKEND", "")}
        self._key = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
        self._path = None if folder is None else verdict_path(folder, self._key)

    def find(self, layers: tuple[str, ...]) -> str | None:
        """Return why these layers failed, "" if they passed, None if nobody knows."""
        known = {**self._read(), **_memory.get(self._key, {})}
        if (verdict := known.get(_joined(layers))) is not None:
            return verdict
        # Each layer was compared by itself, so fewer of them need no new proof.
        passed = {layer for key, reason in known.items() if not reason for layer in json.loads(key)}
        return "" if passed >= set(layers) else None

    def add(self, layers: tuple[str, ...], reason: str) -> None:
        """Remember why layers failed, or "" that they passed."""
        in_file = self._read()
        known = _memory[self._key] = {**in_file, **_memory.get(self._key, {}), _joined(layers): reason}
        if self._path is not None and known != in_file:
            with contextlib.suppress(OSError):  # what cannot be kept is proven again
                self._write(self._path, known)

    def tell(self, reason: str) -> None:
        """Log, once in this process, why another engine is used."""
        text = f"engine='auto' uses Keras: {reason}"
        if text not in _said:
            _said.add(text)
            logger.warning(text)

    def _write(self, path: Path, known: Mapping[str, str]) -> None:
        """Write a new file, then give it the name, so that nobody reads half of it."""
        make_folder(path.parent)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                json.dump({"network": self._key, "verdicts": known}, stream)
            Path(name).replace(path)
        finally:
            Path(name).unlink(missing_ok=True)

    def _read(self) -> dict[str, str]:
        if self._path is None:
            return {}
        try:
            content = json.loads(self._path.read_text(encoding="utf-8"))
            verdicts = content["verdicts"] if content["network"] == self._key else {}
            sound = all(
                isinstance(reason, str) and all(isinstance(layer, str) for layer in json.loads(key))
                for key, reason in verdicts.items()
            )
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return {}
        return verdicts if sound else {}


def _joined(layers: tuple[str, ...]) -> str:
    return json.dumps(list(layers))


@lru_cache(maxsize=1)
def _versions() -> dict[str, str]:
    """Return the versions that a verdict holds for; imports none of the packages."""
    versions = {"transferkit": __version__}
    for package in _PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[package] = importlib.metadata.version(package)
    return versions
