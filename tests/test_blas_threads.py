"""Trainings in several threads have BLAS on one thread each, and give back all."""

import os
import subprocess
import sys

PROGRAM = """
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
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, env=environment
    )
    before, inside, after = done.stdout.strip().replace(" {", "|{").replace("} ", "}|").split("|")
    assert (inside, after) == ("{1}", before)
