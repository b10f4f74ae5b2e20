"""A generator that is small enough for runs of tests."""

from pathlib import Path

import pytest
import torch

from brain2music.models.codecs import get_token_codec
from brain2music.models.embedders import get_embedder
from brain2music.models.musiclm.condition import Conditioner
from brain2music.models.musiclm.config import Vocabulary, stage_configs
from brain2music.models.musiclm.model import MusicLM
from brain2music.models.musiclm.semantic import Clusters, SemanticTokenizer
from brain2music.models.musiclm.stage import MusicLMStage
from brain2music.models.soundstream.model import SoundStream, SoundStreamConfig


@pytest.fixture(scope="session")
def generator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A MusicLM with random weights that takes log-mel embeddings."""
    torch.manual_seed(0)
    folder, space = tmp_path_factory.mktemp("musiclm"), get_embedder("logmel", 1.5, 1.5).space
    codec = SoundStream(SoundStreamConfig.size("tiny")).save_pretrained(folder / "codec-tiny")
    conditioner = Conditioner.fit(space, torch.randn(64, space.dims), 3, 8)
    vocabulary = Vocabulary(
        acoustic_codebook_size=32,
        acoustic_quantizers=4,
        semantic_codebook_size=16,
        condition_quantizers=3,
        condition_codebook_size=8,
        condition_dims=space.dims,
    )
    semantic = SemanticTokenizer(
        Clusters(torch.zeros(2), torch.ones(2), torch.randn(16, 2)), {"name": "none", "sha256": ""}
    )
    acoustic = {name: MusicLMStage(config) for name, config in stage_configs("tiny", "single", vocabulary).items()}
    model = MusicLM(acoustic, conditioner, semantic, get_token_codec(str(codec)))
    return model.save_pretrained(folder / "musiclm-tiny", str(codec))
