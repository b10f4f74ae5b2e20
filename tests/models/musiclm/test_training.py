"""Training MusicLM: shards that survive a crash, exact resuming, and losses below a guess by frequency."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from brain2music._utils.errors import InputError
from brain2music._utils.files import read_arrays, write_arrays
from brain2music.embeddings.embeddings import EmbeddingSpace
from brain2music.models.codecs import get_token_codec
from brain2music.models.generator_parts.clock import steady_clock
from brain2music.models.generator_parts.pace import Pace
from brain2music.models.generator_parts.pieces import WindowEmbedder
from brain2music.models.mulan.training_data import ComposedPiece
from brain2music.models.musiclm.condition import Conditioner
from brain2music.models.musiclm.model import MusicLM
from brain2music.models.musiclm.semantic import Clusters, MusicnnFrames, SemanticTokenizer
from brain2music.models.musiclm.semantic_training import fit_semantic
from brain2music.models.musiclm.stage import MusicLMStage
from brain2music.models.musiclm.token_shards import (
    PieceTokenizer,
    TokenData,
    code_frequencies,
    mean_entropy,
    write_shards,
)
from brain2music.models.musiclm.training import MusicLMTask
from brain2music.models.soundstream.model import SoundStream, SoundStreamConfig
from brain2music.training.arguments import TrainingArguments
from brain2music.training.loop import fit

SPACE = EmbeddingSpace("logmel", "1", "none", 8, 10.0, 1.0, 16000)
GENRES, CODES, SEMANTIC = 3, 32, 16


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tokens of three kinds of pieces: an embedding each, and codes that follow from the kind and the last code."""
    folder = tmp_path_factory.mktemp("shards")
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((GENRES, 8)).astype(np.float32)
    torch.manual_seed(0)
    about = {
        "codec": "codec-tiny",
        "codec_sha256": "0" * 64,
        "space": vars(SPACE),
        "semantic": {"name": "planted", "sha256": "0" * 64},
        "codec_rate": 50.0,
        "codes": CODES,
        "semantic_codes": SEMANTIC,
    }
    for shard in range(2):
        genres = rng.integers(GENRES, size=20)
        semantic = (genres[:, None] * 5 + np.arange(12 * 25)[None] % 5) % SEMANTIC
        codes = (np.repeat(semantic, 2, axis=1)[:, None] + 3 * np.arange(4)[None, :, None]) % CODES
        windows = centres[genres][:, None] + 0.05 * rng.standard_normal((20, 3, 8))
        arrays = {
            "codes": codes.astype(np.int16),
            "semantic": semantic.astype(np.int16),
            "windows": windows.astype(np.float16),
        }
        write_arrays(folder / f"planted-{shard:04d}.safetensors", arrays, {"pieces": [{}] * 20, **about})
    Conditioner.fit(SPACE, TokenData(folder).windows(), 2, 8).save(folder)
    clusters = Clusters(torch.zeros(192), torch.ones(192), torch.randn(SEMANTIC, 192))
    SemanticTokenizer(clusters, {"name": "planted", "sha256": "0" * 64}).save(folder)
    return folder


def arguments(steps: int) -> TrainingArguments:
    return TrainingArguments(
        steps=steps, validate_every=steps, checkpoint_every=2, log_every=2, device="cpu", workers=0
    )


def test_a_batch_depends_on_seed_and_step_alone(shards: Path) -> None:
    first, again = MusicLMTask(shards, "tiny", seed=1), MusicLMTask(shards, "tiny", seed=1)
    first.batch(0)
    assert_same(first.batch(3), again.batch(3))
    assert not torch.equal(first.batch(3)["coarse"]["codes"], first.batch(4)["coarse"]["codes"])


