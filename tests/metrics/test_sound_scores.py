"""Two folders of sound: how they are matched, every score of them, and the command."""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from brain2music._utils.errors import InputError
from brain2music.audio.io import write_audio
from brain2music.cli import main
from brain2music.metrics import METRICS, match_sounds, read_scores, score_sounds
from brain2music.simulation.music.compose import compose_piece
from brain2music.simulation.music.render import render_piece
from tests.models.adapters import tiny_hub

RATE = 22_050
NAMES = ("blues.1", "disco.1", "jazz.1", "metal.1", "pop.1", "rock.1", "rock.2")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Composed pieces, what was made for them (the same at another level, in two samples), and captions."""
    root = tmp_path_factory.mktemp("sounds")
    rng = np.random.default_rng(0)
    for number, name in enumerate(NAMES):
        piece = compose_piece(name.split(".")[0], np.random.default_rng([3, number]), 4.0)
        sound = render_piece(piece, RATE)[: 4 * RATE]
        write_audio(root / "heard" / f"{name}.wav", sound, RATE)
        for sample in range(2):
            noisy = 0.5 * sound + 0.01 * rng.normal(size=len(sound))
            write_audio(root / "made" / f"{name}-{sample}.flac", noisy.astype(np.float32), RATE)
    rows = pd.DataFrame({"ID": NAMES, "DescEN": [f"a piece of {name[:-2]}" for name in NAMES]})
    rows.to_csv(root / "captions.csv", index=False)
    return root


def test_files_are_matched_by_the_longest_name_that_fits(tmp_path: Path) -> None:
    for name in ("heard/a", "heard/a-1", "heard/b", "made/a-1", "made/a-1-0", "made/a_x", "made/c", "made/b"):
        write_audio(tmp_path / f"{name}.wav", np.zeros(100), RATE)
    found = match_sounds(tmp_path / "made", tmp_path / "heard")
    made = {pair.name: [file.stem for file in pair.made] for pair in found.pairs}
    assert made == {"a": ["a_x"], "a-1": ["a-1", "a-1-0"], "b": ["b"]}
    assert [why for _, why in found.left_out] == ["c.wav: no reference has this name"]


def test_a_table_matches_whatever_names(tmp_path: Path, folders: Path) -> None:
    table = tmp_path / "pairs.tsv"
    rows = [("rock.1-0.flac", "blues.1.wav", "blues"), ("rock.1-1.flac", "blues.1.wav", "blues")]
    rows.append(("pop.1-0.flac", "jazz.1.wav", "jazz"))
    pd.DataFrame(rows, columns=["made", "reference", "genre"]).to_csv(table, sep="\t", index=False)
    pairs = match_sounds(folders / "made", folders / "heard", table).pairs
    assert [(pair.name, len(pair.made), pair.genre) for pair in pairs] == [
        ("blues.1", 2, "blues"),
        ("jazz.1", 1, "jazz"),
    ]
    table.write_text("made\treference\nnone.wav\tjazz.1.wav\n")
    with pytest.raises(InputError, match=r"none\.wav, which is not there"):
        match_sounds(folders / "made", folders / "heard", table)
    table.write_text("a\tb\n")
    with pytest.raises(InputError, match="no column made"):
        match_sounds(folders / "made", folders / "heard", table)


def test_sounds_that_do_not_belong_together_are_refused(tmp_path: Path, folders: Path) -> None:
    write_audio(tmp_path / "else.wav", np.zeros(100), RATE)
    with pytest.raises(InputError, match="0 of the references have a sound"):
        match_sounds(tmp_path, folders / "heard")


@pytest.mark.slow
def test_the_command_scores_everything_beside_chance(
    folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny_hub.clap(tmp_path / "models" / "clap-music")
    tiny_hub.ast(tmp_path / "models" / "ast")
    monkeypatch.setenv("BRAIN2MUSIC_MODELS", str(tmp_path / "models"))
    words = [
        "score",
        folders / "made",
        folders / "heard",
        "-o",
        tmp_path / "out",
        "--captions",
        folders / "captions.csv",
    ]
    words += ["--judge", "clap-music", "--judge", "ast", "--judge", "musicnn-tags", "--n-permutations", "199"]
    monkeypatch.setattr(sys, "argv", ["brain2music", *map(str, words)])
    with pytest.raises(SystemExit) as stop:
        main()
    shown = capsys.readouterr()
    assert (stop.value.code or 0) == 0, shown.err
    scores = read_scores(tmp_path / "out" / "scores.json")
    found = {(score.metric, score.judge): score for score in scores}
    assert {metric for metric, _ in found} <= set(METRICS)
    assert len(found) == len(scores)
    for judge in ("clap-music", "ast"):
        assert found["identification", judge].value > 0.5
    for key in (
        ("class_agreement_genre", "ast"),
        ("class_agreement_mood", "musicnn-tags"),
        ("clap_score", "clap-music"),
    ):
        assert found[key].n == len(NAMES)
    for metric in ("chroma_agreement", "melody_agreement", "chord_agreement", "spectrogram_ssim", "beat_agreement"):
        (score,) = [score for score in scores if score.metric == metric]
        assert score.value > score.chance, metric
        assert score.p is not None
        assert score.low is not None
        assert score.low <= score.value <= score.high, metric
    for judge in ("ast", "musicnn-tags"):
        score = found["class_divergence", judge]
        assert 0 <= score.value < score.chance
        assert score.low <= score.value <= score.high
    assert {"kernel_distance", "frechet", "frechet_limit"} <= {score.metric for score in scores}
    table = pd.read_csv(tmp_path / "out" / "scores.tsv", sep="\t")
    assert list(table["metric"]) == [score.metric for score in scores]
    assert len(shown.out.splitlines()) == len(scores) + 2
    provenance = json.loads((tmp_path / "out" / "scores_provenance.json").read_text())
    assert len(provenance["sounds"]) == 3 * len(NAMES)


def test_one_sample_gives_the_whole_family(folders: Path, tmp_path: Path) -> None:
    table = tmp_path / "pairs.csv"
    rows = [(f"{name}-0.flac", f"{name}.wav", name[:-2]) for name in NAMES]
    pd.DataFrame(rows, columns=["made", "reference", "genre"]).to_csv(table, index=False)
    pairs = match_sounds(folders / "made", folders / "heard", table).pairs
    done: list[int] = []
    scores = score_sounds(pairs, judges=["logmel"], n_permutations=99, progress=lambda at, of: done.append(at))
    assert done == list(range(1, 2 * len(NAMES) + 1))
    family = {score.metric: score for score in scores if score.judge == "logmel" and score.group == "all"}
    assert family["identification"].value > 0.8
    assert family["top1"].chance == pytest.approx(1 / len(NAMES))
    assert family["identification_within_genre"].n == 2
    with pytest.raises(InputError, match="no judge embeds text"):
        score_sounds(pairs, judges=["logmel"], captions=dict.fromkeys(NAMES, "music"))
    with pytest.raises(InputError, match=r"no caption for blues\.1"):
        score_sounds(pairs, judges=["logmel"], captions={"jazz.1": "jazz"})
    with pytest.raises(InputError, match="there is no embedding 'nothing'"):
        score_sounds(pairs, judges=["nothing"])
