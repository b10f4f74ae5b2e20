"""The residual quantizer: greedy, learning as published, usable on plain vectors."""

from itertools import pairwise

import pytest
import torch
from sklearn.cluster import KMeans

from brain2music.models.codec_parts.kmeans import kmeans, nearest_centre
from brain2music.models.codec_parts.quantizer import ResidualVectorQuantizer


def _fitted(vectors: torch.Tensor, levels: int = 4, size: int = 16) -> ResidualVectorQuantizer:
    quantizer = ResidualVectorQuantizer(vectors.shape[1], levels, size)
    quantizer.fit(vectors)
    return quantizer


def test_residual_energy_falls_at_every_level(generator: torch.Generator) -> None:
    vectors = torch.randn(500, 6, generator=generator)
    quantizer = _fitted(vectors)
    codes = quantizer.encode(vectors)
    energies = [(vectors - quantizer.decode(codes[:, :level])).square().mean() for level in range(5)]
    assert all(after < before for before, after in pairwise(energies))


def test_search_is_greedy_and_exact(generator: torch.Generator) -> None:
    quantizer = ResidualVectorQuantizer(5, 3, 7)
    vectors = torch.randn(40, 5, generator=generator)
    codes, residual = quantizer.encode(vectors), vectors
    for level, book in enumerate(quantizer.codebooks):
        distances = torch.cdist(residual, book)
        assert torch.equal(codes[:, level], distances.argmin(1))
        residual = residual - book[codes[:, level]]
    torch.testing.assert_close(vectors - quantizer.decode(codes), residual)


def test_fewer_quantizers_are_a_prefix(generator: torch.Generator) -> None:
    quantizer = ResidualVectorQuantizer(5, 4, 8)
    vectors = torch.randn(20, 5, generator=generator)
    assert torch.equal(quantizer.encode(vectors, 2), quantizer.encode(vectors)[:, :2])


def test_kmeans_is_near_scikit_learns(generator: torch.Generator) -> None:
    centres = 10 * torch.randn(8, 4, generator=generator)
    vectors = (centres[:, None] + torch.randn(8, 60, 4, generator=generator)).reshape(-1, 4)
    found = kmeans(vectors, 16, 30, generator)
    inertia = (vectors - found[nearest_centre(vectors, found)]).square().sum()
    reference = KMeans(16, n_init=3, random_state=0).fit(vectors.numpy()).inertia_
    assert inertia < 1.5 * reference


def test_kmeans_takes_fewer_vectors_than_centres(generator: torch.Generator) -> None:
    vectors = torch.randn(3, 4, generator=generator)
    centres = kmeans(vectors, 8, 3, generator)
    torch.testing.assert_close(centres[nearest_centre(vectors, centres)], vectors)


def test_first_training_batch_initialises_by_kmeans(generator: torch.Generator) -> None:
    quantizer = ResidualVectorQuantizer(4, 3, 16, dead_code_threshold=0.0).train()
    latents = 5 + torch.randn(8, 4, 50, generator=generator)
    before = quantizer.codebooks.clone()
    first = quantizer(latents, torch.full((8,), 3))
    assert bool(quantizer.initialised)
    assert not torch.equal(before, quantizer.codebooks)
    assert (first.values - latents).square().mean() < 0.5 * latents.var()


def test_moving_averages_follow_the_published_update(generator: torch.Generator) -> None:
    quantizer = ResidualVectorQuantizer(4, 1, 8, decay=0.9, dead_code_threshold=0.0).train()
    quantizer.initialised.fill_(True)
    latents = torch.randn(2, 4, 30, generator=generator)
    vectors = latents.transpose(1, 2).reshape(-1, 4)
    counts, sums = quantizer.counts[0].clone(), quantizer.sums[0].clone()
    ids = nearest_centre(vectors, quantizer.codebooks[0])
    quantizer(latents)
    one_hot = torch.nn.functional.one_hot(ids, 8).float()
    counts, sums = 0.9 * counts + 0.1 * one_hot.sum(0), 0.9 * sums + 0.1 * one_hot.T @ vectors
    torch.testing.assert_close(quantizer.codebooks[0], sums / counts[:, None])


def test_rare_codes_become_frames_of_the_batch(generator: torch.Generator) -> None:
    quantizer = ResidualVectorQuantizer(4, 1, 8, dead_code_threshold=2.0).train()
    quantizer.initialised.fill_(True)
    quantizer.codebooks[0, 3] = 1e3  # nothing is near it
    quantizer.counts.fill_(10.0)
    quantizer.counts[0, 3] = 2.01  # x 0.99 falls below 2
    quantizer.sums.copy_(quantizer.codebooks * quantizer.counts[..., None])
    latents = torch.randn(2, 4, 50, generator=generator)
    kept = quantizer.codebooks[0, 0].clone()
    quantizer(latents)
    frames = latents.transpose(1, 2).reshape(-1, 4)
    assert (quantizer.codebooks[0, 3] - frames).abs().amax(1).min() < 1e-5
    assert (quantizer.codebooks[0, 0] - kept).abs().max() < 1.0
    assert (quantizer.counts >= 2).all()


