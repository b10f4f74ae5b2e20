"""Independent pieces of array work side by side, each on one thread: results do not depend on how many there are."""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_threads(work: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """``[work(item) for item in items]``, as many at a time as there are cores.

    Torch and BLAS use one thread meanwhile. ``OMP_NUM_THREADS`` and a process's affinity bound the number.
    """
    import torch
    from threadpoolctl import threadpool_limits

    pieces, before = list(items), torch.get_num_threads()
    n_threads = min(before, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else before, len(pieces))
    if n_threads < 2:
        return [work(piece) for piece in pieces]
    torch.set_num_threads(1)
    try:
        with (
            threadpool_limits(1),
            ThreadPoolExecutor(n_threads, initializer=torch.set_num_threads, initargs=(1,)) as pool,
        ):
            return list(pool.map(work, pieces))
    finally:
        torch.set_num_threads(before)
