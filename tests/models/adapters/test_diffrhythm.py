"""DiffRhythm: its network against transformers' Llama, its flow against a plain loop, and what every generator does."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from brain2music._utils.errors import InputError
from brain2music.embeddings.embeddings import Embeddings
from brain2music.models.adapters.adapted import Conditioning, Draw
from brain2music.models.diffrhythm import DiffRhythm
from brain2music.models.diffrhythm.decoder import decode_in_chunks
from brain2music.models.diffrhythm.model import STEPS
from brain2music.models.diffrhythm.published import base, full
from brain2music.models.diffrhythm.transformer import DiffusionTransformer, TransformerSizes
from brain2music.models.diffrhythm.weights import HOP
from brain2music.models.generators import get_generator

from . import toy_diffrhythm
from .contract import EditorContract, GeneratorContract, block_sockets, check_absent, check_digest, differ

MODELS = "BRAIN2MUSIC_MODELS"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toy_diffrhythm.write(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def trusted(folder: Path) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(MODELS, str(folder))
        patch.setenv(*toy_diffrhythm.trust(folder))
        yield folder


@pytest.fixture(scope="module")
def toy(trusted: Path) -> DiffRhythm:
    return base()


class TestDiffRhythm(GeneratorContract, EditorContract):
    guidances = (0.0, 1.0, 4.0)
    foreign = ("muq", "torchdiffeq", "torchaudio", "x_transformers")

    @pytest.fixture
    def generator(self, toy: DiffRhythm) -> DiffRhythm:
        return toy


def test_the_blocks_are_those_of_llama_without_a_mask() -> None:
    from transformers import LlamaConfig
    from transformers.models.llama.modeling_llama import LlamaDecoderLayer, LlamaRotaryEmbedding

    sizes = toy_diffrhythm.SIZES
    network = DiffusionTransformer(sizes)
    toy_diffrhythm.redraw(network)
    config = LlamaConfig(hidden_size=sizes.width, intermediate_size=sizes.hidden, max_position_embeddings=64)
    config._attn_implementation = "eager"
    x = torch.randn(2, 20, sizes.width, generator=torch.Generator().manual_seed(1))
    from brain2music.models.diffrhythm.transformer import HEADS, _rotation

    for number, ours in enumerate(network.transformer_blocks):
        theirs = LlamaDecoderLayer(config, layer_idx=number).eval()
        theirs.load_state_dict(ours.state_dict())
        positions = LlamaRotaryEmbedding(config)(x, torch.arange(20)[None].repeat(2, 1))
        expected = theirs(x, attention_mask=torch.zeros(2, 1, 20, 20), position_embeddings=positions)
        expected = expected[0] if isinstance(expected, tuple) else expected
        torch.testing.assert_close(ours(x, _rotation(20, sizes.width // HEADS, x)), expected, rtol=1e-4, atol=1e-4)


def test_sizes_are_read_from_a_checkpoint_and_names_are_the_published() -> None:
    for timed in (False, True):
        sizes = TransformerSizes(**{**toy_diffrhythm.SIZES.__dict__, "timed": timed})
        network = DiffusionTransformer(sizes)
        assert TransformerSizes.of(network.state_dict()) == sizes
    names = set(network.state_dict())
    published = {
        *("time_embed.time_mlp.0.weight", "start_time_embed.time_mlp.2.bias", "duration_time_embed.time_mlp.0.bias"),
        *(
            "text_embed.text_embed.weight",
            "text_embed.text_blocks.0.dwconv.weight",
            "text_embed.text_blocks.0.grn.gamma",
        ),
        *("input_embed.proj.weight", "input_embed.conv_pos_embed.conv1d.2.weight", "text_fusion_linears.0.0.weight"),
        *("transformer_blocks.1.self_attn.q_proj.weight", "transformer_blocks.1.mlp.down_proj.weight"),
        *("transformer_blocks.0.post_attention_layernorm.weight", "norm_out.linear.weight", "proj_out.bias"),
    }
    assert published <= names


def test_the_published_size_has_as_many_parameters_as_published() -> None:
    with torch.device("meta"):
        sizes = TransformerSizes(2048, 16, 8192, 64, 364, 512, 4, False)
        count = sum(weight.numel() for weight in DiffusionTransformer(sizes).parameters())
    assert count == pytest.approx(1.109e9, rel=1e-3)


def test_the_flow_is_that_of_a_plain_loop(toy: DiffRhythm) -> None:
    style = np.random.default_rng(2).normal(size=512).astype(np.float32)
    draw, frames = Draw(3, 1, 0), 24
    given, known = torch.randn(toy_diffrhythm.LATENT, frames), torch.zeros(frames, dtype=torch.bool)
    known[:10] = True
    made = toy.latents(Conditioning("embedding", vector=7 * style), given, known, draw, 4.0)
    x = torch.randn(1, frames, toy_diffrhythm.LATENT, generator=draw.torch())
    context = (given * known).T[None]
    unit = torch.from_numpy(style / np.linalg.norm(style))[None]
    lyrics, duration = torch.zeros(1, frames, dtype=torch.long), torch.ones(1)
    with torch.inference_mode():
        for step in range(toy_diffrhythm.STEPS):
            time = torch.tensor([step / toy_diffrhythm.STEPS])
            v = toy.network(x, context, lyrics, unit, time, duration)
            null = toy.network(x, torch.zeros_like(context), lyrics, toy.negative[None], time, duration)
            x = x + (v + 4 * (v - null)) / toy_diffrhythm.STEPS
    expected = torch.where(known, given, x[0].T)
    torch.testing.assert_close(made, expected, rtol=1e-3, atol=1e-3)


def test_chunks_of_latents_decode_to_the_same_sound(toy: DiffRhythm) -> None:
    latents = torch.randn(toy_diffrhythm.LATENT, 250)
    with torch.inference_mode():
        torch.testing.assert_close(decode_in_chunks(toy.decoder, latents), toy.decoder.decode(latents))
    assert decode_in_chunks(toy.decoder, latents[:, :5]).shape == (2, 5 * HOP)


def test_a_text_and_a_recording_go_through_the_embedder(toy: DiffRhythm, rng: np.random.Generator) -> None:
    text = toy.generate(text=["slow piano", "fast drums"], seconds=1.0)
    assert text[0].source["condition"] == "text"
    assert differ(text[0].waveform, text[1].waveform) > 1e-3
    sound = (0.1 * rng.standard_normal(24000 * 10).astype(np.float32), 24000)
    like = toy.generate(like=sound, seconds=1.0)[0]
    assert like.source["condition"] == "sound"
    assert like.source["like_sha256"]


def test_origins_say_what_was_done_and_for_what_it_may_be_used(toy: DiffRhythm) -> None:
    source = toy.generate(np.ones(512, np.float32), seconds=1.0)[0].source
    assert source["commercial"] is False
    assert "CC-BY-NC-4.0" in source["licence"]
    assert (source["steps"], source["guidance"], source["negative_style"]) == (6, 4.0, "of a voice")
    assert STEPS == 31
    assert source["made_s"] == pytest.approx(toy_diffrhythm.FRAMES * HOP / 44100)


def test_without_a_style_to_keep_away_from_that_is_said(trusted: Path, toy: DiffRhythm) -> None:
    vocal = trusted / "diffrhythm" / "vocal.npy"
    content = vocal.read_bytes()
    vocal.unlink()
    other = base()
    piece = other.generate(np.ones(512, np.float32), seconds=1.0)[0]
    vocal.write_bytes(content)
    assert piece.source["negative_style"] == "none (vocal.npy is not here)"
    assert other.sha256 != toy.sha256


def test_the_full_model_makes_what_is_asked_and_at_least_a_third(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = toy_diffrhythm.write(tmp_path, timed=True)
    monkeypatch.setenv(MODELS, str(folder))
    monkeypatch.setenv(*toy_diffrhythm.trust(folder))
    model = full()
    short, long = (model.generate(np.ones(512, np.float32), seconds=seconds)[0] for seconds in (1.0, 5.0))
    assert short.source["made_s"] == pytest.approx((toy_diffrhythm.FRAMES // 3 + 1) * HOP / 44100)
    assert long.source["made_s"] == pytest.approx(108 * HOP / 44100)
    assert long.waveform.shape == (2, 5 * 44100)


def test_torchscript_runs_only_where_it_is_trusted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MODELS, str(folder))
    monkeypatch.delenv(toy_diffrhythm.TRUST_VARIABLE, raising=False)
    with pytest.raises(InputError, match="TorchScript, which is code") as refused:
        base()
    assert "=".join(toy_diffrhythm.trust(folder)) in str(refused.value)
    monkeypatch.setenv(toy_diffrhythm.TRUST_VARIABLE, "0" * 64)
    with pytest.raises(InputError, match="TorchScript, which is code"):
        base()


def test_diffusers_autoencoder_takes_its_place(trusted: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from diffusers import AutoencoderOobleck

    for each in ("diffrhythm", "muq-mulan", "muq-avg", "xlm-roberta-base"):
        (tmp_path / each).symlink_to(trusted / each)
    sizes = {"encoder_hidden_size": 8, "decoder_channels": 4, "decoder_input_channels": 4, "channel_multiples": [1] * 5}
    torch.manual_seed(0)
    oobleck = AutoencoderOobleck(**sizes, downsampling_ratios=[2, 4, 4, 8, 8], sampling_rate=44100)
    oobleck.save_pretrained(tmp_path / "diffrhythm-vae")
    monkeypatch.setenv(MODELS, str(tmp_path))
    monkeypatch.delenv(toy_diffrhythm.TRUST_VARIABLE)
    model = base()
    first, second = model.generate(np.eye(2, 512, dtype=np.float32)[:, None], seconds=1.0)
    assert first.waveform.shape == (2, 44100)
    assert differ(first.waveform, second.waveform) > 1e-3


def test_digests_change_with_every_file(trusted: Path) -> None:
    def change(file: Path) -> None:
        if file.suffix == ".npy":
            np.save(file, np.ones((1, 512), np.float32))
            return
        content = torch.load(file, weights_only=True)
        content["model_state_dict"]["transformer.proj_out.bias"] += 1
        torch.save(content, file)

    own = trusted / "diffrhythm"
    check_digest(base, [own / "cfm_model.pt", own / "vocal.npy"], change)


def test_what_is_not_here_or_not_it_is_told(trusted: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    check_absent("diffrhythm", monkeypatch, tmp_path, "ASLP-lab/DiffRhythm-1_2", "brain2music models pull diffrhythm")
    check_absent("diffrhythm-full", monkeypatch, tmp_path, "ASLP-lab/DiffRhythm-1_2-full")
    for each in trusted.iterdir():
        (tmp_path / each.name).symlink_to(each)
    monkeypatch.setenv(MODELS, str(tmp_path))
    (tmp_path / "diffrhythm").unlink()
    (tmp_path / "diffrhythm").mkdir()
    checkpoint = tmp_path / "diffrhythm" / "cfm_model.pt"
    state = torch.load(trusted / "diffrhythm" / "cfm_model.pt", weights_only=True)["model_state_dict"]
    for wrong, told in (
        ({name: value for name, value in state.items() if "proj_out.bias" not in name}, "lack proj_out.bias"),
        ({**state, "transformer.more": torch.ones(1)}, "hold an unknown more"),
        ({"transformer.other": torch.ones(1)}, "no checkpoint of DiffRhythm"),
    ):
        torch.save({"model_state_dict": wrong}, checkpoint)
        with pytest.raises(InputError, match=told):
            base()
    checkpoint.write_bytes(checkpoint.read_bytes()[:100])
    with pytest.raises(InputError):
        base()
    torch.save({"model_state_dict": state}, checkpoint)
    (tmp_path / "muq-mulan").unlink()
    with pytest.raises(InputError, match="OpenMuQ/MuQ-MuLan-large is not here"):
        base()


def test_it_is_made_by_name_and_embeddings_of_clap_are_refused(toy: DiffRhythm, monkeypatch) -> None:
    block_sockets(monkeypatch)
    model = get_generator("diffrhythm")
    assert isinstance(model, DiffRhythm)
    from brain2music.embeddings.embeddings import EmbeddingSpace

    clap = EmbeddingSpace("clap-musicldm", "1", "c" * 64, 512, 10.0, 1.5, 48000)
    with pytest.raises(InputError, match=r"of clap-musicldm \(c{12}\), the generator takes muq-mulan"):
        model.generate(Embeddings(np.ones((1, 1, 512), np.float32), ("a",), clap), seconds=1.0)
