"""A run that generates: files for every take, scores from them, a page to listen on, and going on after a stop."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from brain2music._utils.errors import InputError
from brain2music._utils.files import digest_file
from brain2music.brain.source import BidsSource
from brain2music.config import RunConfig
from brain2music.gallery.build import build_gallery
from brain2music.metrics.records import OWN, read_scores, select_scores
from brain2music.models.bridges import Bridge
from brain2music.models.embedders import get_embedder
from brain2music.models.generators import get_generator
from brain2music.pipeline.generation import choose_clips
from brain2music.pipeline.outputs import Outputs
from brain2music.pipeline.run import run_pipeline
from brain2music.report.page import build_report
from tests.study.tiny_study import TinyStudy

CONDITIONS = ("denoised", "decoded", "true")


@pytest.fixture
def study(tmp_path: Path) -> TinyStudy:
    study = TinyStudy(tmp_path / "study")
    study.add_mask()
    return study


def config(generator: Path | str, **changes: object) -> RunConfig:
    """Settings of a quick run that generates two samples per clip."""
    settings = {
        **{
            "embeddings": ("logmel", "mfcc-chroma"),
            "window_s": 1.5,
            "lag_tr": 0,
            "compare_lags_tr": (),
            "n_inner_folds": 2,
        },
        **{
            "n_permutations": 100,
            "fade_s": 0.1,
            "encoding": {"enabled": False},
            "leave_one_genre_out": False,
            "n_permuted_fits": 1,
        },
        **{"generator": str(generator), "n_samples": 2, "duration_s": 1.5},
    }
    return RunConfig.of(**{**settings, **changes})  # type: ignore[arg-type]


def generate(study: TinyStudy, out: Path, settings: RunConfig) -> Outputs:
    return run_pipeline(BidsSource.read(study.root, settings), out, settings)


def test_every_sample_is_a_file_that_is_scored_by_every_embedding(
    study: TinyStudy, generator: Path, tmp_path: Path
) -> None:
    outputs = generate(study, tmp_path / "out", config(generator))
    table = pd.read_parquet(outputs.generated_table("01", "logmel"))
    clips = pd.read_parquet(outputs.similarity("01", "logmel"))["clip"]
    assert len(table) == len(clips) * len(CONDITIONS) * 2
    assert set(table["condition"]) == set(CONDITIONS)
    assert table["file"].is_unique
    assert not outputs.generated_table("01", "mfcc-chroma").exists()
    for file in table["file"]:
        sound = soundfile.info(outputs.root / file)
        assert sound.samplerate == 24_000
        assert sound.frames == 36_000
        source = json.loads((outputs.root / file).with_suffix(".json").read_text())["source"]
        assert source["checkpoint"] == "musiclm-tiny"
    scores = select_scores(read_scores(outputs.scores), stage="generate", metric="identification", **OWN)
    found = {(each.judge, each.condition): each for each in scores}
    assert set(found) == {(judge, each) for judge in ("logmel", "mfcc-chroma") for each in CONDITIONS}
    for (judge, condition), score in found.items():
        assert (score.n, score.chance, score.generator) == (len(clips), 0.5, "musiclm-tiny")
        assert score.decoder == (None if condition == "true" else "ridge")
        assert score.ceiling == (found[judge, "true"].value if condition == "denoised" else None)


def test_a_run_that_was_stopped_makes_only_what_is_missing(study: TinyStudy, generator: Path, tmp_path: Path) -> None:
    outputs = generate(study, tmp_path / "out", config(generator))
    pieces = sorted((outputs.root / "sub-01" / "generated").glob("*.flac"))
    digests, times = [digest_file(path) for path in pieces], [path.stat().st_mtime_ns for path in pieces]
    outputs.generated_table("01", "logmel").unlink()
    pieces[-1].unlink()
    generate(study, tmp_path / "out", config(generator))
    assert [digest_file(path) for path in pieces] == digests
    kept = [path.stat().st_mtime_ns == time for path, time in zip(pieces, times, strict=True)]
    assert not kept[-1]
    assert 0 < sum(kept) < len(kept)


def test_each_window_may_have_its_own_takes(study: TinyStudy, generator: Path, tmp_path: Path) -> None:
    outputs = generate(study, tmp_path / "out", config(generator, conditioning="windows"))
    table = pd.read_parquet(outputs.generated_table("01", "logmel"))
    predictions = pd.read_parquet(outputs.predictions("01", "logmel"))
    assert len(table) == len(CONDITIONS) * 2 * len(predictions)
    assert set(table["window"]) == set(predictions["window"])


def test_the_page_plays_what_was_generated(study: TinyStudy, generator: Path, tmp_path: Path) -> None:
    outputs = generate(study, tmp_path / "out", config(generator))
    build_report(outputs.root)
    page = outputs.page("01").read_text()
    table = pd.read_parquet(outputs.generated_table("01", "logmel"))
    assert all(f'src="{file}"' in page for file in table["file"])
    assert "Generated from the decoded embedding (denoised)" in page
    assert "none was selected" in page
    assert "Music generated from the logmel embedding" in page


def test_a_bridge_leads_from_the_decoded_embedding_into_the_generators(
    study: TinyStudy, generator: Path, tmp_path: Path, rng: np.random.Generator
) -> None:
    source, target = (get_embedder(name, 1.5, 1.5).space for name in ("mfcc-chroma", "logmel"))
    sounds = rng.normal(size=(40, source.dims)).astype(np.float32)
    wanted = (sounds @ rng.normal(size=(source.dims, target.dims))).astype(np.float32)
    bridge = Bridge.fit(source, target, sounds, wanted, np.arange(40))
    folder = bridge.save_pretrained(tmp_path / "bridge")
    settings = config(generator, embeddings=("mfcc-chroma",), n_samples=1, n_clips=2)
    with pytest.raises(InputError, match="the generator takes logmel, which is not decoded"):
        generate(study, tmp_path / "refused", settings)
    outputs = generate(study, tmp_path / "out", settings.changed(bridge=str(folder)))
    table = pd.read_parquet(outputs.generated_table("01", "mfcc-chroma"))
    assert len(table) == 2 * len(CONDITIONS)
    assert set(table["generator"]) == {"musiclm-tiny+bridge"}
    source_of = json.loads((outputs.root / table["file"][0]).with_suffix(".json").read_text())["source"]
    assert source_of["bridge_sha256"] == bridge.sha256
    assert source_of["embedding"] == "mfcc-chroma"
    elsewhere = replace(bridge, target=replace(target, sha256="0" * 64)).save_pretrained(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="the bridge leads to logmel"):
        generate(study, tmp_path / "other", settings.changed(bridge=str(elsewhere)))


@pytest.mark.real_data
def test_a_judge_that_is_not_decoded_scores_sound_and_classes(
    study: TinyStudy, generator: Path, tmp_path: Path, real_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "yamnet").symlink_to(real_data / "yamnet")
    monkeypatch.setenv("BRAIN2MUSIC_MODELS", str(tmp_path / "models"))
    settings = config(generator, embeddings=("logmel",), further_embeddings=("yamnet",), n_samples=1)
    outputs = generate(study, tmp_path / "out", settings)
    scores = select_scores(read_scores(outputs.scores), stage="generate", judge="yamnet", condition="denoised", **OWN)
    assert {score.embedding for score in scores} == {"logmel"}
    by_metric = {score.metric: score for score in scores}
    assert "identification" in by_metric
    for group in ("genre", "instrument", "mood"):
        assert 0 <= by_metric[f"class_agreement_{group}"].chance <= 1
    assert not outputs.predictions("01", "yamnet").exists()


def test_a_generator_of_another_embedding_is_refused(study: TinyStudy, generator: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="takes logmel, which is not decoded"):
        generate(study, tmp_path / "out", config(generator, embeddings=("mfcc-chroma",)))
    with pytest.raises(
        InputError, match=r"no generator 'nobody'\. Give a model folder, or one of jen1-small, musiclm-small;"
    ):
        generate(study, tmp_path / "out", config("nobody"))


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({}, "lacks plan, codec"),
        ({"plan": "four", **dict.fromkeys(("codec", "codec_sha256", "vocoder", "sampling"))}, "no known set of stages"),
    ],
)
def test_a_damaged_generator_is_one_readable_line(tmp_path: Path, settings: dict[str, object], told: str) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model": "MusicLM", **settings}))
    with pytest.raises(InputError, match=told):
        get_generator(tmp_path)


@pytest.mark.parametrize(
    ("genres", "n", "rows"),
    [
        ("jjrrp", None, [0, 1, 2, 3, 4]),
        ("jjrrp", 3, [0, 2, 4]),
        ("jjrrp", 4, [0, 1, 2, 4]),
        ("jjrrp", 9, [0, 1, 2, 3, 4]),
        (["", "", ""], 2, [0, 1]),
    ],
)
def test_clips_are_chosen_from_each_genre_in_turn(genres: str | list[str], n: int | None, rows: list[int]) -> None:
    assert choose_clips(list(genres), n).tolist() == rows


def test_music_is_made_from_tracks_of_the_gallery_where_that_is_asked_for(
    study: TinyStudy, generator: Path, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    (tmp_path / "music").mkdir()
    for number in range(3):
        wave = 0.1 * rng.standard_normal((1 + number) * 24_000)
        soundfile.write(tmp_path / "music" / f"track-{number}.wav", wave, 24_000)
    gallery = build_gallery(tmp_path / "music", tmp_path / "gallery", get_embedder("logmel", 1.5, 1.5))
    settings = config(generator, anchored="continue", n_samples=1, n_clips=2)
    source = BidsSource.read(study.root, settings)
    outputs = run_pipeline(source, tmp_path / "out", settings, galleries=[gallery.folder])
    table = pd.read_parquet(outputs.generated_table("01", "logmel"))
    assert set(table["generator"]) == {"musiclm-tiny+continue"}
    for file in table["file"]:
        source_of_piece = json.loads((outputs.root / file).with_suffix(".json").read_text())["source"]
        assert source_of_piece["anchor"].startswith("track-")
        assert -1 <= source_of_piece["anchor_similarity"] <= 1
    with pytest.raises(InputError, match="needs a gallery of logmel"):
        run_pipeline(source, tmp_path / "none", settings)
    with pytest.raises(InputError, match="cannot vary music"):
        run_pipeline(source, tmp_path / "vary", config(generator, anchored="vary"), galleries=[gallery.folder])
