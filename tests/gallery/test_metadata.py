"""Tables of tracks: quotes as they are, and rows about no file or about several are said and not used."""

import csv
from pathlib import Path

import pandas as pd
import pytest

from brain2music._utils.errors import Brain2MusicWarning, InputError
from brain2music.gallery.metadata_tables import read_metadata
from brain2music.gallery.text_tables import read_text_table
from brain2music.gallery.tracks import list_tracks

from .conftest import write_tone

TITLES = [
    '"Heroes"',
    '"Heroes" (live)',
    '12" mix',
    "Rock 'n' Roll",
    "'Round Midnight",
    'The "A" Train',
    '"',
    '""',
    '"a',
    'b"',
]


def test_titles_in_tsv_are_as_they_are_written(tmp_path: Path) -> None:
    file = tmp_path / "t.tsv"
    rows = "".join(f"{number}.wav\t{title}\tx\n" for number, title in enumerate(TITLES))
    file.write_text(f"file\ttitle\tlicence\n{rows}", encoding="utf-8")
    table = read_metadata(file)
    assert list(table["title"]) == TITLES
    assert set(table["licence"]) == {"x"}


@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
@pytest.mark.parametrize(("suffix", "separator"), [(".tsv", "\t"), (".csv", ","), (".csv", ";")])
def test_titles_that_a_spreadsheet_quoted_lose_its_quotes(
    suffix: str, separator: str, quoting: int, tmp_path: Path
) -> None:
    titles = [title for title in TITLES if title != '""'] + ["a\tb", "a, b; c", "Ünï"]
    table = pd.DataFrame({"file": [f"{n}.wav" for n in range(len(titles))], "title": titles})
    table.to_csv(tmp_path / f"t{suffix}", sep=separator, index=False, quoting=quoting, encoding="utf-8-sig")
    assert list(read_metadata(tmp_path / f"t{suffix}")["title"]) == titles


def test_quotes_by_hand_in_csv_swallow_no_lines(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('file,title\na.wav,"Heroes" (live)\nb.wav,"One\nc.wav,Two\n')
    assert list(read_metadata(tmp_path / "t.csv")["title"]) == ['"Heroes" (live)', '"One', "Two"]


def test_lines_may_be_short_but_not_long(tmp_path: Path) -> None:
    (tmp_path / "t.tsv").write_text("file\ttitle\tgenre\r\na.wav\tA\r\n\r\nb.wav\tB\tpop\t\t\r\n")
    assert read_text_table(tmp_path / "t.tsv").iloc[:, 2].tolist() == ["", "pop"]
    for suffix, mark in ((".tsv", "\t"), (".csv", ",")):
        file = tmp_path / f"long{suffix}"
        file.write_text(f'file{mark}title\na.wav{mark}"B{mark}C\n')
        with pytest.raises(InputError, match="line 2 has 3 fields, the heading 2"):
            read_text_table(file)


def test_rows_about_no_file_or_several_are_said_and_not_used(tmp_path: Path) -> None:
    for number, name in enumerate(["a/intro.wav", "b/intro.wav", "b/end.wav", "top.wav"]):
        write_tone(tmp_path / "m" / name, 300 + 100 * number, 1.0)
    (tmp_path / "t.tsv").write_text("file\ttitle\nintro.wav\tIntro\nend\tEnd\nnone.wav\tNone\nx/top.wav\tTop\n")
    with pytest.warns(Brain2MusicWarning) as warned:
        tracks = list_tracks(tmp_path / "m", tmp_path / "t.tsv").tracks
    assert list(tracks["title"]) == ["intro", "End", "intro", "top"]
    none, several = (str(warning.message) for warning in warned)
    assert "2 of 4 rows name no sound file of their own (none.wav, x/top.wav)" in none
    assert "1 rows name several sound files each, and are not used" in several
    assert "(intro.wav: a/intro.wav, b/intro.wav)" in several


def test_a_row_about_a_path_is_about_that_path_alone(tmp_path: Path) -> None:
    for number, name in enumerate(["x.wav", "sub/x.wav", "sub/y.flac", "sub/y.wav"]):
        write_tone(tmp_path / "m" / name, 300 + 100 * number, 1.0)
    (tmp_path / "t.tsv").write_text("file\ttitle\nx.wav\tX\nsub/y\tY\n")
    assert list(list_tracks(tmp_path / "m", tmp_path / "t.tsv").tracks["title"]) == ["x", "Y", "Y", "X"]


@pytest.mark.parametrize("name", ["./sub/é.wav", "sub\\é.wav", "sub/e\u0301.wav", " sub/é.wav ", "{root}/sub/é.wav"])
def test_paths_are_understood_however_they_are_written(name: str, tmp_path: Path) -> None:
    write_tone(tmp_path / "m" / "sub" / "é.wav", 300, 1.0)
    write_tone(tmp_path / "m" / "é.wav", 400, 1.0)
    (tmp_path / "t.tsv").write_text(f"file\ttitle\n{name.format(root=tmp_path / 'm')}\tFound\n", encoding="utf-8")
    assert list(list_tracks(tmp_path / "m", tmp_path / "t.tsv").tracks["title"]) == ["Found", "é"]


def test_a_file_that_a_table_lists_twice_is_one_track(tmp_path: Path) -> None:
    write_tone(tmp_path / "a.wav", 300, 1.0)
    (tmp_path / "t.tsv").write_text("file\ttitle\na.wav\tA\n./a.wav\tA\n\tNothing\n")
    corpus = list_tracks(tmp_path / "t.tsv")
    assert list(corpus.tracks["title"]) == ["A"]
    assert [why for _, why in corpus.passed_over] == ["a row without a file"]
