"""JEN-1 as a generator: what it takes, what it gives back as it was, and what it refuses in one line."""

import json
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from brain2music._utils.errors import Brain2MusicWarning, InputError
from brain2music.audio.io import read_audio, resample, write_audio
from brain2music.cli import app
from brain2music.embeddings.embeddings import Embeddings
from brain2music.models.autoencoder.model import Autoencoder, AutoencoderConfig
from brain2music.models.autoencoder.whitening import LatentWhitening
from brain2music.models.generator_parts import prompts
from brain2music.models.generator_parts.gaps import check_gap
from brain2music.models.generator_parts.pace import Pace
from brain2music.models.generators import Generator, generate_from_embeddings, get_generator
from brain2music.models.jen1 import conditioner
from brain2music.models.jen1.config import UNetConfig
from brain2music.models.jen1.diffusion import DiffusionConfig
from brain2music.models.jen1.latents import AutoencoderLatents, open_latents
from brain2music.models.jen1.model import JEN1
from brain2music.models.jen1.unet import OmniUNet

from .conftest import RATE, SPACE, make_network, music

ROWS = np.random.default_rng(3).standard_normal((3, 8)).astype(np.float32)


class Letters:
    """Embedder of sounds and token states of texts that tell all of them apart."""

    space, name, dims = SPACE, "letters", 12

    def embed(self, waveform: np.ndarray, sample_rate: int) -> np.ndarray:
        from brain2music.audio.waveforms import as_waveform

        wave, _ = as_waveform(waveform, sample_rate)
        return np.array([[1.0, float(wave.std()), *[float(abs(wave).max())] * 6]], np.float32)

    def __call__(self, texts: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
        lengths = [len(text.split()) for text in texts]
        states = torch.zeros(len(texts), max(lengths), 12)
        for row, text in enumerate(texts):
            for place, word in enumerate(text.split()):
                states[row, place, len(word) % 12] = 1.0
        return states, torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]


@pytest.fixture(autouse=True)
def embedder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prompts, "get_embedder", lambda *_: Letters())
    monkeypatch.setattr(conditioner, "get_text_tokens", lambda _: Letters())


@pytest.fixture(scope="module")
def with_text(model: JEN1) -> JEN1:
    return JEN1(model.network, model.diffusion, model.latents, SPACE, "letters")


