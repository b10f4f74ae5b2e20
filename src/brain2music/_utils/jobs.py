"""The same work on many items: in this process, in several, or by the workers of a Dask cluster."""

import os
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from .errors import Brain2MusicWarning, InputError, short_warnings
from .workers import Workers

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Parallel:
    """How many processes work at once (None: one per core), or the address of the Dask scheduler whose workers do."""

    n_jobs: int | None = 1
    scheduler: str | None = None


def each_done(
    work: Callable[[Item], Result],
    items: Sequence[Item],
    jobs: Parallel,
    *,
    alone: Callable[[Item], Result] | None = None,
    works: str = "works",
    again: str = "run it again with fewer --n-jobs: it resumes",
) -> Iterator[Result]:
    """Yield what ``work`` makes of each item, in order of completion.

    Parameters
    ----------
    work : callable
        A function of this package, or a partial one, that can be sent to other processes and machines.
    alone : callable, optional
        What to call in its place within this process.
    works, again : str
        What a process does, for messages about it ("embeds"), and what to do when one was ended.

    Raises
    ------
    InputError
        No scheduler answers, or a process was ended; and whatever the work raises.
    """
    n_jobs = min(jobs.n_jobs or os.cpu_count() or 1, len(items))
    if jobs.scheduler is not None:
        yield from _on_cluster(work, items, jobs.scheduler)
    elif n_jobs > 1:
        yield from _in_processes(work, items, n_jobs, alone or work, works, again)
    else:
        yield from map(alone or work, items)


def _in_processes(
    work: Callable[[Item], Result],
    items: Iterable[Item],
    n_jobs: int,
    alone: Callable[[Item], Result],
    works: str,
    again: str,
) -> Iterator[Result]:
    import multiprocessing

    context = multiprocessing.get_context("spawn")
    try:
        pool = Workers(n_jobs, mp_context=context, initializer=_follow_parent)
    except (OSError, ImportError, NotImplementedError) as error:
        what = f"processes cannot share memory here ({error}): one process {works}; --n-jobs 1 asks for that"
        warnings.warn(what, Brain2MusicWarning, stacklevel=4)
        yield from map(alone, items)
        return
    waiting = iter(items)
    try:
        pending: set[Future[Result]] = set()
        while True:
            pending |= {pool.submit(work, item) for item in islice(waiting, 2 * n_jobs - len(pending))}
            if not pending:
                return
            done, pending = wait(pending, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()
    except BrokenProcessPool:
        raise InputError(f"a process that {works} was ended, as happens where memory is short", hint=again) from None
    finally:
        pool.shutdown(cancel_futures=True)


def _on_cluster(work: Callable[[Item], Result], items: Sequence[Item], scheduler: str) -> Iterator[Result]:
    try:
        from distributed import Client, as_completed
    except ImportError:
        raise InputError("a Dask cluster needs dask", hint="install brain2music[cluster]") from None
    try:
        client = Client(scheduler, timeout="20s")
    except (OSError, ValueError) as error:
        raise InputError(f"no Dask scheduler answers at {scheduler} ({error})", hint="check the address") from None
    with client:
        for future in as_completed(client.map(work, list(items), pure=False)):
            yield future.result()


def _follow_parent() -> None:
    """Initialise a worker process: it ends when its parent is killed, and formats warnings in the same way."""
    import multiprocessing

    short_warnings()

    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
