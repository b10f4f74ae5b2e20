"""Sampling from the network: guidance, known latents, conditions, and long music."""

import dataclasses

import numpy as np
import pytest
import torch

from brain2music.models.jen1.condition import DiffusionCondition
from brain2music.models.jen1.diffusion import DiffusionConfig, DiffusionSampler, KnownLatents, StartingLatents

from .conftest import DIM, SPACE, make_network

FRAMES = 24
CONFIG = DiffusionConfig(sampling_steps=4, window_s=24.0, stride_s=12.0, fade_s=3.0)


@pytest.fixture(scope="module")
def sampler() -> DiffusionSampler:
    return DiffusionSampler(make_network(), CONFIG)


def condition_of(batch: int, seed: int = 0) -> DiffusionCondition:
    rng = torch.Generator().manual_seed(seed)
    return DiffusionCondition(
        torch.randn(batch, 4, 12, generator=rng),
        torch.ones(batch, 4, dtype=torch.bool),
        torch.randn(batch, SPACE.dims, generator=rng),
        torch.ones(batch, 2, dtype=torch.bool),
    )


def generators(count: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(number) for number in range(count)]


def known_of(batch: int, *spans: tuple[int, int]) -> KnownLatents:
    latents = torch.randn(batch, DIM, FRAMES, generator=torch.Generator().manual_seed(5))
    mask = torch.ones(batch, 1, FRAMES)
    for item, (first, last) in enumerate(spans):
        mask[item, :, first:last] = 0
    return KnownLatents(latents, mask)


def nothing(batch: int) -> KnownLatents:
    return KnownLatents(torch.zeros(batch, DIM, FRAMES), torch.zeros(batch, 1, FRAMES))


