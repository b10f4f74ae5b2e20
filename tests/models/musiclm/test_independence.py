"""A piece follows from its own item, draw and seed: not from what is made with it."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from brain2music.embeddings.embeddings import Embeddings
from brain2music.models.musiclm.condition import Condition
from brain2music.models.musiclm.exact import ExactLogits
from brain2music.models.musiclm.model import MusicLM
from brain2music.models.musiclm.sampling import CodeSampler, Sampling, _is_close, _log_exponentials, _pick, sample_codes

from .conftest import SPACE, make_inputs

VECTORS = np.random.default_rng(0).standard_normal((5, 1, 8)).astype(np.float32)


@pytest.mark.parametrize("plan", ["three", "single"])
def test_a_draw_is_the_same_however_many_are_made(plan: str, request: pytest.FixtureRequest) -> None:
    model: MusicLM = request.getfixturevalue(plan)
    whole = model.generate(embedding=VECTORS, seconds=1.2, n_samples=3, seed=7)
    few = model.generate(embedding=VECTORS[:1], seconds=1.2, n_samples=1, seed=7)
    later = model.generate(embedding=VECTORS[3:], seconds=1.2, n_samples=2, seed=7, first_item=3)
    assert same(few[0], whole[0])
    assert all(same(later[2 * i + draw], whole[3 * (3 + i) + draw]) for i in range(2) for draw in range(2))
    assert len({each.waveform.tobytes() for each in whole}) == len(whole)


def test_a_piece_among_more_than_a_batch_is_the_same(single: MusicLM) -> None:
    many = single.generate(embedding=VECTORS[:1], seconds=1.0, n_samples=20)
    one = single.generate(embedding=VECTORS[:1], seconds=1.0, n_samples=18)
    assert same(many[17], one[17])


def test_what_is_said_of_two_pieces_differs_where_they_sound_differently(single: MusicLM, tmp_path: Path) -> None:
    asked = [
        {},
        {"seed": 1},
        {"guidance": 3.0},
        {"seconds": 1.5},
        {"n_samples": 2},
        {"first_item": 4},
        {"n_samples": 3},
    ]
    made = [
        each
        for other in asked
        for each in single.generate(embedding=VECTORS[:1], **{"seconds": 1.0, "seed": 0, **other})
    ]
    cold = replace(single.sampling["acoustic"], temperature=0.1)
    made += MusicLM(single.stages, single.conditioner, None, single.codec, {"acoustic": cold}).generate(
        embedding=VECTORS[:1], seconds=1.0
    )
    made += single.generate(embedding=VECTORS[1:2], seconds=1.0)
    said = [json.dumps({"seconds": each.seconds, **each.source}, sort_keys=True) for each in made]
    sounds = [each.waveform.tobytes() for each in made]
    assert len(set(zip(said, sounds, strict=True))) == len(set(said)) == len(set(sounds)) == 9


def test_an_embedding_says_its_name_and_digest(single: MusicLM) -> None:
    given = Embeddings(VECTORS[:2], ("a", "b"), SPACE)
    first, second = (each.source for each in single.generate(embedding=given, seconds=1.0))
    assert (first["name"], second["name"], second["item"]) == ("a", "b", 1)
    assert first["embedding_sha256"] != second["embedding_sha256"]


@pytest.mark.parametrize("name", ["semantic", "coarse", "fine"])
def test_exact_logits_are_those_of_the_steps(three: MusicLM, name: str) -> None:
    stage = three.stages[name]
    condition, given, codes = make_inputs(stage.config)
    exact, guidance = ExactLogits(stage, condition, given, 10, 2.0), 2.0 if condition is not None else 1.0
    steps = stage._arrange(codes, stage._layout(10))
    found = []

    def choice(step: int, logits: torch.Tensor) -> torch.Tensor:
        found.append((logits, torch.stack([exact.after(steps, step)(row) for row in range(3)])))
        return codes.flatten(1)[:, stage._layout(10).code[step].clamp(min=0)]

    stage.step_through(condition, given, 10, choice, None, guidance)
    assert len(found) >= 10
    for logits, expected in found:
        assert expected.dtype == torch.float64
        torch.testing.assert_close(logits.double(), expected, atol=1e-4, rtol=0)


def test_a_choice_that_rounding_could_change_is_made_from_exact_logits() -> None:
    """Both codes of an item are as likely: whichever way the last bits fall, the exact logits decide."""
    asked = []

    def exact(row: int) -> torch.Tensor:
        asked.append(row)
        return torch.tensor([[0.0, 1e-9]], dtype=torch.float64)

    for rounding in (-1e-6, 1e-6):
        draws = CodeSampler(Sampling(0.0), [torch.Generator(), torch.Generator()])
        logits = torch.tensor([[[0.0, rounding]], [[0.0, 1.0]]])
        assert draws.recheck_close(draws(0, logits), exact).tolist() == [[1], [1]]
    assert asked == [0, 0]


@pytest.mark.parametrize(
    "how", [Sampling(0.7), Sampling(1.0, top_k=3), Sampling(1.0, top_p=0.6), Sampling(0.9, guidance=3.0)]
)
def test_no_choice_that_is_called_safe_changes_with_rounding(how: Sampling) -> None:
    rng = torch.Generator().manual_seed(0)
    logits = torch.randn(3000, 8, generator=rng).mul(3)
    logits[::2, 1] = logits[::2, 0] + 1e-5 * torch.randn(1500, generator=rng)  # ties, nearly
    waiting = _log_exponentials(logits, how, rng)
    waiting[::2, 1] = waiting[::2, 0]
    close = _is_close(logits, waiting, how)
    assert 0 < close.sum() < 2500
    for _ in range(20):
        moved = logits + 2e-5 * (2 * torch.rand(logits.shape, generator=rng) - 1)
        changed = _pick(moved, waiting, how) != _pick(logits, waiting, how)
        assert not (changed & ~close).any()


def test_each_share_of_the_rows_has_randomness_of_its_own() -> None:
    def generators() -> list[torch.Generator]:
        return [torch.Generator().manual_seed(seed) for seed in (1, 2)]

    logits = torch.randn(4, 3, 50, generator=torch.Generator().manual_seed(0))
    both = sample_codes(logits, Sampling(), generators())
    apart = [sample_codes(part, Sampling(), each) for part, each in zip(logits.chunk(2), generators(), strict=True)]
    assert torch.equal(both, torch.cat(apart))
    with pytest.raises(RuntimeError, match="unflatten"):
        sample_codes(logits[:3], Sampling(), generators())


def test_the_batch_has_the_conditions_of_its_own_items(single: MusicLM) -> None:
    rows = torch.from_numpy(VECTORS[:, 0])
    stacked = Condition.stack([single.conditioner(row[None]) for row in rows])
    together = single.conditioner(rows)
    assert torch.equal(stacked.tokens, together.tokens)
    torch.testing.assert_close(stacked.vector, together.vector)


def same(first: object, second: object) -> bool:
    return np.array_equal(first.waveform, second.waveform) and first.source == second.source
