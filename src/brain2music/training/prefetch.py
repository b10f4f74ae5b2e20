"""Batches prepared in advance by threads, in order, and copied to the device while it computes."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import Any

import torch
from torch import Tensor

from .engine import to_device

AHEAD = 4
"""Batches in advance of the one in use, for each worker."""


@contextmanager
def prefetch_batches(
    make: Callable[[int], Any], numbers: Iterable[int], workers: int, device: torch.device
) -> Iterator[Iterator[Any]]:
    """Yield an iterator over ``make(number)`` on the device; ``workers`` threads prepare batches (0: no threads)."""
    numbers = iter(numbers)
    if workers == 0:
        yield (to_device(make(number), device) for number in numbers)
        return
    pool = ThreadPoolExecutor(workers, thread_name_prefix="batch")
    try:
        yield _in_order(pool, lambda number: _pinned(make(number), device), numbers, AHEAD * workers, device)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _in_order(
    pool: ThreadPoolExecutor, make: Callable[[int], Any], numbers: Iterator[int], ahead: int, device: torch.device
) -> Iterator[Any]:
    waiting: deque[Future[Any]] = deque(pool.submit(make, number) for number in islice(numbers, ahead))
    while waiting:
        batch = waiting.popleft().result()
        waiting.extend(pool.submit(make, number) for number in islice(numbers, 1))
        yield to_device(batch, device)


def _pinned(value: Any, device: torch.device) -> Any:
    if device.type != "cuda":
        return value
    if isinstance(value, Tensor):
        return value.pin_memory()
    if isinstance(value, dict):
        return {name: _pinned(item, device) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_pinned(item, device) for item in value)
    return value