def test_guidance_of_one_is_the_conditioned_model_and_of_zero_the_null_model(sampler: DiffusionSampler) -> None:
    noisy, shown = torch.randn(2, DIM, FRAMES, generator=generators(1)[0]), condition_of(2)
    with torch.no_grad():
        at = {w: sampler.denoiser(shown, nothing(2), False, w)(noisy, 400) for w in (0.0, 1.0, 2.0, 0.5)}
        null = sampler.denoiser(DiffusionCondition.null(2, 12, SPACE.dims), nothing(2), False, 2.0)(noisy, 400)
    torch.testing.assert_close(at[0.0], null)
    assert not torch.allclose(at[1.0], at[0.0])
    torch.testing.assert_close(at[2.0], at[0.0] + 2 * (at[1.0] - at[0.0]), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(at[0.5], (at[0.0] + at[1.0]) / 2, atol=1e-5, rtol=1e-5)


def test_two_conditions_give_different_music_and_one_the_same(sampler: DiffusionSampler) -> None:
    first, again, other = (sampler.sample(condition_of(1, seed), FRAMES, generators(1)) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)


def test_an_item_does_not_depend_on_those_beside_it(sampler: DiffusionSampler) -> None:
    together = sampler.sample(condition_of(3), FRAMES, generators(3), known_of(3, (4, 12), (0, 9), (10, 24)))
    for item in range(3):
        rows = slice(item, item + 1)
        known = known_of(3, (4, 12), (0, 9), (10, 24))
        alone = sampler.sample(
            condition_of(3)[rows],
            FRAMES,
            generators(3)[rows],
            KnownLatents(known.latents[rows], known.mask[rows]),
        )
        torch.testing.assert_close(together[rows], alone, atol=1e-4, rtol=1e-4)


def test_known_latents_come_back_as_they_are_and_the_rest_is_made(sampler: DiffusionSampler) -> None:
    known = known_of(2, (4, 12), (16, 24))
    for causal in (False, True):
        made = sampler.sample(condition_of(2), FRAMES, generators(2), known, causal)
        given = known.mask.expand(-1, DIM, -1) > 0
        assert torch.equal(made[given], known.latents[given])
        assert not torch.isclose(made[~given], known.latents[~given]).any(dim=-1).all()


def test_what_is_made_depends_on_what_is_known(sampler: DiffusionSampler) -> None:
    known = known_of(1, (8, 16))
    moved = KnownLatents(known.latents.clone(), known.mask)
    moved.latents[:, :, 20:] += 2
    first, other = (sampler.sample(condition_of(1), FRAMES, generators(1), each) for each in (known, moved))
    assert not torch.allclose(first[:, :, 8:16], other[:, :, 8:16])
    past, future = (
        sampler.sample(condition_of(1), FRAMES, generators(1), each, causal=True) for each in (known, moved)
    )
    torch.testing.assert_close(past[:, :, 8:16], future[:, :, 8:16])  # causal: what follows is not heard


def test_thresholding_is_off_unless_it_is_asked_for() -> None:
    network = make_network()
    noisy = 10 * torch.randn(1, DIM, FRAMES, generator=generators(1)[0])
    plain, limited = (
        DiffusionSampler(network, dataclasses.replace(CONFIG, threshold=threshold)) for threshold in (None, 1.0)
    )
    assert CONFIG.threshold is None
    with torch.no_grad():
        free = plain.denoiser(condition_of(1), nothing(1), False)(noisy, 300)
        bounded = limited.denoiser(condition_of(1), nothing(1), False)(noisy, 300)
    assert free.abs().max() > 1
    torch.testing.assert_close(bounded, free.clamp(-1, 1))


def test_variations_are_nearer_the_less_noise_they_begin_with(sampler: DiffusionSampler) -> None:
    latents = torch.randn(1, DIM, FRAMES, generator=torch.Generator().manual_seed(9))
    distances = [
        float(
            (sampler.sample(condition_of(1), FRAMES, generators(1), start=StartingLatents(latents, each)) - latents)
            .abs()
            .mean()
        )
        for each in (0.02, 0.3, 1.0)
    ]
    assert distances == sorted(distances)
    assert distances[0] < 0.5


@pytest.mark.parametrize("name", ["ddim", "dpm"])
def test_both_samplers_give_finite_latents_of_their_steps(name: str) -> None:
    calls = []
    sampler = DiffusionSampler(make_network(), dataclasses.replace(CONFIG, sampler=name, guidance=1.0))
    sampler.network.register_forward_hook(lambda *_: calls.append(1))
    made = sampler.sample(condition_of(1), FRAMES, generators(1), steps=7)
    assert len(calls) == 7
    assert torch.isfinite(made).all()


def test_long_music_is_continued_window_by_window(sampler: DiffusionSampler) -> None:
    frames = 61
    made = sampler.extend(condition_of(2), frames, generators(2), 1.0)
    assert made.shape == (2, DIM, frames)
    assert [(each.start, each.first, each.stop) for each in sampler.windows(frames, 1.0)] == [
        (0, 0, 24),
        (12, 24, 36),
        (24, 36, 48),
        (36, 48, 60),
        (37, 60, 61),
    ]
    beginning = sampler.extend(condition_of(2), 24, generators(2), 1.0)
    torch.testing.assert_close(made[:, :, :21], beginning[:, :, :21])  # the last three fade into the next window
    assert not torch.allclose(made[:, :, 21:24], beginning[:, :, 21:24])


def test_latents_before_are_kept_to_the_bit_however_long_the_continuation_is(sampler: DiffusionSampler) -> None:
    before = torch.randn(1, DIM, 10, generator=torch.Generator().manual_seed(2))
    made = sampler.extend(condition_of(1), 50, generators(1), 1.0, before)
    assert torch.equal(made[:, :, :10], before)
    assert made.shape[2] == 50
    other = sampler.extend(condition_of(1), 50, generators(1), 1.0, before + 1)
    assert not np.allclose(made[:, :, 10:], other[:, :, 10:])


def test_conditions_are_dropped_as_often_as_is_asked_for() -> None:
    torch.manual_seed(0)
    batch = condition_of(1)[[0] * 4000]
    dropped = batch.dropped((0.2, 0.3, 0.4))
    kinds = {kind: float((dropped.shown == torch.tensor(kind)).all(1).float().mean()) for kind in KINDS}
    for kind, share in zip(KINDS, (0.2, 0.3, 0.4, 0.1), strict=True):
        assert kinds[kind] == pytest.approx(share, abs=0.03)
    lacks_text = dataclasses.replace(batch, shown=torch.tensor([[False, True]]).repeat(4000, 1))
    dropped = lacks_text.dropped((0.2, 0.3, 0.4))
    assert not dropped.shown[:, 0].any()
    assert float(dropped.shown[:, 1].float().mean()) == pytest.approx(0.8, abs=0.03)


KINDS = ((False, False), (True, False), (False, True), (True, True))


def test_texts_of_different_lengths_stand_in_one_batch() -> None:
    one, two = condition_of(1), condition_of(1, 1)
    short = dataclasses.replace(two, text=two.text[:, :2], words=two.words[:, :2])
    batch = DiffusionCondition.stack([one, short])
    assert batch.text.shape == (2, 4, 12)
    assert batch.words.tolist() == [[True] * 4, [True, True, False, False]]
