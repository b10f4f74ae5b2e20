"""Noise, targets and samplers: the ends of the schedule, the clean latents in v, and diffusers as a reference."""

import pytest
import torch

from brain2music.models.jen1.samplers import sample_ddim, sample_dpm, sampling_times
from brain2music.models.jen1.schedule import NoiseSchedule, clean_estimate, training_target

SCHEDULE = NoiseSchedule()


def test_the_ends_of_the_schedule_are_those_of_the_paper() -> None:
    assert SCHEDULE.betas[0] == pytest.approx(0.0015)
    assert SCHEDULE.betas[-1] == pytest.approx(0.0195)
    assert len(SCHEDULE.betas) == 1000
    assert SCHEDULE.signal_power[0] == pytest.approx(1 - 0.0015)
    assert 0 < SCHEDULE.signal_power[-1] < 1e-4


def test_noise_is_added_with_the_time_of_each_item() -> None:
    latents, noise = torch.ones(2, 1, 1), torch.full((2, 1, 1), 2.0)
    for item, time in enumerate((0, 700)):
        power = float(torch.prod(1 - SCHEDULE.betas[: time + 1]))
        noisy = SCHEDULE.add_noise(latents, noise, torch.tensor([0, 700]))
        assert noisy[item].item() == pytest.approx(power**0.5 + 2 * (1 - power) ** 0.5, rel=1e-5)


def test_noisy_latents_keep_unit_variance() -> None:
    generator = torch.Generator().manual_seed(0)
    latents, noise = (torch.randn(4, 8, 2000, generator=generator) for _ in range(2))
    noisy = SCHEDULE.add_noise(latents, noise, torch.tensor([0, 300, 600, 999]))
    torch.testing.assert_close(noisy.var(dim=(1, 2)), torch.ones(4), atol=0.05, rtol=0)


@pytest.mark.parametrize("objective", ["noise", "velocity"])
def test_a_perfect_prediction_gives_the_clean_latents(objective: str) -> None:
    generator = torch.Generator().manual_seed(0)
    latents, noise = (torch.randn(3, 4, 5, generator=generator) for _ in range(2))
    signal, level = SCHEDULE.amplitudes(torch.tensor([5, 400, 900]))
    noisy = SCHEDULE.add_noise(latents, noise, torch.tensor([5, 400, 900]))
    target = training_target(objective, latents, noise, signal, level)
    torch.testing.assert_close(clean_estimate(objective, target, noisy, signal, level), latents, atol=2e-4, rtol=1e-3)


def test_the_velocity_is_made_of_the_clean_latents_not_of_the_noisy_ones() -> None:
    latents, noise = torch.full((1, 1, 1), 3.0), torch.full((1, 1, 1), 2.0)
    signal, level = SCHEDULE.amplitudes(torch.tensor([500]))
    expected = float(signal * 2.0 - level * 3.0)
    assert float(training_target("velocity", latents, noise, signal, level)) == pytest.approx(expected)
    assert float(training_target("noise", latents, noise, signal, level)) == 2.0


@pytest.mark.parametrize("steps", [1, 7, 20, 200, 1000])
@pytest.mark.parametrize("strength", [1.0, 0.5])
@pytest.mark.parametrize("spacing", ["even", "snr"])
def test_times_fall_from_the_strength_to_zero(steps: int, strength: float, spacing: str) -> None:
    times = sampling_times(SCHEDULE, steps, strength, spacing)
    assert times[0] == round(1000 * strength) - 1
    assert times == sorted(set(times), reverse=True)
    assert times[-1] == (0 if steps > 1 else times[0])
    assert len(times) <= steps
    assert steps > 20 or len(times) == steps


def test_steps_of_the_signal_to_noise_ratio_are_even_in_its_logarithm() -> None:
    ratio = torch.logit(SCHEDULE.signal_power)[sampling_times(SCHEDULE, 8, spacing="snr")]
    torch.testing.assert_close(ratio.diff(), ratio.diff().mean().expand(7), atol=0.2, rtol=0)


