"""Curves of power: what they promise of fresh studies, what is known at their ends, and the command."""

import json
import math
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge

from brain2music._utils.errors import InputError
from brain2music.cli import main
from brain2music.metrics import PlannedStudy, minutes_needed, power_curve
from brain2music.metrics.power import _ALPHAS, _ridge

SMALL = PlannedStudy(test_clips=24, repeats=2, voxels=60, tuned=30, dims=12, reliability=0.1)


def test_the_fit_is_scikit_learns_at_the_penalty_of_least_gcv_error(rng: np.random.Generator) -> None:
    x, y, asked = rng.normal(size=(30, 50)), rng.normal(size=(30, 3)), rng.normal(size=(5, 50))
    y += x[:, :3]
    centred, errors = x - x.mean(axis=0), []
    for alpha in _ALPHAS:
        hat = centred @ np.linalg.solve(centred.T @ centred + alpha * np.eye(50), centred.T)
        residual = (np.eye(30) - hat) @ (y - y.mean(axis=0))
        errors.append(np.sum(residual**2) / (29 - np.trace(hat)) ** 2)
    best = Ridge(alpha=_ALPHAS[int(np.argmin(errors))]).fit(x, y)
    predicted, mean = _ridge(x, y, asked)
    np.testing.assert_allclose(predicted, best.predict(asked), atol=1e-8)
    np.testing.assert_allclose(mean, y.mean(axis=0))


def test_a_curve_rises_and_holds_what_fresh_studies_give() -> None:
    curve, fresh = (power_curve(SMALL, [5, 20, 80], n_studies=15, random_state=seed) for seed in (0, 1))
    assert curve["identification"].is_monotonic_increasing
    assert curve["train_clips"].tolist() == [20, 80, 320]
    inside = (curve["mean_low"] <= fresh["identification"]) & (fresh["identification"] <= curve["mean_high"])
    assert inside.sum() >= 2
    assert (curve["low"] <= curve["identification"]).all()
    pd.testing.assert_frame_equal(curve, power_curve(SMALL, [80, 5, 20], n_studies=15))


def test_responses_that_say_nothing_are_found_as_often_as_chance() -> None:
    nothing = PlannedStudy(test_clips=20, repeats=1, voxels=20, tuned=1, dims=8, reliability=1e-6)
    curve = power_curve(nothing, [10], n_studies=120, n_permutations=99)
    assert abs(curve["identification"][0] - 0.5) < 0.02
    assert curve["power"][0] < 0.12


def test_the_default_gives_the_published_identification() -> None:
    curve = power_curve(None, [120], n_studies=6, n_permutations=19)
    assert curve["identification"][0] == pytest.approx(0.876, abs=0.02)
    assert curve["total_minutes"][0] == 180


def test_minutes_are_read_from_the_rising_curve() -> None:
    curve = pd.DataFrame({"minutes": [10.0, 40.0, 160.0], "identification": [0.6, 0.8, 0.78]})
    assert minutes_needed(curve, 0.7) == pytest.approx(20.0)
    assert minutes_needed(curve, 0.5) == 10.0
    assert minutes_needed(curve, 0.81) is None


def test_what_cannot_be_planned_is_refused() -> None:
    with pytest.raises(InputError, match="a reliability of 1 with"):
        PlannedStudy(reliability=1.0)
    for wrong, named in (
        ({"test_clips": 2}, "2 test clips"),
        ({"repeats": 0}, "0 presentations"),
        ({"clip_s": math.nan}, "clips of nan s"),
        ({"clip_s": math.inf}, "clips of inf s"),
    ):
        with pytest.raises(InputError, match=f"a study with {named}.* cannot be planned"):
            PlannedStudy(**wrong)
    for minutes in (math.inf, math.nan, 1e6):
        with pytest.raises(InputError, match=f"{minutes:g} minutes of training".replace("+", r"\+")):
            power_curve(SMALL, [10.0, minutes])
    with pytest.raises(InputError, match="too few clips fit"):
        power_curve(SMALL, [1.0])
    with pytest.raises(InputError, match="no spread"):
        power_curve(SMALL, [10.0], n_studies=1)


def test_the_command_answers_in_minutes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["power", "-o", str(tmp_path / "out"), "--minutes", "5", "--minutes", "60", "--studies", "4"]
    words += ["--reliability", "0.15", "--test-clips", "20", "--target", "0.75"]
    monkeypatch.setattr(sys, "argv", ["brain2music", *words])
    with pytest.raises(SystemExit) as stop:
        main()
    shown = capsys.readouterr()
    assert (stop.value.code or 0) == 0, shown.err
    assert "minutes of training" in shown.out
    assert "Simulated: 20 test clips" in shown.out
    record = json.loads((tmp_path / "out" / "power.json").read_text())
    assert 5 <= record["training_minutes_needed"]["identification"] < 60
    assert (tmp_path / "out" / "power.png").stat().st_size > 5000
    assert pd.read_csv(tmp_path / "out" / "power.tsv", sep="\t")["simulated"].all()
