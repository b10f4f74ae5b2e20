"""MusicLM whole: what comes out, what is kept, what is refused."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from typer.testing import CliRunner

from brain2music._utils.errors import InputError
from brain2music._utils.files import read_json, write_json
from brain2music.audio.sound import Reconstruction
from brain2music.cli import app
from brain2music.embeddings.embeddings import Embeddings, EmbeddingSpace
from brain2music.models.generators import Generator, generate_from_embeddings, get_generator
from brain2music.models.mel_tokens.hifigan import GeneratorShape
from brain2music.models.mel_tokens.hifigan import HiFiGANGenerator as VocoderNetwork
from brain2music.models.mel_tokens.model import MelTokenCodec, MelTokens, MelTokensConfig
from brain2music.models.musiclm.condition import Condition, Conditioner
from brain2music.models.musiclm.config import stage_configs
from brain2music.models.musiclm.model import MusicLM
from brain2music.models.musiclm.stage import MusicLMStage
from brain2music.weights import find

from .conftest import SPACE, WORDS

VECTORS = np.random.default_rng(0).standard_normal((2, 8)).astype(np.float32)


@pytest.fixture(scope="module")
def folder(three: MusicLM, codec: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return three.save_pretrained(tmp_path_factory.mktemp("musiclm") / "tiny", str(codec))


@pytest.mark.parametrize("plan", ["three", "single"])
def test_pieces_have_the_length_asked_for_and_repeat_by_seed(plan: str, request: pytest.FixtureRequest) -> None:
    model: MusicLM = request.getfixturevalue(plan)
    made = model.generate(embedding=VECTORS, rows="items", seconds=1.3, n_samples=2, seed=5)
    assert [each.waveform.shape for each in made] == [(1, round(1.3 * 24000))] * 4
    assert [each.source["draw"] for each in made] == [0, 1, 0, 1]
    again = model.generate(embedding=VECTORS, rows="items", seconds=1.3, n_samples=2, seed=5)
    assert all(np.array_equal(a.waveform, b.waveform) for a, b in zip(made, again, strict=True))
    assert not np.array_equal(made[0].waveform, made[1].waveform)
    nested = generate_from_embeddings(model, VECTORS, 1.3, 2, 5)
    assert np.array_equal(nested[1][0].waveform, made[2].waveform)


def test_saved_and_loaded_it_makes_the_same_music(three: MusicLM, folder: Path) -> None:
    loaded = get_generator(folder)
    assert isinstance(loaded, Generator)
    half = three.save_pretrained(folder.parent / "again", read_json(folder / "config.json")["codec"])
    first, second = (each.generate(embedding=VECTORS[0], seconds=1.0) for each in (loaded, get_generator(half)))
    assert np.array_equal(first[0].waveform, second[0].waveform)


def test_long_music_goes_through_every_window(single: MusicLM) -> None:
    codes = single.tokens([single.conditioner(torch.from_numpy(VECTORS))], 23.0, torch.Generator().manual_seed(0))
    assert codes.shape == (2, 4, 23 * 50)


def test_a_single_stage_writes_for_a_codec_of_any_rate(conditioner: Conditioner) -> None:
    """Mel tokens, 43.07 frames a second: made, repeated, and gone on from, without semantic tokens."""
    torch.manual_seed(0)
    tokens = MelTokens(MelTokensConfig(frames_per_token=2, n_quantizers=4, codebook_size=32))
    shape = GeneratorShape(channels=8, strides=(8, 8, 4), kernels=(16, 16, 8), block_kernels=(3,), dilations=(1,))
    codec = MelTokenCodec(tokens, "mel-tokens", generator=VocoderNetwork(shape))
    words = replace(WORDS, acoustic_frame_rate=codec.sample_rate / codec.hop_length, acoustic_dims=160)
    model = MusicLM(
        {"acoustic": MusicLMStage(stage_configs("tiny", "single", words)["acoustic"])}, conditioner, None, codec
    )
    made = model.generate(embedding=VECTORS, rows="items", seconds=5.0)
    assert [each.waveform.shape for each in made] == [(1, 5 * 22_050)] * 2
    prompt = model.prompt(made[0].waveform[0][: 40 * 512])
    conditions = [model.conditioner(torch.from_numpy(VECTORS[:1]))]
    whole = model.tokens(conditions, 2.0, torch.Generator().manual_seed(0), prompt=prompt)
    assert whole.shape == (1, 4, math.ceil(2 * 22_050 / 512))
    assert torch.equal(whole[:, :, :40], prompt[1])


def test_a_story_changes_its_condition_with_the_section(three: MusicLM, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each section's windows see its own condition, and the frames before them."""
    calls: dict[str, list[tuple[int, int, int]]] = {"semantic": [], "coarse": [], "fine": []}
    conditions = [three.conditioner(torch.from_numpy(VECTORS[i : i + 1])) for i in (0, 1)]

    def sample(
        stage: MusicLMStage,
        condition: Condition | None,
        upstream: torch.Tensor | None,
        frames: int,
        sampling: object,
        generator: object,
        known: torch.Tensor | None = None,
    ) -> torch.Tensor:
        section = [c is condition for c in conditions].index(True) if condition is not None else -1
        calls[stage.config.name].append((section, 0 if known is None else known.shape[2], frames))
        return torch.zeros(
            1 if condition is not None else len(upstream), stage.config.n_quantizers, frames, dtype=torch.long
        )

    monkeypatch.setattr(MusicLMStage, "sample", sample)
    assert three.tokens(conditions, 20.0, torch.Generator()).shape == (1, 4, 1000)
    assert calls["semantic"] == [(0, 0, 375), (1, 375, 500)]
    assert calls["coarse"] == [(0, 0, 500), (0, 250, 500), (1, 250, 500)]
    assert calls["fine"] == [(-1, 0, 150)]


