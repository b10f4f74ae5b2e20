"""Which settings each step may see: all count somewhere, and no step reads one that it does not name."""

from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from brain2music.brain.source import BidsSource
from brain2music.config import SECTIONS, RunConfig, Section
from brain2music.pipeline.cache import Stages, Step
from brain2music.pipeline.run import run_pipeline
from brain2music.pipeline.settings import DECIDING, DESCRIBED, DIGESTED, SEEN, visible_settings
from tests.pipeline.test_pipeline import add_subject, gallery_of
from tests.study.tiny_study import TinyStudy

STEPS = {
    "responses_summary": "measure",
    "logmel_predictions": "decode",
    "logmel_retrieval": "retrieve",
    "logmel_generated": "generate",
    "encoding_scores": "encode",
    "config": "save",
    "logmel_betweensubjects": "between_subjects",
}
"""Steps by the first file that each makes."""
CONFIG = RunConfig.of(
    embeddings=("logmel", "mfcc-chroma"),
    window_s=1.5,
    lag_tr=0,
    n_inner_folds=2,
    fade_s=0.1,
    n_permutations=100,
    n_permuted_fits=1,
    compare_lags_tr=(1,),
    compare_decoders=("whitened",),
    between_subject=("srm",),
    variance_partitioning=True,
    duration_s=1.5,
    n_samples=1,
)


def test_every_setting_counts_somewhere_and_no_stage_sees_what_only_another_uses() -> None:
    every = set(CONFIG.flat())
    counted = {name for step in SEEN for name in visible_settings(step, CONFIG)}
    assert every - counted == (DESCRIBED | DIGESTED | DECIDING) - {"evaluation.between_subject"}
    assert {place for places in SEEN.values() for place in places} <= every | set(SECTIONS)
    later = {name for name in every if name.partition(".")[0] in ("retrieval", "generation", "encoding")}
    assert not later & set(visible_settings("decode", CONFIG))
    assert later & set(visible_settings("retrieve", CONFIG)) == {"retrieval.k"}
    assert {name.partition(".")[0] for name in later & set(visible_settings("generate", CONFIG))} == {"generation"}
    assert "seed" in visible_settings("encode", CONFIG)


@pytest.fixture
def read_by(monkeypatch: pytest.MonkeyPatch) -> dict[str, set[str]]:
    """For each step the settings that are read while it makes its files."""
    read: dict[str, set[str]] = defaultdict(set)
    under_way: list[str] = []
    sections = {model: f"{name}." for name, model in SECTIONS.items()} | {RunConfig: ""}
    get, make_step = Section.__getattribute__, Stages.make

    def watched(section: Section, name: str) -> Any:
        kind = type(section)
        if under_way and name in kind.model_fields and kind in sections and name not in SECTIONS:
            read[under_way[-1]].add(sections[kind] + name)
        return get(section, name)

    def make(self: Stages, step: Step) -> bool:
        stem = step.outputs[0].stem
        name = STEPS.get(stem.partition("desc-")[2] or stem)

        def watched_step() -> Any:
            under_way.append(str(name))
            try:
                return step.make()
            finally:
                under_way.pop()

        return make_step(self, replace(step, make=watched_step if name else step.make))

    monkeypatch.setattr(Section, "__getattribute__", watched)
    monkeypatch.setattr(Stages, "make", make)
    return read


@pytest.mark.slow
def test_a_step_reads_only_settings_that_it_may_see(
    read_by: dict[str, set[str]], generator: Path, tmp_path: Path
) -> None:
    study = TinyStudy(tmp_path / "study")
    study.add_mask()
    add_subject(study)
    config = CONFIG.changed(generator=str(generator))
    source, out, galleries = BidsSource.read(study.root, config), tmp_path / "out", [gallery_of(study, tmp_path)]
    run_pipeline(source, out, config, galleries=galleries)
    run_pipeline(source, out, config, level="group", galleries=galleries)
    assert read_by.keys() == set(STEPS.values()) == SEEN.keys()
    for name, read in read_by.items():
        told = {each for each in config.flat() if {each, each.partition(".")[0]} & SEEN[name]}
        assert read <= told | DIGESTED | DESCRIBED | DECIDING, name
    assert read_by["decode"] >= {"decoding.decoder", "evaluation.n_permuted_fits", "seed"}
    assert read_by["generate"] >= {"generation.n_samples", "generation.duration_s"}
