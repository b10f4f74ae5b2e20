"""Duplicates against planted ones: same sound and length only, first of a group stays, marks reach the search."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from brain2music._utils.errors import InputError
from brain2music.gallery import Gallery, build_gallery, find_duplicates, mark_duplicates

from .conftest import Bands, write_tone


@pytest.fixture
def gallery(music: Path, tmp_path: Path, embedder: Bands) -> Gallery:
    """Of rock/a a copy, one coded anew and a longer one that begins alike."""
    sound, rate = soundfile.read(music / "rock" / "a.wav")
    shutil.copy(music / "rock" / "a.wav", music / "rock" / "copy.wav")
    soundfile.write(music / "tango" / "coded.flac", sound, rate)
    soundfile.write(music / "album" / "longer.wav", np.tile(sound, 2), rate)
    return build_gallery(music, tmp_path / "out", embedder, seconds=3.0)


def test_the_same_sound_of_the_same_length_is_found(gallery: Gallery) -> None:
    found = find_duplicates(gallery, cosine=0.99999).set_index("track")
    assert dict(found["duplicate_of"]) == {"rock/copy": "rock/a", "tango/coded": "rock/a"}
    assert found.loc["rock/copy", ["cosine", "seconds"]].tolist() == [1, 0]
    loose = find_duplicates(gallery, cosine=0.99999, seconds=5.0)
    assert set(loose["duplicate_of"]) == {"album/longer"}
    assert set(loose["track"]) == {"rock/a", "rock/copy", "tango/coded"}


def test_marks_can_be_left_out_of_a_search(gallery: Gallery) -> None:
    mark_duplicates(gallery, cosine=0.99999)
    marked = Gallery.open(gallery.folder)
    assert marked.tracks.set_index("track").loc["rock/copy", "duplicate_of"] == "rock/a"
    where = marked.select(duplicates=False)
    assert set(marked.tracks["track"][~where]) == {"rock/copy", "tango/coded"}
    row = list(marked.tracks["track"]).index("rock/copy")
    hits = marked.nearest(np.array(marked.vectors[row : row + 1]), 3, space=marked.space, where=where)
    assert where[hits.indices].all()
    assert marked.select().all()


def test_marks_hold_while_both_recordings_are_what_they_were(gallery: Gallery, music: Path, embedder: Bands) -> None:
    mark_duplicates(gallery, cosine=0.99999)
    write_tone(music / "rock" / "copy.wav", 3950)
    marked = build_gallery(music, gallery.folder, embedder, seconds=3.0).tracks.set_index("track")["duplicate_of"]
    assert (marked["rock/copy"], marked["tango/coded"]) == ("", "rock/a")
    (music / "rock" / "a.wav").unlink()
    assert set(build_gallery(music, gallery.folder, embedder, seconds=3.0).tracks["duplicate_of"]) == {""}


def test_impossible_limits_are_refused(gallery: Gallery) -> None:
    for limits in ((0.0, 1.0), (1.1, 1.0), (0.9, -1.0)):
        with pytest.raises(InputError, match="cannot be"):
            find_duplicates(gallery, *limits)
