"""Files of weights that were fine-tuned say on which images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_NAME = "transferkit_trained_on"


def note_trained_on(path: Path, keys: NDArray[np.uint64]) -> None:
    """Write into a file of weights what the contents are known by that they were trained on."""
    import h5py

    with h5py.File(path, "a") as file:
        file.create_dataset(_NAME, data=np.unique(keys))


def noted_trained_on(path: Path | None) -> NDArray[np.uint64]:
    """Return what a file of weights was fine-tuned on; nothing for any other file."""
    if path is None or path.suffix != ".h5" or not path.is_file():
        return np.zeros(0, np.uint64)
    import h5py

    try:
        with h5py.File(path) as file:
            return np.asarray(file[_NAME], np.uint64) if _NAME in file else np.zeros(0, np.uint64)
    except OSError:
        return np.zeros(0, np.uint64)
