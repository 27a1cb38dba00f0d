"""Distributed extraction on Ray itself, with two processors, in a process of its own."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import make_pictures
from tests.ray_job import extractor
from transferkit import distributed

pytestmark = [pytest.mark.slow, pytest.mark.ray]
pytest.importorskip("ray", reason="needs Ray", exc_type=ImportError)
ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def names(tmp_path_factory):
    return list(map(str, make_pictures(tmp_path_factory.mktemp("ray") / "pictures", 200)[0]))


def start(*runs):
    command = [sys.executable, "-m", "tests.ray_job", json.dumps(runs)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "RAY_USAGE_STATS_ENABLED": "0"}
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE, start_new_session=True
    )


def finish(job):
    try:
        out, _ = job.communicate(timeout=240)
    finally:
        if job.poll() is None:
            os.killpg(job.pid, signal.SIGKILL)
    assert job.returncode == 0
    return [json.loads(line) for line in out.splitlines() if line.startswith("{")]


def check(output, names):
    features = distributed.read_features(output)
    assert np.array_equal(features.rows(names), extractor().transform(names))
    pq = pytest.importorskip("pyarrow.parquet")
    shards = [pq.read_table(path)["id"].to_pylist() for path in Path(output).glob("features-*.parquet")]
    found = [name for shard in shards for name in shard]
    assert sorted(found) == sorted(names)  # none is there twice


def test_killed_at_half_and_resumed(names, tmp_path):
    output = tmp_path / "out"
    run = {"source": names, "output": str(output), "shard_rows": 10}
    job = start(run)
    deadline = time.monotonic() + 300
    while len(list(output.glob("features-*"))) < 10:
        assert time.monotonic() < deadline
        assert job.poll() is None
        time.sleep(0.02)
    os.killpg(job.pid, signal.SIGKILL)
    job.communicate()
    time.sleep(5)  # actors outlive their driver for a moment
    before = len(distributed.read_features(output))
    assert 100 <= before < 200
    (report,) = finish(start({**run, "source": str(Path(names[0]).parent), "shard_rows": 7}))
    assert (report["n_skipped"], report["n_written"]) == (before, 200 - before)
    check(output, names)


def test_tables_with_all_processors_taken_and_errors_as_themselves(names, tmp_path):
    pa = pytest.importorskip("pyarrow")
    table = str(tmp_path / "table.parquet")
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no picture")
    pa.parquet.write_table(pa.table({"path": [*names, str(bad)], "label": [0] * 201}), table)
    outputs = [str(tmp_path / f"out{i}") for i in range(3)]
    first, second, third = finish(
        start(
            {"source": table, "output": outputs[0], "num_cpus": 1, "actors": 2, "shard_rows": 32},
            {"source": table, "dataset": True, "output": outputs[1], "shard_rows": 64},
            {"source": names, "output": outputs[2], "function": "other_elsewhere"},
        )
    )
    for report, output in zip((first, second), outputs, strict=False):
        assert (report["n_written"], report["n_failed"]) == (200, 1)
        check(output, names)
    assert (first["n_actors"], second["n_actors"]) == (2, 1)
    assert third["error"] == "WeightsError"
    assert "is not what it was" in third["message"]
