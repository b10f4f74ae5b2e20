"""The JEN-1 that ships: it loads, keeps what it is given, keeps time, and stays small."""

from pathlib import Path

import numpy as np
import pytest

from brain2music.metrics import rhythm
from brain2music.models.embedders import get_embedder
from brain2music.models.jen1 import JEN1
from brain2music.simulation.music.compose import compose_piece
from brain2music.simulation.music.render import render_piece
from brain2music.weights import find

NAME, MOST_MB = "jen1-small", 30


@pytest.fixture(scope="module")
def shipped() -> JEN1:
    return JEN1.from_pretrained(NAME)


def test_it_makes_music_that_is_not_silence_and_repeats(shipped: JEN1) -> None:
    vector = np.random.default_rng(0).standard_normal(shipped.space.dims).astype(np.float32)
    first, again = (shipped.generate(embedding=vector, seconds=2.0, seed=3)[0] for _ in range(2))
    assert first.waveform.shape == (1, 2 * shipped.sample_rate)
    assert 0.003 < np.sqrt(np.mean(first.waveform**2)) < 0.5
    assert np.array_equal(first.waveform, again.waveform)
    assert first.source["checkpoint"] == NAME


def test_it_takes_the_embedding_that_ships(shipped: JEN1) -> None:
    assert shipped.space.same_as(get_embedder("mulan-small").space)


def test_it_keeps_the_tempo_that_is_asked_for(shipped: JEN1) -> None:
    made = shipped.generate(text="fast techno with drums", seconds=10.0, tempo=125.0)[0]
    found = rhythm(made.waveform, made.sample_rate)
    assert found.pulse > 0.3  # noise has 0.1
    assert min(abs(np.log2(found.tempo / 125.0) - octave) for octave in (-1, 0, 1)) < np.log2(1.08)
    assert made.source["tempo"] == 125.0


def test_a_gap_is_filled_at_the_level_around_it_and_the_rest_is_kept(shipped: JEN1) -> None:
    rate = shipped.sample_rate
    wave = render_piece(compose_piece("rock", np.random.default_rng(556_001), 9.0), rate)[: 9 * rate]
    filled = shipped.inpaint((wave, rate), 4.0, 6.0).waveform[0]
    assert np.array_equal(filled[: round(3.98 * rate)], wave[: round(3.98 * rate)])
    assert np.array_equal(filled[round(6.02 * rate) :], wave[round(6.02 * rate) :])
    inside, beside = (np.sqrt(np.mean(part**2)) for part in (filled[4 * rate : 6 * rate], wave[2 * rate : 4 * rate]))
    assert 0.25 < inside / beside < 4


def test_its_files_are_small_and_safe() -> None:
    files = [path for path in Path(find(NAME)).rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".json", ".md", ".safetensors"}
    assert sum(path.stat().st_size for path in files) < MOST_MB * 1e6
