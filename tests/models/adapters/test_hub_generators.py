"""Generators by diffusers and transformers: what every one keeps to, and what is particular to each."""

import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from brain2music._utils.errors import Brain2MusicWarning, InputError
from brain2music.embeddings.embeddings import Embeddings
from brain2music.models.adapters import musicgen as musicgen_module
from brain2music.models.adapters.adapted import Conditioning, Draw
from brain2music.models.adapters.clap import pooled_output
from brain2music.models.adapters.hub_generators import HUB_ABILITIES
from brain2music.models.adapters.musicgen import CHROMA, MusicGen, one_hot_chroma
from brain2music.models.embedders import get_text_embedder
from brain2music.models.generators import get_generator

from . import tiny_hub, toy_pipelines
from .contract import EditorContract, GeneratorContract, check_absent, check_digest, differ

MODELS = "BRAIN2MUSIC_MODELS"
HAS_STABLE_AUDIO_3 = Path(diffusers.__path__[0], "pipelines", "stable_audio_3").is_dir()
needs_stable_audio_3 = pytest.mark.skipif(not HAS_STABLE_AUDIO_3, reason=f"not in diffusers {diffusers.__version__}")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    models = tmp_path_factory.mktemp("models")
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        patch.setenv(MODELS, str(models))
        toy_pipelines.musicldm(models / "clap-musicldm")
        toy_pipelines.audioldm(models / "audioldm", models / "clap-unfused")
        if HAS_STABLE_AUDIO_3:
            toy_pipelines.stable_audio_3(models / "stable-audio-3")
        toy_pipelines.musicgen(models / "musicgen")
        toy_pipelines.musicgen(models / "musicgen-melody", melody=True)
        yield models


@pytest.fixture(scope="module")
def models(folder: Path) -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Brain2MusicWarning)  # the codec of the toy is random
        here = [name for name in HUB_ABILITIES if HAS_STABLE_AUDIO_3 or name != "stable-audio-3"]
        return {name: get_generator(name) for name in here}


class TestMusicLDM(GeneratorContract):
    guidances = (1.0, 3.0)

    @pytest.fixture
    def generator(self, models: dict[str, Any]) -> Any:
        return models["musicldm"]


class TestAudioLDM(GeneratorContract):
    guidances = (1.0, 3.0)

    @pytest.fixture
    def generator(self, models: dict[str, Any]) -> Any:
        return models["audioldm"]


@needs_stable_audio_3
class TestStableAudio3(GeneratorContract, EditorContract):
    guidances = (1.0, 3.0)
    foreign = ("stable_audio_3", "stable_audio_tools")

    @pytest.fixture
    def generator(self, models: dict[str, Any]) -> Any:
        return models["stable-audio-3"]


class TestMusicGen(GeneratorContract):
    guidances = (1.0, 3.0)
    foreign = ("audiocraft",)

    @pytest.fixture
    def generator(self, models: dict[str, Any]) -> Any:
        return models["musicgen"]

    def test_a_recording_is_continued_and_kept(self, generator: Any) -> None:
        EditorContract.test_a_recording_is_continued_and_kept(EditorContract(), generator)

    def test_it_fills_no_gaps(self, generator: Any) -> None:
        with pytest.raises(InputError, match="fills no gaps in recordings"):
            generator.fill((np.ones((1, 32000), np.float32), 32000), [(0.2, 0.4)])


class TestMusicGenMelody(GeneratorContract):
    guidances = (1.0, 3.0)

    @pytest.fixture
    def generator(self, models: dict[str, Any]) -> Any:
        return models["musicgen-melody"]

    def two(self, generator: Any) -> dict[str, Any]:
        return {"text": list(self.texts)}


