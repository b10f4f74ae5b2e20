"""w2v-BERT of ours: its losses against plain ones, its masks, its layers, and that it learns."""

import dataclasses
import json
import math

import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn import functional

from brain2music._utils.errors import InputError
from brain2music.audio.io import write_audio
from brain2music.models.embedders import get_embedder, list_embedders
from brain2music.models.w2v_bert.config import SIZES, W2vBertConfig
from brain2music.models.w2v_bert.losses import distractors, losses, masked_contrastive_loss, span_mask
from brain2music.models.w2v_bert.model import W2vBert
from brain2music.models.w2v_bert.quantizers import GumbelQuantizer, ProjectionQuantizer, diversity_loss, perplexity
from brain2music.models.w2v_bert.training import PATIENCE, W2vBertHyperparameters, W2vBertTask, train_w2v_bert
from brain2music.training.loop import TrainingArguments

TINY = SIZES["tiny"]


@pytest.fixture
def model():
    torch.manual_seed(0)
    return W2vBert(TINY)


@pytest.fixture
def sound(rng):
    return torch.from_numpy(rng.standard_normal((3, 2 * 24000)).astype(np.float32) / 10)


@pytest.fixture
def mask(rng):
    return span_mask(rng, 3, 50, 0.05, 5)


def test_frames_come_at_25_hz(model, sound):
    assert model.log_mel(sound).shape == (3, 200, 40)
    assert model.features(sound).shape == (3, 50, 64)
    assert model.frames(48000) == 50
    for samples in (240, 4800, 24010, 25000):
        assert model.features(sound[:, :samples]).shape[1] == model.frames(samples)


def test_depth_runs_through_both_modules(model, sound):
    model.eval()
    hidden = model.hidden_states(sound)
    assert len(hidden) == 1 + 2 + 2
    for depth, index in ((0.0, 0), (0.25, 1), (0.5, 2), (0.75, 3), (1.0, 4)):
        torch.testing.assert_close(model.at_depth(sound, depth), hidden[index])
    paper = SIZES["paper"]
    assert round(19 / 24 * paper.blocks) == 12 + 7


def test_paper_size_has_the_published_blocks_and_about_its_parameters():
    with torch.device("meta"):
        paper = W2vBert(SIZES["paper"])
    assert (len(paper.contrastive.layers), len(paper.masked.layers)) == (12, 12)
    assert 0.5e9 < sum(parameter.numel() for parameter in paper.parameters()) < 0.7e9


@pytest.mark.parametrize("quantizer", ["gumbel", "projection"])
def test_the_quantizer_reads_unmasked_frames(sound, mask, quantizer):
    torch.manual_seed(0)
    model = W2vBert(dataclasses.replace(TINY, quantizer=quantizer)).eval()
    nothing = torch.zeros_like(mask)
    masked, bare = model(sound, mask, 1.0), model(sound, nothing, 1.0)
    torch.testing.assert_close(masked.quantised.codes, bare.quantised.codes)
    torch.testing.assert_close(masked.target, bare.target)
    assert not torch.allclose(masked.context, bare.context)


def test_masked_frames_are_not_heard(model, sound):
    """All of a row masked: its context no longer depends on its sound."""
    model.eval()
    everything = torch.ones(3, 50, dtype=torch.bool)
    torch.manual_seed(1)
    once = model(sound, everything, 1.0).context
    torch.manual_seed(1)
    torch.testing.assert_close(model(sound.flip(0), everything, 1.0).context, once)


def test_contrastive_loss_is_the_plain_one(model, sound, mask):
    with torch.no_grad():
        outputs = model(sound, mask, 1.0)
    torch.manual_seed(2)
    found, accuracy = masked_contrastive_loss(outputs, mask, TINY)
    torch.manual_seed(2)
    others = distractors(mask, TINY.distractors)
    places = mask.nonzero().tolist()
    total, right = 0.0, 0
    for at, (row, frame) in enumerate(places):
        context, true = outputs.context[row, frame], outputs.target[row, frame]
        scores = [math.exp(functional.cosine_similarity(context, true, dim=0) / TINY.temperature)]
        for other in others[at].tolist():
            there = tuple(places[other])
            if not torch.equal(outputs.quantised.codes[there], outputs.quantised.codes[row, frame]):
                cosine = functional.cosine_similarity(context, outputs.target[there], dim=0)
                scores.append(math.exp(cosine / TINY.temperature))
        total -= math.log(scores[0] / sum(scores))
        right += scores[0] >= max(scores)
    assert float(found) == pytest.approx(total / len(places), rel=1e-4)
    assert float(accuracy) == pytest.approx(right / len(places))


