"""Everything that uses Ray: the cluster, names as a Dataset, and actors that return their counts."""

from __future__ import annotations

import contextlib
import inspect
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from math import inf
from typing import Any

from transferkit.distributed._known import Known
from transferkit.distributed._names import blocks_of
from transferkit.distributed._shards import arrow
from transferkit.distributed._worker import Done, Plan, Worker
from transferkit.errors import InvalidInputError, MissingDependencyError


@contextlib.contextmanager
def cluster() -> Iterator[Any]:
    """Yield the module ``ray``, connected to the cluster that the caller has started, or to a local one."""
    # Disable usage statistics, and a warning about missing GPUs.
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
    """Hide the progress bars of Ray Data, because we show our own, and restore the caller's settings."""
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
        # Reading names takes little time, but must not wait if actors have all cores.
        named = "num_cpus" in inspect.signature(ray.data.read_parquet).parameters
        idle: dict[str, Any] = {"num_cpus": 0} if named else {"ray_remote_args": {"num_cpus": 0}}
        whole = ray.data.read_parquet(list(source), **idle)
        _check_column(column, whole.columns())
        names = ray.data.read_parquet(list(source), columns=[column], **idle)
        return _cut(names, n), whole.count()
    if not isinstance(source, ray.data.Dataset):
        raise InvalidInputError(f"images must be a Ray Dataset, or names. Got {type(source).__name__}.")
    _check_column(column, source.columns())
    return _cut(source.select_columns([column], num_cpus=0), n), source.count()


def _cut(names: Any, n: int) -> Any:
    """Cut names into blocks of n, because actors get whole blocks, and a table may be a single block."""
    return names.repartition(target_num_rows_per_block=n)


def _check_column(column: str, columns: list[str] | None) -> None:
    if column not in (columns or ()):
        raise InvalidInputError(
            f"column must be one of {sorted(columns or ())}. Got {column!r}. It has the paths or addresses."
        )


def pool_size(
    machines: Sequence[Mapping[str, float]], num_cpus: int | None, num_gpus: float | None
) -> tuple[float, int]:
    """Return the number of cores that Ray reserves for each actor, and how many actors fit on the machines.

    By default an actor uses a whole machine, or its share of a machine with several GPUs. Ray is told a
    slightly smaller number, so that one core of each machine is left: otherwise, tasks that read names would
    wait forever.
    """
    machines = [machine for machine in machines if machine.get("CPU")]
    by_gpu = [machine.get("GPU", 0) // num_gpus if num_gpus else inf for machine in machines]
    if num_cpus is None:
        shares = [
            machine["CPU"] // min(n, machine["CPU"])
            for machine, n in zip(machines, by_gpu, strict=True)
            if 0 < n < inf
        ]
        num_cpus = int(min(shares or [machine["CPU"] for machine in machines]))
    slots = [min(machine["CPU"] // num_cpus, n) for machine, n in zip(machines, by_gpu, strict=True)]
    if (n_actors := int(sum(slots))) < 1:
        raise InvalidInputError(
            f"An actor must fit on a machine. Got num_cpus={num_cpus} and num_gpus={num_gpus or 0:g}, but "
            f"the largest machine has {max(machine['CPU'] for machine in machines):g} processors and "
            f"{max(machine.get('GPU', 0) for machine in machines):g} GPUs."
        )
    least = min(machine["CPU"] for machine in machines)
    share = (least - 1) / least if least > 1 else 0.5 * (len(machines) > 1)
    return num_cpus * share, n_actors


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
    """Yield the result of each block as soon as it is done."""
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
    """A worker in a process of Ray."""

    def __init__(self, plan: Any, known: Any, column: str) -> None:
        import ray

        self._worker = Worker(ray.get(plan), ray.get(known))
        self._column = column

    def __call__(self, block: Any) -> dict[str, Any]:
        import numpy as np

        done = np.empty(1, dtype=object)
        done[0] = self._worker.extract(
            ["" if name is None else name for name in block[self._column].to_pylist()]
        )
        return {"done": done}
