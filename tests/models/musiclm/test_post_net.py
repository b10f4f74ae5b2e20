"""The mel post-net: nothing until it is trained, nearer to music after; a part of its model."""

import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter1d
from torch import Tensor
from typer.testing import CliRunner

from brain2music._utils.errors import InputError
from brain2music._utils.files import read_arrays, write_arrays
from brain2music.audio.io import read_audio
from brain2music.cli import app
from brain2music.models.generator_parts.prompts import embed_sounds, seeded_generator
from brain2music.models.mel_tokens.hifigan import N_MELS
from brain2music.models.mel_tokens.model import MelTokens
from brain2music.models.musiclm.model import MusicLM
from brain2music.models.musiclm.post_net import FOLDER, MelPostNet, MelPostNetConfig
from brain2music.models.musiclm.post_net_data import GUIDANCE, sample_teacher_forced, write_examples, write_free_running
from brain2music.models.musiclm.post_net_training import Pair, PostNetHyperparameters, PostNetTask, train_post_net
from brain2music.models.musiclm.postfilter import FRAMES, Postfilter
from brain2music.models.musiclm.sampling import Sampling
from brain2music.training.arguments import TrainingArguments
from brain2music.training.engine import Engine
from brain2music.training.loop import fit
from brain2music.weights import find

SMALL = MelPostNetConfig(width=32, blocks=2)


def arguments(steps: int) -> TrainingArguments:
    return TrainingArguments(
        steps=steps, validate_every=steps, checkpoint_every=2, log_every=2, device="cpu", workers=0
    )


@pytest.mark.parametrize("frames", [1, 86, 1291])
def test_untrained_it_changes_nothing(frames: int) -> None:
    mel = np.random.default_rng(0).standard_normal((frames, N_MELS)).astype(np.float32)
    np.testing.assert_array_equal(MelPostNet(SMALL).apply_to(mel), mel)