def test_the_loss_is_the_weighted_sum(model, sound, mask):
    config = dataclasses.replace(TINY, beta=0.7, gamma=1.3, diversity=0.2)
    found = losses(model(sound, mask, 1.0), mask, config)
    total = 0.7 * (found["contrastive"] + 0.2 * found["diversity"]) + 1.3 * found["masked"]
    torch.testing.assert_close(found["loss"], total)
    assert float(found["masked"]) == pytest.approx(math.log(TINY.codebook_size), rel=0.25)


def test_distractors_are_other_masked_frames_of_the_same_row(mask):
    places = mask.nonzero()
    drawn = distractors(mask, 40)
    assert drawn.shape == (len(places), 40)
    assert (places[drawn][..., 0] == places[:, None, 0]).all()
    assert (drawn != torch.arange(len(places))[:, None]).all()
    first = int(mask[0].sum())
    assert set(drawn[0].tolist()) <= set(range(1, first))
    many = distractors(mask, 5000)[0]
    assert set(many.tolist()) == set(range(1, first))


def test_spans_are_masked_as_often_as_asked(rng):
    mask = span_mask(rng, 200, 500, 0.065, 10)
    assert mask.any(dim=1).all()
    assert float(mask.float().mean()) == pytest.approx(1 - (1 - 0.065) ** 10, abs=0.01)
    rare = span_mask(rng, 50, 40, 0.0, 10)
    assert (rare.sum(dim=1) == 10).all()


def test_perplexity_and_diversity_tell_collapse_from_use():
    spread = torch.arange(32).repeat(4)[:, None]
    assert float(perplexity(spread, 32)) == pytest.approx(32.0, rel=1e-5)
    assert float(perplexity(torch.zeros(100, 1, dtype=torch.long), 32)) == pytest.approx(1.0)
    assert float(diversity_loss(torch.full((2, 32), 1 / 32))) == pytest.approx(0.0, abs=1e-5)
    assert float(diversity_loss(functional.one_hot(torch.tensor([3, 5]), 32).float())) == pytest.approx(31 / 32)


def test_a_random_projection_is_never_trained():
    torch.manual_seed(0)
    model = W2vBert(dataclasses.replace(TINY, quantizer="projection"))
    assert not [name for name, _ in model.named_parameters() if name.startswith("quantizer.")]
    assert {"quantiser.projection", "quantiser.codebook"} <= set(model.state_dict())  # stored names


def test_every_weight_gets_a_gradient(model, sound, mask):
    losses(model(sound, mask, 1.0), mask, TINY)["loss"].backward()
    still = [name for name, weight in model.named_parameters() if weight.grad is None or not weight.grad.abs().sum()]
    assert still == []


@pytest.mark.parametrize("change", [{"n_mels": 30}, {"sample_rate": 22050}, {"code_dim": 33}])
def test_settings_that_do_not_divide_are_refused(change):
    with pytest.raises(ValueError, match="evenly"):
        dataclasses.replace(TINY, **change)


@pytest.fixture(scope="module")
def music(tmp_path_factory):
    """Composed for this test: four files of 6 s in which three notes follow each other in an order of their own."""
    folder, rng = tmp_path_factory.mktemp("music"), np.random.default_rng(0)
    time = np.arange(6000) / 24000
    notes = [np.sin(2 * np.pi * pitch * time) + np.sin(6 * np.pi * pitch * time) / 2 for pitch in (220, 440, 1000)]
    for index in range(4):
        order = [(index + turn) % 3 for turn in range(24)]
        piece = np.concatenate([notes[note] for note in order]) / 4 + rng.standard_normal(24 * 6000) / 500
        write_audio(folder / f"{index}.wav", piece.astype(np.float32), 24000)
    return folder


HYPERPARAMETERS = W2vBertHyperparameters(batch_size=8, seconds=2.0, lr=1e-3)
ARGUMENTS = TrainingArguments(
    steps=60, log_every=10, validate_every=100, checkpoint_every=100, device="cpu", ema_decay=0.9, workers=1
)


@pytest.fixture(scope="module")
def trained(music, tmp_path_factory):
    out = tmp_path_factory.mktemp("trained")
    train_w2v_bert(music, out, HYPERPARAMETERS, ARGUMENTS, TINY, n_jobs=1)
    return out


def test_it_learns_and_uses_its_codes(trained):
    lines = [json.loads(line) for line in (trained / "log.jsonl").read_text().splitlines()]
    trained_lines = [line for line in lines if "masked" in line]
    first, last = trained_lines[0], trained_lines[-1]
    assert last["loss"] < 0.9 * first["loss"]
    assert last["codes_used"] > 3


