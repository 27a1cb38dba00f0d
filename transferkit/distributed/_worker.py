"""What each actor does with a block of images: skip, extract, write shards, and report to the driver.

Nothing here uses Ray. The shards depend only on the block and on what earlier runs wrote, not on the actor's
other blocks, because Ray may give the same block to another actor.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transferkit.distributed._cores import claim_cores
from transferkit.distributed._known import Known, absolute, file_status, made_by
from transferkit.distributed._manifest import Manifest, versions
from transferkit.distributed._shards import encoded, shard_name, table_of
from transferkit.distributed._store import Store
from transferkit.errors import BadImageError, InvalidInputError, WeightsError
from transferkit.extraction import Extraction, Failure, Features, extract_apart
from transferkit.images import is_lasting
from transferkit.views import View

_EXAMPLES = 5


@dataclass(frozen=True)
class Plan:
    """The driver's instructions for all actors.

    Attributes
    ----------
    extraction : Extraction
        The extractor, with a definite engine.
    views : tuple of View
        Views of each image.
    manifest : Manifest
        The manifest of the output.
    versions : dict
        Versions of the driver's packages.
    store : Store
        The output.
    run : int
        Number of this run.
    root : str
        Folder or address that relative names refer to.
    n_cores : int or None
        Number of cores to bind each actor to; None does not bind it.
    trust_addresses : bool
        Whether to skip known addresses without reading them.
    """

    extraction: Extraction
    views: tuple[View, ...]
    manifest: Manifest
    versions: dict[str, str]
    store: Store
    run: int
    root: str
    n_cores: int | None = None
    trust_addresses: bool = False


@dataclass
class Done:
    """The result of a block: counts, a few examples of failures, or the error that ends the run."""

    n_images: int = 0
    n_skipped: int = 0
    n_written: int = 0
    n_linked: int = 0
    n_failed: int = 0
    n_bytes: int = 0
    examples: list[str] = field(default_factory=list)
    error: Exception | None = None


class Worker:
    """Extracts blocks of images one after the other; it prepares itself when it gets the first."""

    def __init__(self, plan: Plan, known: Known, read: Callable[..., Features] = extract_apart) -> None:
        self._plan, self._known, self._read = plan, known, read
        self._ready = False
        self._claim: Any = None

    def extract(self, ids: Sequence[str]) -> Done:
        """Write the shards of a block; errors are returned, because Ray would only pass on their text."""
        try:
            if not all(isinstance(name, str) for name in ids):
                wrong = next(name for name in ids if not isinstance(name, str))
                raise InvalidInputError(f"column must have names of images, as text. Got {wrong!r}.")
            if not self._ready:
                self._prepare()
            return self._extract(list(dict.fromkeys(ids)), len(ids))
        except Exception as error:  # noqa: BLE001 - the driver raises it
            error.add_note(f"(On machine {platform.node()!r}.)")
            return Done(error=error)

    def _prepare(self) -> None:
        """Bind to the cores, and raise an error if features would differ from those of the driver."""
        plan = self._plan
        if plan.n_cores is not None:
            self._claim = claim_cores(plan.n_cores)
        here = versions(plan.manifest.recipe["engine"])
        found = [
            f"{name} was {version} and is {here[name]}"
            for name, version in plan.versions.items()
            if version != here[name]
        ]
        found = found or plan.manifest.differences(Manifest.of(plan.extraction, plan.views))
        if found:
            name = plan.manifest.recipe["backbone"].get("name", "")
            raise WeightsError(
                f"Features on machine {platform.node()!r} would not be those of the driver: "
                f"{'; '.join(found)}. Install the same packages and weights on all machines.",
                name=str(name),
            )
        self._ready = True

    def _extract(self, ids: list[str], n_images: int) -> Done:
        plan, known = self._plan, self._known
        paths = [absolute(name, plan.root) for name in ids]
        # Read before the file's content, so that a change in between makes the row look old, not new.
        now = time.time_ns()
        statuses = [file_status(path, now) for path in paths]
        skipped = known.skip(ids, paths, statuses, trust_addresses=plan.trust_addresses)
        todo = np.flatnonzero(~skipped).tolist()
        ids, statuses = [ids[i] for i in todo], [statuses[i] for i in todo]
        done = Done(n_images, n_images - len(todo))
        if not todo:
            return done
        features = self._read(plan.extraction, [paths[i] for i in todo], plan.views, known.has)
        rows, links = self._divide(ids, features.digests, done)
        write_rows(plan, ids, statuses, features, rows, done)
        self._write("links", ids, links, done, {
            "digest": [features.digests[i] for i in links], "status": [statuses[i] for i in links]
        })  # fmt: skip
        done.n_linked = len(links)
        self._write_failures(ids, statuses, features.report.failures, done)
        return done

    def _divide(
        self, ids: Sequence[str], digests: Sequence[str | None], done: Done
    ) -> tuple[list[int], list[int]]:
        """Return the images that get a row, and those whose content has a row under another name."""
        rows, links, seen = [], [], set()
        for i, digest in enumerate(digests):
            if digest is None:
                continue
            if digest not in seen and not self._known.has(digest):
                seen.add(digest)
                rows.append(i)
            elif self._known.is_same(ids[i], digest):
                done.n_skipped += 1
            else:
                links.append(i)
        return rows, links

    def _write_failures(
        self, ids: list[str], statuses: list[str], failures: Sequence[Failure], done: Done
    ) -> None:
        rows = [failure.index for failure in failures]
        self._write("failures", ids, rows, done, {
            "status": [statuses[i] for i in rows],
            "category": [failure.category for failure in failures],
            "reason": [failure.reason for failure in failures],
            "hint": [failure.hint for failure in failures],
            "by": [made_by() if _is_final(failure) else "" for failure in failures],
        })  # fmt: skip
        done.n_failed = len(rows)
        done.examples = [str(failure) for failure in failures[:_EXAMPLES]]

    def _write(self, kind: str, ids: list[str], rows: list[int], done: Done, columns: dict[str, Any]) -> None:
        if rows:
            names = [ids[i] for i in rows]
            table = table_of({"id": names, **columns}, {}, half=False)
            data = encoded(table, self._plan.manifest.text())
            self._plan.store.write(shard_name(kind, self._plan.run, names), data)
            done.n_bytes += len(data)


def write_rows(
    plan: Plan, ids: list[str], statuses: list[str], features: Features, rows: list[int], done: Done
) -> None:
    """Write the shard for the images that get rows, one view after the other."""
    if not rows:
        return
    n_views = len(plan.views)
    sizes = features.sizes(rows)
    chosen: NDArray[np.int64] = np.asarray(rows)
    names = [ids[i] for i in rows]
    columns: dict[str, Any] = {
        "id": names * n_views,
        "digest": [features.digests[i] for i in rows] * n_views,
        "view": [view.name for view in plan.views for _ in rows],
        "status": [statuses[i] for i in rows] * n_views,
        "width": np.tile(sizes[:, 0], n_views),
        "height": np.tile(sizes[:, 1], n_views),
    }
    arrays = dict(zip(features.parts, features.maps(chosen, plan.views), strict=True))
    data = encoded(table_of(columns, arrays, half=plan.manifest.half), plan.manifest.text())
    plan.store.write(shard_name("features", plan.run, names), data)
    done.n_written += len(rows)
    done.n_bytes += len(data)


def _is_final(failure: Failure) -> bool:
    """Return True if the file would fail on every machine, so that it need not be tried again."""
    error = BadImageError(failure.path, failure.category, failure.reason, failure.hint)
    return is_lasting(error) and "memory" not in failure.reason