def test_texts_are_embedded_by_the_models_own_clap(models: dict[str, Any]) -> None:
    for name, embedding in (("musicldm", "clap-musicldm"), ("audioldm", "clap-unfused")):
        embedder = get_text_embedder(embedding)
        own = models[name].embed_text("slow piano").numpy()
        np.testing.assert_allclose(own, embedder.embed_text("slow piano")[0], atol=1e-5)
        assert models[name].space.same_as(embedder.space)
        by_text = models[name].generate(text="slow piano", seconds=1.0)[0]
        by_vector = models[name].generate(embedding=own, seconds=1.0)[0]
        assert differ(by_text.waveform, by_vector.waveform) < 1e-3
        assert by_text.source["commercial"] is False
        other = replace(embedder.space, name="muq-mulan")
        with pytest.raises(InputError, match=f"of muq-mulan .* the generator takes {embedding}"):
            models[name].generate(Embeddings(own[None, None], ("a",), other), seconds=1.0)


def test_a_piece_is_that_of_the_pipeline_itself(models: dict[str, Any]) -> None:
    model, draw = models["musicldm"], Draw(3, 0, 0)
    vector = np.random.default_rng(0).normal(size=model.space.dims).astype(np.float32)
    piece = model.generate(embedding=vector, seconds=1.0, seed=3, guidance=3.0)[0]
    unit = torch.from_numpy(vector / np.linalg.norm(vector))[None]
    expected = model.pipeline(
        prompt_embeds=unit, negative_prompt_embeds=model.embed_text("")[None], audio_length_in_s=1.1,
        num_inference_steps=toy_pipelines.STEPS, guidance_scale=3.0, generator=draw.torch(), output_type="np",
    ).audios[:, :16000]  # fmt: skip
    np.testing.assert_allclose(piece.waveform, expected * piece.source["gain"], atol=1e-5)


def test_an_audioldm_of_another_clap_is_refused(folder: Path) -> None:
    weights = folder / "clap-unfused" / "model.safetensors"
    content = weights.read_bytes()
    state = load_file(weights)
    state["text_projection.linear1.weight"] = state["text_projection.linear1.weight"].flip(0).contiguous()
    save_file(state, weights, {"format": "pt"})
    try:
        with pytest.raises(InputError, match="the text side of audioldm is not that of laion/clap-htsat-unfused"):
            get_generator("audioldm")
    finally:
        weights.write_bytes(content)


@needs_stable_audio_3
def test_a_codec_that_gives_back_another_sound_is_told(folder: Path) -> None:
    with pytest.warns(Brain2MusicWarning, match="comes back from the codec"):
        model = get_generator("stable-audio-3")
    piece = model.generate(text="slow piano", seconds=1.0)[0]
    assert abs(piece.source["codec_round_trip"]) < 0.7
    assert piece.source["attribution"] == "Powered by Stability AI"