def test_a_continuation_keeps_the_recording_and_goes_on(three: MusicLM, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "brain2music.models.musiclm.continuation.embed_sounds", lambda *_: torch.from_numpy(VECTORS[:1])
    )
    three.semantic.features["sha256"] = (
        __import__("brain2music.models.musiclm.semantic", fromlist=["MusicnnFrames"]).MusicnnFrames().sha256
    )
    sound = (0.1 * np.random.default_rng(1).standard_normal(24000 * 2)).astype(np.float32)
    made = three.continuation((sound, 24000), seconds=1.0)
    assert made.waveform.shape == (1, 24000 * 3)
    assert np.array_equal(made.waveform[0, :48000], sound)
    with pytest.raises(InputError, match="cannot be continued"):
        three.continuation((sound[:100], 24000))


def test_tags_and_sidecar_say_where_a_sound_came_from(tmp_path: Path) -> None:
    source = {"generator": "musiclm", "seed": 3}
    path = Reconstruction(np.full((1, 100), 2.0, np.float32), 24000, source).save(tmp_path / "made.wav")
    with soundfile.SoundFile(path) as file:
        assert json.loads(file.comment) == source
        assert file.software.startswith("brain2music")
        assert np.abs(file.read()).max() <= 1.0
    assert read_json(path.with_suffix(".json"))["source"] == source
    with pytest.raises(InputError, match=r"cannot write '\.xyz'"):
        Reconstruction(np.ones((1, 9), np.float32), 24000).save(tmp_path / "made.xyz")


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"embedding": VECTORS[0], "seconds": 0.0}, "0 s of music"),
        ({"embedding": VECTORS[0], "seconds": 10_000.0}, "10000 s of music"),
        ({"embedding": VECTORS[0], "seconds": float("nan")}, "nan is no number"),
        ({"embedding": VECTORS[0], "n_samples": 0}, "0 samples"),
        ({"embedding": np.full(8, np.nan, np.float32)}, "NaN"),
        ({"embedding": np.zeros(8, np.float32)}, "all zeros"),
        ({"embedding": np.ones(9, np.float32)}, r"shape \(9,\)"),
        ({"text": [" "]}, "text to embed is empty"),
        ({"text": ["word " * 5000]}, "5000 words"),
        ({"text": ["calm piano"]}, "embeds no text"),
        ({}, "exactly one"),
        ({"embedding": VECTORS, "text": ["calm"]}, "exactly one"),
        ({"embedding": VECTORS[0], "seed": -1}, "seed is -1"),
    ],
)
def test_what_cannot_be_made_is_refused(three: MusicLM, asked: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        three.generate(**asked)


def test_an_embedding_of_another_space_is_named_by_its_digest(three: MusicLM) -> None:
    other = EmbeddingSpace("mulan-other", "1", "abcdef012345" * 5, 8, 10.0, 1.5, 16000)
    with pytest.raises(InputError, match=r"mulan-other \(abcdef012345\)"):
        three.generate(embedding=Embeddings(VECTORS[:, None], ("a", "b"), other))
    same_in_other_windows = EmbeddingSpace("logmel", "1", "none", 8, 10.0, 5.0, 16000)
    three.generate(embedding=Embeddings(VECTORS[:, None], ("a", "b"), same_in_other_windows), seconds=1.0)


def test_another_codec_than_the_trained_one_is_refused(folder: Path, tmp_path: Path) -> None:
    from brain2music.models.soundstream.model import SoundStream, SoundStreamConfig

    torch.manual_seed(9)
    other = SoundStream(SoundStreamConfig.size("tiny")).save_pretrained(tmp_path / "other")
    with pytest.raises(InputError, match="not the one this model was trained with"):
        MusicLM.from_pretrained(folder, codec=other)
    with pytest.raises(InputError, match="holds no weights of a codec"):
        MusicLM.from_pretrained(folder, codec="musiclm-small")
    write_json(tmp_path / "strange" / "config.json", {"model": "MuLan"})
    with pytest.raises(InputError, match="does not generate"):
        get_generator(tmp_path / "strange")
    with pytest.raises(InputError, match="no model"):
        find("no-such-model")


def test_the_conditioner_quantises_text_and_sound_alike_and_never_moves(conditioner: Conditioner) -> None:
    before = conditioner.tokenizer.codebooks
    short = 0.3 * VECTORS  # as averages of windows are
    assert torch.equal(conditioner(torch.from_numpy(short)).tokens, conditioner(torch.from_numpy(VECTORS)).tokens)
    raw = Conditioner(SPACE, conditioner.tokenizer, renormalise=False)
    assert not torch.equal(raw(torch.from_numpy(short)).tokens, raw(torch.from_numpy(VECTORS)).tokens)
    assert torch.equal(conditioner.tokenizer.codebooks, before)


def test_the_commands_write_music_and_refuse_in_one_line(folder: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "e.npy", VECTORS[0])
    command = ["generate", "--generator", str(folder), "--embedding-file", str(tmp_path / "e.npy"), "--duration-s", "1"]
    done = CliRunner().invoke(app, [*command, "--n-samples", "2", "-o", str(tmp_path / "new.wav")])
    assert done.exit_code == 0, done.output
    assert sorted(path.name for path in tmp_path.glob("new*")) == ["new-1.json", "new-1.wav", "new-2.json", "new-2.wav"]
    refused = CliRunner().invoke(app, [*command, "--n-samples", "0", "-o", str(tmp_path / "new.wav")])
    assert isinstance(refused.exception, InputError)
    helped = CliRunner().invoke(app, ["generate", "--help"]).output
    assert "What to expect" in " ".join(helped.split())
