"""Channels of different sizes: the best linear guess at every noise, and nothing new for white latents."""

import pytest
import torch

from brain2music.models.jen1.condition import DiffusionCondition
from brain2music.models.jen1.prediction import Preconditioning, predict
from brain2music.models.jen1.schedule import NoiseSchedule, training_target

from .conftest import DIM, SPACE, make_network

SIZES = torch.tensor([3.0, 1.0, 0.2])


@pytest.mark.parametrize("time", [3, 200, 500, 800, 990])
def test_the_guess_is_that_of_least_squares_and_its_error_has_the_size_of_the_output(time: int) -> None:
    generator, schedule = torch.Generator().manual_seed(0), NoiseSchedule()
    clean = SIZES[None, :, None] * torch.randn(1, 3, 200_000, generator=generator)
    noise = torch.randn(clean.shape, generator=generator)
    times = torch.tensor([time])
    signal, level = schedule.amplitudes(times)
    noisy = schedule.add_noise(clean, noise, times)
    target = training_target("velocity", clean, noise, signal, level)
    found = Preconditioning.of("velocity", SIZES, signal, level)
    slope = (target * noisy).mean(2) / noisy.square().mean(2)
    torch.testing.assert_close(found.skip[:, :, 0], slope, atol=0.02, rtol=0.02)
    torch.testing.assert_close((target - found.skip * noisy).std(2), found.write[:, :, 0], atol=0.01, rtol=0.02)
    torch.testing.assert_close((found.read * noisy).std(2), torch.ones(1, 3), atol=0.01, rtol=0.01)


def test_for_white_latents_the_network_is_read_as_it_is() -> None:
    network, schedule = make_network(), NoiseSchedule()
    noisy, known = torch.randn(2, DIM, 12), torch.randn(2, DIM, 12)
    times, mask = torch.tensor([10, 700]), torch.ones(2, 1, 12)
    nothing = DiffusionCondition.null(2, 12, SPACE.dims)
    made = predict(network, schedule, "velocity", noisy, times, nothing, known, mask, False)
    torch.testing.assert_close(made, network(noisy, times, nothing, known, mask), atol=1e-5, rtol=1e-5)


def test_known_latents_are_read_at_unit_size() -> None:
    network, schedule = make_network(), NoiseSchedule()
    noisy, known = torch.zeros(1, DIM, 12), torch.randn(1, DIM, 12)
    times, mask, nothing = torch.tensor([500]), torch.ones(1, 1, 12), DiffusionCondition.null(1, 12, SPACE.dims)
    expected = predict(network, schedule, "noise", noisy, times, nothing, known, mask, False)
    network.sizes.fill_(5.0)
    made = predict(network, schedule, "noise", noisy, times, nothing, 5 * known, mask, False)
    torch.testing.assert_close(made, expected, atol=1e-5, rtol=1e-5)
