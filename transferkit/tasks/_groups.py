"""Groups: images that always stay on the same side of a split."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.tasks._label_checks import is_missing


def as_groups(groups: Any, n_images: int, problems: list[str]) -> NDArray[np.int64]:
    """Return group numbers; each image is its own group by default."""
    if groups is None:
        return np.arange(n_images)
    try:
        labels = np.asarray(groups)
        if labels.dtype.kind == "U" and not all(isinstance(label, str) for label in groups):
            labels = np.asarray(groups, dtype=object)  # otherwise NumPy would make 1 and "1" the same group
    except ValueError:  # ragged
        labels = np.empty(())
    if np.ma.is_masked(groups):
        problems.append("groups must not be masked. Give an image whose group nobody knows one of its own.")
        return np.arange(n_images)
    if labels.ndim == 0:
        problems.append(
            f"groups must be one group for each image, as a list or an array. Got {type(groups).__name__}."
        )
        return np.arange(n_images)
    if labels.ndim != 1 or len(labels) != n_images:
        problems.append(
            f"groups has shape {labels.shape} but X has {n_images} images. Each image needs one group."
        )
        return np.arange(n_images)
    missing = [i for i, label in enumerate(labels.tolist()) if is_missing(label)]
    if missing:
        problems.append(
            f"groups must not have missing values. {len(missing)} of {n_images} are missing, the first in "
            f"row {missing[0]}. Give an image whose group nobody knows a group of its own."
        )
        return np.arange(n_images)
    try:
        return np.unique(labels, return_inverse=True)[1]
    except TypeError as error:
        problems.append(f"groups must have strings or integers. Got some that cannot be sorted: {error}.")
        return np.arange(n_images)
