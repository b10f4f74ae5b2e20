"""The language models: what training sees is what sampling sees."""

import math
from dataclasses import replace

import pytest
import torch

from brain2music.models.musiclm.condition import Condition
from brain2music.models.musiclm.config import stage_configs
from brain2music.models.musiclm.sampling import Sampling, apply_guidance, sample_codes
from brain2music.models.musiclm.stage import MusicLMStage
from brain2music.models.musiclm.stage_config import StageConfig, StageName
from brain2music.models.musiclm.training_noise import with_token_noise
from brain2music.models.musiclm.transformer import BUCKETS, Transformer, bucket

from .conftest import WORDS, make_inputs

PATTERNS = ("flattened", "delay", "parallel")


def test_a_causal_query_of_256_tokens_uses_all_buckets() -> None:
    distances = 255 - torch.arange(256)
    assert set(bucket(distances).tolist()) == set(range(BUCKETS))
    assert bucket(torch.tensor(0)) == 0
    assert (bucket(torch.arange(300)).diff() >= 0).all()


def test_relative_positions_reach_the_attention_as_t5_has_them() -> None:
    from transformers.models.t5.modeling_t5 import T5Attention

    ours = bucket(torch.arange(400))
    theirs = T5Attention._relative_position_bucket(-torch.arange(400), bidirectional=False)
    assert torch.equal(ours, theirs)
    model = Transformer(1, 2, 8, 16, 0.0)
    mask = model._mask(40)
    assert torch.equal(mask[:, 39, 0], model.relative.weight[ours[39]])
    assert (mask[:, 0, 1:] == -math.inf).all()


@pytest.mark.parametrize("name", ["semantic", "coarse", "fine", "acoustic"])
@pytest.mark.parametrize("size", ["tiny", "paper-shaped"])
def test_forward_log_probability_is_the_sum_of_cached_steps(name: StageName, size: str) -> None:
    stage = make_stage(name, faithful=size != "tiny")
    condition, upstream, codes = make_inputs(stage.config)
    with torch.no_grad():
        forward = stage(condition, upstream, codes)
    stepped = walked_log_probabilities(stage, condition, upstream, codes)
    torch.testing.assert_close(forward.sum((1, 2)), stepped, atol=1e-4, rtol=0)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_known_frames_are_kept_and_the_rest_has_the_probability_of_the_whole(pattern: str) -> None:
    stage = make_stage("acoustic", pattern=pattern)
    condition, upstream, codes = make_inputs(stage.config)
    known = codes[:, :, :6]
    made = stage.sample(condition, upstream, 10, Sampling(), torch.Generator().manual_seed(0), known)
    assert torch.equal(made[:, :, :6], known)
    with torch.no_grad():
        later = stage(condition, upstream, codes)[:, :, 6:].sum((1, 2))
    stepped = walked_log_probabilities(stage, condition, upstream, codes, known=6)
    torch.testing.assert_close(later, stepped, atol=1e-4, rtol=0)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_no_code_sees_itself_or_what_comes_after(pattern: str) -> None:
    stage = make_stage("acoustic", pattern=pattern)
    condition, upstream, codes = make_inputs(stage.config, batch=1)
    before = stage(condition, upstream, codes)
    changed = codes.clone()
    changed[0, 1, 5] = (codes[0, 1, 5] + 1) % stage.config.codebook_size
    after = stage(condition, upstream, changed)
    step = stage._layout(10).step
    same = (before == after)[0]
    assert same[step < step[1, 5]].all()
    assert not same[step > step[1, 5]].any()


def test_every_code_of_every_level_is_reachable() -> None:
    stage = make_stage("coarse")
    condition, upstream, _ = make_inputs(stage.config, batch=64, frames=40)
    made = stage.sample(condition, upstream, 40, Sampling(4.0), torch.Generator().manual_seed(0))
    for level in range(stage.config.n_quantizers):
        assert set(made[:, level].flatten().tolist()) == set(range(stage.config.codebook_size))


