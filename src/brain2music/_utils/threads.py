"""Independent pieces of array work side by side, each on one thread: results do not depend on how many there are."""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_threads(
    work: Callable[[Item], Result], items: Iterable[Item], advance: Callable[[int, int], None] | None = None
) -> list[Result]:
    """``[work(item) for item in items]``, as many at a time as there are cores.

    Torch and BLAS use one thread meanwhile. ``OMP_NUM_THREADS`` and a process's affinity bound the number.
    ``advance(done, total)`` is called after each item, in their order.
    """
    import torch
    from threadpoolctl import threadpool_limits

    pieces, before = list(items), torch.get_num_threads()
    n_threads = min(before, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else before, len(pieces))
    if n_threads < 2:
        return _collect(map(work, pieces), len(pieces), advance)
    torch.set_num_threads(1)
    try:
        with (
            threadpool_limits(1),
            ThreadPoolExecutor(n_threads, initializer=torch.set_num_threads, initargs=(1,)) as pool,
        ):
            return _collect(pool.map(work, pieces), len(pieces), advance)
    finally:
        torch.set_num_threads(before)


def _collect(results: Iterable[Result], total: int, advance: Callable[[int, int], None] | None) -> list[Result]:
    collected = []
    for result in results:
        collected.append(result)
        if advance is not None:
            advance(len(collected), total)
    return collected
