"""A MusicLM of every plan with random weights, small enough to sample in a second."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from brain2music.audio.io import write_audio
from brain2music.embeddings.embeddings import EmbeddingSpace
from brain2music.models.codecs import get_token_codec
from brain2music.models.musiclm.condition import Condition, Conditioner
from brain2music.models.musiclm.config import StageSet, Vocabulary, stage_configs
from brain2music.models.musiclm.model import MusicLM
from brain2music.models.musiclm.semantic import Clusters, SemanticTokenizer
from brain2music.models.musiclm.stage import MusicLMStage
from brain2music.models.musiclm.stage_config import StageConfig
from brain2music.models.soundstream.model import SoundStream, SoundStreamConfig

WORDS = Vocabulary(
    acoustic_codebook_size=32,
    acoustic_quantizers=4,
    semantic_codebook_size=16,
    condition_quantizers=3,
    condition_codebook_size=8,
    condition_dims=8,
)
SPACE = EmbeddingSpace("logmel", "1", "none", 8, 10.0, 1.5, 16000)


class RampFeatures:
    """Features whose every frame is its own number, repeated."""

    name, sha256, dims, hz = "ramp", "0" * 64, 2, Fraction(50)

    def frames(self, waveform: np.ndarray, sample_rate: int) -> torch.Tensor:
        return torch.arange(int(len(waveform) * self.hz / sample_rate)).float()[:, None].expand(-1, 2)


@pytest.fixture(scope="session")
def codec(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("codec") / "codec-tiny"
    return SoundStream(SoundStreamConfig.size("tiny")).save_pretrained(folder)


@pytest.fixture(scope="session")
def conditioner() -> Conditioner:
    vectors = torch.randn(64, 8, generator=torch.Generator().manual_seed(0))
    return Conditioner.fit(SPACE, vectors, WORDS.condition_quantizers, WORDS.condition_codebook_size)


@pytest.fixture(scope="session")
def three(codec: Path, conditioner: Conditioner) -> MusicLM:
    return make_model("three", codec, conditioner)


@pytest.fixture(scope="session")
def single(codec: Path, conditioner: Conditioner) -> MusicLM:
    return make_model("single", codec, conditioner)


@pytest.fixture(scope="module")
def model() -> MusicLM:
    """The one that ships."""
    return MusicLM.from_pretrained("musiclm-small")


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two files of 6 s of noise."""
    folder, rng = tmp_path_factory.mktemp("music"), np.random.default_rng(0)
    for number in range(2):
        write_audio(folder / f"{number}.wav", 0.1 * rng.standard_normal(6 * 22_050).astype(np.float32), 22_050)
    return folder


def make_model(plan: StageSet, codec: Path, conditioner: Conditioner) -> MusicLM:
    torch.manual_seed(1)
    clusters = Clusters(torch.zeros(192), torch.ones(192), torch.randn(WORDS.semantic_codebook_size, 192))
    semantic = SemanticTokenizer(clusters, {"name": "ramp", "sha256": "0" * 64})
    found = {name: MusicLMStage(config) for name, config in stage_configs("tiny", plan, WORDS).items()}
    return MusicLM(found, conditioner, semantic, get_token_codec(str(codec)))


def make_inputs(
    config: StageConfig, batch: int = 3, frames: int = 10
) -> tuple[Condition | None, torch.Tensor | None, torch.Tensor]:
    """Random arguments of a stage: condition, upstream tokens, codes to predict."""
    draw = torch.Generator().manual_seed(2)
    condition = None
    if config.condition:
        tokens = torch.randint(config.condition_codebook_size, (batch, config.condition_quantizers), generator=draw)
        vectors = torch.nn.functional.normalize(torch.randn(batch, config.condition_dims, generator=draw), dim=1)
        condition = Condition(tokens, vectors, torch.ones(batch, 2, dtype=torch.bool))
    upstream = None
    if config.upstream:
        size = (batch, config.upstream_quantizers, frames // config.frames_per_upstream)
        upstream = torch.randint(config.upstream_codebook_size, size, generator=draw)
    return (
        condition,
        upstream,
        torch.randint(config.codebook_size, (batch, config.n_quantizers, frames), generator=draw),
    )