@pytest.mark.parametrize("shown", [(True, False), (False, True), (True, True)], ids=["tokens", "vector", "both"])
def test_the_null_condition_changes_logits_and_guidance_mixes_them(shown: tuple[bool, bool]) -> None:
    stage = make_stage("semantic")
    condition, _, _ = make_inputs(stage.config)
    assert condition is not None
    condition = condition._replace(shown=torch.tensor([shown] * 3))
    plain, null, one, zero = (
        first_logits(stage, used, guidance)
        for used, guidance in ((condition, 1.0), (condition.null(), 1.0), (condition, 1 + 1e-7), (condition, 0.0))
    )
    assert (plain - null).abs().max() > 1e-3
    torch.testing.assert_close(one, plain, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(zero, null, atol=1e-5, rtol=1e-5)


def test_what_is_hidden_of_a_condition_has_no_influence() -> None:
    stage = make_stage("semantic")
    condition, upstream, codes = make_inputs(stage.config)
    assert condition is not None
    hidden = condition.null()
    other = Condition((hidden.tokens + 1) % WORDS.condition_codebook_size, -hidden.vector, hidden.shown)
    assert torch.equal(stage(hidden, upstream, codes), stage(other, upstream, codes))


@pytest.mark.parametrize("name", ["semantic", "coarse", "fine", "acoustic"])
def test_every_parameter_gets_a_gradient(name: StageName) -> None:
    stage = make_stage(name)
    condition, upstream, codes = make_inputs(stage.config, batch=8)
    if condition is not None:
        condition.shown[:4, 1] = False
        condition.shown[2:6, 0] = False
    (-stage(condition, upstream, codes).mean()).backward()
    without = [n for n, p in stage.named_parameters() if p.grad is None or not p.grad.abs().any()]
    assert without == []


def test_dropout_is_off_outside_training() -> None:
    torch.manual_seed(0)
    stage = MusicLMStage(make_config("semantic", dropout=0.5)).eval()
    inputs = make_inputs(stage.config)
    assert torch.equal(stage(*inputs), stage(*inputs))
    stage.train()
    assert not torch.equal(stage(*inputs), stage(*inputs))


def test_sampling_repeats_by_its_seed() -> None:
    stage = make_stage("coarse")
    condition, upstream, _ = make_inputs(stage.config)
    first, again, other = (
        stage.sample(condition, upstream, 10, Sampling(0.9, 20, 0.9, 2.0), torch.Generator().manual_seed(seed))
        for seed in (3, 3, 4)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_choosing_keeps_to_the_top_k_the_top_p_and_the_distribution() -> None:
    draw = torch.Generator().manual_seed(0)
    logits = torch.tensor([0.5, 0.25, 0.125, 0.125]).log().expand(20000, 4)
    share = torch.bincount(sample_codes(logits, Sampling(), draw), minlength=4) / 20000
    torch.testing.assert_close(share, logits[0].exp(), atol=0.015, rtol=0)
    assert set(sample_codes(logits, Sampling(top_k=2), draw).tolist()) == {0, 1}
    assert set(sample_codes(logits, Sampling(top_p=0.5), draw).tolist()) == {0}
    assert set(sample_codes(logits, Sampling(top_p=0.51), draw).tolist()) == {0, 1}
    assert set(sample_codes(logits, Sampling(0.0), draw).tolist()) == {0}


def test_guidance_extrapolates_between_null_and_condition() -> None:
    both = torch.tensor([[[1.0, 2.0]], [[0.0, 0.0]]])
    assert torch.equal(apply_guidance(both, 3.0), torch.tensor([[[3.0, 6.0]]]))


@torch.inference_mode()
def test_a_full_cache_says_so() -> None:
    cache = Transformer(1, 2, 8, 16, 0.0).new_cache(1, 1)
    cache.step(torch.zeros(1, 8))
    with pytest.raises(ValueError, match="full at 1"):
        cache.step(torch.zeros(1, 8))


def test_a_stage_begins_from_the_codec() -> None:
    """Before training: codes as often as in the data, and inputs that are the codec's vectors on one scale."""
    words = replace(WORDS, acoustic_dims=6)
    draw = torch.Generator().manual_seed(3)
    codebooks = torch.randn(4, 32, 6, generator=draw) * torch.tensor([4.0, 2.0, 1.0, 0.5])[:, None, None]
    code_frequencies = torch.rand(4, 32, generator=draw).softmax(1)
    torch.manual_seed(0)
    stage = MusicLMStage(stage_configs("tiny", "single", words)["acoustic"]).eval()
    stage.initialise_from(codebooks, code_frequencies)
    condition, _, codes = make_inputs(stage.config)
    logits = first_logits(stage, condition, 1.0)
    torch.testing.assert_close(logits[:, 0].softmax(-1), code_frequencies[:1].expand(3, -1), atol=0.01, rtol=0.2)
    rows = stage.table.weight[stage.space.encode("acoustic", codes[0])].sum(0)
    sums = torch.stack([codebooks[level, codes[0, level]] for level in range(4)]).sum(0)
    torch.testing.assert_close(rows * codebooks[0].square().mean().sqrt(), sums)


def test_three_stages_need_two_frames_for_each_semantic_token() -> None:
    words = replace(WORDS, acoustic_frame_rate=22_050 / 512)
    with pytest.raises(ValueError, match="50 frames per second"):
        stage_configs("tiny", "three", words)
    assert stage_configs("tiny", "single", words)["acoustic"].frames == round(4 * 22_050 / 512)


@pytest.mark.slow
def test_the_paper_size_steps_once() -> None:
    for config in stage_configs("paper").values():
        with torch.device("meta"):
            whole = MusicLMStage(config)
        parameters = sum(p.numel() for p in whole.parameters())
        assert 300e6 < parameters < 360e6
        stage = MusicLMStage(replace(config, layers=2)).train()
        condition, upstream, codes = make_inputs(config, batch=1, frames=4)
        optimizer = torch.optim.SGD(stage.parameters(), 0.1)
        before = -stage(condition, upstream, codes).mean()
        before.backward()
        optimizer.step()
        stage.eval()
        assert -stage(condition, upstream, codes).mean() < before


def make_config(
    name: StageName, faithful: bool = False, dropout: float = 0.0, pattern: str | None = None
) -> StageConfig:
    config = stage_configs("tiny", "single" if name == "acoustic" else "three", WORDS)[name]
    if faithful:
        config = replace(config, pattern="flattened", upstream_as="prefix", token_width=config.width)
    return replace(config, dropout=dropout, pattern=pattern or config.pattern)


def make_stage(name: StageName, faithful: bool = False, pattern: str | None = None) -> MusicLMStage:
    torch.manual_seed(0)
    return MusicLMStage(make_config(name, faithful, pattern=pattern)).eval()


def first_logits(stage: MusicLMStage, condition: Condition, guidance: float) -> torch.Tensor:
    found = []

    def choice(step: int, logits: torch.Tensor) -> torch.Tensor:
        found.append(logits)
        return logits.argmax(-1)

    stage.step_through(condition, None, 1, choice, guidance=guidance)
    return found[0]


def walked_log_probabilities(
    stage: MusicLMStage, condition: Condition | None, upstream: torch.Tensor | None, codes: torch.Tensor, known: int = 0
) -> torch.Tensor:
    """Sum over the codes of the frames after ``known`` of what the cached steps give them."""
    table, frames = stage._layout(codes.shape[2]), codes.shape[2]
    total = torch.zeros(len(codes))

    def choice(step: int, logits: torch.Tensor) -> torch.Tensor:
        index = table.code[step]
        wanted = codes.flatten(1)[:, index.clamp(min=0)]
        found = logits.log_softmax(-1).gather(-1, wanted[..., None])[..., 0]
        total.add_((found * ((index >= 0) & (index % frames >= known))).sum(-1))
        return wanted

    assert torch.equal(
        stage.step_through(condition, upstream, frames, choice, codes[:, :, :known] if known else None), codes
    )
    return total


def test_a_mistaken_past_is_anothers_up_to_a_frame_and_its_own_from_there() -> None:
    torch.manual_seed(0)
    codes = torch.arange(64)[:, None, None].expand(-1, 3, 50).clone()
    heard = with_token_noise(codes, 0.5)
    wrong = heard != codes
    assert torch.equal(heard[wrong], codes.roll(1, 0)[wrong])
    assert (wrong[:, :1] == wrong).all()  # all levels of a frame
    assert (wrong[:, 0].int().diff(dim=1) <= 0).all()  # never right before wrong
    assert 0.3 < wrong[:, 0, 0].float().mean() < 0.7
    assert torch.equal(with_token_noise(codes, 0.0), codes)
