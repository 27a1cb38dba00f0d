"""Maps that stay in the cache; rows are read on demand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Read = Callable[[NDArray[np.int64], Any], NDArray[np.float32]]


class StoredMaps:
    """The maps of one layer, as an array whose rows are read when it is indexed.

    Rows of several views are stacked, one view after the other, as in :meth:`Features.maps`.

    Parameters
    ----------
    read : callable
        Returns the maps of some images in one view.
    rows : ndarray of int
        Images.
    views : sequence of View or Crops
    shape : tuple of int
        Shape of the map of an image.
    half : bool
        Whether most rows are stored in half precision in the cache. Rows are returned in single precision.
    """

    def __init__(
        self, read: Read, rows: NDArray[np.int64], views: Sequence[Any], shape: tuple[int, ...], half: bool
    ) -> None:
        self._read, self._rows, self._views = read, rows, views
        self.shape = (len(rows) * len(views), *shape)
        self.ndim, self.dtype = len(self.shape), np.dtype(np.float16 if half else np.float32)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any) -> NDArray[np.float32]:
        """Return the maps of some rows: a slice, positions or a mask."""
        at = np.arange(len(self))[index]
        numbers, rows = np.divmod(at, max(len(self._rows), 1))
        if len(at) and (numbers == numbers[0]).all():
            return self._read(self._rows[rows], self._views[numbers[0]])
        out = np.empty((len(at), *self.shape[1:]), np.float32)
        for number in np.unique(numbers):
            chosen = numbers == number
            out[chosen] = self._read(self._rows[rows[chosen]], self._views[number])
        return out

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """Return all maps as one array."""
        return self[:].astype(dtype or np.float32, copy=False)
