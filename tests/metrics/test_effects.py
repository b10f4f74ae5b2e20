"""Nested bootstrap, effect sizes and false discovery rates, against simulation and independent formulas."""

import numpy as np
import pytest
from scipy.stats import false_discovery_control

from brain2music.metrics import Score, bootstrap_nested, effect_size, effects_table, mean_interval, summarise
from brain2music.metrics.leakage import unshared
from brain2music.study import Clip
from brain2music.study.track_index import read_gtzan_index

COLUMNS = {"stage": "decode", "condition": "decoded", "embedding": "logmel", "metric": "identification"}


def test_the_nested_interval_covers_the_truth_where_that_of_clips_does_not(rng: np.random.Generator) -> None:
    covered, by_clips = 0, 0
    for _ in range(100):
        skill = 0.7 + 0.05 * rng.normal(size=8)
        values = [each + 0.2 * rng.normal(size=30) for each in skill]
        low, high = bootstrap_nested(values, rng, 400)
        covered += low < 0.7 < high
        pooled = np.concatenate(values)
        half = 1.96 * pooled.std() / np.sqrt(len(pooled))
        by_clips += pooled.mean() - half < 0.7 < pooled.mean() + half
    assert covered >= 84
    assert by_clips < covered


def test_its_spread_is_that_of_both_levels(rng: np.random.Generator) -> None:
    values = [rng.normal(mean, 1.0, 40) for mean in rng.normal(0, 0.5, 20)]
    low, high = bootstrap_nested(values, rng, 4000)
    means = np.array([each.mean() for each in values])
    expected = np.sqrt(means.var() / 20 + np.mean([each.var() for each in values]) / 40 / 20)
    assert (high - low) / (2 * 1.96) == pytest.approx(expected, rel=0.06)
    assert np.isnan(bootstrap_nested(values[:1], rng)).all()


def test_effect_over_subjects_is_hedges_g() -> None:
    values = np.array([0.7, 0.8, 0.75, 0.9])
    scores = [
        Score(**COLUMNS, subject=str(number), value=value, chance=0.5, n=60, candidates=60)
        for number, value in enumerate(values)
    ]
    (group,) = summarise(scores)
    expected = (values.mean() - 0.5) / values.std(ddof=1) * (1 - 3 / (4 * 3 - 1))
    assert (group.low, group.high) == pytest.approx(mean_interval(values))
    assert effect_size(group) == pytest.approx(expected)
    assert np.isnan(effect_size(scores[0]))


def test_q_is_scipys_over_the_rows_that_have_p(rng: np.random.Generator) -> None:
    p = [0.001, None, 0.04, 0.5, 0.02]
    scores = [Score(**COLUMNS, subject="01", value=0.6, chance=0.5, n=60, candidates=60, p=each) for each in p]
    table = effects_table(scores)
    known = [0, 2, 3, 4]
    np.testing.assert_allclose(table["q"].iloc[known], false_discovery_control([p[each] for each in known]))
    assert np.isnan(table["q"].iloc[1])


@pytest.mark.real_data
def test_the_six_test_clips_that_share_a_song_are_known(real_data) -> None:
    index = read_gtzan_index(real_data / "gtzan" / "GTZANindex.txt")
    clips = {"Training": [], "Test": []}
    for split, found in clips.items():
        for path in sorted((real_data / "ds003720" / "sub-001" / "func").glob(f"*{split}_run-*_events.tsv")):
            lines = [line.split("\t") for line in path.read_text().splitlines()]
            place = {name: number for number, name in enumerate(lines[0])}
            for row in lines[2:]:
                genre = row[place["genre"]].strip("'")
                found.append(Clip(f"{genre}.{int(row[place['track']]):05d}", 0.0, 15.0, genre))
    train, test = (tuple(dict.fromkeys(clips[split])) for split in ("Training", "Test"))
    assert (len(train), len(test)) == (480, 60)
    shared = {clip.track for clip, kept in zip(test, unshared(train, test, index, "song"), strict=True) if not kept}
    named = ("disco.00071", "hiphop.00049", "jazz.00040", "jazz.00044", "jazz.00069", "reggae.00033")
    assert shared == set(named)
    assert int((~unshared(train, test, index, "artist")).sum()) == 50
