"""One build at a time: others wait or are refused, and what a killed one left is taken over."""

import json
import os
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from brain2music._utils.errors import InputError
from brain2music.gallery import Gallery, build_gallery, mark_duplicates
from brain2music.gallery.lock import LOCK, lock_gallery
from brain2music.gallery.storage import Store

from .conftest import Bands, write_tone


class Held(Bands):
    """An embedder that says when it has begun, and ends when it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.may_end = threading.Event(), threading.Event()

    def embed(self, waveform: np.ndarray, rate: int) -> np.ndarray:
        self.begun.set()
        assert self.may_end.wait(60)
        return super().embed(waveform, rate)


def test_a_second_build_waits_or_is_refused(music: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_tone(tmp_path / "more" / "z.wav", 3700)
    first, second = Held(), Bands()
    with ThreadPoolExecutor(3) as threads:
        one = threads.submit(build_gallery, music, tmp_path / "out", first)
        assert first.begun.wait(60)
        with pytest.raises(InputError, match=f"process {os.getpid()} on .* is building a gallery"):
            build_gallery(music, tmp_path / "out", Bands(), wait=False)
        others = [
            threads.submit(build_gallery, folder, tmp_path / "out", second) for folder in (music, tmp_path / "more")
        ]
        first.may_end.set()
        for build in (one, *others):
            build.result()
    assert (first.calls, second.calls) == (9, 1)
    assert len(Gallery.open(tmp_path / "out", check=True)) == 10
    assert not (tmp_path / "out" / LOCK).exists()
    assert "waiting: process" in capsys.readouterr().err


def test_a_lock_of_a_killed_process_is_taken_over(music: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    script = "import sys; from pathlib import Path; from brain2music._utils.locks import locked\n"
    script += "with locked(Path(sys.argv[1]), 'building a gallery'): print('held', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "out" / LOCK)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(InputError, match=f"process {holder.pid} "):
            build_gallery(music, tmp_path / "out", Bands(), wait=False)
        holder.kill()
    assert (tmp_path / "out" / LOCK).exists()
    assert len(build_gallery(music, tmp_path / "out", Bands(), wait=False)) == 9


def test_marks_wait_for_a_build(music: Path, tmp_path: Path) -> None:
    gallery = build_gallery(music, tmp_path / "out", Bands())
    done = threading.Event()
    with lock_gallery(Store(tmp_path / "out"), "building a gallery"):
        marking = threading.Thread(target=lambda: (mark_duplicates(gallery), done.set()))
        marking.start()
        assert not done.wait(0.3)
    marking.join()
    assert (tmp_path / "out" / "duplicates.tsv").is_file()


def test_object_storage_is_locked_by_a_file(tmp_path: Path) -> None:
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.filesystem("memory")
    memory.rm("/locked", recursive=True) if memory.exists("/locked") else None
    store = Store("memory://locked/gallery")
    with lock_gallery(store, "building a gallery"):
        with pytest.raises(InputError, match=r"process \d+ on .* is building a gallery") as caught:
            lock_gallery(store, "marking duplicates", wait=False).__enter__()
        assert "if it was killed, remove .lock there" in caught.value.hint
    assert not store.exists(LOCK)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    for host, is_taken in (("another machine", False), (socket.gethostname(), True)):
        store.write(LOCK, json.dumps({"host": host, "pid": ended.pid, "doing": "building a gallery"}).encode())
        if is_taken:
            with lock_gallery(store, "building a gallery", wait=False):
                pass
        else:
            with pytest.raises(InputError, match="on another machine"):
                lock_gallery(store, "building a gallery", wait=False).__enter__()
