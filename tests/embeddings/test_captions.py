"""Captions of the clips: the byte-order mark, the mistaken id, and what is refused."""

import numpy as np
import pytest

from brain2music._utils.errors import InputError
from brain2music.embeddings import EmbeddingSpace, embed_captions, read_captions, with_captions
from brain2music.study import Clip

GOOD = '\ufeffID,DescEN\nblues.00017_15s,A slow blues.\ndisco.000011_15s,"Disco, with strings."\n'


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "captions.csv"
    path.write_text(GOOD, encoding="utf-8")
    return path


def test_they_are_read(file):
    assert read_captions(file) == {"blues.00017": "A slow blues.", "disco.00011": "Disco, with strings."}


def test_clips_get_theirs(file):
    clips = (Clip("disco.00011", 3.0, 18.0), Clip("blues.00017", 0.0, 15.0, genre="blues"))
    found = with_captions(clips, read_captions(file))
    assert [clip.caption for clip in found] == ["Disco, with strings.", "A slow blues."]
    assert found == clips
    with pytest.raises(InputError, match=r"no caption for rock.00001 \(1 such"):
        with_captions([Clip("rock.00001", 0.0, 15.0)], read_captions(file))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("ID,Desc\na,b\n", "no column DescEN"),
        ("ID,DescEN\na_15s, \n", "caption of a is empty"),
        ("ID,DescEN\na_15s,x\na,y\n", "a has two captions"),
        ("", "not a table of captions"),
    ],
)
def test_other_tables_are_refused(file, text, reason):
    file.write_text(text)
    with pytest.raises(InputError, match=reason):
        read_captions(file)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none.csv: the file of captions is missing"):
        read_captions(tmp_path / "none.csv")


class _Lengths:
    """Embeds a text by its length."""

    space = EmbeddingSpace("lengths", "1", "none", 1, 15.0, 1.5, 0)

    def embed_text(self, texts: list[str]) -> np.ndarray:
        return np.array([[len(text)] for text in texts], np.float32)


def test_they_are_embedded_in_order():
    clips = [Clip("a", 0.0, 1.0, caption="one"), Clip("b", 0.0, 1.0, caption="three")]
    np.testing.assert_array_equal(embed_captions(clips, _Lengths()), [[3], [5]])
    with pytest.raises(InputError, match=r"clip c_0-1 has no caption"):
        embed_captions([*clips, Clip("c", 0.0, 1.0)], _Lengths())


@pytest.mark.real_data
def test_the_published_ones_are_540(real_data):
    captions = read_captions(real_data / "gtzan" / "captions.csv")
    assert len(captions) == 540
    assert "disco.00011" in captions
    assert all(track.split(".")[1].isdigit() and len(track.split(".")[1]) == 5 for track in captions)
    words = [len(text.split()) for text in captions.values()]
    assert np.mean(words) == pytest.approx(45.8, abs=0.1)
