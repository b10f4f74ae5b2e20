"""The omnidirectional U-Net: causal to the bit in one mode, both ways in the other, with the same weights."""

import dataclasses

import numpy as np
import pytest
import torch

from brain2music.models.jen1.beats import clock_of
from brain2music.models.jen1.condition import DiffusionCondition
from brain2music.models.jen1.config import UNetConfig
from brain2music.models.jen1.layers import AttentionBlock, FrameNorm, OmniConv, OmniResidual, SelfAttention, Upsampling
from brain2music.models.jen1.unet import OmniUNet

from .conftest import DIM, SPACE, make_network

FRAMES = 31


def inputs(batch: int = 2, frames: int = FRAMES) -> tuple[torch.Tensor, torch.Tensor, DiffusionCondition, torch.Tensor]:
    torch.manual_seed(0)
    condition = DiffusionCondition(
        torch.randn(batch, 4, 12),
        torch.ones(batch, 4, dtype=torch.bool),
        torch.randn(batch, SPACE.dims),
        torch.ones(batch, 2, dtype=torch.bool),
        torch.from_numpy(np.stack([clock_of(np.arange(frames) / 5, 120.0, 3)] * batch)),
    )
    return torch.randn(batch, DIM, frames), torch.full((batch,), 500), condition, torch.randn(batch, DIM, frames)


@pytest.mark.parametrize("frame", [0, 1, 7, 8, 15, 16, 29])
@pytest.mark.parametrize("changed", ["noisy", "known", "mask"])
def test_no_later_frame_moves_an_earlier_one_by_a_bit_in_causal_mode(frame: int, changed: str) -> None:
    network, (noisy, times, condition, known) = make_network(), inputs()
    mask = torch.ones(2, 1, FRAMES)
    values = {"noisy": noisy, "known": known, "mask": mask}
    before = network(noisy, times, condition, known, mask, causal=True)
    values[changed] = values[changed].clone()
    values[changed][:, :, frame + 1 :] = 0 if changed == "mask" else 1e3 * torch.randn(2, DIM, FRAMES - frame - 1)
    after = network(values["noisy"], times, condition, values["known"], values["mask"], causal=True)
    assert torch.equal(before[:, :, : frame + 1], after[:, :, : frame + 1])
    assert not torch.equal(before[:, :, frame + 1 :], after[:, :, frame + 1 :])


def test_later_frames_move_earlier_ones_in_bidirectional_mode() -> None:
    network, (noisy, times, condition, known) = make_network(), inputs()
    mask = torch.zeros(2, 1, FRAMES)
    before = network(noisy, times, condition, known, mask, causal=False)
    noisy = noisy.clone()
    noisy[:, :, -1] += 1
    after = network(noisy, times, condition, known, mask, causal=False)
    assert not torch.equal(before[:, :, 0], after[:, :, 0])


def test_a_frame_of_the_output_sees_its_own_frame_of_the_input_in_causal_mode() -> None:
    network, (noisy, times, condition, known) = make_network(), inputs()
    mask = torch.zeros(2, 1, FRAMES)
    before = network(noisy, times, condition, known, mask, causal=True)
    for frame in range(0, FRAMES, 5):
        moved = noisy.clone()
        moved[:, :, frame] += 1
        assert not torch.equal(before[:, :, frame], network(moved, times, condition, known, mask, True)[:, :, frame])


LAYERS = {
    "convolution": lambda x, causal: OmniConv(6, 6, 3)(x, causal),
    "strided": lambda x, causal: OmniConv(6, 6, 4, 2)(x, causal).repeat_interleave(2, dim=2),
    "norm": lambda x, causal: FrameNorm(6)(x),
    "residual": lambda x, causal: OmniResidual(6, 6, 5, 0.0)(x, torch.ones(1, 5), causal),
    "upsampled": lambda x, causal: Upsampling(6, 6, 2)(x[:, :, ::2], causal),
    "attention": lambda x, causal: SelfAttention(6, 1)(x.transpose(1, 2), causal).transpose(1, 2),
    "block": lambda x, causal: AttentionBlock(6, 4, 1, 12, 0.0)(
        x, torch.ones(1, 2, 4), torch.ones(1, 2, dtype=torch.bool), causal
    ),
}


@pytest.mark.parametrize("name", LAYERS)
def test_every_layer_is_causal_by_itself(name: str) -> None:
    def run(x: torch.Tensor) -> torch.Tensor:
        torch.manual_seed(0)
        with torch.no_grad():
            return LAYERS[name](x, True)

    x = torch.randn(1, 6, 16, generator=torch.Generator().manual_seed(1))
    moved = x.clone()
    moved[:, :, 9:] = 1e3
    assert torch.equal(run(x)[:, :, :9], run(moved)[:, :, :9])


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("frames", [2, 5, 30, 31])
def test_any_number_of_frames_comes_back(frames: int, causal: bool) -> None:
    network, (noisy, times, condition, known) = make_network(), inputs(frames=frames)
    made = network(noisy, times, condition, known, torch.zeros(2, 1, frames), causal)
    assert made.shape == noisy.shape
    assert torch.isfinite(made).all()


