"""The methods paragraph follows the settings: for every decoder, and for every setting of the decoding."""

from pathlib import Path

import pytest

from brain2music.brain.source import Source
from brain2music.config import DecodingConfig, RunConfig
from brain2music.decoding import decoder_options
from brain2music.decoding.registry import POST_PROCESSING, REGRESSORS
from brain2music.models.embedders import get_embedder
from brain2music.pipeline.methods import MAPPED, REGRESSIONS, methods
from tests.pipeline.test_pipeline import CONFIG, read
from tests.study.tiny_study import TinyStudy

CHANGED = {
    "decoder": "nonlinear",
    "n_outer_folds": 3,
    "n_inner_folds": 3,
    "alphas": (1.0, 10.0),
    "standardise": True,
    "scans_per_window": 2,
    "lags_tr": (2,),
    "lags_s": (3.0,),
    "group_by": "recording",
}


@pytest.fixture
def source(tmp_path: Path) -> Source:
    study = TinyStudy(tmp_path / "study")
    study.add_mask()
    return read(study)


def text(source: Source, config: RunConfig) -> str:
    return methods(source, config, [get_embedder("logmel", 1.5, source.step_s)], None)


def test_every_regressor_and_post_processing_has_its_sentence() -> None:
    assert set(REGRESSIONS) == set(REGRESSORS)
    assert set(MAPPED) == set(POST_PROCESSING)


@pytest.mark.parametrize("post", ["", *POST_PROCESSING])
@pytest.mark.parametrize("regressor", REGRESSORS)
def test_the_text_says_what_the_decoder_does_and_nothing_else(source: Source, regressor: str, post: str) -> None:
    said = text(source, CONFIG.changed(decoder=f"{regressor}+{post}" if post else regressor))
    sentences = {name: sentence.partition("{")[0] for name, sentence in REGRESSIONS.items()}
    assert [name for name, sentence in sentences.items() if sentence in said] == [regressor]
    assert [name for name, sentence in MAPPED.items() if f"Predictions were {sentence}." in said] == [post] * bool(post)


def test_auto_names_what_it_chooses_among(source: Source) -> None:
    said = text(source, CONFIG.changed(decoder="auto"))
    assert "chosen among ridge, whitened, contrastive, stacked, stacked+contrastive" in said
    assert not any(sentence.partition("{")[0] in said for sentence in REGRESSIONS.values())


@pytest.mark.parametrize("name", DecodingConfig.model_fields)
def test_every_setting_of_the_decoding_is_in_the_text(source: Source, name: str) -> None:
    """Outer folds are of studies without test clips, and this one has so few clips that two inner folds are all."""
    before = CONFIG.changed(decoder="stacked")
    changed = text(source, before.changed(decoding={name: CHANGED[name]}))
    assert (changed == text(source, before)) is (name in ("n_outer_folds", "n_inner_folds"))


def test_all_decoders_of_the_list_can_be_described(source: Source) -> None:
    assert len({text(source, CONFIG.changed(decoder=name)) for name in decoder_options()}) == len(decoder_options())


@pytest.mark.parametrize("how", ["vary", "inpaint", "continue"])
def test_the_text_says_how_music_was_made_of_tracks(source: Source, how: str) -> None:
    plain = CONFIG.changed(generation={"generator": "jen1-small"})
    assert "nearest track" not in text(source, plain)
    of_three = text(source, plain.changed(generation={"anchored": how, "n_anchors": 3, "anchor_strength": 0.35}))
    assert "the 3 nearest tracks in turn" in of_three
    assert ("0.35 of the diffusion" in of_three) is (how == "vary")
