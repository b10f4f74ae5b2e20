"""As many threads as the work is worth: sharing small steps between threads waits more than it works.

Measured on two cores with one other busy process: 480 rows × 5,044 features → 753 targets took 0.7 s on one thread and
48 s on two, for threads that wait for each other spin while the other process holds their core.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from threadpoolctl import threadpool_limits

WORTH_SHARING = 2e11  # operations: a few seconds of one core


def operations(n_rows: int, n_features: int, n_targets: int, n_folds: int) -> float:
    """Multiplications of the factorisation and of held-out predictions, roughly."""
    return float(n_rows) * min(n_rows, n_features) * (max(n_rows, n_features) + n_targets * n_folds)


@contextmanager
def threads_for(work: float) -> Iterator[None]:
    """Run small work on one thread, of torch and of BLAS; leave large work the threads it has."""
    if work > WORTH_SHARING:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(before)
