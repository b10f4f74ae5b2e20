"""Names stay apart where what they name is apart, and stay plain where nothing is in their way."""

import pytest

from brain2music._utils.names import LONGEST, file_name, safe_name, unique_names
from brain2music.study.study import Clip, name_clips


@pytest.mark.parametrize(
    "texts",
    [
        ["piece 0!.ogg", "piece 0#.ogg"],
        ["Song.wav", "song.wav"],
        ["a/b", "a_b", "a-b", "a b"],
        ["!!!", "???"],
        ["\u00e9tude", "e\u0301tude"],  # composed and decomposed
        ["कि", "का"],  # vowel signs are no letters
        ["x" * 300, "x" * 301, "夜" * 100],
        ["\udcff", "\udcfe"],  # bytes that are no UTF-8
        ["piece-0", "piece-0!", "piece-0-" + "0" * 8],
    ],
)
def test_names_are_unique_and_fit_any_file_system(texts: list[str]) -> None:
    names = unique_names({text: text for text in texts})
    assert len({name.casefold() for name in names.values()}) == len(texts)
    assert len({file_name(text).lower() for text in texts}) == len(texts)
    for name in [*names.values(), *map(file_name, texts)]:
        assert safe_name(name) == name != ""
        assert len(name.encode()) <= LONGEST
    assert unique_names({text: text for text in reversed(texts)}) == names


def test_plain_names_stay_as_they_are() -> None:
    plain = ["blues.00017_6.44-21.44", "夜曲_0-4", "Ärger_0-4"]
    assert unique_names({text: text for text in plain}) == {text: text for text in plain}
    assert unique_names({"a/b c": "a/b c"}) == {"a/b c": "a-b-c"}
    assert file_name("blues.00017") == "blues.00017"


def test_a_taken_name_with_a_digest_is_given_another() -> None:
    crowded = unique_names({"a!": "a!", "a#": "a#"})
    intruder = crowded["a!"]
    names = unique_names({"a!": "a!", "a#": "a#", intruder: intruder})
    assert len(set(names.values())) == 3


def test_clips_of_like_names_are_labelled_and_others_are_not() -> None:
    alike = [Clip("piece 0!.ogg", 0.0, 4.0), Clip("piece 0#.ogg", 0.0, 4.0), Clip("long", 1000.001, 1010.001)]
    alike += [Clip("long", 1000.002, 1010.002), Clip("other song.ogg", 0.0, 4.0)]
    labels = name_clips(alike)
    assert len({labels.get(clip, clip.name) for clip in alike}) == len(alike)
    assert alike[-1] not in labels
    assert labels == name_clips(reversed(alike))
