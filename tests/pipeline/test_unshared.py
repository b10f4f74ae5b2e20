"""Scores that no shared song or artist can raise, and the statistics of a whole table."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from brain2music.brain.responses import Responses
from brain2music.config import RunConfig
from brain2music.embeddings.embeddings import Embeddings, EmbeddingSpace
from brain2music.metrics import Score, summarise
from brain2music.metrics.decoding import clip_similarity
from brain2music.metrics.ranking import identification_accuracy, identification_by_clip
from brain2music.pipeline.context import SubjectContext
from brain2music.pipeline.growth import growth_table
from brain2music.pipeline.outputs import SIMILARITY, Outputs
from brain2music.pipeline.statistics import write_statistics
from brain2music.pipeline.unshared import score_all_in_folds, score_unshared
from brain2music.study.stimuli import Stimuli
from brain2music.study.study import Clip

SPACE = EmbeddingSpace("planted", "1", "none", 6, 3.0, 1.5, 16_000)
TRAIN, TEST, VOXELS = 40, 12, 30


@dataclass(frozen=True)
class Planted:
    """A study in memory, with training and test clips."""

    train: Responses
    test: Responses
    folds: None = None
    kind: str = "arrays"
    name: str = "planted"
    simulated: bool = True
    note: str = ""
    subjects: tuple[str, ...] = ("01",)
    has_time: bool = False
    step_s: float = 1.5
    stimuli: Stimuli = field(default_factory=lambda: Stimuli(Path("nowhere")))

    @property
    def train_clips(self) -> tuple[Clip, ...]:
        return self.train.clips

    @property
    def test_clips(self) -> tuple[Clip, ...]:
        return self.test.clips

    def responses(self, subject: str, lag_tr: int) -> tuple[Responses, Responses]:
        return self.train, self.test

    def tr_of(self, subject: str) -> float:
        return self.step_s


@pytest.fixture
def study(rng: np.random.Generator) -> tuple[Planted, Embeddings]:
    """Clips of 13 artists, in two genres; the last four test clips are by artists that are trained on."""
    mixing = rng.normal(size=(6, VOXELS))

    def responses(first: int, count: int, repeats: int) -> tuple[Responses, np.ndarray]:
        music = rng.normal(size=(count, 1, 6))
        data = music @ mixing + 2.0 * rng.normal(size=(count, 1, VOXELS))
        artists = [f"artist{(first + i) % 10}" if first == 0 or i >= 8 else f"new{i}" for i in range(count)]
        clips = tuple(Clip(f"track{first + i}", 0.0, 3.0, f"genre{i % 2}", artist=artists[i]) for i in range(count))
        runs, n = np.arange(count) // 10, np.full(count, repeats)
        return Responses("01", data.astype(np.float32), clips, runs, 1.5, 0, n), music

    (train, of_train), (test, of_test) = responses(0, TRAIN, 1), responses(TRAIN, TEST, 4)
    names = tuple(clip.name for clip in (*train.clips, *test.clips))
    return Planted(train, test), Embeddings(np.concatenate([of_train, of_test]).astype(np.float32), names, SPACE)


def context_of(study: Planted, config: RunConfig) -> SubjectContext:
    """A context whose source can do only what is asked of it here."""
    context = object.__new__(SubjectContext)
    context.__dict__.update(source=study, subject="01", config=config)
    return context


@pytest.fixture
def context(study: tuple[Planted, Embeddings]) -> SubjectContext:
    config = RunConfig.of(
        n_permutations=200, n_inner_folds=3, n_permuted_fits=6, also_in_folds=("recording", "artist"), n_outer_folds=5
    )
    return context_of(study[0], config)


def test_test_clips_that_share_an_artist_are_left_out(study, context: SubjectContext) -> None:
    decoded = context.decoder(study[1]).decoded()
    builder = context.score_builder("planted", "decode")
    (score,) = score_unshared(builder, context, decoded)
    assert (score.held_out, score.n, score.candidates) == ("artist", 8, 8)
    c = clip_similarity(decoded)
    assert score.value == pytest.approx(identification_accuracy(c[:8, :8]))
    assert score.detail.startswith("4 of 12 test clips share the artist with a training clip")
    nothing = context_of(replace(study[0], test=study[0].test[:8]), context.config)
    assert (
        score_unshared(nothing.score_builder("planted", "decode"), nothing, nothing.decoder(study[1]).decoded()) == []
    )


def test_all_clips_are_scored_in_folds_that_divide_no_artist(study, context: SubjectContext) -> None:
    builder = context.score_builder("planted", "decode")
    by_recording, by_artist = score_all_in_folds(builder, context, study[1])
    assert [score.held_out for score in (by_recording, by_artist)] == ["fold", "fold-artist"]
    for score in (by_recording, by_artist):
        assert (score.n, score.candidates) == (TRAIN + TEST, TRAIN + TEST)
        assert score.value > 0.7
        assert score.p is not None
        assert score.p < 0.05
    assert "5 folds of 52 recordings; training and test clips were presented 1 and 4 times" in by_recording.detail
    assert "5 folds of 18 artists" in by_artist.detail
    plain = context_of(study[0], RunConfig())
    assert score_all_in_folds(builder, plain, study[1]) == []


def test_identification_grows_with_training_clips(study, context: SubjectContext) -> None:
    config = RunConfig.of(n_permutations=200, n_inner_folds=3, growth=(0.5, 0.2, 0.02))
    context = context_of(study[0], config)
    whole = context.decoder(study[1]).decoded()
    table = growth_table(context, study[1], whole)
    assert table["train_clips"].tolist() == [8, 20, 40]  # one clip is too few to be fitted to
    assert table["minutes"].tolist() == pytest.approx([0.4, 1.0, 2.0])
    assert table["identification"].iloc[-1] == pytest.approx(identification_accuracy(clip_similarity(whole)))
    half = replace(study[0], train=study[0].train[:20])
    fitted = context_of(half, config).decoder(study[1]).decoded()
    assert table["identification"].iloc[1] == pytest.approx(identification_accuracy(clip_similarity(fitted)))
    assert (table["n"] == TEST).all()


def test_statistics_of_a_table_have_q_effects_and_nested_intervals(tmp_path: Path, rng: np.random.Generator) -> None:
    outputs, columns = Outputs(tmp_path), {"stage": "decode", "condition": "decoded", "embedding": "planted"}
    scores = []
    for number in range(3):
        c = rng.normal(size=(20, 20)) + 2 * np.eye(20)
        rows = {"clip": [f"c{i}" for i in range(20)], "genre": ["jazz"] * 20, "similarity": list(c)}
        SIMILARITY.write(outputs.similarity(f"0{number}", "planted"), pd.DataFrame(rows))
        value = float(identification_by_clip(c).mean())
        scores.append(
            Score(**columns, metric="identification", subject=f"0{number}", value=value, low=0.6, high=0.95, chance=0.5,
                  n=20, candidates=20, p=0.01 * (number + 1))
        )  # fmt: skip
    write_statistics([*summarise(scores), *scores], ["00", "01", "02"], outputs, 0)
    table = pd.read_csv(outputs.statistics, sep="\t")
    assert table["q"].tolist()[1:] == pytest.approx([0.03, 0.03, 0.03])
    group = table.iloc[0]
    assert group["nested_low"] < group["value"] < group["nested_high"]
    assert table["nested_low"].isna().tolist() == [False, True, True, True]
    assert (table["effect"] > 0).all()