def test_a_code_just_above_the_threshold_stays(generator: torch.Generator) -> None:
    quantizer = ResidualVectorQuantizer(4, 1, 8, dead_code_threshold=2.0).train()
    quantizer.initialised.fill_(True)
    quantizer.codebooks[0, 3] = 1e3
    quantizer.counts.fill_(10.0)
    quantizer.counts[0, 3] = 2.05
    quantizer.sums.copy_(quantizer.codebooks * quantizer.counts[..., None])
    quantizer(torch.randn(2, 4, 50, generator=generator))
    torch.testing.assert_close(quantizer.codebooks[0, 3], torch.full((4,), 1e3))


def test_dropout_is_uniform_over_quantizers_for_each_example() -> None:
    torch.manual_seed(0)
    quantizer = ResidualVectorQuantizer(2, 4, 4).train()
    drawn = quantizer(torch.randn(4000, 2, 1)).n_quantizers
    shares = torch.bincount(drawn, minlength=6)[1:5] / 4000
    assert set(drawn.tolist()) == {1, 2, 3, 4}
    torch.testing.assert_close(shares, torch.full((4,), 0.25), atol=0.03, rtol=0)


def test_dropped_quantizers_do_not_sound(generator: torch.Generator) -> None:
    quantizer = _fitted(torch.randn(200, 4, generator=generator)).train()
    latents = torch.randn(3, 4, 10, generator=generator)
    given = quantizer(latents, torch.tensor([1, 2, 4]))
    for example, n_quantizers in enumerate((1, 2, 4)):
        expected = quantizer.decode(quantizer.encode(latents[example].T, n_quantizers)).T
        torch.testing.assert_close(given.values[example], expected)


def test_evaluation_uses_all_quantizers_and_learns_nothing(generator: torch.Generator) -> None:
    quantizer = ResidualVectorQuantizer(4, 3, 8).eval()
    before = {name: value.clone() for name, value in quantizer.state_dict().items()}
    assert quantizer(torch.randn(2, 4, 30, generator=generator)).n_quantizers.tolist() == [3, 3]
    assert all(torch.equal(before[name], value) for name, value in quantizer.state_dict().items())


def test_frozen_codebooks_stay_byte_identical_in_training(generator: torch.Generator) -> None:
    quantizer = _fitted(torch.randn(100, 4, generator=generator)).train()
    before = quantizer.codebooks.clone()
    for _ in range(3):
        quantizer(torch.randn(4, 4, 30, generator=generator))
    assert torch.equal(before, quantizer.codebooks)


def test_gradient_passes_straight_through(generator: torch.Generator) -> None:
    quantizer = ResidualVectorQuantizer(4, 3, 8).eval()
    latents = torch.randn(2, 4, 10, generator=generator, requires_grad=True)
    weights = torch.randn(2, 4, 10, generator=generator)
    (quantizer(latents).values * weights).sum().backward()
    torch.testing.assert_close(latents.grad, weights)


def test_commitment_is_the_mean_squared_residual_of_the_levels_in_use(generator: torch.Generator) -> None:
    quantizer = ResidualVectorQuantizer(4, 2, 8).eval()
    latents = torch.randn(1, 4, 10, generator=generator, requires_grad=True)
    vectors = latents[0].T.detach()
    codes = quantizer.encode(vectors)
    residuals = [vectors - quantizer.decode(codes[:, :level]) for level in (1, 2)]
    expected = torch.stack([residual.square().mean() for residual in residuals]).mean()
    commitment = quantizer(latents).commitment
    torch.testing.assert_close(commitment, expected)
    commitment.backward()
    assert latents.grad.abs().max() > 0


def test_it_stays_in_single_precision_under_autocast(generator: torch.Generator) -> None:
    quantizer = ResidualVectorQuantizer(4, 2, 8).eval()
    latents = torch.randn(1, 4, 10, generator=generator)
    plain = quantizer(latents)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = quantizer(latents)
    assert torch.equal(plain.codes, mixed.codes)
    assert mixed.values.dtype == torch.float32


@pytest.mark.parametrize("seed", [0, 3])
def test_fitting_repeats_bit_for_bit(seed: int, generator: torch.Generator) -> None:
    vectors = torch.randn(150, 4, generator=generator)
    one, two = (ResidualVectorQuantizer(4, 3, 8) for _ in range(2))
    one.fit(vectors, seed=seed)
    two.fit(vectors, seed=seed)
    assert torch.equal(one.codebooks, two.codebooks)


def test_training_state_survives_a_checkpoint(generator: torch.Generator) -> None:
    trained = ResidualVectorQuantizer(4, 2, 8, dropout=False).train()
    trained(torch.randn(4, 4, 30, generator=generator))
    resumed = ResidualVectorQuantizer(4, 2, 8, dropout=False).train()
    resumed.load_state_dict(trained.state_dict())
    latents = torch.randn(4, 4, 30, generator=generator)
    for quantizer in (trained, resumed):
        torch.manual_seed(1)
        quantizer(latents)
    assert torch.equal(trained.codebooks, resumed.codebooks)
