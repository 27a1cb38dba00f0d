"""``read_features``: read an output as arrays that need not fit in memory."""

from __future__ import annotations

import functools
import logging
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.distributed._index import Index
from transferkit.distributed._manifest import NAME, Manifest
from transferkit.distributed._shards import array_of, read_shard
from transferkit.distributed._store import Store
from transferkit.errors import InvalidInputError, quoted
from transferkit.foundation.config import get_config
from transferkit.foundation.scratch import memory_limit, scratch

logger = logging.getLogger("transferkit")


@dataclass(frozen=True, eq=False)
class StoredFeatures:
    """Features of images in Parquet shards, read on demand.

    ``numpy.asarray`` of it is the same as ``rows()``.

    Attributes
    ----------
    address : str
        Path or address of the shards.
    layers, views : tuple of str
        Names of the layers and of the views.
    recipe : dict
        All settings that can change a feature, as returned by ``FeatureExtractor.describe``.
    shapes : tuple of tuple of int
        Shape of one image's map in each layer: (h, w, c), or (c,).
    ids : ndarray of str objects, shape (n,)
        Names of the images that have features, sorted.
    digests : ndarray of str objects, shape (n,)
        SHA-256 of the content of each image.
    failures : dict of str to str
        Why the other images have no features, by name.
    """

    store: Store = field(repr=False)
    manifest: Manifest = field(repr=False)
    index: Index = field(repr=False)

    @property
    def address(self) -> str:
        """Path or address of the shards."""
        return self.store.address

    @property
    def layers(self) -> tuple[str, ...]:
        """Layers, in the order of the columns."""
        return self.manifest.layers

    @property
    def views(self) -> tuple[str, ...]:
        """Names of the views."""
        return self.manifest.views

    @property
    def recipe(self) -> dict[str, Any]:
        """All settings that can change a feature."""
        return dict(self.manifest.recipe)

    @functools.cached_property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shape of one image's map in each layer."""
        if not self.index.files:
            return ()
        table = self._read(self.index.files[0], ())
        return tuple(array_of(table, part).shape[1:] for part in self.manifest.parts)

    @property
    def ids(self) -> NDArray[np.object_]:
        """Names of the images that have features, sorted."""
        return self.index.ids

    @property
    def digests(self) -> NDArray[np.object_]:
        """SHA-256 of the content of each image."""
        return self.index.digests

    @property
    def failures(self) -> dict[str, str]:
        """Why the other images have no features, by name."""
        return dict(self.index.failures)

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of ``rows()``."""
        return len(self), sum(map(math.prod, self.shapes))

    def __len__(self) -> int:
        return len(self.index)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """Return ``rows()``."""
        return self.rows().astype(dtype or np.float32, copy=False)

    def rows(self, ids: Sequence[Any] | None = None, *, view: str | None = None) -> NDArray[np.float32]:
        """Return the features of each image as one row, layer after layer.

        Parameters
        ----------
        ids : sequence of str or path, optional
            Names as passed to ``extract``, in any order, also repeatedly; by default all ``ids``.
        view : str, optional
            One of ``views``; by default the first.

        Returns
        -------
        ndarray of float32, shape (n, n_features)
            Equal to ``FeatureExtractor.transform`` of these images. A memory map if it is larger than an
            eighth of the configured ``memory_limit``; only one shard at a time is in memory besides.

        Raises
        ------
        InvalidInputError
            An image has no features, or there is no such view.
        CacheError
            A shard is damaged or cannot be read.
        """
        width = self.shape[1]
        with memory_limit(get_config()["memory_limit"]):
            out = scratch((len(self) if ids is None else len(ids), width), np.float32)
        for places, maps in self._walk(ids, view):
            out[places] = np.concatenate([each.reshape(len(places), -1) for each in maps], axis=1)
        return out

    def maps(self, ids: Sequence[Any] | None = None, *, view: str | None = None) -> list[NDArray[np.float32]]:
        """Return the features of images, one array per layer.

        Parameters
        ----------
        ids, view
            As for ``rows``.

        Returns
        -------
        list of ndarray of float32, shape (n, h, w, c) or (n, c)

        Raises
        ------
        InvalidInputError, CacheError
            As for ``rows``.
        """
        n = len(self) if ids is None else len(ids)
        with memory_limit(get_config()["memory_limit"]):
            out = [scratch((n, *shape), np.float32) for shape in self.shapes]
        for places, maps in self._walk(ids, view):
            for whole, part in zip(out, maps, strict=True):
                whole[places] = part
        return out

    def blocks(self, *, view: str | None = None) -> Iterator[tuple[NDArray[np.object_], NDArray[np.float32]]]:
        """Yield names and features of one shard at a time, for incremental learning.

        Parameters
        ----------
        view : str, optional
            As for ``rows``.

        Yields
        ------
        ids : ndarray of str objects, shape (k,)
        rows : ndarray of float32, shape (k, n_features)

        Raises
        ------
        InvalidInputError, CacheError
            As for ``rows``.
        """
        for places, maps in self._walk(None, view):
            yield self.ids[places], np.concatenate([each.reshape(len(places), -1) for each in maps], axis=1)

    def _walk(
        self, ids: Sequence[Any] | None, view: str | None
    ) -> Iterator[tuple[NDArray[np.int64], list[NDArray[np.float32]]]]:
        """Yield positions in the result and their maps, shard after shard."""
        if view is not None and view not in self.views:
            raise InvalidInputError(f"view must be {quoted(self.views, 'or')}. Got {view!r}.")
        number = 0 if view is None else self.views.index(view)
        found = np.arange(len(self)) if ids is None else self._find([os.fsdecode(name) for name in ids])
        files, rows = self.index.files_at[found], self.index.rows_at[found]
        order = np.argsort(files, kind="stable")
        for places in np.split(order, np.flatnonzero(np.diff(files[order])) + 1):
            if not len(places):
                continue
            table = self._read(self.index.files[files[places[0]]], ("view",))
            # The rows of one view follow those of another, in the order in which they were written.
            start = number * (len(table) // len(self.views))
            yield places, [array_of(table, part)[start + rows[places]] for part in self.manifest.parts]

    def _read(self, name: str, columns: Sequence[str]) -> Any:
        with self.store.open(name) as stream:
            wanted = [*self.manifest.parts, *columns]
            return read_shard(stream, self.store.place(name), wanted, self.manifest.covers)

    def _find(self, names: list[str]) -> NDArray[np.int64]:
        at = self.index.find(names)
        if lost := [name for name, place in zip(names, at, strict=True) if place < 0]:
            failures = self.index.failures
            lines = "".join(
                f"\n  {name}: {failures.get(name, 'was not extracted, at least not under this name.')}"
                for name in lost[:5]
            )
            raise InvalidInputError(
                f"ids must be names of images with features in {self.address}. {len(lost):,} of "
                f"{len(names):,} have none. Leave them out, or extract them:{lines}"
            )
        return at


def read_features(address: str | os.PathLike[str]) -> StoredFeatures:
    """Open the features that :func:`extract` wrote; only their names are read at once.

    Parameters
    ----------
    address : path or address
        The ``output`` of :func:`extract`.

    Returns
    -------
    StoredFeatures

    Raises
    ------
    InvalidInputError
        There is no such output, or it has no features.
    CacheError
        The output cannot be read.
    MissingDependencyError
        pyarrow, or a package that fsspec needs for the address, is not installed.

    Examples
    --------
    >>> from transferkit import Classifier, distributed
    >>> features = distributed.read_features("features")  # doctest: +SKIP
    >>> clf = Classifier("precomputed").fit(features.rows(paths), labels)  # doctest: +SKIP
    """
    store = Store(address)
    text = store.read(NAME)
    if text is None:
        raise InvalidInputError(
            f"address must be the output of distributed.extract. Got {store.address}, which has no {NAME}."
        )
    manifest = Manifest.parse(text, store.place(NAME))
    return StoredFeatures(store, manifest, Index.read(store, manifest))
