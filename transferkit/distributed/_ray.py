"""All that knows Ray: a cluster to work on, names as a Dataset, and actors that give their counts."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator
from typing import Any

from transferkit.distributed._known import Known
from transferkit.distributed._names import blocks_of
from transferkit.distributed._shards import arrow
from transferkit.distributed._worker import Done, Plan, Worker
from transferkit.errors import InvalidInputError, MissingDependencyError


@contextlib.contextmanager
def cluster() -> Iterator[Any]:
    """Yield the module ``ray``, connected: to what the caller has started, or to one of this machine."""
    # What Ray would send to its makers, and a warning about GPUs that are not there.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise MissingDependencyError("ray", "ray", "distributed.extract") from error
    ours = not ray.is_initialized()
    if ours:
        ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.WARNING)
    try:
        with _quiet(ray):
            yield ray
    finally:
        if ours:
            ray.shutdown()


@contextlib.contextmanager
def _quiet(ray: Any) -> Iterator[None]:
    """Show our own bar in place of those of Ray Data, and put back what the caller had set."""
    context, logger = ray.data.DataContext.get_current(), logging.getLogger("ray.data")
    bars, level = context.enable_progress_bars, logger.level
    context.enable_progress_bars = False
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        context.enable_progress_bars = bars
        logger.setLevel(level)


def dataset_of(ray: Any, source: Any, column: str, n: int) -> tuple[Any, int]:
    """Return a Dataset with the column of names, and its length.

    ``source`` is a list of names, a Dataset, or the ``table_files`` of a Parquet table as a tuple.
    """
    if isinstance(source, list):
        tables = [arrow().table({column: names}) for names in blocks_of(source, n)]
        return ray.data.from_arrow(tables), len(source)
    if isinstance(source, tuple):
        # Reading names takes no time worth counting: where actors have all processors, it must not wait.
        source = ray.data.read_parquet(list(source), columns=None, ray_remote_args={"num_cpus": 0})
    if not isinstance(source, ray.data.Dataset):
        raise InvalidInputError(f"images must be a Ray Dataset, or names. Got {type(source).__name__}.")
    columns = source.columns() or []
    if column not in columns:
        raise InvalidInputError(
            f"column must be one of {sorted(columns)}. Got {column!r}. It has the paths or addresses."
        )
    return source.select_columns([column]), source.count()


def pool_size(ray: Any, num_cpus: float | None, num_gpus: float | None) -> tuple[float, int]:
    """Return how many processors Ray counts for an actor, and how many actors fit.

    By default an actor takes a machine, but for one processor, which Ray Data needs to read.
    """
    machines = [node["Resources"] for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU")]
    least = min(machine["CPU"] for machine in machines)
    if num_cpus is None:
        num_cpus = max(least - 1, 0.5) if not num_gpus else 1
    slots = [
        min(machine["CPU"] // num_cpus, machine.get("GPU", 0) // num_gpus if num_gpus else float("inf"))
        for machine in machines
    ]
    if (n := int(sum(slots))) < 1:
        raise InvalidInputError(
            f"An actor must fit on a machine. Got num_cpus={num_cpus:g} and num_gpus={num_gpus or 0:g}, but "
            f"the largest machine has {max(machine['CPU'] for machine in machines):g} processors and "
            f"{max(machine.get('GPU', 0) for machine in machines):g} GPUs."
        )
    return num_cpus, n


def run(
    ray: Any,
    dataset: Any,
    column: str,
    plan: Plan,
    known: Known,
    *,
    rows: int,
    n: int,
    cpus: float,
    gpus: float,
) -> Iterator[Done]:
    """Yield what became of each block, as blocks are done."""
    options: dict[str, Any] = {"num_cpus": cpus, **({"num_gpus": gpus} if gpus else {})}
    done = dataset.map_batches(
        _Actor,
        fn_constructor_args=(ray.put(plan), ray.put(known), column),
        batch_size=rows,
        batch_format="pyarrow",
        zero_copy_batch=True,
        compute=ray.data.ActorPoolStrategy(size=n),
        **options,
    )
    for batch in done.iter_batches(batch_size=None, batch_format="numpy", prefetch_batches=0):
        yield from batch["done"].tolist()


class _Actor:
    """A worker in a process of Ray's."""

    def __init__(self, plan: Any, known: Any, column: str) -> None:
        import ray

        self._worker = Worker(ray.get(plan), ray.get(known))
        self._column = column

    def __call__(self, block: Any) -> dict[str, Any]:
        import numpy as np

        done = np.empty(1, dtype=object)
        done[0] = self._worker.extract(block[self._column].to_pylist())
        return {"done": done}
