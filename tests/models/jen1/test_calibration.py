"""Estimates are corrected by channel, noise and case, towards what is true of training music."""

from pathlib import Path

import numpy as np
import pytest
import torch

from brain2music._utils.errors import InputError
from brain2music.models.jen1.calibration import CASES, Calibration
from brain2music.models.jen1.condition import DiffusionCondition
from brain2music.models.jen1.diffusion import DiffusionConfig, DiffusionSampler, KnownLatents
from brain2music.models.jen1.model import JEN1

from .conftest import DIM, SPACE, make_network

PIECES, FRAMES = 12, 30


@pytest.fixture(scope="module")
def fitted() -> tuple[DiffusionSampler, torch.Tensor, DiffusionCondition, Calibration]:
    """The correction of a network that knows nothing, on latents that are smooth in time."""
    sampler = DiffusionSampler(make_network(), DiffusionConfig())
    walk = torch.randn(PIECES, DIM, FRAMES, generator=torch.Generator().manual_seed(3)).cumsum(2)
    latents = walk / walk.std(dim=(0, 2), keepdim=True)
    condition = DiffusionCondition.null(PIECES, 12, SPACE.dims)
    return sampler, latents, condition, Calibration.fit(sampler, latents, condition)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("time", [999, 600, 250, 60])
def test_no_channel_is_estimated_worse_than_before(fitted, time: int, causal: bool) -> None:  # type: ignore[no-untyped-def]
    sampler, latents, condition, calibration = fitted
    unknown = KnownLatents(latents, torch.zeros(PIECES, 1, FRAMES))
    noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(9))
    noisy = sampler.config.schedule.add_noise(latents, noise, torch.full((PIECES,), time))
    before, after = (
        DiffusionSampler(sampler.network, sampler.config, each)
        .denoiser(condition, unknown, causal, 1.0)(noisy, time)
        .detach()
        for each in (None, calibration)
    )
    errors = [(each - latents).square().mean(dim=(0, 2)) for each in (before, after)]
    assert (errors[1] < 1.05 * errors[0]).all()
    assert float(errors[1].mean()) < 0.9 * float(errors[0].mean())
    assert float(errors[1].max()) < 1.1  # nothing is estimated worse than by the mean


def test_times_between_those_that_were_fitted_lie_between_and_cases_are_kept_apart() -> None:
    gain = np.stack([np.full((3, 2), case, np.float32) for case in range(len(CASES))])
    gain[:, 1] += 10
    calibration = Calibration(np.array([900, 500, 0]), gain, np.zeros_like(gain))
    ones, rest = torch.ones(1, 2, 4), torch.zeros(1, 2, 4)
    for case, which in enumerate(CASES):
        found = [float(calibration(ones, rest, time, *which)[0, 0, 0]) for time in (999, 900, 700, 500, 250, 0)]
        assert found == pytest.approx([case, case, case + 5, case + 10, case + 5, case])


def test_what_is_known_stays_and_a_saved_model_keeps_its_calibration(
    fitted,  # type: ignore[no-untyped-def]
    model: JEN1,
    tmp_path: Path,
) -> None:
    calibration = fitted[3]
    own = JEN1(model.network, model.diffusion, model.latents, model.space, None, calibration=calibration)
    plain, changed = tmp_path / "plain", tmp_path / "calibrated"
    model.save_pretrained(plain)
    own.save_pretrained(changed)
    read, without = JEN1.from_pretrained(changed), JEN1.from_pretrained(plain)
    assert read.calibration is not None
    np.testing.assert_array_equal(read.calibration.gain, calibration.gain)
    assert read.sha256 != without.sha256
    known, mask = torch.randn(1, DIM, 20), torch.zeros(1, 1, 20)
    mask[:, :, :10] = 1
    made = read.sampler.sample(
        DiffusionCondition.null(1, read.network.config.text_dim, SPACE.dims),
        20,
        [torch.Generator().manual_seed(0)],
        KnownLatents(known, mask),
    )
    assert torch.equal(made[:, :, :10], known[:, :, :10])
    (changed / "calibration.safetensors").unlink()
    with pytest.raises(InputError, match="a part of the model is missing"):
        JEN1.from_pretrained(changed)
