"""A training that begins at a trained model keeps what it knows of music, and of the condition what still holds."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from scipy.stats import ortho_group

from brain2music._utils.errors import InputError
from brain2music.embeddings.embeddings import EmbeddingSpace
from brain2music.models.musiclm.condition import Condition, Conditioner
from brain2music.models.musiclm.config import Vocabulary, stage_configs
from brain2music.models.musiclm.folder import write_config
from brain2music.models.musiclm.initialise import initialise_from
from brain2music.models.musiclm.space_map import LinearSpaceMap
from brain2music.models.musiclm.stage import MusicLMStage

OLD = EmbeddingSpace("old", "1", "0" * 64, 8, 10.0, 1.0, 16000)
NEW = EmbeddingSpace("new", "1", "1" * 64, 12, 10.0, 1.0, 16000)
WORDS = Vocabulary(acoustic_codebook_size=32, acoustic_quantizers=4, acoustic_frame_rate=50.0, acoustic_dims=0,
                   condition_quantizers=2,
                   condition_codebook_size=8, condition_dims=8)  # fmt: skip
CODES = torch.randint(32, (5, 4, 20), generator=torch.Generator().manual_seed(0))


@pytest.fixture
def vectors() -> torch.Tensor:
    """Embeddings of 60 sounds in the new space, of length 1, in a plane of 8 dimensions."""
    drawn = torch.randn(60, 8, generator=torch.Generator().manual_seed(1))
    drawn = torch.nn.functional.normalize(drawn, dim=1)
    return torch.nn.functional.pad(drawn, (0, 4))


@pytest.fixture
def turn() -> torch.Tensor:
    """From the new space to the old: the first 8 dimensions, turned, and twice as long."""
    return 2 * torch.cat([torch.from_numpy(ortho_group.rvs(8, random_state=0)).float(), torch.zeros(4, 8)])


@pytest.fixture
def trained(vectors: torch.Tensor, turn: torch.Tensor, tmp_path: Path) -> Path:
    """A model of the old space, with a bridge from the new one."""
    make(8).save_pretrained(tmp_path / "model" / "acoustic")
    own = Conditioner.fit(OLD, vectors @ turn, 2, 8)
    bridged = Conditioner(OLD, own.tokenizer, space_map=LinearSpaceMap(NEW, turn, torch.zeros(8), 1.0))
    bridged.save(tmp_path / "model")
    write_config(tmp_path / "model", "single", "codec-tiny", "0" * 64, {})
    return tmp_path / "model"


def make(dims: int, width: int = 32, seed: int = 0) -> MusicLMStage:
    torch.manual_seed(seed)
    config = stage_configs("tiny", "single", replace(WORDS, condition_dims=dims))["acoustic"]
    return MusicLMStage(replace(config, width=width)).eval()


def loss(stage: MusicLMStage, condition: Condition, shown: tuple[bool, bool]) -> torch.Tensor:
    mask = torch.tensor([shown]).expand(len(CODES), 2)
    with torch.inference_mode():
        return stage(condition._replace(shown=mask), None, CODES)


def test_of_the_same_embedding_it_is_the_same_model(trained: Path, vectors: torch.Tensor) -> None:
    conditioner = Conditioner.load(trained)
    same = Conditioner(OLD, conditioner.tokenizer)
    stage = make(8, seed=1)
    initialise_from(trained, {"acoustic": stage}, same, vectors[:, :8])
    condition = same(vectors[:5, :8])
    torch.testing.assert_close(loss(stage, condition, (True, True)), loss(make(8), condition, (True, True)))


def test_over_a_bridge_the_new_embedding_means_what_the_old_one_did(trained: Path, vectors: torch.Tensor) -> None:
    conditioner = Conditioner.fit(NEW, vectors, 2, 8)
    stage = make(12, seed=1)
    initialise_from(trained, {"acoustic": stage}, conditioner, vectors)
    old, new = Conditioner.load(trained)(vectors[:5]), conditioner(vectors[:5])
    torch.testing.assert_close(loss(stage, new, (False, True)), loss(make(8), old, (False, True)))
    assert not torch.allclose(loss(stage, new, (False, True)), loss(stage, new, (False, False)))
    torch.testing.assert_close(loss(stage, new, (True, False)), loss(make(8), old, (False, False)))  # tokens: nothing


def test_of_any_other_embedding_it_knows_music_alone(trained: Path, vectors: torch.Tensor) -> None:
    other = replace(NEW, name="another", dims=8)
    conditioner = Conditioner.fit(other, vectors[:, :8], 2, 8)
    stage, fresh = make(8, seed=1), make(8, seed=1)
    initialise_from(trained, {"acoustic": stage}, conditioner, vectors[:, :8])
    torch.testing.assert_close(stage.vector.weight, fresh.vector.weight)
    condition = conditioner(vectors[:5, :8])
    torch.testing.assert_close(loss(stage, condition, (False, False)), loss(make(8), condition, (False, False)))


@pytest.mark.parametrize("wrong", ["size", "codes", "stage"])
def test_a_model_that_cannot_be_gone_on_from_is_refused(trained: Path, vectors: torch.Tensor, wrong: str) -> None:
    conditioner = Conditioner.fit(NEW, vectors, 2, 8)
    name, stage = "acoustic", make(12)
    if wrong == "size":
        stage, message = make(12, width=64), "acoustic stage is of another size"
    elif wrong == "codes":
        config = stage_configs("tiny", "single", replace(WORDS, condition_dims=12, acoustic_quantizers=3))["acoustic"]
        stage, message = MusicLMStage(config), "writes other acoustic tokens"
    else:
        name, message = "semantic", "there is no|cannot be read|missing"
    with pytest.raises(InputError, match=message):
        initialise_from(trained, {name: stage}, conditioner, vectors)
    with pytest.raises(InputError):
        initialise_from(trained / "nothing", {name: stage}, conditioner, vectors)
