"""Trainings in several threads have BLAS on one thread each; small products leave its threads asleep."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from transferkit.foundation.blas import small_product

OVERLAPPING = """
import threading, time
import numpy
from threadpoolctl import threadpool_info
from transferkit.foundation.blas import one_blas_thread

def n_threads():
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]

def train(seconds):
    with one_blas_thread():
        for _ in range(int(seconds / 0.05)):
            seen.append(n_threads())
            time.sleep(0.05)

seen, before = [], n_threads()
threads = [threading.Thread(target=train, args=(seconds,)) for seconds in (0.2, 0.4, 0.2)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(before, {n for each in seen for n in each}, n_threads())
"""


def test_trainings_that_overlap_give_back_all_threads():
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "2"}
    done = subprocess.run(
        [sys.executable, "-c", OVERLAPPING], capture_output=True, text=True, check=True, env=environment
    )
    before, inside, after = done.stdout.strip().replace(" {", "|{").replace("} ", "}|").split("|")
    assert (inside, after) == ("{1}", before)


SHAPES = [
    (68, 256, 32),
    (1, 2312, 256),
    (1, 256, 136),
    (49, 512, 64),
    (9, 1024, 64),
    (3, 2000, 60),
    (1, 1, 1),
    (2, 6272, 256),
    (13, 900, 300),
    (2, 3, 70_000),
]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [*SHAPES, (2000, 256, 32), (0, 7, 3)], ids=str)
def test_it_is_the_product(shape, dtype):
    n, inner, outer = shape
    rng = np.random.default_rng(0)
    rows, weights = rng.normal(size=(n, inner)).astype(dtype), rng.normal(size=(inner, outer)).astype(dtype)
    found = small_product(rows, weights)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, rows @ weights, atol=1e-3 if dtype == np.float32 else 1e-11)


@pytest.mark.parametrize("n", [2, 8, 9, 11, 13])
def test_equal_rows_stay_equal_with_large_weights(n):
    rng = np.random.default_rng(0)
    rows = np.repeat(rng.normal(size=(1, 900)).astype(np.float32), n, axis=0)
    found = small_product(rows, rng.normal(size=(900, 300)).astype(np.float32))
    np.testing.assert_array_equal(found, found[:1].repeat(n, axis=0))


ASLEEP = """
import json, os, sys, time
from pathlib import Path
import numpy as np
from transferkit.foundation.blas import small_product

def others():
    '''Nanoseconds that other threads have computed.'''
    tasks = [task for task in Path("/proc/self/task").iterdir() if int(task.name) != os.getpid()]
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks)

def woken(product):
    time.sleep(0.3)  # threads also spin after they were started
    before = others()
    for n, inner, outer in json.loads(sys.argv[1]):
        rows, weights = np.ones((n, inner), np.float32), np.ones((inner, outer), np.float32)
        for _ in range(20):
            product(rows, weights)
    return others() - before

print(json.dumps([woken(small_product), woken(np.matmul)]))
"""


@pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="times of threads are those of Linux")
def test_no_other_thread_computes(monkeypatch):
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "2")
    ran = subprocess.run(
        [sys.executable, "-c", ASLEEP, json.dumps(SHAPES)], capture_output=True, text=True, check=True
    )
    small, plain = json.loads(ran.stdout)
    if not plain:
        pytest.skip("this BLAS computes such products on one thread")
    assert small == 0
