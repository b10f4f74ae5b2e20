"""The generator that ships: it loads with nothing installed besides, fits the shipped embedding, and stays small."""

from pathlib import Path

import numpy as np

from brain2music._utils.files import digest_file
from brain2music.models.embedders import get_embedder
from brain2music.models.musiclm.model import MusicLM
from brain2music.weights import find

NAME = "musiclm-small"
MOST_MB = 30


def test_it_makes_music_that_is_not_silence_and_repeats(model: MusicLM) -> None:
    vector = np.random.default_rng(0).standard_normal(model.space.dims).astype(np.float32)
    first, again = (model.generate(embedding=vector, seconds=2.0, seed=3)[0] for _ in range(2))
    assert first.waveform.shape == (1, 2 * model.sample_rate)
    assert np.isfinite(first.waveform).all()
    assert 0.003 < np.sqrt(np.mean(first.waveform**2)) < 0.5
    assert np.array_equal(first.waveform, again.waveform)
    assert first.source["checkpoint"] == NAME


def test_it_takes_the_embedding_that_ships(model: MusicLM) -> None:
    theirs = get_embedder("mulan-small").space
    ours = model.space
    assert (ours.name, ours.version, ours.sha256, ours.dims) == (
        theirs.name,
        theirs.version,
        theirs.sha256,
        theirs.dims,
    )


def test_its_files_are_small_and_safe() -> None:
    files = [path for path in Path(find(NAME)).rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".json", ".md", ".safetensors"}
    assert sum(path.stat().st_size for path in files) < MOST_MB * 1e6
    assert len({digest_file(path) for path in files}) == len(files)
