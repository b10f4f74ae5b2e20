import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from typer.testing import CliRunner

from brain2music._utils.errors import Brain2MusicWarning, InputError
from brain2music.cli import app
from brain2music.models.autoencoder.model import Autoencoder, AutoencoderConfig
from brain2music.models.codec_parts.discriminators import Discriminators
from brain2music.models.codec_parts.losses import (
    adversarial_loss,
    discriminator_loss,
    feature_loss,
    reconstruction_loss,
)
from brain2music.models.codec_parts.training import Codec, CodecHyperparameters, CodecTask, used_code_shares
from brain2music.models.codec_parts.training_runs import CodecRun, train_soundstream
from brain2music.models.soundstream.model import SoundStream, SoundStreamConfig
from brain2music.training import loop
from brain2music.training.audio_data import Crops, open_corpus
from brain2music.training.divergence import GRACE, gan_divergence
from brain2music.training.engine import Engine
from brain2music.training.loop import TrainingArguments, fit
from brain2music.training.manifest import AudioSource
from brain2music.training.schedule import cosine

ARGUMENTS = TrainingArguments(steps=8, log_every=1, validate_every=4, checkpoint_every=3, device="cpu", workers=1)


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Curves take a second a picture; test_loop looks at one."""
    monkeypatch.setattr(loop, "draw_curves", lambda log, picture: None)


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two stereo files of noisy chords, 2 s each (simulated)."""
    folder = tmp_path_factory.mktemp("music")
    times = np.arange(2 * 24000)[:, None] / 24000
    for seed, name in enumerate(("one", "two")):
        rng = np.random.default_rng(seed)
        chord = np.sin(2 * np.pi * times * rng.uniform(100, 2000, 5)).sum(axis=1) / 10
        wave = chord[:, None] + 0.02 * rng.standard_normal((len(times), 2))
        soundfile.write(folder / f"{name}.wav", wave, 24000)
    return folder


def codec_task(music: Path, kind: str = "soundstream", **settings: object) -> CodecTask:
    """A tiny codec with one small discriminator of waveforms."""
    torch.manual_seed(0)
    codec: Codec
    if kind == "soundstream":
        codec = SoundStream(SoundStreamConfig.size("tiny"))
    else:
        codec = Autoencoder(AutoencoderConfig.size("tiny"))
    channels = 1 if kind == "soundstream" else 2
    discriminators = Discriminators(channels, 4, scales=(1,), stft_windows=())
    sources = [AudioSource(music / "one.wav"), AudioSource(music / "two.wav")]
    corpus = open_corpus(sources, codec.config.sample_rate, channels, music / "cache", n_jobs=1)
    crops = Crops(corpus, 3840, 3)
    chosen = CodecHyperparameters(adversarial_after=0.4, **settings)  # type: ignore[arg-type]
    held = Crops(corpus, 3840, 2, gain_db=None).batch(0)
    return CodecTask(codec, discriminators, crops, held, held, chosen, {"data": "two chords"})


