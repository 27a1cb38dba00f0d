"""``extract``: choose the feature space, find what is done already, and let actors do the rest."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from transferkit.distributed._known import Known
from transferkit.distributed._manifest import NAME, Manifest, versions
from transferkit.distributed._names import from_here, is_table, list_names, table_files
from transferkit.distributed._ray import cluster, dataset_of, pool_size, run
from transferkit.distributed._report import DistributedReport
from transferkit.distributed._shards import arrow, shards_among
from transferkit.distributed._store import Store
from transferkit.distributed._worker import Done, Plan
from transferkit.engines import reference_engine
from transferkit.errors import InvalidInputError
from transferkit.extraction import Extraction
from transferkit.foundation.arguments import check, flag, is_count, is_number, is_path
from transferkit.foundation.progress import progress_bar
from transferkit.views import AUGMENTATIONS, MEANS, ORIGINAL, View

logger = logging.getLogger("transferkit")
_KNOWN_SQUARES = {
    view.name: view.squares
    for view in (*MEANS.values(), *(v for some in AUGMENTATIONS.values() for v in some))
}
_MANY = 20  # number of failures from which a run may be stopped because most images are bad


def extract(
    images: Any,
    extractor: Extraction,
    output: str | os.PathLike[str],
    *,
    views: Sequence[View] = (ORIGINAL,),
    column: str | None = None,
    root: str | os.PathLike[str] | None = None,
    num_cpus: int | None = None,
    num_gpus: float | None = None,
    actors: int | None = None,
    shard_rows: int = 1024,
    trust_addresses: bool = False,
) -> DistributedReport:
    """Extract the features of images on a Ray cluster, skipping images that are done already.

    Each actor runs the same extractor, so features are those of ``extractor.transform`` on one machine.
    Shards are written as a whole or not at all: after a crash, repeat the call. If an image was extracted
    several times, the latest run counts.

    Parameters
    ----------
    images : sequence of path, folder, pattern, Parquet table or ray.data.Dataset
        Names of images that every machine can open: paths on a shared disk, or addresses such as
        ``s3://bucket/1.jpg``. An address that ends with a slash is a folder. Repeated names count once.
    extractor : FeatureExtractor
        Extractor whose settings are used on every machine. Images that cannot be read are left out, whatever
        its ``on_error``; its ``retry_failed`` says whether to try them again in later runs.
    output : path or address
        Folder for the shards, writable from every machine. It holds features of one extractor only.
    views : sequence of View, default=(ORIGINAL,)
        Views of each image. To prepare for the ``fit`` of an estimator, use those returned by its
        ``plan_extraction``.
    column : str, optional
        Column with the names in a Parquet table or Dataset, by default ``"path"``. If given, ``images`` that
        is a folder is read as a Parquet table.
    root : path or address, optional
        Folder that relative names refer to; by default the current folder of this process.
    num_cpus : int, optional
        Number of cores for each actor, to which its threads are bound. By default an actor gets all cores of
        a machine, or with ``num_gpus`` its share of them, and its threads are not bound. Ray is told a
        slightly smaller number, so that one core of each machine is left for reading names.
    num_gpus : float, optional
        Number of GPUs for each actor. If given, ``engine="auto"`` is Keras.
    actors : int, optional
        Number of actors; by default as many as fit on the machines now.
    shard_rows : int, default=1024
        Number of images in a block. A block is what is lost if an actor dies, and its features are held in
        memory.
    trust_addresses : bool, default=False
        Skip addresses that are done already without reading them again, although their content may have
        changed. Changes of files are detected by their size and times.

    Returns
    -------
    DistributedReport

    Raises
    ------
    InvalidInputError
        An argument cannot be used, the output holds features of other settings, or most images cannot be
        read.
    MissingDependencyError
        Ray, pyarrow, or a package that fsspec needs for an address is not installed.
    WeightsError
        A machine would compute different features; the message says why.
    EngineError
        The engine does not run on a machine.
    CacheError
        The output cannot be read or written.

    See Also
    --------
    read_features : Read the features as arrays.
    import_cache : Copy the features to the cache of this machine.

    Examples
    --------
    >>> from transferkit import FeatureExtractor, distributed
    >>> report = distributed.extract("photos", FeatureExtractor("mobilenet"), "features")  # doctest: +SKIP
    >>> features = distributed.read_features("features")  # doctest: +SKIP
    """
    started = time.perf_counter()
    problems = [] if isinstance(extractor, Extraction) else [
        f"extractor must be a FeatureExtractor. Got {type(extractor).__name__}."
    ]  # fmt: skip
    problems += [] if is_path(output) else [f"output must be a path or an address. Got {output!r}."]
    problems += _number_problems(num_cpus, num_gpus, actors, shard_rows)
    problems += view_problems(views) + flag("trust_addresses", trust_addresses)
    check(problems)
    arrow()
    if is_table(images, column):
        source: Any = tuple(table_files(images))
    elif type(images).__module__.startswith("ray."):
        source = images
    else:
        source = list_names(images, root)
    extraction = settled(extractor, num_gpus)
    store = Store(output)
    manifest, number = begin(store, Manifest.of(extraction, views))
    plan = Plan(
        extraction,
        tuple(views),
        manifest,
        versions(manifest.recipe["engine"]),
        store,
        number,
        from_here(Path.cwd() if root is None else root),
        num_cpus,
        trust_addresses,
    )
    settings = extractor.settings()
    known = Known.read(store, manifest, retry_failed=settings.retry_failed)
    report = DistributedReport(store.address)
    with cluster() as ray:
        name = column or "path"
        dataset, total = dataset_of(ray, source, name, shard_rows)
        machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        cpus, report.n_actors = pool_size(machines, num_cpus, num_gpus)
        report.n_actors = actors or report.n_actors
        blocks = run(
            ray, dataset, name, plan, known, rows=shard_rows, n=report.n_actors, cpus=cpus, gpus=num_gpus or 0
        )
        with progress_bar(total, "features", "img", show=settings.progress) as bar:
            gather(blocks, report, bar.update)
    check_unchanged(store, manifest)
    report.seconds = time.perf_counter() - started
    if report.n_failed:
        logger.warning(
            "%s of %s images could not be read: read_features(%r).failures has the reasons.",
            f"{report.n_failed:,}",
            f"{report.n_images:,}",
            store.address,
        )
    return report


def settled(extractor: Extraction, num_gpus: float | None = None) -> Extraction:
    """Return a copy of an extractor with a definite engine, so that all machines use the same one."""
    parameters = extractor.own_parameters()
    settings = extractor.settings()
    if num_gpus and (parameters["engine"] or extractor.own_config()["engine"]) == "auto":
        engine = reference_engine(settings.backbone)  # as "auto" with a GPU, which this machine may not have
    else:
        settings.space  # noqa: B018 - settles it
        engine = settings.description["engine"]
    same = Extraction(**{**parameters, "backbone": settings.backbone, "engine": engine, "progress": False})
    same.settle_ranges(extractor.array_ranges_)
    return same


def begin(store: Store, manifest: Manifest) -> tuple[Manifest, int]:
    """Write the manifest, or check that earlier runs used the same; return it and the number of this run."""
    text = store.read(NAME)
    names = store.names()
    if text is None:
        if shards_among(names):
            raise InvalidInputError(
                f"{store.address} has shards but no {NAME}, so nobody knows what they hold. "
                "Pass an empty folder."
            )
        store.write(NAME, manifest.text())
        text = manifest.text()
    known = Manifest.parse(text, store.place(NAME))
    if differences := known.differences(manifest):
        raise InvalidInputError(
            f"{store.address} must hold features of this extractor. It was made with others: "
            f"{'; '.join(differences)}. Pass another output, or the extractor of then."
        )
    store.clean()
    return known, max((shard.run for shard in shards_among(names)), default=0) + 1


def check_unchanged(store: Store, manifest: Manifest) -> None:
    """Raise if the manifest was replaced during the run, because readers would then ignore this run."""
    text = store.read(NAME)
    if text is None or not manifest.covers(text):
        raise InvalidInputError(
            f"{store.address} must hold features of one extractor. Another run has written its {NAME} "
            "meanwhile, and the shards of this one will be left out. Pass another output, and run it again."
        )


def gather(blocks: Iterable[Done], report: DistributedReport, advance: Any) -> None:
    """Sum up the results of blocks; raise the error of a block, or an error if most images are bad."""
    examples: list[str] = []
    for done in blocks:
        if done.error is not None:
            raise done.error
        report.n_images += done.n_images
        report.n_skipped += done.n_skipped
        report.n_written += done.n_written
        report.n_linked += done.n_linked
        report.n_failed += done.n_failed
        report.n_bytes += done.n_bytes
        advance(done.n_images)
        examples += done.examples
        tried = report.n_skipped + report.n_written + report.n_linked + report.n_failed
        if report.n_failed >= _MANY and 2 * report.n_failed > tried:
            raise _mostly_bad(report, tried, examples)
    if report.n_failed and report.n_failed == report.n_images:
        raise _mostly_bad(report, report.n_images, examples)


def _mostly_bad(report: DistributedReport, tried: int, examples: list[str]) -> InvalidInputError:
    return InvalidInputError(
        f"{report.n_failed:,} of the {tried:,} images tried so far cannot be read. Check that these are the "
        "right files, and that all machines can open them:" + "".join(f"\n  {line}" for line in examples[:5])
    )


def view_problems(views: Any) -> list[str]:
    """Return the problems unless these are views of whole images without repetition."""
    some = isinstance(views, tuple | list) and bool(views)
    if not (
        some and all(isinstance(view, View) for view in views) and len({v.name for v in views}) == len(views)
    ):
        return [f"views must be different views of whole images, such as (ORIGINAL, MIRROR). Got {views!r}."]
    # Rows are identified by the name of their view, so that two views must not share a name.
    own = [view.name for view in views if _KNOWN_SQUARES.get(view.name) != view.squares]
    return [f"views must be those of transferkit.views. Got others under the names {own}."] if own else []


def _number_problems(num_cpus: Any, num_gpus: Any, actors: Any, shard_rows: Any) -> list[str]:
    counts = {"num_cpus": num_cpus, "actors": actors, "shard_rows": shard_rows}
    problems = [
        f"{name} must be a positive integer. Got {value!r}."
        for name, value in counts.items()
        if not (is_count(value) or (value is None and name != "shard_rows"))
    ]
    if not (num_gpus is None or is_number(num_gpus, above=0)):
        problems.append(f"num_gpus must be a positive number, or None. Got {num_gpus!r}.")
    return problems
