"""A bridge leads from one embedding space into another, and a model behind it takes embeddings of the first."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import ortho_group

from brain2music._utils.errors import InputError
from brain2music.embeddings.embeddings import Embeddings, EmbeddingSpace
from brain2music.models.musiclm.condition import Conditioner
from brain2music.models.musiclm.model import MusicLM
from brain2music.models.musiclm.space_map import LinearSpaceMap

from .conftest import SPACE

OTHER = EmbeddingSpace("mulan-other", "1", "abcdef012345" * 5, 12, 10.0, 1.5, 16000)


@pytest.fixture
def sides(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The same 400 sounds in 12 dimensions and in 8 that are a rotation of the first 8 of them."""
    given = rng.standard_normal((400, 12)).astype(np.float32)
    return given, (given[:, :8] @ ortho_group.rvs(8, random_state=0)).astype(np.float32)


def test_it_finds_the_map_and_says_how_much_is_left(sides: tuple[np.ndarray, np.ndarray], rng) -> None:
    given, own = sides
    bridge = LinearSpaceMap.fit(OTHER, given, own)
    mapped = bridge(torch.from_numpy(3 * given)).numpy()
    np.testing.assert_allclose(np.linalg.norm(mapped, axis=1), 1, rtol=1e-5)
    assert bridge.cosine > 0.97
    assert (mapped * own / np.linalg.norm(own, axis=1, keepdims=True)).sum(1).mean() == pytest.approx(
        bridge.cosine, abs=0.01
    )
    lost = LinearSpaceMap.fit(OTHER, rng.standard_normal((400, 12)).astype(np.float32), own)
    assert abs(lost.cosine) < 0.2


def test_behind_a_bridge_the_other_space_is_asked_for_and_kept(
    three: MusicLM, codec: Path, sides: tuple[np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    inner = three.conditioner
    bridged = Conditioner(SPACE, inner.tokenizer, space_map=LinearSpaceMap.fit(OTHER, *sides))
    made = bridged(torch.from_numpy(sides[0][:3]))
    assert made.vector.shape == (3, 8)
    assert torch.equal(made.tokens, inner(bridged.space_map(torch.from_numpy(sides[0][:3]))).tokens)
    model = MusicLM(three.stages, bridged, three.semantic, three.codec)
    loaded = MusicLM.from_pretrained(model.save_pretrained(tmp_path / "model", str(codec)))
    assert loaded.space == OTHER
    assert loaded.conditioner.training_space == SPACE
    given = Embeddings(sides[0][:1, None], ("a",), OTHER)
    assert loaded.generate(embedding=given, seconds=1.0)[0].waveform.shape == (1, 24000)
    with pytest.raises(InputError, match=r"logmel \(none\), the generator takes mulan-other"):
        loaded.generate(embedding=Embeddings(np.ones((1, 1, 8), np.float32), ("a",), replace(SPACE)))
