"""Copy rows between shards and the cache of this machine, so that they need not be computed twice."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from transferkit.cache import FeatureCache, RowKey
from transferkit.distributed._extract import begin, check_unchanged, gather, settled, view_problems
from transferkit.distributed._features import read_features
from transferkit.distributed._known import Known
from transferkit.distributed._manifest import Manifest, versions
from transferkit.distributed._names import blocks_of, from_here, list_names
from transferkit.distributed._report import DistributedReport
from transferkit.distributed._shards import array_of, read_shard
from transferkit.distributed._store import Store
from transferkit.distributed._worker import Plan, Worker
from transferkit.errors import CacheError, InvalidInputError
from transferkit.extraction import (
    SIZE_PART,
    Extraction,
    ExtractionReport,
    Features,
    as_cache,
    encode_size,
    resolve,
)
from transferkit.foundation.arguments import check
from transferkit.foundation.progress import progress_bar
from transferkit.views import ORIGINAL, AnyView, View

_BLOCK = 1024


def import_cache(address: str | os.PathLike[str], extractor: Extraction) -> int:
    """Copy features from shards to the cache of this machine, where ``transform`` and ``fit`` find them.

    Images are identified by their content, so their files may be in other places here.

    Parameters
    ----------
    address : path or address
        The ``output`` of :func:`extract`.
    extractor : FeatureExtractor
        Extractor with the settings of the extraction. Layers that it does not use are copied, too.

    Returns
    -------
    int
        Number of rows written, one for each image and view.

    Raises
    ------
    InvalidInputError
        The features in the shards were computed with other settings, or the extractor has no cache.
    CacheError
        A shard or the cache cannot be read or written.
    MissingDependencyError, WeightsError
        As for :func:`extract`.

    Examples
    --------
    >>> distributed.import_cache("s3://bucket/features", FeatureExtractor("mobilenet"))  # doctest: +SKIP
    """
    cache, settings = _cache_of(extractor), extractor.settings()
    stored = read_features(address)
    here = replace(
        stored.manifest, recipe=Manifest.of(extractor, (ORIGINAL,)).recipe, half=settings.space.half
    )
    if differences := stored.manifest.differences(here):
        raise InvalidInputError(
            f"extractor must have the settings of the features in {stored.address}: {'; '.join(differences)}."
        )
    n, parts = 0, stored.manifest.parts
    with (
        cache.space(settings.description) as space,
        progress_bar(len(stored.index.files), "import", "shard", show=settings.progress) as bar,
    ):
        for name in stored.index.files:
            with stored.store.open(name) as stream:
                columns = ("digest", "view", "width", "height", *parts)
                table = read_shard(stream, stored.store.place(name), columns, stored.manifest.covers)
            digests, views, widths, heights = (table[column].to_pylist() for column in columns[:4])
            keys = [RowKey(*key) for key in zip(digests, views, strict=True)]
            rows: list[Any] = []
            for part in parts:
                rows += [(key, part, row) for key, row in zip(keys, array_of(table, part), strict=True)]
            rows += [
                (key, SIZE_PART, encode_size(width, height))
                for key, width, height in zip(keys, widths, heights, strict=True)
            ]
            if not space.write(rows):
                raise CacheError(
                    f"The cache at {cache.folder} takes no more rows: it is full or read-only. {n:,} were "
                    "written. Raise its max_bytes, or read the features with read_features.",
                    path=cache.folder,
                )
            n += len(keys)
            bar.update(1)
    return n


def export_cache(
    images: Any,
    extractor: Extraction,
    output: str | os.PathLike[str],
    *,
    views: Sequence[View] = (ORIGINAL,),
    root: str | os.PathLike[str] | None = None,
) -> DistributedReport:
    """Write the features in the cache of this machine to shards, without running Ray or the backbone.

    Images that are not in the cache are left for :func:`extract` with the same output.

    Parameters
    ----------
    images : sequence of path, folder or pattern
        Names of images, as for :func:`extract`.
    extractor : FeatureExtractor
        Extractor with a cache.
    output : path or address
        Folder of the shards.
    views : sequence of View, default=(ORIGINAL,)
        As for :func:`extract`.
    root : path or address, optional
        As for :func:`extract`.

    Returns
    -------
    DistributedReport

    Raises
    ------
    InvalidInputError
        An argument cannot be used, or the output holds features of other settings.
    CacheError, MissingDependencyError, WeightsError
        As for :func:`extract`.

    Examples
    --------
    >>> distributed.export_cache("photos", FeatureExtractor("mobilenet"), "features")  # doctest: +SKIP
    """
    check(view_problems(views))
    _cache_of(extractor)
    names, store = list_names(images, root), Store(output)
    extraction = settled(extractor)
    manifest = Manifest.of(extraction, views)
    here = from_here(Path.cwd() if root is None else root)
    made = versions(manifest.recipe["engine"])
    manifest, number = begin(store, manifest)
    plan = Plan(extraction, tuple(views), manifest, made, store, number, here)
    worker = Worker(plan, Known.read(store, manifest, retry_failed=False), _cached)
    report = DistributedReport(store.address, n_actors=1)
    with progress_bar(len(names), "export", "img", show=extractor.settings().progress) as bar:
        gather((worker.extract(block) for block in blocks_of(names, _BLOCK)), report, bar.update)
    check_unchanged(store, manifest)
    return report


def _cached(
    extraction: Extraction, sources: Sequence[Any], views: Sequence[AnyView], is_known: Callable[[str], bool]
) -> Features:
    """Return the cached features of images; images that are not cached have no digest."""
    settings = extraction.settings()
    digests = extraction.digests(list(sources))
    keys = [[view.at(i).key(digest) for view in views] if digest else [] for i, digest in enumerate(digests)]
    found = settings.space.find([key for row in keys for key in row], (*settings.parts, SIZE_PART))
    there = tuple(
        digest if digest and (is_known(digest) or found.issuperset(row)) else None
        for digest, row in zip(digests, keys, strict=True)
    )
    shapes = tuple(settings.space.part_shape(part) or () for part in settings.parts)
    return Features(
        there, settings.layers, settings.parts, shapes, tuple(views), ExtractionReport(), sources, extraction,
        settings.space.recent(),
    )  # fmt: skip


def _cache_of(extractor: Extraction) -> FeatureCache:
    cache = as_cache(resolve(extractor.own_parameters(), extractor.own_config())["cache"])
    if cache is None:
        raise InvalidInputError(
            "extractor must have a cache. Got cache=False. Pass cache=True or the path of a folder."
        )
    return cache
