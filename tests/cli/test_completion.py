"""What the shell completes: commands, options, and names of embeddings, decoders and generators."""

import sys

import pytest

from brain2music.cli import main
from brain2music.cli.completion import POSTPROCESSING, REGRESSORS, complete_decoder, complete_generator
from brain2music.decoding import decoder_options
from brain2music.models.catalogue import EMBEDDINGS


def completed(line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The words that bash is offered for the last word of a line."""
    monkeypatch.setattr(sys, "argv", ["brain2music"])
    monkeypatch.setenv("_BRAIN2MUSIC_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(len(line.split(" ")) - 1))
    with pytest.raises(SystemExit) as stop:
        main()
    assert not stop.value.code
    return capsys.readouterr().out.split()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("brain2music run-", {"run-arrays"}),
        ("brain2music run --embedding mfcc", {name for name in EMBEDDINGS if name.startswith("mfcc")}),
        ("brain2music check s o participant --generator music", {"musiclm-small"}),
        ("brain2music run --decoder selected+wh", {"selected+whitened"}),
        ("brain2music run --between-subject p", {"procrustes"}),
        ("brain2music run --detrend m", {"median"}),
        ("brain2music embed a.wav --embedding yam", {"yamnet"}),
    ],
)
def test_words_are_completed(
    line: str, words: set[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert set(completed(line, monkeypatch, capsys)) == words


def test_settings_are_among_the_options_that_are_completed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    found = completed("brain2music run b o participant --n-perm", monkeypatch, capsys)
    assert set(found) == {"--n-permutations", "--n-permuted-fits"}


def test_decoders_are_completed_as_they_are_called() -> None:
    assert {*REGRESSORS, *POSTPROCESSING} == set(decoder_options())
    assert set(complete_decoder("ridge+")) == {f"ridge+{name}" for name in POSTPROCESSING}
    assert list(complete_generator("no")) == []
