"""Surprisal and entropy are those of the stage's own distribution, and follow what a piece does."""

import numpy as np
import pytest
import torch

from brain2music._utils.errors import InputError
from brain2music.models.embedders import get_embedder
from brain2music.models.musiclm import Condition, MusicLM, MusicLMSurprisal
from brain2music.models.musiclm.surprisal import LEVEL_RMS
from brain2music.simulation.music.compose import compose_piece
from brain2music.simulation.music.render import render_piece


def levelled(sound: np.ndarray) -> np.ndarray:
    """The sound at the level at which its codes are expected."""
    return sound * np.float32(LEVEL_RMS / np.sqrt(np.mean(np.square(sound, dtype=np.float64))))


def nothing(model: MusicLM) -> Condition:
    config = model.stages["acoustic"].config
    tokens = torch.zeros(1, config.condition_quantizers, dtype=torch.long)
    return Condition(tokens, torch.zeros(1, config.condition_dims), torch.zeros(1, 2, dtype=torch.bool))


def test_surprisal_is_the_loss_of_the_codes_and_entropy_that_of_their_distribution(
    single: MusicLM, rng: np.random.Generator
) -> None:
    sound = 0.1 * rng.standard_normal(single.sample_rate // 2).astype(np.float32)
    found = MusicLMSurprisal(single).expectation(sound, single.sample_rate)
    stage = single.stages["acoustic"]
    codes = single.encode_audio(levelled(sound))[None, : stage.config.n_quantizers]
    with torch.no_grad():
        log_p = stage(nothing(single), None, codes)[0]
        logits = stage.logits(nothing(single), None, codes)[0]
    np.testing.assert_allclose(found.surprisal, -log_p.T.numpy() / np.log(2), atol=1e-4)
    entropy = torch.distributions.Categorical(logits=logits).entropy().T.numpy() / np.log(2)
    np.testing.assert_allclose(found.entropy, entropy, atol=1e-4)
    assert found.entropy.max() <= np.log2(stage.config.codebook_size) + 1e-4


def test_long_sound_has_the_expectations_of_its_windows(single: MusicLM, rng: np.random.Generator) -> None:
    config, rate = single.stages["acoustic"].config, single.sample_rate
    sound = 0.1 * rng.standard_normal(round(2.5 * config.crop_s * rate)).astype(np.float32)
    found = MusicLMSurprisal(single).expectation(sound, rate)
    codes = single.encode_audio(levelled(sound))[: config.n_quantizers]
    assert found.surprisal.shape == (codes.shape[1], config.n_quantizers)
    crop, stride = config.frames, round(config.stride_s * config.frame_rate)
    with torch.no_grad():
        second = single.stages["acoustic"](nothing(single), None, codes[None, :, stride : stride + crop])[0]
    expected = -second[:, crop - stride :].T.numpy() / np.log(2)
    np.testing.assert_allclose(found.surprisal[crop : crop + stride], expected, atol=1e-4)


def test_windows_are_means_and_deviations_of_their_frames(single: MusicLM, rng: np.random.Generator) -> None:
    embedder = MusicLMSurprisal(single, window_s=1.0, step_s=0.5)
    sound = 0.1 * rng.standard_normal(3 * 22_050).astype(np.float32)
    vectors, found = embedder.embed(sound, 22_050), embedder.expectation(sound, 22_050)
    assert vectors.shape == (5, embedder.space.dims)
    frames = slice(round(0.5 * embedder.frame_rate), round(1.5 * embedder.frame_rate))
    parts = found.surprisal[frames].mean(0), found.entropy[frames].mean(0), found.surprisal[frames].std(0)
    np.testing.assert_allclose(vectors[1], np.concatenate(parts), atol=1e-5)
    np.testing.assert_array_equal(embedder.embed(sound, 22_050), vectors)
    assert len(embedder.embed(sound[:2205], 22_050)) == 1


def test_the_level_of_a_sound_surprises_nobody(single: MusicLM, rng: np.random.Generator) -> None:
    embedder = MusicLMSurprisal(single, window_s=1.0, step_s=0.5)
    sound = 0.1 * rng.standard_normal(2 * single.sample_rate).astype(np.float32)
    expected = embedder.embed(sound, single.sample_rate)
    for gain in (2.0**-6, 4.0):
        np.testing.assert_allclose(embedder.embed(np.float32(gain) * sound, single.sample_rate), expected, atol=1e-4)
    assert np.isfinite(embedder.embed(np.zeros_like(sound), single.sample_rate)).all()


def test_a_model_of_several_stages_is_refused(three: MusicLM) -> None:
    with pytest.raises(InputError, match="a single stage"):
        MusicLMSurprisal(three)


@pytest.mark.slow
def test_music_that_jumps_about_surprises_more_than_music_that_goes_on() -> None:
    embedder = get_embedder("musiclm-surprisal")
    assert (embedder.space.name, embedder.space.window_s) == ("musiclm-surprisal", 3.0)
    for seed, genre in enumerate(("classical", "disco", "rock")):
        piece = render_piece(compose_piece(genre, np.random.default_rng([8, seed]), 8.0), 22_050)
        parts = np.array_split(piece, 40)
        order = np.random.default_rng(seed).permutation(len(parts))
        shuffled = np.concatenate([parts[number] for number in order])
        own, other = (embedder.embed(sound, 22_050)[:, 0].mean() for sound in (piece, shuffled))
        assert own < other, genre
