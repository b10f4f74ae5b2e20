"""Settings of a run: the lag in seconds or in scans, and what the command line says over the file."""

from pathlib import Path

import pytest

from brain2music._utils.errors import InputError
from brain2music.config import RunConfig


@pytest.mark.parametrize(
    ("tr", "scans"), [(1.5, 3), (0.8, 6), (10.0, 0), (2.0, 2), (1.0, 5), (3.0, 2), (9.0, 1), (0.5, 9)]
)
def test_the_lag_is_four_and_a_half_seconds_at_any_tr(tr: float, scans: int) -> None:
    assert RunConfig().lag_in_scans(tr) == scans


def test_a_lag_may_be_long_where_scans_are_short() -> None:
    assert RunConfig(lag_s=8).lag_in_scans(0.5) == 16
    assert RunConfig(lag_tr=16).lag_in_scans(0.5) == 16


def test_further_lags_in_seconds_and_scans_are_each_scored_once() -> None:
    config = RunConfig(also_lags=(0, 2), also_lags_s=(1.6, 4.5, 6.0))
    assert config.also_lags_in_scans(0.8) == (0, 2, 8)  # 4.5 s are the lag itself, 1.6 s are two scans


def test_a_lag_in_seconds_and_in_scans_is_refused_by_name(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text("lag_s = 4.5\nlag_tr = 3\n")
    with pytest.raises(InputError, match=r"config\.toml.*lag_s.*lag_tr"):
        RunConfig.from_toml(file)
    with pytest.raises(InputError, match=r"lag_s.*lag_tr"):
        RunConfig.from_toml(None, lag_s=4.5, lag_tr=3)


def test_a_lag_of_the_command_line_wins_over_either_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text("lag_tr = 3\nfolds = 4\n")
    config = RunConfig.from_toml(file, lag_s=8.0)
    assert (config.lag_in_scans(2.0), config.folds) == (4, 4)
