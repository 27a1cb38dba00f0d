"""List all layers, including those without weights, of the model that a weights file was saved from."""

from __future__ import annotations

import re
import zipfile
from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path
from typing import Any

from transferkit.backbones.digests import digests_of

_COUNT = re.compile(r"_(\d+)$")


def has_layer(path: Path, name: str) -> bool:
    """Return True if the model of a file had a layer of this class and number, such as ``"rescaling_1"``.

    Parameters
    ----------
    path : Path
        File saved by Keras: ``.weights.h5``, ``.keras``, or ``.h5`` of earlier versions.
    name : str
        Name that Keras gives the layer in a new process.
    """
    number = _COUNT.search(name)
    kind, least = (name[: number.start()], int(number[1]) + 1) if number else (name, 1)
    # Names in files of earlier versions depend on the process that saved them, so layers are counted.
    return sum(_COUNT.sub("", each) == kind for each in _layers(path, digests_of(path)[0])) >= least


@lru_cache(maxsize=16)
def _layers(path: Path, digest: str) -> tuple[str, ...]:
    """Return the names of all layers; none if the file cannot be read, which `load_weights` will report."""
    import h5py

    try:
        with ExitStack() as stack:
            file: Any = path
            if path.suffix == ".keras":
                archive = stack.enter_context(zipfile.ZipFile(path))
                file = stack.enter_context(archive.open("model.weights.h5"))
            content = stack.enter_context(h5py.File(file))
            return tuple(content.get("layers") or content.get("model_weights") or content)
    except (OSError, KeyError, zipfile.BadZipFile):
        return ()
