"""A copy of GTZAN is told from a damaged, a converted and an incomplete one."""

import hashlib
import json
import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from brain2music import InputError
from brain2music.study.downloads import check_gtzan
from brain2music.study.downloads.gtzan import CORRUPT, GENRES, RATE, read_checksums

TRACKS = ("blues.00000", "blues.00001", "jazz.00053", CORRUPT)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Four tracks of a copy."""
    for number, track in enumerate(TRACKS):
        write(tmp_path / "genres" / track.partition(".")[0] / f"{track}.wav", number)
    return tmp_path / "genres"


def write(path: Path, seed: int, seconds: float = 30.0, rate: int = RATE, channels: int = 1) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).normal(0, 0.1, (round(seconds * rate), channels))
    soundfile.write(path, noise, rate)


def codes(folder: Path, **more: Path) -> list[str]:
    """What is found besides that tracks are missing."""
    findings = check_gtzan(folder, **more)
    return [f"{each.severity} {each.code}" for each in findings if each.code != "gtzan-missing"]


def of(folder: Path, code: str, **more: Path) -> str:
    return next(str(each) for each in check_gtzan(folder, **more) if each.code == code)


def test_a_good_copy_lacks_what_it_lacks(copy: Path) -> None:
    assert codes(copy) == []
    assert "996 of 1000 tracks are missing: blues.00002, blues.00003" in of(copy, "gtzan-missing")


def test_a_whole_copy_is_without_findings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("brain2music.study.downloads.gtzan.PER_GENRE", 1)
    for number, genre in enumerate(GENRES):
        write(tmp_path / genre / f"{genre}.00000.wav", number)
    assert check_gtzan(tmp_path) == []


@pytest.mark.parametrize(("track", "severity"), [("blues.00000", "error"), (CORRUPT, "warning")])
@pytest.mark.parametrize(
    ("body", "code", "says"),
    [
        (b"", "gtzan-content", "the file is empty"),
        (b"<html><head><title>Not found</title>", "gtzan-content", r"a web page \(Not found\)"),
        (b"/annex/objects/MD5E-s1--0.wav\n", "gtzan-content", "git-annex has not fetched"),
        (b"RIFF" + bytes(2000), "gtzan-damaged", "."),
    ],
)
def test_files_that_are_no_sound(body: bytes, code: str, says: str, track: str, severity: str, copy: Path) -> None:
    (copy / track.partition(".")[0] / f"{track}.wav").write_bytes(body)
    assert codes(copy) == [f"{severity} {code}"]
    text = of(copy, code)
    assert ("corrupt in copies that circulate" in text) == (track == CORRUPT)
    assert re.search(says, text)


def test_lengths_rates_and_silence(copy: Path) -> None:
    write(copy / "blues" / "blues.00000.wav", 0, seconds=12.0)
    write(copy / "blues" / "blues.00001.wav", 1, rate=44_100, channels=2)
    soundfile.write(copy / "jazz" / "jazz.00053.wav", np.zeros(30 * RATE), RATE)
    assert codes(copy) == ["error gtzan-length", "warning gtzan-converted", "error gtzan-silent"]


def test_names_are_those_of_gtzan(copy: Path) -> None:
    write(copy / "hip-hop" / "hip-hop.00007.wav", 9)
    write(copy / "jazz" / "jazz.00053.au", 2)
    write(copy / "blues" / "blues.00100.wav", 8)
    write(copy / "mine.wav", 7)
    assert sorted(codes(copy)) == ["warning gtzan-other", "warning gtzan-spelling", "warning gtzan-twice"]
    assert "blues.00100.wav, mine.wav" in of(copy, "gtzan-other")


def test_tracks_of_the_same_sound_are_reported_in_whatever_format(copy: Path) -> None:
    samples, rate = soundfile.read(copy / "blues" / "blues.00000.wav", dtype="int16")
    soundfile.write(copy / "blues" / "blues.00002.flac", samples, rate)
    assert "1 groups of tracks are the same sound: blues.00000 = blues.00002" in of(copy, "gtzan-repeated")


def checksum_file(folder: Path, tracks: Iterable[str], algorithm: str, wrong: str = "") -> str:
    lines = []
    for track in tracks:
        path = folder / track.partition(".")[0] / f"{track}.wav"
        value = hashlib.new(algorithm, path.read_bytes() + (b"x" if track == wrong else b"")).hexdigest()
        lines.append(f"{value}  genres/{path.parent.name}/{path.name}")
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha256"])
def test_bytes_are_compared_with_checksums(algorithm: str, copy: Path, tmp_path: Path) -> None:
    file = tmp_path / "sums.txt"
    file.write_text(checksum_file(copy, TRACKS, algorithm))
    assert codes(copy, checksums=file) == []
    file.write_text(checksum_file(copy, TRACKS, algorithm, wrong="blues.00001"))
    assert codes(copy, checksums=file) == ["warning gtzan-checksum"]
    assert "blues.00001 has other bytes" in of(copy, "gtzan-checksum", checksums=file)


def test_checksums_of_another_format_are_told_from_damage(copy: Path, tmp_path: Path) -> None:
    (tmp_path / "sums.txt").write_text("".join(f"{i:032x} *{track}.au\n" for i, track in enumerate(TRACKS)))
    assert codes(copy, checksums=tmp_path / "sums.txt") == ["warning gtzan-checksums"]


def test_the_index_of_mirdata_is_read(copy: Path, tmp_path: Path) -> None:
    """Its form: tracks, of each the file of its sound with the MD5, and those of annotations."""
    tracks = {}
    for track in TRACKS:
        name = f"{track.partition('.')[0]}/{track}.wav"
        value = hashlib.md5((copy / name).read_bytes()).hexdigest()
        tracks[track] = {"audio": [f"gtzan_genre/genres/{name}", value], "beats": ["x.beats", "0" * 32], "tempo": None}
    file = tmp_path / "gtzan_genre_index_1.0.json"
    file.write_text(json.dumps({"version": "1.0", "tracks": tracks}))
    assert set(read_checksums(file)) == set(TRACKS)
    assert codes(copy, checksums=file) == []


@pytest.mark.parametrize("text", ["", "no checksums", '{"tracks": []}', '{"tracks": {"a": {"audio": [1, 2]}}}', "{"])
def test_files_without_checksums_are_refused(text: str, copy: Path, tmp_path: Path) -> None:
    (tmp_path / "sums").write_text(text)
    with pytest.raises(InputError):
        check_gtzan(copy, checksums=tmp_path / "sums")


def test_songs_that_recur_are_reported(copy: Path, tmp_path: Path) -> None:
    index = tmp_path / "GTZANindex.txt"
    lines = ["blues.00000.wav ::: John Lee Hooker ::: Boom Boom", "jazz.00053.wav ::: john lee hooker ::: Boom boom!"]
    index.write_text("\n".join([*lines, "blues.00001.wav ::: John Lee Hooker ::: Dimples"]))
    assert "1 groups of tracks are of the same song, by the index: blues.00000 = jazz.00053" in of(
        copy, "gtzan-songs", track_index=index
    )


def test_no_copy(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="GTZAN is not downloaded"):
        check_gtzan(tmp_path / "nowhere")
    assert [each.code for each in check_gtzan(tmp_path)] == ["gtzan-missing"]


@pytest.mark.real_data
def test_real_recordings(real_data: Path) -> None:
    """Fifty recordings of GTZAN, as Vorbis of 17 to 30 s: readable, at the right rate, no two alike."""
    found = check_gtzan(real_data / "gtzan" / "dev", track_index=real_data / "gtzan" / "GTZANindex.txt")
    assert {each.code for each in found} <= {"gtzan-missing", "gtzan-length", "gtzan-songs"}
    assert "950 of 1000" in next(each.what for each in found if each.code == "gtzan-missing")
