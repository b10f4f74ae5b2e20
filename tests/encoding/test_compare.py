"""Differences between embeddings: intervals over clips, and the variance each explains alone."""

import numpy as np
import pytest

from brain2music.embeddings import EmbeddingSpace
from brain2music.encoding import (
    Encoded,
    EncoderSettings,
    bootstrap_clips,
    common_windows,
    difference,
    encode,
    partition,
    roi_table,
)
from brain2music.encoding.compare import mean_intervals, resampled, unique_intervals
from brain2music.study import Clip


@pytest.fixture
def make_encoded():
    """``make(predicted, measured)`` with (clips, windows, voxels) each."""

    def make(predicted, measured):
        space, nothing = EmbeddingSpace("toy", "1", "none", 1, 3.0, 1.5, 16000), np.zeros((1, predicted.shape[2]))
        clips = tuple(Clip(f"t{i}", 0.0, 15.0) for i in range(len(predicted)))
        arrays = (predicted.astype(np.float32), measured.astype(np.float32))
        return Encoded(*arrays, clips, space, None, np.ones(1), nothing, nothing)

    return make


def test_resampled_correlations_are_those_of_the_drawn_clips(rng, make_encoded):
    encoded = make_encoded(*(rng.standard_normal((2, 8, 3, 5)) + 4))
    draws = bootstrap_clips(8, rng, 20)
    assert (draws.sum(axis=1) == 8).all()
    (_, r), *more = resampled(encoded, draws)
    assert not more
    for draw in range(20):
        rows = np.repeat(np.arange(8), draws[draw].astype(int))
        for v in range(5):
            a, b = encoded.predicted[rows][..., v].ravel(), encoded.measured[rows][..., v].ravel()
            np.testing.assert_allclose(r[draw, v], np.corrcoef(a, b)[0, 1], atol=1e-4)


def test_batches_of_voxels_change_nothing(rng, make_encoded, monkeypatch):
    encoded, draws = make_encoded(*rng.standard_normal((2, 8, 3, 11))), bootstrap_clips(8, rng, 30)
    whole = np.hstack([r for _, r in resampled(encoded, draws)])
    monkeypatch.setattr("brain2music.encoding.compare._BATCH_BYTES", 4 * 30 * 2)
    batches = list(resampled(encoded, draws))
    assert len(batches) == 6
    np.testing.assert_allclose(np.hstack([r for _, r in batches]), whole, atol=1e-6)


def test_differences_keep_their_level_and_find_the_better_embedding(rng, make_encoded):
    signal = rng.standard_normal((40, 1, 600)).repeat(3, axis=1)
    measured = signal + 0.5 * rng.standard_normal(signal.shape)
    good, poor = (signal + rng.standard_normal((40, 1, 600)) for _ in range(2))
    poor[..., :100] += 9 * rng.standard_normal((40, 1, 100))
    differs = difference(make_encoded(good, measured), make_encoded(poor, measured), bootstrap_clips(40, rng, 500))
    assert (differs.p[100:] < 0.05).mean() < 0.09
    assert (differs.q[:100] < 0.05).mean() > 0.5
    assert (differs.value[:100] > 0).all()


def test_an_embedding_does_not_differ_from_itself(rng, make_encoded):
    a = make_encoded(*rng.standard_normal((2, 8, 3, 5)))
    differs = difference(a, a, bootstrap_clips(8, rng, 50))
    assert not differs.value.any()
    assert (differs.p == 1).all()
    assert mean_intervals(a, [np.ones(5, bool)], bootstrap_clips(8, rng, 50), minus=a) == [(0.0, 0.0)]


def test_other_rows_are_not_compared(rng, make_encoded):
    a, b = make_encoded(*rng.standard_normal((2, 8, 3, 5))), make_encoded(*rng.standard_normal((2, 8, 2, 5)))
    with pytest.raises(ValueError, match="give both the same windows"):
        difference(a, b, bootstrap_clips(8, rng, 10))


def test_intervals_of_a_region_cover_what_many_clips_give(rng, make_encoded):
    """Of 60 studies, the 95 % interval holds the true r of 0.5 in most."""
    held = 0
    for _ in range(60):
        signal = rng.standard_normal((40, 1, 10))
        measured = signal + np.sqrt(3) * rng.standard_normal((40, 1, 10))
        encoded = make_encoded(signal, measured)
        [(low, high)] = mean_intervals(encoded, [np.ones(10, bool)], bootstrap_clips(40, rng, 300))
        held += low <= 0.5 <= high
    assert held >= 50


def test_tables_of_regions_hold_what_numpy_gives(rng, make_encoded):
    encoded = {name: make_encoded(*rng.standard_normal((2, 8, 3, 6))) for name in ("a", "b")}
    sets = {"left": np.arange(6) < 2, "none": np.zeros(6, bool), "right": np.arange(6) >= 4}
    significant = {name: np.array([True, False, True, False, True, True]) for name in encoded}
    table = roi_table(encoded, sets, bootstrap_clips(8, rng, 40), significant=significant)
    assert list(zip(table["embedding"], table["roi"], strict=True)) == [
        ("a", "left"),
        ("a", "right"),
        ("b", "left"),
        ("b", "right"),
    ]
    row = table.iloc[3]
    assert row["voxels"] == 2
    assert row["mean_r"] == pytest.approx(encoded["b"].r[4:].mean())
    assert row["median_r"] == pytest.approx(np.median(encoded["b"].r[4:]))
    assert row["significant"] == 1.0
    assert row["low"] < row["mean_r"] < row["high"]
    assert np.isnan(row["normalised_r"])


def test_partition_gives_each_embedding_what_it_alone_explains(rng, planted, make_embeddings):
    """Voxels 0-9 follow the first embedding, 10-19 the second (unlike it), 20-29 neither."""
    weights = np.zeros((6, 30))
    weights[:3, :10], weights[3:, 10:20] = rng.standard_normal((2, 3, 10))
    train, train_emb, test, test_emb = planted(80, 40, weights, 0.5)
    both = [
        [make_embeddings(emb.data[..., half], responses.clips, name) for half, name in halves]
        for responses, emb in ((train, train_emb), (test, test_emb))
        for halves in [((slice(0, 3), "first"), (slice(3, 6), "second"))]
    ]
    joined = [
        make_embeddings(np.concatenate([a.data, b.data]), (*train.clips, *test.clips), a.space.name)
        for a, b in zip(*both, strict=True)
    ]
    windows = common_windows(train, joined)
    parts = partition(train, test, joined, windows=windows, n_candidates=5)
    assert parts.unique[0, :10].mean() > 0.6
    assert np.abs(parts.unique[1, :10]).max() < 0.1
    assert parts.unique[1, 10:20].mean() > 0.6
    assert np.abs(parts.unique[:, 20:]).max() < 0.1
    np.testing.assert_allclose(
        parts.error_increase.sum(1) / parts.sum_of_squares.sum(0), parts.unique, rtol=1e-4, atol=1e-6
    )
    assert parts.error_increase.shape[1] == len(test.clips)
    voxels = np.arange(30) < 10
    (low, high), (_, other) = unique_intervals(parts, voxels, bootstrap_clips(len(test.clips), rng, 200))
    assert other < low < parts.unique[0, voxels].mean() < high
    full = encode(train, train_emb, test, test_emb, fit=EncoderSettings())
    assert abs(parts.r2[:20].mean() - (full.r[:20] ** 2).mean()) < 0.1
