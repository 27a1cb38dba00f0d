"""Trainings that overlap in threads leave BLAS as they found it."""

import threading

from threadpoolctl import threadpool_info, threadpool_limits

from transferkit.foundation.blas import one_blas_thread


def n_threads():
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


def test_blocks_that_overlap_give_back_all_threads():
    entered, left, seen = threading.Event(), threading.Event(), []

    def second():
        with one_blas_thread():
            entered.set()
            left.wait(10)
            seen.append(n_threads())

    thread = threading.Thread(target=second)
    with threadpool_limits(2, "blas"):
        before = n_threads()
        with one_blas_thread():
            thread.start()
            assert entered.wait(10)
            seen.append(n_threads())
        seen.append(n_threads())  # the second block still runs
        left.set()
        thread.join()
        assert len(seen) == 3
        assert {n for each in seen for n in each} == {1}
        assert n_threads() == before
        assert 2 in before