def curve(out: Path) -> list[dict[str, float]]:
    """The log without what depends on speed."""
    lines = [json.loads(text) for text in (out / "log.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if not name.endswith("_s")} for line in lines]


@pytest.mark.parametrize("kind", ["soundstream", "autoencoder"])
def test_a_codec_stopped_midway_resumes_to_the_same_losses(music: Path, tmp_path: Path, kind: str) -> None:
    fit(codec_task(music, kind, refits=(0.3, 0.9)), ARGUMENTS, tmp_path / "whole")
    stopped = codec_task(music, kind, refits=(0.3, 0.9))
    update = stopped.update

    def failing(batch: torch.Tensor, step: int, engine: Engine) -> object:
        if step == 7:
            raise KeyboardInterrupt
        return update(batch, step, engine)

    stopped.update = failing  # type: ignore[method-assign, assignment]
    with pytest.raises(KeyboardInterrupt):
        fit(stopped, ARGUMENTS, tmp_path / "parts")
    fit(codec_task(music, kind, refits=(0.3, 0.9)), ARGUMENTS, tmp_path / "parts", resume=True)
    whole, parts = curve(tmp_path / "whole"), curve(tmp_path / "parts")
    assert len(whole) == 10
    for one, other in zip(whole, parts, strict=True):
        assert other == pytest.approx(one, abs=1e-6)


def test_one_pass_of_the_discriminators_gives_the_gradients_of_the_papers_losses(music: Path) -> None:
    task = codec_task(music, clip=1e9, discriminator_clip=1e9)
    codec, discriminators = task.models["codec"], task.models["discriminators"]
    grads: dict[str, list[torch.Tensor]] = {}
    engine = Engine(ARGUMENTS)
    batch = task.batch(0)
    torch.manual_seed(1)
    codec(batch)  # k-means
    for name, optimizer in task.optimizers.items():
        optimizer.step = lambda name=name: grads.update(  # type: ignore[method-assign, misc]
            {name: [p.grad.clone() for p in task.models[name].parameters()]}
        )
    buffers = [value.clone() for value in codec.buffers()]
    engine.progress = 0.5
    torch.manual_seed(2)
    logs = task.update(batch, 0, engine)
    for value, before in zip(codec.buffers(), buffers, strict=True):
        value.copy_(before)
    torch.manual_seed(2)
    result = codec(batch)
    real, fake = discriminators(batch), discriminators(result.wave)
    loss = reconstruction_loss(batch, result.wave, 24000) + result.commitment
    loss = loss + adversarial_loss(fake) + 100 * feature_loss(real, fake)
    wanted = torch.autograd.grad(loss, list(codec.parameters()))
    for ours, theirs in zip(grads["codec"], wanted, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-5)
    hinge = discriminator_loss(real, discriminators(result.wave.detach()))
    for ours, theirs in zip(
        grads["discriminators"], torch.autograd.grad(hinge, list(discriminators.parameters())), strict=True
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-6)
    assert float(torch.as_tensor(logs["discriminator"]).detach()) == pytest.approx(float(hinge.detach()), rel=1e-5)


def test_the_discriminators_wait_for_their_part_of_the_budget(music: Path, tmp_path: Path) -> None:
    task = codec_task(music)
    before = [value.clone() for value in task.models["discriminators"].parameters()]
    fit(task, replace(ARGUMENTS, steps=4, validate_every=100), tmp_path / "early")
    assert [("discriminator" in line) for line in curve(tmp_path / "early")[:4]] == [False, False, True, True]
    assert any(not torch.equal(a, b) for a, b in zip(before, task.models["discriminators"].parameters(), strict=True))


def test_a_codec_learns_and_leaves_a_model_a_card_and_sounds(music: Path, tmp_path: Path) -> None:
    task = codec_task(music, lr=2e-2)  # a fifth of it at most: the rate is still rising
    model = fit(task, replace(ARGUMENTS, steps=40, log_every=10, validate_every=20), tmp_path)
    reconstruction = [line["reconstruction"] for line in curve(tmp_path) if "reconstruction" in line]
    assert reconstruction[-1] < 0.9 * reconstruction[0]
    codec = SoundStream.from_pretrained(model)
    validated = reconstruction_loss(task.validation, codec(task.validation).wave, 24000)
    assert float(validated.detach()) == pytest.approx(task.last_validation["reconstruction"], rel=1e-4)
    card = (model / "README.md").read_text()
    assert "two chords" in card
    assert "| steps | 40 |" in card
    original, sample_rate = soundfile.read(tmp_path / "samples" / "original" / "1.wav")
    assert sample_rate == 24000
    np.testing.assert_allclose(original, task.sample_sounds[1, 0], atol=1e-4)
    assert soundfile.info(tmp_path / "samples" / "step-0000020" / "1.wav").frames == 3840


@pytest.mark.parametrize("accumulate", [1, 2])
def test_codebooks_are_learned_anew_where_the_budget_says(music: Path, tmp_path: Path, accumulate: int) -> None:
    task = codec_task(music, refits=(0.5,))
    codec = task.models["codec"]
    assert isinstance(codec, SoundStream)
    seen, refit = [], codec.quantizer.refit

    def counted(vectors: torch.Tensor, iterations: int = 10) -> None:
        seen.append((task.steps, len(vectors)))
        refit(vectors, iterations)

    codec.quantizer.refit = counted  # type: ignore[method-assign]
    fit(task, replace(ARGUMENTS, accumulate=accumulate), tmp_path / "out")
    assert [steps for steps, _ in seen] == [4]
    assert seen[0][1] >= 32 * codec.config.codebook_size


def test_codes_in_use_are_counted_by_level() -> None:
    codes = torch.tensor([[0, 1, 2, 3, 3], [5, 5, 5, 5, 5]])
    assert used_code_shares(codes, 8).tolist() == [0.5, 0.125]


def test_the_learning_rate_rises_then_falls_to_a_twentieth() -> None:
    assert cosine(0.0, 0) == pytest.approx(1 / 200)
    assert cosine(0.0, 1000) == pytest.approx(1.0)
    assert cosine(0.5, 1000) == pytest.approx(0.525)
    assert cosine(1.0, 1000) == pytest.approx(0.05)


def lines(count: int, first: int = 0, **values: float) -> list[dict[str, float]]:
    return [{"step": 100.0 * (first + number), **values} for number in range(count)]


@pytest.mark.parametrize(
    ("then", "said"),
    [
        ({"discriminator": 0.01}, "never deceived"),
        ({"discriminator": 1.999}, "learned nothing"),
        ({"features": 1.0}, "grow apart"),
        ({"codes_used": 0.2}, "codebooks collapse"),
        ({"reconstruction": 25.0}, "twice as far"),
        ({}, None),
    ],
)
def test_monitors_say_what_goes_wrong_and_only_then(then: dict[str, float], said: str | None) -> None:
    healthy = {"discriminator": 1.4, "features": 0.1, "codes_used": 0.6, "reconstruction": 10.0}
    history = lines(40, **healthy)
    assert gan_divergence(history) is None
    check_divergence = gan_divergence(history + lines(5, 40, **(healthy | then)))
    assert check_divergence is None if said is None else check_divergence is not None and said in check_divergence
    assert gan_divergence(history + lines(4, 40, **(healthy | then)) + lines(1, 44, **healthy)) is None


def test_discriminators_have_time_before_they_are_said_to_know_nothing() -> None:
    assert gan_divergence(lines(GRACE // 100, discriminator=2.0)) is None
    assert gan_divergence(lines(GRACE // 100 + 2, discriminator=2.0)) is not None


def test_a_lost_reconstruction_stops_training() -> None:
    with pytest.raises(InputError, match="the reconstruction collapsed: 120 after 10"):
        gan_divergence(lines(20, reconstruction=10.0) + lines(5, 20, reconstruction=120.0))


def test_batches_too_small_for_the_codebooks_are_warned_of(music: Path, tmp_path: Path) -> None:
    hparams = CodecHyperparameters(adversarial_after=1.0)
    run = CodecRun(
        music,
        tmp_path,
        "tiny",
        seconds=0.02,
        batch_size=1,
        cache=music / "cache",
        n_jobs=1,
        hparams=hparams,
    )
    with pytest.warns(Brain2MusicWarning, match="a batch holds 1 frames for 32 codes"):
        train_soundstream(run, replace(ARGUMENTS, steps=1))


@pytest.mark.parametrize("kind", ["soundstream", "autoencoder"])
def test_the_commands_train_resume_and_stop_at_what_is_held_out(music: Path, tmp_path: Path, kind: str) -> None:
    common = ["train", kind, str(music), str(tmp_path / "out"), "--size", "tiny", "--batch-size", "2"]
    common += ["--seconds", "0.1", "--adversarial-after", "1", "--device", "cpu", "--n-jobs", "1"]
    runner = CliRunner()
    done = runner.invoke(app, [*common, "--steps", "2"], catch_exceptions=False)
    assert "exported after 2 steps (all steps done)" in done.output
    assert (tmp_path / "out" / "model" / "model.safetensors").exists()
    assert (tmp_path / "out" / "model" / "whitening.safetensors").exists() == (kind == "autoencoder")
    with pytest.raises(InputError, match="holds a training already"):
        runner.invoke(app, [*common, "--steps", "3"], catch_exceptions=False)
    done = runner.invoke(app, [*common, "--steps", "3", "--resume"], catch_exceptions=False)
    assert "exported after 3 steps" in done.output
    with pytest.raises(InputError, match="held out"):
        runner.invoke(app, [*common, "--held-out", str(music)], catch_exceptions=False)
