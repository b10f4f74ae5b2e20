"""The store of cleaned runs: the same bytes from any number of processes, after any number of kills, or nothing."""

import errno
import json
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from brain2music._utils.errors import InputError
from brain2music._utils.files import digest_file
from brain2music._utils.jobs import Parallel
from brain2music.brain import run_store
from brain2music.brain.load import load_responses, voxel_space
from brain2music.brain.responses import Responses
from brain2music.brain.run_store import RunStore
from brain2music.study import Run, Study

ONE = Parallel(1)
MakeRun = Callable[..., Run]


def contents(folder: Path) -> dict[str, str]:
    """Digests of all files."""
    return {path.name: digest_file(path) for path in sorted(folder.iterdir())}


def load(study: Study, mask_file: Path, store: RunStore | None, split: str = "train", lag_tr: int = 1) -> Responses:
    return load_responses(study, "001", split, lag_tr=lag_tr, mask=mask_file, store=store)


def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the runs whose images are read from now on."""
    seen: list[str] = []
    read = run_store.read_cleaned
    monkeypatch.setattr(run_store, "read_cleaned", lambda run, *rest: seen.append(run.name) or read(run, *rest))
    return seen


@pytest.mark.parametrize("split", ["train", "test"])
def test_responses_are_those_that_are_read_without_a_store(study, mask_file, tmp_path, split, monkeypatch):
    store, seen = RunStore(tmp_path / "cleaned", ONE), reads(monkeypatch)
    for lag in (0, 2):
        expected = load(study, mask_file, None, split, lag)
        found = load(study, mask_file, store, split, lag)
        np.testing.assert_array_equal(found.data, expected.data)
        assert (found.clips, found.lag_tr, found.n_repeats.tolist()) == (
            expected.clips,
            expected.lag_tr,
            expected.n_repeats.tolist(),
        )
        if expected.repeats is not None:
            np.testing.assert_array_equal(found.repeats, expected.repeats)
    assert sorted(seen) == sorted(run.name for run in study.runs)  # once each, for both splits and lags


def test_a_run_is_read_again_only_if_its_image_settings_or_rows_change(study, mask_file, tmp_path, monkeypatch):
    folder = tmp_path / "cleaned"
    load(study, mask_file, RunStore(folder, ONE))
    first, seen = contents(folder), reads(monkeypatch)
    load(study, mask_file, RunStore(folder, ONE))
    assert seen == []
    with (folder / "sub-001_desc-cleaned_bold.npy").open("r+b") as file:
        file.seek(-3, os.SEEK_END)  # in the last run
        file.write(b"\xff")
    load(study, mask_file, RunStore(folder, ONE))
    assert seen == [study.runs[-1].name]
    assert contents(folder) == first
    bold = study.runs[0].bold
    changed = bytearray(bold.read_bytes())
    changed[-5] ^= 1
    bold.write_bytes(changed)
    load(study, mask_file, RunStore(folder, ONE))
    assert seen[1:] == [study.runs[0].name]
    load_responses(study, "001", "train", mask=mask_file, detrend="linear", store=RunStore(folder, ONE))
    assert len(seen) == 2 + len(study.runs)


def test_the_array_is_a_plain_one_of_all_runs_and_records_say_what_rows_are_of(study, mask_file, tmp_path):
    folder = tmp_path / "cleaned"
    load(study, mask_file, RunStore(folder, ONE))
    array = np.load(folder / "sub-001_desc-cleaned_bold.npy", mmap_mode="r")
    n_voxels = int(voxel_space(study, "001", mask=mask_file).mask.sum())
    assert array.shape == (sum(run.n_volumes for run in study.runs), n_voxels)
    record = json.loads((folder / f"{study.runs[1].name}_desc-cleaned_bold.json").read_text())
    assert record["rows"] == {"first": 16, "stop": 32, "of": [*array.shape]}
    assert record["settings"]["detrend"] == "median"
    assert record["inputs"]["image"] == digest_file(study.runs[1].bold)
    np.testing.assert_allclose(array[16:32].std(axis=0), 1, atol=1e-5)


def test_voxels_that_are_nan_in_a_run_are_left_out_as_without_a_store(
    tmp_path, clips, volumes, mask_file, make_run: MakeRun
):
    spoiled = volumes(16)
    spoiled[1, 1, 1, 3] = np.nan
    runs = [
        make_run(tmp_path, "01", "train", clips[:3], volumes(16)),
        make_run(tmp_path, "02", "train", clips[3:], spoiled),
    ]
    study = Study(tmp_path, "tiny", tuple(runs))
    space = replace(voxel_space(study, "001", mask=mask_file), mask=np.ones(spoiled.shape[:3], bool))
    with pytest.warns(UserWarning, match="1 of 60 voxels are NaN"):
        expected = load_responses(study, "001", "train", mask=space)
    with pytest.warns(UserWarning, match="1 of 60 voxels are NaN"):
        found = load_responses(study, "001", "train", mask=space, store=RunStore(tmp_path / "cleaned", ONE))
    np.testing.assert_array_equal(found.data, expected.data)
    np.testing.assert_array_equal(found.space.mask, expected.space.mask)


@pytest.mark.slow
def test_processes_and_a_cluster_of_two_workers_write_the_same_bytes(study, mask_file, tmp_path):
    distributed = pytest.importorskip("distributed")
    expected = load(study, mask_file, RunStore(tmp_path / "one", ONE))
    there = load(study, mask_file, RunStore(tmp_path / "two", Parallel(2)))
    np.testing.assert_array_equal(there.data, expected.data)
    cluster = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address=None
    )
    with cluster, distributed.Client(cluster) as client:
        on_cluster = RunStore(tmp_path / "cluster", Parallel(scheduler=cluster.scheduler_address))
        np.testing.assert_array_equal(load(study, mask_file, on_cluster).data, expected.data)
        assert len(client.scheduler_info()["workers"]) == 2
    assert contents(tmp_path / "one") == contents(tmp_path / "two") == contents(tmp_path / "cluster")


@pytest.mark.slow
def test_a_reader_killed_at_any_of_twenty_moments_leaves_nothing_that_is_taken_for_whole(
    tmp_path, clips, volumes, mask_file, make_run: MakeRun
):
    runs = tuple(make_run(tmp_path, f"{i:02}", "train", clips[:3], volumes(16), suffix=".nii.gz") for i in range(12))
    study = Study(tmp_path, "tiny", runs)
    began = time.perf_counter()
    expected = load(study, mask_file, RunStore(tmp_path / "whole", ONE))
    seconds, whole = time.perf_counter() - began, contents(tmp_path / "whole")
    rng, fork, finished = np.random.default_rng(7), multiprocessing.get_context("fork"), []
    for moment in range(20):
        folder = tmp_path / f"killed-{moment}"
        process = fork.Process(target=load, args=(study, mask_file, RunStore(folder, ONE)))
        process.start()
        time.sleep(rng.uniform(0, 1.2 * seconds))
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        finished.append(len(list(folder.glob("*.json"))) if folder.is_dir() else 0)
        again = load(study, mask_file, RunStore(folder, ONE))
        np.testing.assert_array_equal(again.data, expected.data)
        assert whole.items() <= contents(folder).items()
    assert len(set(finished)) > 3  # some before the first run, some between


def test_a_full_disk_is_said_before_anything_is_read(study, mask_file, tmp_path, monkeypatch):
    seen = reads(monkeypatch)

    def full(*_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(InputError, match=r"sub-001_desc-cleaned_bold\.npy: there is no room left to write this"):
        load(study, mask_file, RunStore(tmp_path / "cleaned", ONE))
    with pytest.raises(InputError, match="there is no room left"):
        load_responses(study, "001", "train", mask=mask_file, work_dir=tmp_path / "work", in_memory_bytes=0)
    assert seen == []
    assert list((tmp_path / "cleaned").iterdir()) == []


def test_a_disk_that_fills_while_rows_are_written_leaves_no_record_of_them(study, mask_file, tmp_path, monkeypatch):
    folder, write, calls = tmp_path / "cleaned", run_store._write_all, []

    def fails_in_the_second_run(file, rows):
        calls.append(len(rows))
        if len(calls) == 2:
            write(file, rows[:5])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(file, rows)

    with monkeypatch.context() as patched:
        patched.setattr(run_store, "_write_all", fails_in_the_second_run)
        with pytest.raises(InputError, match="there is no room left to write this"):
            load(study, mask_file, RunStore(folder, ONE))
    assert len(list(folder.glob("*.json"))) == 1
    again = load(study, mask_file, RunStore(folder, ONE))
    np.testing.assert_array_equal(again.data, load(study, mask_file, None).data)


def test_a_run_that_cannot_be_read_is_named_from_another_process_too(study, mask_file, tmp_path):
    study.runs[1].bold.write_bytes(study.runs[1].bold.read_bytes()[:-100])
    with pytest.raises(InputError, match=r"run-02_bold\.nii: the image ends before the last of its 16 scans"):
        load(study, mask_file, RunStore(tmp_path / "cleaned", ONE))


def test_large_responses_are_mapped_from_a_file_that_has_no_name(study, mask_file, tmp_path):
    mapped = load_responses(study, "001", "test", mask=mask_file, work_dir=tmp_path / "work", in_memory_bytes=0)
    assert isinstance(mapped.data, np.memmap)
    assert list((tmp_path / "work").iterdir()) == []
    np.testing.assert_array_equal(mapped.data, load_responses(study, "001", "test", mask=mask_file).data)
