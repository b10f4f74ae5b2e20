"""A process that is one of many takes one thread, of torch and of every BLAS."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest
import torch
from threadpoolctl import threadpool_info

from brain2music._utils.cpu import use_one_thread


def threads() -> list[int]:
    return [torch.get_num_threads(), *(pool["num_threads"] for pool in threadpool_info())]


def test_a_worker_takes_one_thread_of_every_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "2")  # what it would take of its own accord
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=use_one_thread) as pool:
        found = pool.submit(threads).result()
    assert len(found) > 1
    assert set(found) == {1}