@pytest.fixture(scope="module")
def flickering(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shard of slow music whose drawn tokens flicker, which stand for free ones, too."""
    rng, codec = np.random.default_rng(0), MelTokens.from_pretrained("mel-tokens-6k")
    mels = gaussian_filter1d(rng.standard_normal((24, 400, N_MELS)), 8, axis=1).astype(np.float32) * 4 - 5

    def codes(mel: np.ndarray) -> np.ndarray:
        return codec.encode(torch.from_numpy(mel))[:, :8].T.numpy().astype(np.int16)

    noisy = mels + 2 * rng.standard_normal(mels.shape).astype(np.float32)
    arrays = {"mel": mels.astype(np.float16), "codes": np.stack([*map(codes, mels)])}
    shard = tmp_path_factory.mktemp("flickering") / "0.safetensors"
    drawn = np.stack([*map(codes, noisy)])
    write_arrays(shard, arrays | {"drawn": drawn, "free": drawn}, {})
    return shard


def of(shard: Path, hparams: PostNetHyperparameters) -> PostNetTask:
    free = [shard] if hparams.adversarial_after < 1 else []
    return PostNetTask([shard], free, MelTokens.from_pretrained("mel-tokens-6k"), hparams, SMALL, seed=0)


def test_it_learns_what_was_meant(flickering: Path, tmp_path: Path) -> None:
    """The music's own tokens are hardly touched."""
    task = of(flickering, PostNetHyperparameters(seconds=4.0, lr=5e-3, warmup_steps=5, adversarial_after=1.0))
    before = task.validate(task.models)
    assert before["sampled"] == before["sampled_before"] > 1.3 * before["ground_truth"]
    found = MelPostNet.from_pretrained(fit(task, arguments(100), tmp_path / "out"))
    after = task.validate({"refiner": found})
    assert after["sampled"] < 0.8 * before["sampled"]
    assert after["ground_truth"] < 1.05 * before["ground_truth"]


def test_discriminators_keep_it_from_taking_the_mean(tmp_path: Path) -> None:
    """Of noise, of which tokens drawn anew say nothing, differences alone make its mean; discriminators want noise."""
    rng, codec = np.random.default_rng(0), MelTokens.from_pretrained("mel-tokens-6k")
    true, other = (rng.standard_normal((16, 240, N_MELS)).astype(np.float32) - 4 for _ in range(2))
    codes = [
        np.stack([codec.encode(torch.from_numpy(each))[:, :8].T.numpy() for each in side]) for side in (true, other)
    ]
    arrays = dict(zip(("codes", "drawn", "free"), (codes[i].astype(np.int16) for i in (0, 1, 1)), strict=True))
    write_arrays(tmp_path / "0.safetensors", arrays | {"mel": true.astype(np.float16)}, {})
    deviations = []
    for after in (1.0, 0.3):
        task = of(
            tmp_path / "0.safetensors",
            PostNetHyperparameters(
                batch=2,
                ground_truth=0.0,
                free_running=1,
                seconds=1.0,
                lr=5e-3,
                adversarial_lr=2e-3,
                warmup_steps=5,
                adversarial_after=after,
            ),
        )
        found = MelPostNet.from_pretrained(fit(task, arguments(150), tmp_path / str(after)))
        with torch.no_grad():
            deviations.append(float(found(codec.decode(torch.from_numpy(codes[1][0].T))[None]).std()))
    assert deviations[0] < 0.5
    assert deviations[1] > 1.2 * deviations[0]


def test_a_killed_training_ends_with_the_same_weights(
    flickering: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed in its adversarial part, whose discriminators go on as they were."""
    hparams, update = PostNetHyperparameters(batch=2, free_running=1, warmup_steps=1), PostNetTask.update

    def killed(self: PostNetTask, batch: Pair, step: int, engine: Engine) -> Mapping[str, Tensor | float]:
        if step == 7:
            raise KeyboardInterrupt
        return update(self, batch, step, engine)

    fit(of(flickering, hparams), arguments(10), tmp_path / "whole")
    monkeypatch.setattr(PostNetTask, "update", killed)
    with pytest.raises(KeyboardInterrupt):
        fit(of(flickering, hparams), arguments(10), tmp_path / "killed")
    monkeypatch.undo()
    fit(of(flickering, hparams), arguments(10), tmp_path / "killed", resume=True)
    files = [tmp_path / name / "model" / "model.safetensors" for name in ("whole", "killed")]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_draws_keep_in_step(model: MusicLM) -> None:
    """Every code but the levels above it is chosen from what follows the true past, to the last frame."""
    stage, rng = model.stages["acoustic"], np.random.default_rng(0)
    codes = torch.from_numpy(rng.integers(0, 1024, (1, 8, 200)))
    condition = model.conditioner(torch.ones(1, 128))
    sampling = Sampling(temperature=0.0, guidance=1.0)
    drawn = sample_teacher_forced(stage, condition, codes, sampling, torch.Generator().manual_seed(0))
    assert drawn.shape == codes.shape
    with torch.inference_mode():
        first = stage.logits(condition, None, codes[:, :, : stage.config.frames]).argmax(-1)
    span = first.shape[2]
    assert torch.equal(drawn[:, 0, :span], first[:, 0])
    assert not torch.equal(drawn[:, 1, :span], first[:, 1])  # which follows from the level drawn above it
    assert (drawn[:, :, span:] != codes[:, :, span:]).float().mean() > 0.9


def test_examples_that_are_there_are_kept(model: MusicLM, music: Path, tmp_path: Path) -> None:
    files = sorted(music.iterdir())
    (shard,) = write_examples(model, files, tmp_path, 6.0, seed=0)
    arrays, about = read_arrays(shard)
    assert arrays["drawn"].shape == arrays["codes"].shape == (2, 8, 258)
    assert arrays["mel"].shape == (2, 516, N_MELS)
    assert about["files"] == ["0.wav", "1.wav"]
    before = shard.read_bytes()
    shard.unlink()
    write_examples(model, files, tmp_path, 6.0, seed=0)
    assert shard.read_bytes() == before
    time = shard.stat().st_mtime_ns
    write_examples(model, files, tmp_path, 6.0, seed=0)
    assert shard.stat().st_mtime_ns == time
    with pytest.raises(InputError, match=r"sampled otherwise \(files, seed\)"):
        write_examples(model, files[::-1], tmp_path, 6.0, seed=1)


def test_free_draws_follow_their_embeddings_and_are_kept(model: MusicLM, music: Path, tmp_path: Path) -> None:
    """Drawn as what is asked of the model is, apply_guidance by one of the guidances that are not none."""
    files = sorted(music.iterdir())
    (shard,) = write_free_running(model, files, tmp_path, 6.0, seed=0)
    arrays, about = read_arrays(shard)
    assert arrays["free"].shape == (2, 8, 259)  # whole tokens that last as long
    assert about["files"] == ["0.wav", "1.wav"]
    sounds = [read_audio(file, model.sample_rate, duration=6.0) for file in files]
    condition, guidance = model.conditioner(embed_sounds(sounds, model.conditioner)), GUIDANCE[1:]
    asked = [model.tokens([condition], 6.0, seeded_generator(0, 0, model.device), each).numpy() for each in guidance]
    assert sum(np.array_equal(arrays["free"], each) for each in asked) == 1
    time = shard.stat().st_mtime_ns
    write_free_running(model, files, tmp_path, 6.0, seed=0)
    assert shard.stat().st_mtime_ns == time
    with pytest.raises(InputError, match=r"sampled otherwise \(seconds\)"):
        write_free_running(model, files, tmp_path, 5.0, seed=0)


def test_it_is_a_part_of_its_model(tmp_path: Path) -> None:
    """It changes what is drawn and not what is coded, is saved with the model, and decides its digest."""
    bare = MusicLM.from_pretrained("musiclm-small")
    torch.manual_seed(0)
    bare.post_net = MelPostNet(SMALL)
    torch.nn.init.normal_(bare.post_net.last.weight, std=0.1)
    codes = torch.from_numpy(np.random.default_rng(0).integers(0, 1024, (8, 100)))
    mel = np.random.default_rng(1).standard_normal((100, N_MELS)).astype(np.float32) - 5
    again = MusicLM.from_pretrained(bare.save_pretrained(tmp_path / "m", "mel-tokens-6k"))
    assert np.abs(bare.apply_post_net(mel) - mel).mean() > 0.01
    np.testing.assert_allclose(
        again.apply_post_net(mel), bare.apply_post_net(mel), atol=0.01
    )  # saved in half precision
    shutil.rmtree(tmp_path / "m" / FOLDER)
    without = MusicLM.from_pretrained(tmp_path / "m")
    assert without.post_net is None
    assert without.sha256 != again.sha256
    np.testing.assert_array_equal(without.apply_post_net(mel), mel)
    np.testing.assert_array_equal(without.decode_codes(codes, sampled=False), again.decode_codes(codes, sampled=False))
    assert not np.allclose(without.decode_codes(codes), again.decode_codes(codes), atol=0.02)


def test_the_command_puts_it_into_the_model_and_takes_the_postfilter_out(music: Path, tmp_path: Path) -> None:
    """One that was fitted to other draws would spoil it; without discriminators a new one is fitted."""
    folder, out = tmp_path / "musiclm", tmp_path / "out"
    shutil.copytree(find("musiclm-small"), folder)
    shutil.rmtree(folder / FOLDER, ignore_errors=True)
    old = Postfilter(np.ones((N_MELS, FRAMES // 2 + 1), np.float32))
    old.save(folder)
    words = ["train", "post-net", str(folder), str(out), str(music), "--pieces", "2", "--seconds", "6", "--steps", "4"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    model = MusicLM.from_pretrained(folder)
    assert model.post_net is not None
    assert model.postfilter is None
    assert "2 pieces of 6 s" in (folder / FOLDER / "README.md").read_text(encoding="utf-8")
    assert "holds a training" in str(CliRunner().invoke(app, words).exception)
    again = CliRunner().invoke(app, [*words, "--resume"])
    assert again.exit_code == 0, again.output
    assert MusicLM.from_pretrained(folder).sha256 == model.sha256
    words[3] = str(tmp_path / "alone")
    alone = CliRunner().invoke(app, [*words, "--no-adversarial"])
    assert alone.exit_code == 0, alone.output
    filtering = MusicLM.from_pretrained(folder).postfilter
    assert filtering is not None
    assert not np.array_equal(filtering.gains, old.gains)


def test_what_it_cannot_learn_from_is_refused(
    model: MusicLM, single: MusicLM, music: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError, match="makes no spectrograms"):
        train_post_net(single, [music], tmp_path / "out", arguments(1))
    with pytest.raises(InputError, match=r"too short to learn from.*15 s"):
        train_post_net(model, [music], tmp_path / "out", arguments(1))
    with pytest.raises(InputError, match="no such folder"):
        train_post_net(model, [tmp_path / "nowhere"], tmp_path / "out", arguments(1))
    monkeypatch.setattr(model, "stages", {"coarse": model.stages["acoustic"]})
    with pytest.raises(InputError, match="of a single stage"):
        train_post_net(model, [music], tmp_path / "out", arguments(1))
