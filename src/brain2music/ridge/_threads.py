"""One thread for small problems: sharing small steps between threads costs more waiting than it saves work.

Measured on two cores with one other busy process: 480 rows × 5,044 features → 753 targets took 0.7 s on one thread and
48 s on two, because threads that wait for each other spin while the other process holds their core.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from threadpoolctl import threadpool_limits

MIN_SHARED = 2e11
"""Operations from which threads are used: a few seconds of one core."""


def count_operations(n_rows: int, n_features: int, n_targets: int, n_folds: int) -> float:
    """Multiplications in the factorisation and in held-out predictions, roughly."""
    return float(n_rows) * min(n_rows, n_features) * (max(n_rows, n_features) + n_targets * n_folds)


@contextmanager
def threads_for(n_operations: float) -> Iterator[None]:
    """Run small problems on one thread of torch and BLAS; leave large ones the threads they have."""
    if n_operations > MIN_SHARED:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(before)