def test_the_trained_model_is_an_embedding(trained, monkeypatch, tmp_path, rng):
    monkeypatch.setenv("BRAIN2MUSIC_MODELS", str(tmp_path))
    with pytest.raises(InputError, match="brain2music train w2v-bert"):
        get_embedder("w2v-bert-avg")
    (tmp_path / "w2v-bert-avg").symlink_to(trained / "model")
    assert next(line for line in list_embedders() if line.name == "w2v-bert-avg").available
    embedder = get_embedder("w2v-bert-avg", window_s=1.0, step_s=1.0)
    assert (embedder.space.dims, embedder.space.sample_rate, embedder.space.name) == (64, 24000, "w2v-bert-avg")
    sound = rng.standard_normal(3 * 24000).astype(np.float32) / 10
    found = embedder.embed(sound, 24000)
    assert found.shape == (3, 64)
    np.testing.assert_array_equal(found, embedder.embed(sound, 24000))
    np.testing.assert_allclose(embedder.embed(sound[24000:48000], 24000)[0], found[1], atol=1e-5)
    deeper = get_embedder("w2v-bert-avg@1", window_s=1.0, step_s=1.0)
    assert deeper.space.name == "w2v-bert-avg@1"
    assert not np.allclose(deeper.embed(sound, 24000), found)
    assert "w2v-BERT" in (trained / "model" / "README.md").read_text()


@pytest.mark.real_data
@pytest.mark.slow
@pytest.mark.parametrize("quantizer", ["gumbel", "projection"])
def test_it_learns_on_recorded_music(real_data, tmp_path, quantizer):
    clips = pd.DataFrame({"file": sorted((real_data / "recorded").glob("*.ogg"))[::10]})
    clips.to_csv(tmp_path / "clips.tsv", sep="\t", index=False)
    config = dataclasses.replace(TINY, quantizer=quantizer)
    arguments = dataclasses.replace(ARGUMENTS, steps=100)
    train_w2v_bert(
        tmp_path / "clips.tsv", tmp_path / "out", W2vBertHyperparameters(8, 4.0, 1e-3), arguments, config, n_jobs=1
    )
    lines = [json.loads(line) for line in (tmp_path / "out" / "log.jsonl").read_text().splitlines()]
    first, last = (next(line for line in order if "masked" in line) for order in (lines, lines[::-1]))
    assert last["loss"] < 0.9 * first["loss"]
    assert last["masked_accuracy"] > 3 / TINY.codebook_size
    assert last["codes_used"] > 4


def test_frames_are_quantised_about_their_mean():
    """A large part that all frames share does not choose one code for all."""
    torch.manual_seed(0)
    frames = torch.randn(4, 50, TINY.width)
    for quantizer in (GumbelQuantizer(TINY), ProjectionQuantizer(TINY)):
        alone, shifted = quantizer(frames, 1.0), quantizer(frames + 100 * torch.randn(TINY.width), 1.0)
        assert float(perplexity(shifted.codes, TINY.codebook_size).mean()) > 0.5 * TINY.codebook_size
        if alone.probabilities is None:
            assert float((alone.codes == shifted.codes).float().mean()) > 0.99


def test_saving_and_reading_change_nothing(trained, tmp_path, sound):
    model = W2vBert.from_pretrained(trained / "model")
    again = W2vBert.from_pretrained(model.save_pretrained(tmp_path / "copy"))
    torch.testing.assert_close(again.at_depth(sound, 1.0), model.at_depth(sound, 1.0), atol=0, rtol=0)
    assert float(model.mel_std.min()) > 1e-3


def test_collapse_is_warned_of_and_stops_the_training():
    task = object.__new__(W2vBertTask)
    task.config = W2vBertConfig()
    fine, few, one = {"codes_used": 500.0}, {"codes_used": 20.0}, {"codes_used": 1.0}
    assert task.check_divergence([]) is None
    assert task.check_divergence([few, fine]) is None
    assert "20.0 of 1024 codes" in task.check_divergence([fine, few])
    assert task.check_divergence([fine] + [one] * (PATIENCE - 1)) is not None
    with pytest.raises(InputError, match="collapsed"):
        task.check_divergence([fine] + [one] * PATIENCE)


def test_crops_too_short_to_mask_are_refused(music, tmp_path):
    with pytest.raises(InputError, match="too short for masks"):
        train_w2v_bert(music, tmp_path, W2vBertHyperparameters(seconds=0.5), ARGUMENTS, TINY)
