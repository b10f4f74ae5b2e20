"""Small problems run on one thread; free memory is returned."""

import sys

import pytest
import torch
from threadpoolctl import threadpool_info

from brain2music.ridge._memory import malloc_trim
from brain2music.ridge._threads import MIN_SHARED, count_operations, threads_for


@pytest.fixture(autouse=True)
def _two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_small_work_has_one_thread_and_large_work_keeps_its_threads() -> None:
    with threads_for(MIN_SHARED):
        assert torch.get_num_threads() == 1
        assert {each["num_threads"] for each in threadpool_info()} == {1}
    assert torch.get_num_threads() == 2
    with threads_for(2 * MIN_SHARED):
        assert torch.get_num_threads() == 2


def test_threads_are_restored_after_an_error() -> None:
    with pytest.raises(KeyError), threads_for(1.0):
        raise KeyError
    assert torch.get_num_threads() == 2


def test_operations_grow_with_every_size() -> None:
    base = (100, 200, 30, 4)
    assert all(
        count_operations(*(2 * size if i == j else size for j, size in enumerate(base))) > count_operations(*base)
        for i in range(4)
    )
    assert count_operations(4800, 60_000, 128, 5) > MIN_SHARED > count_operations(480, 5044, 753, 5)


@pytest.mark.parametrize("platform", [sys.platform, "darwin"])
def test_trimming_memory_leaves_what_is_used(platform, monkeypatch) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    used = torch.arange(1_000_000)
    freed = [torch.zeros(100_000) for _ in range(50)]
    del freed
    malloc_trim()
    assert torch.equal(used, torch.arange(1_000_000))
