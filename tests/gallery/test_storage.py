"""Other storage and other workers: the same gallery on object storage, from processes, and from a cluster."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from brain2music._utils.errors import Brain2MusicWarning, InputError
from brain2music.embeddings import Embedder
from brain2music.gallery import Gallery, build_gallery
from brain2music.gallery.shards import list_shards
from brain2music.gallery.storage import Store
from brain2music.models.embedders import get_embedder

from .conftest import Bands, write_tone


@pytest.fixture
def remote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    fsspec = pytest.importorskip("fsspec")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    memory = fsspec.filesystem("memory")
    memory.rm("/bucket", recursive=True) if memory.exists("/bucket") else None
    return "memory://bucket/gallery"


def same(one: Gallery, other: Gallery) -> None:
    pd.testing.assert_frame_equal(one.tracks, other.tracks)
    np.testing.assert_array_equal(one.vectors, other.vectors)
    np.testing.assert_array_equal(one.mean, other.mean)


@pytest.mark.parametrize("keep_windows", [False, True])
def test_a_gallery_on_object_storage_is_the_local_one(
    keep_windows: bool, remote: str, music: Path, tmp_path: Path, embedder: Bands
) -> None:
    local = build_gallery(music, tmp_path / "out", embedder, keep_windows=keep_windows)
    there = build_gallery(music, remote, embedder, keep_windows=keep_windows, shard_size=4)
    same(there, local)
    same(Gallery.open(remote, check=True), local)
    assert Store(remote).names() == ["gallery.json", "index-0001", "rejected.tsv"]


def test_object_storage_is_added_to(remote: str, music: Path, tmp_path: Path, embedder: Bands) -> None:
    build_gallery(music, remote, embedder)
    write_tone(music / "rock" / "new.wav", 3900)
    embedder.calls = 0
    same(build_gallery(music, remote, embedder), build_gallery(music, tmp_path / "out", embedder))
    assert embedder.calls == 1 + 10
    assert "index-0001" not in Store(remote).names()


def test_contents_that_changed_on_the_way_are_refused(
    remote: str, music: Path, tmp_path: Path, embedder: Bands
) -> None:
    build_gallery(music, remote, embedder)
    store = Store(remote)
    contents = store.read("index-0001/vectors.safetensors")
    store.write("index-0001/vectors.safetensors", contents[:-1] + bytes([contents[-1] ^ 1]))
    shutil.rmtree(tmp_path / "cache")
    with pytest.raises(InputError, match="has changed or is damaged"):
        Gallery.open(remote)


def test_unknown_storage_is_named() -> None:
    with pytest.raises(InputError, match="cannot be reached") as caught:
        Gallery.open("nonsense://bucket")
    assert caught.value.hint.startswith("install fsspec")


def test_a_damaged_shard_is_embedded_again(music: Path, tmp_path: Path, embedder: Bands) -> None:
    class Dying(Bands):
        def embed(self, waveform: np.ndarray, rate: int) -> np.ndarray:
            if self.calls == 8:
                raise KeyboardInterrupt
            return super().embed(waveform, rate)

    with pytest.raises(KeyboardInterrupt):
        build_gallery(music, tmp_path / "out", Dying(), shard_size=2)
    shards = sorted((tmp_path / "out" / "shards").iterdir())
    assert len(list_shards(Store(tmp_path / "out"))) == 8
    shards[0].write_bytes(shards[0].read_bytes()[:-3])
    embedder.calls = 0
    built = build_gallery(music, tmp_path / "out", embedder, shard_size=2)
    assert embedder.calls == 1 + 2
    same(built, build_gallery(music, tmp_path / "whole", embedder))


def test_half_precision_is_kept_and_searched(music: Path, tmp_path: Path, embedder: Bands) -> None:
    full = build_gallery(music, tmp_path / "full", embedder)
    half = build_gallery(music, tmp_path / "half", embedder, half=True)
    assert half.vectors.dtype == np.float16
    np.testing.assert_array_equal(half.vectors, full.vectors.astype(np.float16))
    hits = half.nearest(np.array(full.vectors), 1, space=half.space)
    np.testing.assert_array_equal(hits.indices[:, 0], range(9))


def test_a_check_finds_changed_contents(music: Path, tmp_path: Path, embedder: Bands) -> None:
    file = build_gallery(music, tmp_path / "out", embedder).files["vectors.safetensors"]
    contents = file.read_bytes()
    file.write_bytes(contents[:-1] + bytes([contents[-1] ^ 1]))
    Gallery.open(tmp_path / "out")
    with pytest.raises(InputError, match="contents have changed"):
        Gallery.open(tmp_path / "out", check=True)


@pytest.fixture(scope="module")
def logmel() -> Embedder:
    return get_embedder("logmel", 1.0, 0.5)


@pytest.mark.slow
@pytest.mark.parametrize("cluster", [False, True])
def test_processes_and_a_cluster_build_the_same(cluster: bool, music: Path, tmp_path: Path, logmel: Embedder) -> None:
    (music / "rock" / "text.mp3").write_text("not sound")
    here = build_gallery(music, tmp_path / "here", logmel)
    if cluster:
        distributed = pytest.importorskip("distributed")
        with distributed.LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None) as c:
            there = build_gallery(music, tmp_path / "out", logmel, scheduler=c.scheduler_address, shard_size=3)
    else:
        there = build_gallery(music, tmp_path / "out", logmel, n_jobs=2, shard_size=3)
    same(there, here)
    assert (tmp_path / "out" / "rejected.tsv").read_text() == (tmp_path / "here" / "rejected.tsv").read_text()


def test_one_process_embeds_where_several_cannot_share_memory(
    music: Path, tmp_path: Path, embedder: Bands, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in containers whose /dev/shm cannot be written: no semaphore can be made there."""

    def read_only(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("multiprocessing.synchronize._multiprocessing.SemLock", read_only)
    with pytest.warns(Brain2MusicWarning, match=r"Read-only file system\): one process embeds; --n-jobs 1"):
        there = build_gallery(music, tmp_path / "out", embedder, n_jobs=3, shard_size=2)
    assert embedder.calls == 9
    same(there, build_gallery(music, tmp_path / "here", embedder))


def test_a_scheduler_that_does_not_answer_is_named(music: Path, tmp_path: Path, embedder: Bands) -> None:
    pytest.importorskip("distributed")
    with pytest.raises(InputError, match="no Dask scheduler answers at nonsense"):
        build_gallery(music, tmp_path / "out", embedder, scheduler="nonsense://nowhere:1")


def test_many_tracks_make_an_approximate_index(
    music: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, embedder: Bands, rng: np.random.Generator
) -> None:
    pytest.importorskip("faiss")
    monkeypatch.setattr("brain2music.gallery.index.EXACT_ROWS", 1000)
    files = [f"{folder}/{number}" for folder in ("a", "b") for number in range(600)]
    table = tmp_path / "table.tsv"
    table.write_text("file\n" + "".join(f"{name}.wav\n" for name in files))
    for number, name in enumerate(files):
        path = tmp_path / f"{name}.wav"
        path.parent.mkdir(exist_ok=True)
        if number < 10:
            write_tone(path, 300 + 20 * number, 1.0)
        else:
            sound = (tmp_path / "a" / f"{rng.integers(10)}.wav").read_bytes()
            path.write_bytes(sound + number.to_bytes(4))  # the same sound in other bytes

    class Noisy(Bands):
        def embed(self, waveform: np.ndarray, rate: int) -> np.ndarray:
            return (super().embed(waveform, rate) + rng.normal(size=8)).astype(np.float32)

    gallery = build_gallery(table, tmp_path / "out", Noisy())
    assert gallery.measured is not None
    assert gallery.measured.recall >= 0.95
    queries = np.array(gallery.vectors[:50])
    near = gallery.nearest(queries, 5, space=gallery.space)
    np.testing.assert_array_equal(near.indices[:, 0], range(50))
    where = np.arange(1200) % 2 == 1
    assert where[gallery.nearest(queries, 5, space=gallery.space, where=where).indices].all()
    plain = gallery.nearest(queries, 5, space=gallery.space, centre=0.0)
    a, b = queries.astype(float), np.asarray(gallery.vectors, float)
    cosines = a @ b.T / np.linalg.norm(a, axis=1)[:, None] / np.linalg.norm(b, axis=1)
    np.testing.assert_allclose(plain.cosines, -np.sort(-cosines, axis=1)[:, :5], atol=1e-6)
