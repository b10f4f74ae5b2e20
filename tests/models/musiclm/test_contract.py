"""MusicLM keeps to what every generator does."""

import numpy as np
import pytest

from brain2music._utils.errors import InputError
from brain2music.models.musiclm.model import MusicLM

from ..adapters.contract import GeneratorContract


class TestMusicLM(GeneratorContract):
    @pytest.fixture
    def generator(self, single: MusicLM) -> MusicLM:
        return single

    guidances = (1.0, 3.0)


def test_a_recording_is_extended_towards_an_embedding(single: MusicLM) -> None:
    model = MusicLM(single.stages, single.conditioner, None, single.codec)
    rate = model.sample_rate
    recording = (0.1 * np.random.default_rng(0).standard_normal((1, 2 * rate)).astype(np.float32), rate)
    vectors = np.random.default_rng(1).standard_normal((2, model.space.dims)).astype(np.float32)
    made = [model.extend(recording, 1.0, embedding=vector, seed=2).waveform for vector in vectors]
    assert all(np.array_equal(each[:, : 2 * rate], recording[0]) for each in made)
    assert np.abs(made[0] - made[1]).max() > 1e-4
    with pytest.raises(InputError, match="not both"):
        model.extend(recording, 1.0, embedding=vectors[0], text="slow piano")
    with pytest.raises(InputError, match="2 embeddings for one recording"):
        model.extend(recording, 1.0, embedding=vectors[:, None])