@pytest.fixture(scope="module")
def folder(with_text: JEN1, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return with_text.save_pretrained(tmp_path_factory.mktemp("jen1") / "jen1-tiny")


def test_it_is_a_generator(model: JEN1) -> None:
    assert isinstance(model, Generator)
    made = generate_from_embeddings(model, ROWS, 1.0, 2, 0)
    assert [len(each) for each in made] == [2, 2, 2]
    assert all(piece.waveform.shape == (1, RATE) for each in made for piece in each)
    assert not np.allclose(made[0][0].waveform, made[0][1].waveform)


def test_a_piece_is_the_same_alone_and_among_others(model: JEN1) -> None:
    together = model.generate(ROWS[:, None], seconds=1.0, seed=4)
    alone = model.generate(ROWS[2], seconds=1.0, seed=4, first_item=2)
    difference = np.abs(together[2].waveform - alone[0].waveform).mean()
    assert difference < 0.05 * np.abs(alone[0].waveform).mean()
    assert alone[0].source["item"] == 2
    other = model.generate(ROWS[2], seconds=1.0, seed=5, first_item=2)
    assert not np.allclose(other[0].waveform, alone[0].waveform, atol=1e-3)


def test_texts_embeddings_and_sounds_are_taken_alone_and_texts_with_one_of_the_others(with_text: JEN1) -> None:
    text = with_text.generate(text="slow piano", seconds=1.0)[0]
    assert text.source["text"] == "slow piano"
    like = with_text.generate(like=(music(), RATE), seconds=1.0)[0]
    both = with_text.generate(ROWS[0], "slow piano", seconds=1.0)[0]
    waves = [each.waveform for each in (text, like, both, with_text.generate(ROWS[0], seconds=1.0)[0])]
    assert all(not np.allclose(a, b) for i, a in enumerate(waves) for b in waves[:i])
    assert with_text.conditioner.asked(ROWS[:, None], ["one", "two", "three"], None).condition.shown.all()


def test_what_cannot_be_asked_for_is_told(with_text: JEN1, model: JEN1) -> None:
    for wrong, match in (
        ({}, "give an embedding, a text or a recording"),
        ({"embedding": ROWS[0], "like": (music(), RATE)}, "give an embedding, a text or a recording"),
        ({"embedding": ROWS[0][:5]}, "8 dimensions"),
        ({"embedding": ROWS[:, None], "text": ["one", "two"]}, "2 texts for 3 items"),
        ({"text": " "}, "empty"),
        ({"text": "word " * 300}, "300 words"),
        ({"embedding": ROWS[0], "steps": 0}, "0 sampling steps"),
        ({"embedding": ROWS[0], "seconds": 0.0}, "0 s of music"),
        ({"embedding": ROWS[0], "guidance": -1.0}, "guidance is -1"),
    ):
        with pytest.raises(InputError, match=match):
            with_text.generate(**wrong)
    with pytest.raises(InputError, match="takes no texts"):
        model.generate(text="slow piano")


def test_a_text_that_tells_no_tempo_is_said_to_tell_none(model: JEN1) -> None:
    pace = Pace(np.zeros((8, 4), np.float32), np.array([1, 0, 7, 1], np.float32), np.array([4]))
    paced = JEN1(model.network, model.diffusion, model.latents, SPACE, "letters", pace=pace)
    with pytest.warns(Brain2MusicWarning, match=r"no tempo can be told from a text.*logmel embeds no text"):
        assert paced.generate(text="slow piano", seconds=1.0)[0].source["tempo"] == 128.0
    for told in ({"text": "slow piano", "tempo": 90.0}, {"embedding": ROWS[0]}, {"embedding": ROWS[0], "text": "slow"}):
        with warnings.catch_warnings():
            warnings.simplefilter("error", Brain2MusicWarning)
            paced.generate(**told, seconds=1.0)


@pytest.mark.parametrize(("channels", "rate"), [(1, RATE), (2, 44_100), (1, 8_000), (2, 48_000)])
def test_a_recording_is_given_back_outside_the_gap_sample_for_sample(model: JEN1, channels: int, rate: int) -> None:
    sound = np.stack([music(6.0, number, rate) * (1 - 0.3 * number) for number in range(channels)])
    made = model.inpaint((sound, rate), 2.0, 3.5)
    assert made.sample_rate == rate
    assert made.waveform.shape == sound.shape
    first, last, seam = 2 * rate, round(3.5 * rate), round(0.01 * rate)
    assert np.array_equal(made.waveform[:, : first - seam], sound[:, : first - seam])
    assert np.array_equal(made.waveform[:, last + seam :], sound[:, last + seam :])
    assert not np.allclose(made.waveform[:, first:last], sound[:, first:last])
    assert np.abs(made.waveform[:, first:last]).max() > 0
    around = slice(first - seam, first + seam)
    assert np.abs(np.diff(made.waveform[:, around])).max() < 3 * np.abs(np.diff(sound)).max()


def test_what_the_gap_held_is_not_heard(model: JEN1) -> None:
    sound = music(6.0)
    other = sound.copy()
    other[2 * RATE : 3 * RATE] = 0.9
    made = [model.inpaint((each, RATE), 2.0, 3.0).waveform for each in (sound, other)]
    assert np.array_equal(*made)


@pytest.mark.parametrize(("start", "stop"), [(0.0, 1.0), (5.0, 6.0), (1.2, 5.6)])
def test_gaps_at_the_ends_and_longer_than_a_window_holds_are_filled(model: JEN1, start: float, stop: float) -> None:
    sound = music(6.0)
    made = model.inpaint((sound, RATE), start, stop)
    inside = slice(round(start * RATE), round(stop * RATE))
    assert made.waveform.shape == (1, len(sound))
    assert np.sqrt(np.mean(made.waveform[:, inside] ** 2)) > 1e-4
    assert np.asarray(made.source["gap_s"]) == pytest.approx(np.array([[start, stop]]), abs=1e-4)


def test_gaps_that_cannot_be_filled_are_told(model: JEN1) -> None:
    sound = (music(6.0), RATE)
    for start, stop, match in (
        (2.0, 7.0, "not inside the recording of 6.00 s"),
        (-1.0, 2.0, "not inside"),
        (2.0, 2.0, "nothing to fill"),
        (3.0, 2.0, "nothing to fill"),
        (0.2, 5.9, "leaves 0.30 s"),
        (float("nan"), 2.0, "give seconds"),
    ):
        with pytest.raises(InputError, match=f"{match}|Give seconds"):
            model.inpaint(sound, start, stop)
    with pytest.raises(InputError, match="needs music before it"):
        model.inpaint(sound, 0.0, 4.0)
    assert check_gap(5.0, 6.0, len(sound[0]), RATE) == (5 * RATE, 6 * RATE)


@pytest.mark.parametrize(("channels", "rate"), [(1, RATE), (2, 44_100), (1, 8_000)])
def test_a_recording_is_continued_and_kept(model: JEN1, channels: int, rate: int) -> None:
    sound = np.stack([music(4.0, number, rate) for number in range(channels)])
    made = model.continuation((sound, rate), 3.0)
    assert made.waveform.shape == (channels, sound.shape[1] + 3 * rate)
    assert np.array_equal(made.waveform[:, : sound.shape[1]], sound)
    assert np.abs(made.waveform[:, sound.shape[1] :]).max() > 1e-4


def test_silence_can_be_continued_and_too_little_cannot(model: JEN1) -> None:
    with pytest.warns(Brain2MusicWarning, match="the recording is silent, and what continues it may be, too"):
        silent = model.continuation((np.zeros(3 * RATE, np.float32), RATE), 1.0)
    assert np.isfinite(silent.waveform).all()
    with pytest.raises(InputError, match=r"0\.50 s cannot be continued"):
        model.continuation((music(0.5), RATE), 1.0)


def test_music_longer_than_a_window_is_made(model: JEN1) -> None:
    calls: list[tuple[int, int]] = []
    made = model.generate(ROWS[0], seconds=9.0, progress=lambda done, total: calls.append((done, total)))[0]
    assert made.waveform.shape == (1, 9 * RATE)
    assert calls[-1] == (len(calls), len(calls))
    assert len(calls) == 4


def test_a_saved_model_makes_the_same_music(with_text: JEN1, folder: Path) -> None:
    again = get_generator(folder)
    assert isinstance(again, JEN1)
    assert (again.space, again.text_encoder, again.diffusion) == (SPACE, "letters", with_text.diffusion)
    assert again.sha256 != "none"
    made, remade = (each.generate(ROWS[0], seconds=1.0)[0].waveform for each in (with_text, again))
    assert np.abs(made - remade).mean() < 0.1 * np.abs(made).mean()  # half precision
    assert again.generate(ROWS[0], seconds=1.0)[0].source["checkpoint"] == "jen1-tiny"


def test_a_folder_that_does_not_hold_together_is_told(folder: Path, tmp_path: Path) -> None:
    def changed(name: str, **settings: object) -> Path:
        own = Path(shutil.copytree(folder, tmp_path / name))
        whole = json.loads((own / "config.json").read_text()) | settings
        (own / "config.json").write_text(json.dumps({key: value for key, value in whole.items() if value != "gone"}))
        return own

    with pytest.raises(InputError, match="not the one this model was trained with"):
        get_generator(changed("other", codec_sha256="1" * 64))
    with pytest.raises(InputError, match="not the one this model was trained with"):
        get_generator(folder, codec="soundstream-small")
    with pytest.raises(InputError, match="holds no weights of a codec"):
        get_generator(folder, codec="musiclm-small")
    with pytest.raises(InputError, match="lack space"):
        get_generator(changed("lacks", space="gone"))
    with pytest.raises(InputError, match="cannot be used"):
        get_generator(changed("unknown", diffusion={"schedule": {}, "colour": 1}))
    for name, value, told in (("fade_s", "long", ""), ("window_s", float("nan"), "window_s is nan")):
        with pytest.raises(InputError, match=f"diffusion cannot be used .*{told}"):
            get_generator(changed(name, diffusion={"schedule": {}, name: value}))
    space = json.loads((folder / "config.json").read_text())["space"]
    with pytest.raises(InputError, match="embedding space cannot be used"):
        get_generator(changed("space", space={**space, "dims": "many"}))
    with pytest.raises(InputError, match="text encoder has no name"):
        get_generator(changed("text", text=5))
    with pytest.raises(InputError, match="does not generate music"):
        get_generator(changed("kind", model="Poem"))
    whitening = changed("whitening")
    (whitening / "whitening.safetensors").unlink()
    with pytest.raises(InputError, match="a part of the model is missing"):
        get_generator(whitening)


def test_the_autoencoder_s_latents_are_generated_filled_and_continued_in_stereo(tmp_path: Path) -> None:
    torch.manual_seed(0)
    autoencoder = Autoencoder(AutoencoderConfig.size("tiny"))
    sounds = torch.stack([torch.from_numpy(np.stack([music(2.0, i, 48_000)] * 2)) for i in range(4)])
    autoencoder.initialise_from(sounds)
    autoencoder.whitening = LatentWhitening(8, normalise_rms=True)
    for sound in sounds:
        autoencoder.whitening.update(autoencoder.encode(sound[None]))
    codec = autoencoder.save_pretrained(tmp_path / "codec")
    latents = open_latents(codec, None)
    assert isinstance(latents, AutoencoderLatents)
    network = make_network(latent_dim=8)
    stereo = JEN1(network, DiffusionConfig(sampling_steps=2, window_s=4.0, stride_s=2.0), latents, SPACE, None)
    assert stereo.generate(ROWS[0], seconds=1.0)[0].waveform.shape == (2, 48_000)
    sound = np.stack([music(4.0, 0, 44_100), 0.5 * music(4.0, 1, 44_100)])
    filled = stereo.inpaint((sound, 44_100), 1.0, 2.0).waveform
    assert np.array_equal(filled[:, : round(0.98 * 44_100)], sound[:, : round(0.98 * 44_100)])
    assert np.array_equal(stereo.continuation((sound, 44_100), 1.0).waveform[:, : sound.shape[1]], sound)
    wave = resample(sound, 44_100, 48_000)
    encoded = latents.encode(wave)
    through = autoencoder.decode(autoencoder.encode(torch.from_numpy(wave)[None]))[0].numpy()
    np.testing.assert_allclose(latents.decode(encoded.latents, encoded.level), through, atol=1e-3)
    folder = stereo.save_pretrained(tmp_path / "model")
    assert isinstance(get_generator(folder, codec=codec), JEN1)
    assert OmniUNet.from_pretrained(folder / "unet").config == UNetConfig.size("tiny", 8, 12, 8)


def test_mel_latents_come_back_as_spectrograms_within_what_channels_keep(model: JEN1) -> None:
    whole = open_latents("mel-tokens-6k", LatentWhitening(160))
    for seed in range(8):
        whole.whitening.update(whole.raw(music(seed=seed)[None])[None])
    raw = whole.raw(music(seed=1)[None])
    encoded = whole.encode(music(seed=1)[None])
    mel = whole.spectrogram(encoded.latents)
    np.testing.assert_allclose(mel, raw.T.reshape(-1, 80).numpy(), atol=0.02)
    assert encoded.known.all()


class TestCommands:
    """Commands exit with 0, or say in one line what is wrong."""

    @pytest.fixture
    def sound(self, tmp_path: Path) -> Path:
        write_audio(tmp_path / "song.wav", music(5.0), RATE)
        return tmp_path / "song.wav"

    def run(self, *arguments: object) -> object:
        return CliRunner().invoke(app, [str(each) for each in arguments])

    def test_generate_and_continue_take_a_jen1(self, folder: Path, sound: Path, tmp_path: Path) -> None:
        common = ("--generator", folder, "--duration-s", "1", "--steps", "2")
        made = self.run("generate", "-o", tmp_path / "new.wav", "--text", "slow piano", *common)
        assert made.exit_code == 0, made.output
        assert json.loads((tmp_path / "new.json").read_text())["source"]["sampling"]["sampling_steps"] == 2
        assert self.run("continue", sound, "-o", tmp_path / "more.wav", *common).exit_code == 0
        assert read_audio(tmp_path / "more.wav")[0].shape == (6 * RATE,)

    def test_inpaint_writes_the_rest_to_the_bit(self, folder: Path, sound: Path, tmp_path: Path) -> None:
        out = tmp_path / "filled.wav"
        done = self.run("inpaint", sound, "-o", out, "--from", 2, "--to", 3, "--generator", folder, "--steps", 2)
        assert done.exit_code == 0, done.output
        before, after = (read_audio(each)[0] for each in (sound, out))
        assert np.array_equal(before[: 2 * RATE - 230], after[: 2 * RATE - 230])
        assert np.array_equal(before[3 * RATE + 230 :], after[3 * RATE + 230 :])

    def test_bad_gaps_and_generators_are_told(self, folder: Path, sound: Path, tmp_path: Path) -> None:
        out = tmp_path / "filled.wav"
        for start, stop, generator, match in (
            (2, 9, folder, "not inside"),
            (2, 2, folder, "nothing to fill"),
            (1, 2, "musiclm-small", "does not fill gaps"),
            (1, 2, tmp_path / "nowhere", "no generator"),
        ):
            done = self.run("inpaint", sound, "-o", out, "--from", start, "--to", stop, "--generator", generator)
            assert isinstance(done.exception, InputError), done.output
            assert match in str(done.exception)
            assert not out.exists()
        story = self.run("story", "one", "-o", out, "--generator", folder)
        assert "tells no stories" in str(story.exception)
        steps = self.run("continue", sound, "-o", out, "--steps", "3")
        assert "without steps" in str(steps.exception)


def test_an_embedding_of_another_space_is_told(model: JEN1) -> None:
    import dataclasses

    other = dataclasses.replace(SPACE, sha256="1" * 64)
    with pytest.raises(InputError, match="the generator takes logmel"):
        model.generate(Embeddings(ROWS[:, None], ("a", "b", "c"), other))
