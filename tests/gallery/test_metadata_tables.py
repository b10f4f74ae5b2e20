"""Tables of FMA, MTG-Jamendo and our own, written as they are published."""

from pathlib import Path

import pandas as pd
import pytest

from brain2music._utils.errors import InputError
from brain2music.gallery.metadata_tables import creative_commons, read_metadata
from brain2music.gallery.tracks import list_tracks

from .conftest import write_tone

FMA_TRACKS = """\
,album,artist,set,track,track,track,track
,title,name,subset,genre_top,genres,license,title
track_id,,,,,,,
2,AWOL,Ann,small,Hip-Hop,[21],Attribution-NonCommercial-ShareAlike 3.0 International,Food
5,AWOL,"Bob, Jr.",large,,"[7, 21]",Creative Commons Attribution,Ölung
1010,X,Cy,large,,[],Public Domain,This
"""

JAMENDO = """\
TRACK_ID\tARTIST_ID\tALBUM_ID\tPATH\tDURATION\tTAGS
track_0000214\tartist_000014\talbum_000031\t14/214.mp3\t124.6\tgenre---punkrock\tmood/theme---happy
track_0000215\tartist_000014\talbum_000031\t15/215.mp3\t151.4\tinstrument---guitar\tgenre---metal\tgenre---rock
"""


@pytest.fixture
def fma(tmp_path: Path) -> Path:
    """FMA's folders with its two tables, as it unpacks."""
    for track in (2, 5, 1010):
        write_tone(tmp_path / "fma_small" / f"{track // 1000:03d}" / f"{track:06d}.wav", 300 + track, 1.0)
    (tmp_path / "fma_metadata").mkdir()
    (tmp_path / "fma_metadata" / "tracks.csv").write_text(FMA_TRACKS)
    genres = "genre_id,#tracks,parent,title,top_level\n7,1,21,Trip-Hop,21\n21,9,0,Hip-Hop,21\n"
    (tmp_path / "fma_metadata" / "genres.csv").write_text(genres)
    return tmp_path


@pytest.mark.parametrize("below", ["", "fma_small"])
def test_fma_is_known_by_its_layout(below: str, fma: Path) -> None:
    corpus = list_tracks(fma / below)
    tracks = corpus.tracks
    assert corpus.root == fma / below
    assert list(tracks["path"])[-1].endswith("001/001010.wav")
    assert list(tracks["title"]) == ["Food", "Ölung", "This"]
    assert list(tracks["artist"]) == ["Ann", "Bob, Jr.", "Cy"]
    assert list(tracks["genre"]) == ["Hip-Hop", "Hip-Hop", ""]
    assert list(tracks["licence"]) == ["CC-BY-NC-SA-3.0", "CC-BY", "Public Domain"]


def test_jamendo_with_and_without_its_tables_beside(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    table = tmp_path / "data" / "raw_30s_cleantags.tsv"
    table.write_text(JAMENDO)
    for name in ("14/214.low.wav", "15/215.wav"):
        write_tone(tmp_path / "audio" / name, 440, 1.0)
    bare = list_tracks(tmp_path / "audio", table).tracks
    assert list(bare["artist"]) == ["artist_000014"] * 2
    assert list(bare["genre"]) == ["punkrock", "metal"]
    assert list(bare["licence"]) == ["unknown"] * 2
    meta = 'TRACK_ID\tARTIST_ID\tTRACK_NAME\tARTIST_NAME\ntrack_0000214\tartist_000014\tA "Song\tJo\n'
    (tmp_path / "data" / "raw.meta.tsv").write_text(meta)
    licences = "14/214.mp3\nA Song by Jo from Jamendo: http://www.jamendo.com/track/214\nAvailable under a Creative "
    licences += "Commons Attribution-ShareAlike license: http://creativecommons.org/licenses/by-sa/3.0/\n\n"
    (tmp_path / "audio_licenses.txt").write_text(licences)
    full = list_tracks(tmp_path / "audio", table).tracks
    assert full.loc[0, ["title", "artist", "licence"]].tolist() == ['A "Song', "Jo", "CC-BY-SA-3.0"]
    assert full.loc[1, ["title", "licence"]].tolist() == ["track_0000215", "unknown"]


@pytest.mark.parametrize("suffix", [".tsv", ".csv", ".parquet"])
def test_a_table_of_files_is_a_corpus(suffix: str, music: Path, tmp_path: Path) -> None:
    files = ["music/rock/a.wav", str(music / "album" / "x.wav"), "music/absent.wav"]
    table = pd.DataFrame({"path": files, "license": ["CC0-1.0", None, "CC-BY-4.0"]})
    manifest = tmp_path / f"files{suffix}"
    if suffix == ".parquet":
        table.to_parquet(manifest)
    else:
        table.to_csv(manifest, sep="," if suffix == ".csv" else "\t", index=False)
    corpus = list_tracks(manifest)
    tracks = corpus.tracks
    assert corpus.root == tmp_path
    assert list(tracks["path"]) == ["music/rock/a.wav", "music/album/x.wav", "music/absent.wav"]
    assert list(tracks["licence"]) == ["CC0-1.0", "unknown", "CC-BY-4.0"]
    assert list(tracks["bytes"] > 0) == [True, True, False]


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("Attribution-Noncommercial-No Derivative Works 3.0 United States", "CC-BY-NC-ND-3.0"),
        ("Attribution 4.0 International", "CC-BY-4.0"),
        ("see http://creativecommons.org/licenses/by-nc-sa/2.5/ch/", "CC-BY-NC-SA-2.5"),
        ("CC0 1.0 Universal", "CC0 1.0 Universal"),
        ("", ""),
    ],
)
def test_licences_have_short_names(text: str, short: str) -> None:
    assert creative_commons(text) == short


@pytest.mark.parametrize(
    ("name", "text"),
    [("t.parquet", "not parquet"), ("t.csv", ',a,b\n,c,d\nx,"[1'), ("t.tsv", "TRACK_ID\tX\tPATH\tY\nshort\trow\n")],
)
def test_damaged_tables_are_named(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match="cannot be read") as caught:
        read_metadata(tmp_path / name)
    assert caught.value.file == tmp_path / name