def test_crops_of_all_token_kinds_are_of_the_same_stretch(shards: Path) -> None:
    batch = MusicLMTask(shards, "tiny").batch(0)
    upstream, codes = batch["coarse"]["upstream"][:, 0], batch["coarse"]["codes"]
    assert torch.equal(upstream.repeat_interleave(2, dim=1), codes[:, 0])
    assert torch.equal(batch["fine"]["upstream"][:, 0] + 9, batch["fine"]["codes"][:, 0])


def test_an_embedding_is_the_mean_of_the_windows_inside_its_crop(shards: Path) -> None:
    data = TokenData(shards)
    windows = torch.arange(3.0)[:, None].expand(3, 8)
    assert data.embedding(windows, 0.0, 12.0)[0] == 1.0
    assert data.embedding(windows, 1.0, 10.0)[0] == 1.0
    assert data.embedding(windows, 2.0, 3.0)[0] == 2.0


def test_killed_and_resumed_it_trains_as_if_never_stopped(shards: Path, tmp_path: Path) -> None:
    fit(MusicLMTask(shards, "tiny", batch_divisor=4.0), arguments(4), tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        fit(Interrupted(shards, "tiny", batch_divisor=4.0), arguments(4), tmp_path / "resumed")
    fit(MusicLMTask(shards, "tiny", batch_divisor=4.0), arguments(4), tmp_path / "resumed", resume=True)
    for stage in ("semantic", "coarse", "fine"):
        file = Path("model") / stage / "model.safetensors"
        whole, resumed = (read_arrays(tmp_path / name / file)[0] for name in ("whole", "resumed"))
        assert all(np.array_equal(whole[name], resumed[name]) for name in whole)


def test_training_leaves_the_tokenisers_alone_and_exports_what_loads(shards: Path, tmp_path: Path) -> None:
    codec = SoundStream(SoundStreamConfig.size("tiny")).save_pretrained(tmp_path / "codec-tiny")
    before = read_arrays(shards / "condition.safetensors")[0]["codebooks"]
    task = MusicLMTask(shards, "tiny", "single", batch_divisor=8.0)
    model = fit(task, arguments(2), tmp_path / "out")
    assert np.array_equal(read_arrays(model / "condition.safetensors")[0]["codebooks"], before)
    assert np.array_equal(task.conditioner.tokenizer.codebooks.numpy().astype(np.float16), before)
    with pytest.raises(InputError, match="not the one this model was trained with"):
        MusicLM.from_pretrained(model, codec=codec)
    optimised = {id(p) for group in task.optimizers["acoustic"].param_groups for p in group["params"]}
    assert {id(p) for p in task.models["acoustic"].parameters()} == optimised


def test_shards_of_other_tokenisers_are_refused(shards: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(shards, tmp_path / "mixed"))
    arrays, about = read_arrays(folder / "planted-0000.safetensors")
    write_arrays(folder / "planted-0002.safetensors", arrays, {**about, "codec_sha256": "1" * 64})
    with pytest.raises(InputError, match="made otherwise"):
        TokenData(folder)
    with pytest.raises(InputError, match="holds no tokens"):
        TokenData(tmp_path)
    with pytest.raises(InputError, match="no stage 'rough'"):
        MusicLMTask(shards, "tiny", only=["rough"])


def test_a_clock_in_the_shards_is_learned_from_and_its_tempi_are_exported(shards: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(shards, tmp_path / "clocked"))
    rng = np.random.default_rng(0)
    for file in sorted(folder.glob("planted-*")):
        arrays, about = read_arrays(file)
        tempi = rng.uniform(60, 200, len(arrays["codes"]))
        clocks = [steady_clock(arrays["codes"].shape[2], 50.0, float(tempo), 4) for tempo in tempi]
        about["pieces"] = [{"tempo": float(tempo), "beats_per_bar": 4} for tempo in tempi]
        write_arrays(file, {**arrays, "clock": np.stack(clocks)}, about)
    task = MusicLMTask(folder, "tiny", "single", batch_divisor=4.0)
    crops = task.batch(0)["acoustic"]
    items, _, frames = crops["codes"].shape
    assert crops["upstream"].shape == (items, 6, frames)
    phases = crops["upstream"][:, 0]
    assert all(len(row.unique()) > 5 for row in phases)
    model = fit(task, arguments(2), tmp_path / "out")
    assert MusicLMStage.from_pretrained(model / "acoustic").config.upstream == "clock"
    tempo, metre = Pace.load(model)(np.ones((1, 8)))[0]
    assert 40 <= tempo <= 230
    assert metre == 4


def test_entropy_of_how_often_codes_occur() -> None:
    assert mean_entropy(code_frequencies(torch.arange(8), 8)[None]) == pytest.approx(np.log(8))
    assert mean_entropy(code_frequencies(torch.zeros(8).long(), 8)[None]) == 0


@pytest.mark.slow
def test_composed_pieces_become_shards_that_are_kept(tmp_path: Path) -> None:
    """Rendered, heard and quantised; a second call does only what is missing."""
    torch.manual_seed(0)
    codec = SoundStream(SoundStreamConfig.size("tiny")).save_pretrained(tmp_path / "codec-tiny")
    features = MusicnnFrames()
    noise = (np.random.default_rng(0).standard_normal(16000 * 4)).astype(np.float32)
    semantic, report = fit_semantic([features.frames(noise, 16000)], features, codebook_size=8)
    assert report["codes_used"] == 1.0
    ear = WindowEmbedder("logmel", 1.0)
    tokenisers = PieceTokenizer(str(codec), get_token_codec(str(codec)), ear, features, semantic)
    sources = [ComposedPiece(0, "jazz", 0), ComposedPiece(0, "metal", 0)]
    out = tmp_path / "tokens"
    files = write_shards(sources, out, "a", tokenisers, "logmel", seconds=3.0, per_shard=1)
    written = [file.stat().st_mtime_ns for file in files]
    files[1].unlink()
    assert write_shards(sources, out, "a", tokenisers, "logmel", seconds=3.0, per_shard=1) == files
    assert files[0].stat().st_mtime_ns == written[0]
    data = TokenData(out)
    assert len(data) == 2
    piece = data.piece(1)
    assert piece["codes"].shape == (4, 150)
    assert piece["semantic"].shape == (75,)
    assert piece["windows"].shape == (1, ear.space.dims)
    sound = ComposedPiece(0, "metal", 0).piece(3.0)
    from brain2music.simulation.music.render import render_piece

    codes = tokenisers.codec.encode(render_piece(sound, 24000)[None], 24000).values.T
    assert np.array_equal(codes, piece["codes"].numpy())
    assert torch.equal(data.codebooks, tokenisers.codec.codebooks)
    assert np.array_equal(piece["clock"].numpy()[:3], steady_clock(150, 50.0, sound.tempo, sound.beats))
    assert data.rows[1]["tempo"] == sound.tempo


@pytest.mark.slow
def test_tiny_learns_more_than_frequencies_and_follows_its_condition(shards: Path, tmp_path: Path) -> None:
    task = MusicLMTask(shards, "tiny", seed=0, batch_divisor=2.0)
    fit(
        task,
        TrainingArguments(steps=150, validate_every=150, checkpoint_every=150, log_every=10, device="cpu"),
        tmp_path,
    )
    found = task.validate({name: model.eval() for name, model in task.models.items()})
    for stage in ("semantic", "coarse", "fine"):
        assert found[stage] < 0.7 * found[f"{stage}_unigram"]
    assert found["semantic"] < found["semantic_none"]


class Interrupted(MusicLMTask):
    """Stops in the middle of its fourth step, as a user would."""

    def update(self, batch: object, step: int, engine: object) -> object:
        if step == 3:
            raise KeyboardInterrupt
        return super().update(batch, step, engine)


def assert_same(first: dict, second: dict) -> None:
    assert first.keys() == second.keys()
    assert all(torch.equal(first[stage][name], second[stage][name]) for stage in first for name in first[stage])
