"""Building: what is recorded, what is refused, and that a kill loses at most one shard."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile

from brain2music._utils.errors import Brain2MusicWarning, InputError
from brain2music._utils.files import digest_file
from brain2music.audio.io import read_audio
from brain2music.gallery import Gallery, build_gallery

from .conftest import Bands, write_tone


def digests(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): digest_file(path) for path in folder.rglob("*") if path.is_file()}


def test_tracks_and_vectors_are_those_of_the_files(music: Path, tmp_path: Path, embedder: Bands) -> None:
    before = digests(music)
    gallery = build_gallery(music, tmp_path / "out", embedder, seconds=2.0)
    assert list(gallery.tracks["track"])[:3] == ["album/x", "album/y", "blues/blues.00000"]
    assert list(gallery.tracks["genre"]) == ["", "", *["blues"] * 3, *["rock"] * 3, "tango"]
    assert set(gallery.tracks["licence"]) == {"unknown"}
    assert set(gallery.tracks["duration_s"]) == {2.0}
    assert gallery.space == Bands.space
    for row, path in enumerate(gallery.tracks["path"]):
        waveform, rate = soundfile.read(path, frames=2 * 8000, dtype="float32")
        np.testing.assert_array_equal(gallery.vectors[row], embedder.embed(waveform, rate).mean(axis=0))
    np.testing.assert_allclose(gallery.mean, gallery.vectors.mean(axis=0), rtol=1e-6)
    assert digests(music) == before
    assert not (tmp_path / "out" / "shards").exists()


def test_a_repeat_embeds_nothing_and_changes_nothing(music: Path, tmp_path: Path, embedder: Bands) -> None:
    build_gallery(music, tmp_path / "out", embedder)
    before, calls = digests(tmp_path / "out"), embedder.calls
    build_gallery(music, tmp_path / "out", embedder)
    assert (digests(tmp_path / "out"), embedder.calls) == (before, calls)
    build_gallery(music, tmp_path / "again", embedder, shard_size=2)
    assert digests(tmp_path / "again") == before


def test_only_new_and_changed_files_are_embedded(music: Path, tmp_path: Path, embedder: Bands) -> None:
    old = build_gallery(music, tmp_path / "out", embedder)
    write_tone(music / "rock" / "d.wav", 3900)
    write_tone(music / "rock" / "a.wav", 3950, seconds=4)
    (music / "album" / "x.wav").unlink()
    embedder.calls = 0
    new = build_gallery(music, tmp_path / "out", embedder)
    assert embedder.calls == 2
    assert len(new) == len(old)
    assert "album/x" not in set(new.tracks["track"])
    fresh = build_gallery(music, tmp_path / "fresh", embedder)
    np.testing.assert_array_equal(new.vectors, fresh.vectors)
    pd.testing.assert_frame_equal(new.tracks, fresh.tracks)
    assert [path.name for path in (tmp_path / "out").glob("index-*")] == ["index-0002"]


class Killed(BaseException):
    """Stands for a kill: not an Exception, so nothing that handles errors sees it."""


def die_at(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Die just before the given one of the renames and removals that a build consists of (from 0)."""
    steps = iter(range(1000))

    def dying(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if next(steps) == step:
                raise Killed
            return function(*args, **kwargs)

        return call

    monkeypatch.setattr(Path, "replace", dying(Path.replace))
    monkeypatch.setattr(shutil, "rmtree", dying(shutil.rmtree))


@pytest.mark.parametrize("step", range(11))
def test_a_first_build_killed_at_any_step_resumes(
    step: int, music: Path, tmp_path: Path, embedder: Bands, monkeypatch: pytest.MonkeyPatch
) -> None:
    build_gallery(music, tmp_path / "whole", embedder)
    out, embedder.calls = tmp_path / "out", 0
    with monkeypatch.context() as patch:
        die_at(step, patch)
        with pytest.raises(Killed):
            build_gallery(music, out, embedder, shard_size=2)
    if step < 10:
        with pytest.raises(InputError, match=r"unfinished|not a gallery"):
            Gallery.open(out)
    build_gallery(music, out, embedder, shard_size=2)
    assert embedder.calls <= 9 + 2
    assert digests(out) == digests(tmp_path / "whole")


@pytest.mark.parametrize("step", range(8))
def test_a_gallery_stays_whole_while_it_is_added_to(
    step: int, music: Path, tmp_path: Path, embedder: Bands, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    old = build_gallery(music, out, embedder)
    for number in range(3):
        write_tone(music / "rock" / f"new{number}.wav", 3850 + 30 * number)
    embedder.calls = 0
    with monkeypatch.context() as patch:
        die_at(step, patch)
        with pytest.raises(Killed):
            build_gallery(music, out, embedder, shard_size=2)
    assert len(Gallery.open(out)) in (9, 12)
    new = build_gallery(music, out, embedder, shard_size=2)
    assert embedder.calls <= 3 + 2
    assert len(old) == 9
    assert list(new.tracks["track"]) == sorted({*old.tracks["track"], "rock/new0", "rock/new1", "rock/new2"})
    assert sorted(path.name for path in out.iterdir()) == ["gallery.json", "index-0002", "rejected.tsv"]


def test_corrupt_and_short_files_are_listed_and_passed_over(music: Path, tmp_path: Path, embedder: Bands) -> None:
    (music / "rock" / "b.wav").write_bytes((music / "rock" / "b.wav").read_bytes()[:20])
    (music / "rock" / "text.mp3").write_text("not sound")
    write_tone(music / "rock" / "short.wav", 500, seconds=0.5)
    gallery = build_gallery(music, tmp_path / "out", embedder, shard_size=4)
    rejected = pd.read_csv(tmp_path / "out" / "rejected.tsv", sep="\t").set_index("path")["why"]
    assert set(rejected.index) == {"rock/b.wav", "rock/text.mp3", "rock/short.wav"}
    assert rejected["rock/short.wav"] == "the sound is shorter than one window"
    assert "readable" in rejected["rock/text.mp3"]
    assert len(gallery) == 8
    assert not set(gallery.tracks["track"]) & {"rock/b", "rock/text", "rock/short"}


def test_a_name_that_is_not_utf8_is_a_track_that_can_be_opened_and_meant(
    music: Path, tmp_path: Path, embedder: Bands
) -> None:
    raw = os.fsencode(music) + b"/rock/mod\x85.wav"
    os.rename(music / "rock" / "b.wav", raw)
    (tmp_path / "table.tsv").write_text("file\ttitle\nrock/mod\\x85.wav\tModern\n")
    gallery = build_gallery(music, tmp_path / "out", embedder, metadata=tmp_path / "table.tsv")
    tracks = gallery.tracks.set_index("track")
    assert tracks.loc[r"rock/mod\x85", "title"] == "Modern"
    row = list(gallery.tracks["track"]).index(r"rock/mod\x85")
    waveform, rate = read_audio(tracks["path"].iloc[row])
    np.testing.assert_array_equal(embedder.embed(waveform, rate).mean(axis=0), gallery.vectors[row])
    assert gallery.select(exclude=[r"mod\x85.wav", os.fsdecode(raw)]).tolist().index(False) == row
    json.dumps(gallery.tracks["path"].tolist(), ensure_ascii=False).encode()  # what can be printed and stored


def test_vectors_that_are_not_finite_are_refused(music: Path, tmp_path: Path) -> None:
    class Broken(Bands):
        def embed(self, waveform: np.ndarray, rate: int) -> np.ndarray:
            return np.full_like(super().embed(waveform, rate), np.nan)

    with pytest.raises(InputError, match="none of the sound files could be embedded"):
        build_gallery(music, tmp_path / "out", Broken())


def test_windows_are_kept_where_asked(music: Path, tmp_path: Path, embedder: Bands) -> None:
    write_tone(music / "rock" / "a.wav", 700, seconds=5)
    gallery = build_gallery(music, tmp_path / "out", embedder, keep_windows=True, shard_size=4)
    assert list(gallery.tracks["windows"]) == [5 if track == "rock/a" else 3 for track in gallery.tracks["track"]]
    write_tone(music / "rock" / "z.wav", 900, seconds=2)
    gallery = build_gallery(music, tmp_path / "out", embedder, keep_windows=True)
    for row in range(len(gallery)):
        np.testing.assert_array_equal(gallery.windows(row).mean(axis=0), gallery.vectors[row])
    with pytest.raises(InputError, match="built without windows"):
        build_gallery(music, tmp_path / "means", embedder).windows(0)


def test_other_settings_need_another_folder(music: Path, tmp_path: Path, embedder: Bands) -> None:
    build_gallery(music, tmp_path / "out", embedder)

    class Newer(Bands):
        space = replace(Bands.space, version="2")

    with pytest.raises(InputError, match="built with version 1, not 2"):
        build_gallery(music, tmp_path / "out", Newer())
    with pytest.raises(InputError, match="built with seconds 15"):
        build_gallery(music, tmp_path / "out", embedder, seconds=10.0)


def test_progress_counts_the_tracks_of_this_build(music: Path, tmp_path: Path, embedder: Bands) -> None:
    seen: list[tuple[int, int]] = []
    build_gallery(music, tmp_path / "out", embedder, shard_size=4, progress=lambda *at: seen.append(at))
    assert seen == [(4, 9), (8, 9), (9, 9)]


def test_a_build_that_is_refused_leaves_nothing(music: Path, tmp_path: Path, embedder: Bands) -> None:
    """No folder, no description that would bind the next build to the settings of this one."""
    empty, out = tmp_path / "empty", tmp_path / "out"
    empty.mkdir()
    for wrong in ({"music": empty}, {"music": music, "exclude": ["*"]}, {"music": music, "metadata": empty}):
        with pytest.raises(InputError):
            build_gallery(wrong.pop("music"), out, embedder, **wrong)
        assert not out.exists()
    assert len(build_gallery(music, out, embedder, half=True)) == 9


def test_a_gallery_is_not_built_among_other_files(music: Path, tmp_path: Path, embedder: Bands) -> None:
    before = digests(music)
    for out in (music, music / "rock"):
        with pytest.raises(InputError, match="other files"):
            build_gallery(music, out, embedder)
    assert digests(music) == before
    assert len(build_gallery(music, music / "gallery", embedder)) == 9


def test_a_table_that_is_asked_for_has_to_be_there(music: Path, tmp_path: Path, embedder: Bands) -> None:
    with pytest.raises(InputError, match=r"typo.tsv: there is no such table"):
        build_gallery(music, tmp_path / "out", embedder, metadata=tmp_path / "typo.tsv")


def test_a_table_whose_files_are_all_missing_is_refused(tmp_path: Path, embedder: Bands) -> None:
    table = tmp_path / "list.csv"
    table.write_text("file\nmissing.wav\n")
    with pytest.raises(InputError, match=r"list.csv: none of its sound files is there"):
        build_gallery(table, tmp_path / "out", embedder)


def test_another_embedding_is_refused_by_its_name(music: Path, tmp_path: Path, embedder: Bands) -> None:
    build_gallery(music, tmp_path / "out", embedder)
    for change, difference in ({"name": "bars"}, "bands, not bars"), ({"window_s": 2.0}, r"window_s 1.0, not 2.0\."):
        other = Bands()
        other.space = replace(Bands.space, **change)
        with pytest.raises(InputError, match=f"built with {difference}"):
            build_gallery(music, tmp_path / "out", other)


@pytest.mark.parametrize("left", [None, "{", "[]"])
def test_a_description_that_is_lost_is_made_again_with_a_word(
    left: str | None, music: Path, tmp_path: Path, embedder: Bands
) -> None:
    out = tmp_path / "out"
    build_gallery(music, out, embedder)
    (out / "gallery.json").unlink()
    if left is not None:
        (out / "gallery.json").write_text(left)
    with pytest.warns(Brain2MusicWarning, match=r"gallery.json is (gone|damaged); tracks of other folders"):
        assert len(build_gallery(music, out, embedder)) == 9