@needs_stable_audio_3
def test_a_long_recording_is_filled_in_a_part_of_it(models: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    model = models["stable-audio-3"]
    monkeypatch.setattr(model, "window_s", 4.0)
    rate = 22050
    recording = 0.1 * np.random.default_rng(0).standard_normal((1, 10 * rate)).astype(np.float32)
    piece = model.fill((recording, rate), [(1.0, 1.5), (8.0, 9.0)], text="drums", seed=1)[0]
    assert (piece.sample_rate, piece.waveform.shape) == (rate, recording.shape)
    kept = slice(round(1.52 * rate), round(7.98 * rate))
    assert np.array_equal(piece.waveform[:, kept], recording[:, kept])
    assert differ(piece.waveform[:, 8 * rate : 9 * rate], recording[:, 8 * rate : 9 * rate]) > 0.01
    with pytest.raises(InputError, match="cannot fill 5 s"):
        model.fill((recording, rate), [(1.0, 6.0)])
    with pytest.raises(InputError, match=r"lies inside a frame of stable-audio-3"):
        model.fill((recording, rate), [(1.0, 1.05)])


def test_a_melody_is_the_strongest_pitch_class_of_every_frame(models: dict[str, Any]) -> None:
    rate, time = 32000, np.arange(32000 * 4) / 32000
    for pitch, name in ((261.63, 0), (440.0, 9), (329.63, 4)):
        chroma = one_hot_chroma(torch.from_numpy(np.sin(2 * np.pi * pitch * time).astype(np.float32)), rate)
        assert chroma.shape == (235, CHROMA)
        assert (chroma.argmax(dim=1) == name).float().mean() > 0.9
    model = models["musicgen-melody"]
    given = [(np.sin(2 * np.pi * pitch * time).astype(np.float32), rate) for pitch in (311.1, 466.2)]
    first, second = model.generate(like=given, seconds=1.0)
    assert first.source["condition"] == "melody"
    assert differ(first.waveform, second.waveform) > 1e-3


def test_guided_music_follows_the_text_and_not_the_global_seed(models: dict[str, Any]) -> None:
    model = models["musicgen"]
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    first = model.generate(text="slow piano", seconds=1.0)[0]
    assert torch.equal(before, torch.random.get_rng_state())
    torch.manual_seed(2)
    assert model.generate(text="slow piano", seconds=1.0)[0].waveform.tobytes() == first.waveform.tobytes()


def test_a_transformers_that_ignores_conditions_is_refused(
    folder: Path, models: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    deaf = models["musicgen"]._given(Conditioning("text", text="a"))
    monkeypatch.setattr(MusicGen, "_given", lambda *_: deaf)
    with pytest.raises(InputError, match="musicgen ignores its condition under transformers"):
        musicgen_module.musicgen()


def test_digests_change_with_weights(folder: Path) -> None:
    def change(file: Path) -> None:
        state = load_file(file)
        name = next(iter(state))
        state[name] = state[name] + 1
        save_file(state, file, {"format": "pt"})

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Brain2MusicWarning)
        for name, file in (("stable-audio-3", "vae"), ("clap-musicldm", "unet"))[not HAS_STABLE_AUDIO_3 :]:
            generator = {"clap-musicldm": "musicldm"}.get(name, name)
            weights = folder / name / file / "diffusion_pytorch_model.safetensors"
            check_digest(lambda generator=generator: get_generator(generator), [weights], change)  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "named"),
    [
        ("musicldm", ("ucsd-reach/musicldm", "hf download")),
        ("audioldm", ("cvssp/audioldm-s-full-v2", "brain2music models pull audioldm")),
        ("stable-audio-3", ("model_index.json", "save_pretrained")),
        ("musicgen", ("facebook/musicgen-small", "hf download")),
        ("musicgen-melody", ("facebook/musicgen-melody", "hf download")),
    ],
)
def test_absent_weights_are_told(
    name: str, named: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    check_absent(name, monkeypatch, tmp_path, *named)


def test_a_diffusers_without_the_pipeline_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if HAS_STABLE_AUDIO_3:
        monkeypatch.setattr(diffusers, "StableAudio3Pipeline", None, raising=False)
    monkeypatch.setenv(MODELS, str(tmp_path))
    (tmp_path / "stable-audio-3").mkdir()
    (tmp_path / "stable-audio-3" / "model_index.json").write_text('{"_class_name": "StableAudio3Pipeline"}')
    with pytest.raises(InputError, match=rf"diffusers {diffusers.__version__} has no StableAudio3Pipeline"):
        get_generator("stable-audio-3")


def test_absent_packages_are_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    found = importlib.util.find_spec
    pipelines = ("musicldm", "stable-audio-3") if HAS_STABLE_AUDIO_3 else ("musicldm",)
    for package, names in (("diffusers", pipelines), ("transformers", ("musicgen",))):
        monkeypatch.setattr("importlib.util.find_spec", lambda name, p=package: None if name == p else found(name))
        for name in names:
            with pytest.raises(InputError, match=r"brain2music\[hub\]"):
                get_generator(name)


def test_pooled_outputs_of_both_generations_of_transformers_are_read() -> None:
    class Output:
        pooler_output = torch.ones(1, 3)

    assert torch.equal(pooled_output(torch.ones(1, 3)), pooled_output(Output()))


@needs_stable_audio_3
def test_a_damaged_pipeline_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(MODELS, str(tmp_path))
    (tmp_path / "stable-audio-3").mkdir()
    (tmp_path / "stable-audio-3" / "model_index.json").write_text("{}")
    with pytest.raises(InputError, match="this is not a StableAudio3Pipeline"):
        get_generator("stable-audio-3")
    tiny_hub.hubert(tmp_path / "musicgen")
    with pytest.raises(InputError, match="this is a hubert, not a MusicgenForConditionalGeneration"):
        get_generator("musicgen")