def gaussian_denoiser(deviation: float, mean: float = 0.0):
    """The best estimate of latents that are Gaussian."""

    def denoise(noisy: torch.Tensor, time: int) -> torch.Tensor:
        power = float(SCHEDULE.signal_power[time])
        signal, level = power**0.5, (1 - power) ** 0.5
        gain = signal * deviation**2 / (power * deviation**2 + level**2)
        return mean + gain * (noisy - signal * mean)

    return denoise


@pytest.mark.parametrize(("sampler", "steps"), [(sample_ddim, 200), (sample_dpm, 20), (sample_dpm, 12)])
def test_samples_of_gaussian_latents_have_their_mean_and_deviation(sampler, steps: int) -> None:
    noise = torch.randn(1, 10, 2000, generator=torch.Generator().manual_seed(0))
    spacing = "even" if sampler is sample_ddim else "snr"
    made = sampler(gaussian_denoiser(0.5, 2.0), noise, SCHEDULE, sampling_times(SCHEDULE, steps, spacing=spacing))
    assert float(made.mean()) == pytest.approx(2.0, abs=0.03)
    assert float(made.std()) == pytest.approx(0.5, abs=0.03)


def test_few_steps_of_the_second_order_are_nearer_to_the_limit_than_of_the_first() -> None:
    noise = torch.randn(1, 4, 500, generator=torch.Generator().manual_seed(0))
    denoise = gaussian_denoiser(0.5)
    limit = sample_ddim(denoise, noise, SCHEDULE, sampling_times(SCHEDULE, 1000))
    errors = [
        float((sampler(denoise, noise, SCHEDULE, sampling_times(SCHEDULE, 20, spacing="snr")) - limit).abs().mean())
        for sampler in (sample_dpm, sample_ddim)
    ]
    assert errors[0] < errors[1]


@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_fresh_noise_changes_samples_only_where_it_is_asked_for(eta: float) -> None:
    noise, times = torch.randn(1, 4, 500, generator=torch.Generator().manual_seed(0)), sampling_times(SCHEDULE, 400)
    first, second = (
        sample_ddim(gaussian_denoiser(1.0), noise, SCHEDULE, times, eta, torch.Generator().manual_seed(seed))
        for seed in (1, 2)
    )
    assert torch.equal(first, second) == (eta == 0.0)
    assert float(second.std()) == pytest.approx(1.0, abs=0.05)


def test_samplers_agree_with_those_of_diffusers() -> None:
    diffusers = pytest.importorskip("diffusers")
    noise, denoise = torch.randn(1, 4, 50, generator=torch.Generator().manual_seed(0)), gaussian_denoiser(0.5, 1.0)
    common = {"num_train_timesteps": 1000, "trained_betas": SCHEDULE.betas.numpy(), "prediction_type": "sample"}
    ddim = diffusers.DDIMScheduler(**common, timestep_spacing="trailing", clip_sample=False)
    ddim.set_timesteps(50)
    noisy = noise
    for time in ddim.timesteps:
        noisy = ddim.step(denoise(noisy, int(time)), time, noisy, eta=0.0).prev_sample
    ours = sample_ddim(denoise, noise, SCHEDULE, ddim.timesteps.tolist())
    torch.testing.assert_close(ours, noisy, atol=1e-4, rtol=1e-4)
    dpm = diffusers.DPMSolverMultistepScheduler(
        **common, timestep_spacing="trailing", algorithm_type="dpmsolver++", final_sigmas_type="zero"
    )
    dpm.set_timesteps(20)
    times, noisy = dpm.timesteps.tolist(), noise
    for time in dpm.timesteps:
        noisy = dpm.step(denoise(noisy, int(time)), time, noisy).prev_sample
    torch.testing.assert_close(sample_dpm(denoise, noise, SCHEDULE, times), noisy, atol=1e-3, rtol=1e-3)
