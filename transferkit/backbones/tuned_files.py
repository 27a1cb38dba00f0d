"""Store in a file of fine-tuned weights which images it was trained on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_NAME = "transferkit_trained_on"


def note_trained_on(path: Path, keys: NDArray[np.uint64]) -> None:
    """Write the content keys of the training images to a weights file."""
    import h5py

    with h5py.File(path, "a") as file:
        file.create_dataset(_NAME, data=np.unique(keys))


def noted_trained_on(path: Path | None) -> NDArray[np.uint64]:
    """Return the content keys of the images that weights were fine-tuned on; none for other files."""
    if path is None or path.suffix != ".h5" or not path.is_file():
        return np.zeros(0, np.uint64)
    import h5py

    try:
        with h5py.File(path) as file:
            return np.asarray(file[_NAME], np.uint64) if _NAME in file else np.zeros(0, np.uint64)
    except OSError:
        return np.zeros(0, np.uint64)