@pytest.mark.parametrize("causal", [False, True])
def test_items_of_a_batch_with_times_and_masks_of_their_own_do_not_mix(causal: bool) -> None:
    network, (noisy, _, condition, known) = make_network(), inputs(3)
    times, mask = torch.tensor([10, 500, 990]), torch.zeros(3, 1, FRAMES)
    mask[1, :, :10], mask[2, :, 20:] = 1, 1
    together = network(noisy, times, condition, known, mask, causal)
    for item in range(3):
        own = slice(item, item + 1)
        alone = network(noisy[own], times[own], condition[own], known[own], mask[own], causal)
        torch.testing.assert_close(together[own], alone, atol=1e-5, rtol=1e-5)


def test_what_is_not_known_is_not_read() -> None:
    network, (noisy, times, condition, known) = make_network(), inputs()
    mask = torch.ones(2, 1, FRAMES)
    mask[:, :, 12:20] = 0
    other = known.clone()
    other[:, :, 12:20] = 1e3
    assert torch.equal(network(noisy, times, condition, known, mask), network(noisy, times, condition, other, mask))


def test_time_mode_text_and_embedding_each_change_the_output() -> None:
    network, (noisy, times, condition, known) = make_network(), inputs()
    mask, first = torch.zeros(2, 1, FRAMES), None
    for part in (None, 0, 1):
        shown = condition.shown.clone()
        if part is not None:
            shown[:, part] = False
        hidden = dataclasses.replace(condition, shown=shown)
        made = network(noisy, times, hidden, known, mask)
        first = made if first is None else first
        assert part is None or not torch.allclose(first, made)
    assert first is not None
    assert not torch.allclose(first, network(noisy, times + 100, condition, known, mask))
    assert not torch.allclose(first, network(noisy, times, condition, known, mask, True))


def test_padding_of_a_text_and_conditions_that_are_hidden_are_not_read() -> None:
    network, (noisy, times, condition, known) = make_network(), inputs()
    mask = torch.zeros(2, 1, FRAMES)
    words = condition.words.clone()
    words[:, 2:] = False
    short = dataclasses.replace(condition, words=words)
    text = condition.text.clone()
    text[:, 2:] = 1e3
    padded = dataclasses.replace(condition, text=text, words=words)
    assert torch.equal(network(noisy, times, short, known, mask), network(noisy, times, padded, known, mask))
    null = DiffusionCondition.null(2, 12, SPACE.dims)
    by_null, by_hidden = (network(noisy, times, each, known, mask) for each in (null, condition.hidden()))
    torch.testing.assert_close(by_null, by_hidden)


def test_all_parameters_of_the_condition_get_a_gradient() -> None:
    network, (noisy, times, condition, known) = make_network().train(), inputs()
    network(noisy, times, condition, known, torch.zeros(2, 1, FRAMES)).square().mean().backward()
    assert [name for name, each in network.named_parameters() if each.grad is None or not each.grad.any()] == []


def test_there_is_no_dropout_in_evaluation_mode() -> None:
    config = dataclasses.replace(UNetConfig.size("tiny", DIM, 12, SPACE.dims), dropout=0.5)
    network, (noisy, times, condition, known) = make_network(config=config), inputs()
    mask = torch.zeros(2, 1, FRAMES)
    network.train()
    assert not torch.equal(network(noisy, times, condition, known, mask), network(noisy, times, condition, known, mask))
    network.eval()
    assert torch.equal(network(noisy, times, condition, known, mask), network(noisy, times, condition, known, mask))


def test_the_paper_s_size_has_its_parameters_and_shapes() -> None:
    config = UNetConfig.size("paper")
    with torch.device("meta"):
        network = OmniUNet(config)
        made = network(
            torch.empty(3, 128, 1250),
            torch.empty(3, dtype=torch.long),
            DiffusionCondition(
                torch.empty(3, 64, 1024),
                torch.empty(3, 64, dtype=torch.bool),
                torch.empty(3, 128),
                torch.empty(3, 2, dtype=torch.bool),
            ),
            torch.empty(3, 128, 1250),
            torch.empty(3, 1, 1250),
        )
    millions = sum(parameter.numel() for parameter in network.parameters()) / 1e6
    assert made.shape == (3, 128, 1250)
    assert config.input_channels - config.latent_dim == 129
    assert abs(millions - 726) < 3


def test_levels_are_described_alike() -> None:
    with pytest.raises(ValueError, match="one thing per level"):
        UNetConfig(channels=(8, 16), strides=(2, 2), blocks=(1, 1), attention=(False, True))
    with pytest.raises(ValueError, match="head of -1"):
        UNetConfig(head_dim=-1)
