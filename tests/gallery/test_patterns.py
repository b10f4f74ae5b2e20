"""Which tracks are meant: by id, path, name, folder or pattern, and which patterns mean none."""

from pathlib import Path

import pytest

from brain2music._utils.errors import Brain2MusicWarning
from brain2music.gallery import build_gallery
from brain2music.gallery.patterns import matching, matching_tracks

from .conftest import Bands

IDS = ["rock/a", "rock/b", "jazz/a", "B/x [live]", "e\u0301"]
PATHS = ["/m/rock/a.wav", "/m/rock/b.flac", "/m/jazz/a.wav", "/B/x [live].wav", "/m/e\u0301.wav"]


@pytest.mark.parametrize(
    ("pattern", "rows"),
    [
        ("rock/a", [0]),
        ("rock/a.wav", [0]),
        ("/m/rock/a.wav", [0]),
        ("./rock/a.wav", [0]),
        ("a", [0, 2]),
        ("b.flac", [1]),
        ("rock/", [0, 1]),
        ("/m/*", [0, 1, 2, 4]),
        ("*.wav", [0, 2, 3, 4]),
        ("rock/?", [0, 1]),
        ("x [live]", [3]),
        ("x [live].wav", [3]),
        ("é", [4]),
        ("ock/a", []),
        ("A", []),
        ("none*", []),
    ],
)
def test_ids_paths_names_and_patterns_all_work(pattern: str, rows: list[int]) -> None:
    mask, unmatched = matching_tracks(IDS, PATHS, [pattern])
    assert mask.nonzero()[0].tolist() == rows
    assert unmatched == ([] if rows else [pattern])


def test_paths_from_the_folder_worked_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "m" / "sub").mkdir(parents=True)
    (tmp_path / "m" / "a.wav").touch()
    ids, paths = ["a", "sub/b"], [str(tmp_path / "m" / "a.wav"), str(tmp_path / "m" / "sub" / "b.wav")]
    monkeypatch.chdir(tmp_path / "m" / "sub")
    assert matching_tracks(ids, paths, ["../a.wav"])[0].tolist() == [True, False]
    assert matching_tracks(ids, paths, ["."])[0].tolist() == [False, True]


def test_case_does_not_count_in_licences() -> None:
    mask, unmatched = matching(["CC-BY-4.0", "cc-by-sa-3.0", "CC0"], ["cc-by*", "MIT"])
    assert mask.tolist() == [True, True, False]
    assert unmatched == ["MIT"]


def test_filters_that_match_nothing_are_warned_of(music: Path, tmp_path: Path) -> None:
    gallery = build_gallery(music, tmp_path / "out", Bands())
    with pytest.warns(Brain2MusicWarning, match=r"no track matches genre 'polka', exclude 'none', exclude artist 'Q'"):
        where = gallery.select(genres=["rock", "polka"], exclude=["none", "b.wav"], exclude_artists=["Q"])
    assert list(gallery.tracks["track"][where]) == ["rock/a", "rock/c"]
