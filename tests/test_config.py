"""Settings of a run: the lag in seconds or in scans, and what the command line says over the file."""

import re
from pathlib import Path

import pytest

from brain2music._utils.errors import InputError
from brain2music.config import PLACES, RENAMED, SECTIONS, DecodingConfig, RunConfig


@pytest.mark.parametrize(
    ("tr", "scans"), [(1.5, 3), (0.8, 6), (10.0, 0), (2.0, 2), (1.0, 5), (3.0, 2), (9.0, 1), (0.5, 9)]
)
def test_the_lag_is_four_and_a_half_seconds_at_any_tr(tr: float, scans: int) -> None:
    assert RunConfig().lag_in_scans(tr) == scans


def test_a_lag_may_be_long_where_scans_are_short() -> None:
    assert RunConfig.of(lag_s=8).lag_in_scans(0.5) == 16
    assert RunConfig.of(lag_tr=16).lag_in_scans(0.5) == 16


def test_further_lags_in_seconds_and_scans_are_each_scored_once() -> None:
    config = RunConfig.of(compare_lags_tr=(0, 2), compare_lags_s=(1.6, 4.5, 6.0))
    assert config.compare_lags_in_scans(0.8) == (0, 2, 8)  # 4.5 s are the lag itself, 1.6 s are two scans


def test_a_lag_in_seconds_and_in_scans_is_refused_by_name(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text("[events]\nlag_s = 4.5\nlag_tr = 3\n")
    with pytest.raises(InputError, match=r"config\.toml.*lag_s.*lag_tr"):
        RunConfig.from_toml(file)
    with pytest.raises(InputError, match=r"lag_s.*lag_tr"):
        RunConfig.from_toml(None, lag_s=4.5, lag_tr=3)


def test_a_lag_of_the_command_line_wins_over_either_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text("[events]\nlag_tr = 3\n[decoding]\nn_inner_folds = 4\n")
    config = RunConfig.from_toml(file, lag_s=8.0)
    assert (config.lag_in_scans(2.0), config.decoding.n_inner_folds) == (4, 4)


def test_one_setting_cleans_as_the_paper_or_in_one_regression() -> None:
    paper, regression = RunConfig().preprocessing, RunConfig.of(cleaning="regression").preprocessing
    assert (paper.detrend, paper.confounds) == ("median", ())
    assert (regression.detrend, regression.strategy) == ("cosine", ("high_pass", "motion", "compcor"))
    assert RunConfig.of(cleaning="regression").flat()["preprocessing.detrend"] == "cosine"


def test_what_is_said_of_cleaning_counts_before_what_the_way_of_cleaning_stands_for() -> None:
    config = RunConfig.of(cleaning="regression", confounds=("trans_?",))
    assert (config.preprocessing.detrend, config.preprocessing.confounds) == ("cosine", ("trans_?",))
    assert config.preprocessing.strategy == ()
    changed = RunConfig.of(detrend="linear").changed(cleaning="regression")
    assert changed.preprocessing.detrend == "linear"
    assert changed.preprocessing.strategy == RunConfig.of(cleaning="regression").preprocessing.strategy
    assert config.changed(cleaning="paper").preprocessing.detrend == "median"
    assert RunConfig.of(cleaning="regression").changed(seed=1).preprocessing.detrend == "cosine"


def test_no_name_is_in_two_sections_so_that_each_may_be_given_by_itself() -> None:
    names = [name for section in SECTIONS.values() for name in section.model_fields]
    assert len(names) == len(set(names))
    assert not set(names) & set(RunConfig.model_fields)
    by_name = RunConfig.of(decoder="selected", k=3, enabled=False, seed=2)
    assert by_name == RunConfig.of(
        decoding={"decoder": "selected"}, retrieval={"k": 3}, encoding={"enabled": False}, seed=2
    )
    assert by_name == RunConfig.of(
        decoding=DecodingConfig(decoder="selected"), retrieval={"k": 3}, enabled=False, seed=2
    )


def test_a_change_leaves_the_rest_of_a_section_as_it_is() -> None:
    config = RunConfig.of(n_inner_folds=4, lag_tr=2, rms=0.1).changed(decoder="selected", lag_s=3.0, rms=None)
    assert (config.decoding.decoder, config.decoding.n_inner_folds) == ("selected", 4)
    assert (config.events.lag_tr, config.events.lag_s, config.stimuli.rms) == (None, 3.0, None)


@pytest.mark.parametrize(("old", "new"), RENAMED.items())
def test_an_old_name_is_refused_with_the_new(old: str, new: str, tmp_path: Path) -> None:
    section, name = new.split(".")
    assert name in SECTIONS[section].model_fields
    file = tmp_path / "config.toml"
    for text in (f"{old} = 3\n", f"[{section}]\n{old} = 3\n"):
        file.write_text(text)
        with pytest.raises(InputError, match=rf"config\.toml: (\w+\.)?{old} is now {re.escape(new)}") as refused:
            RunConfig.from_toml(file)
        assert "\n" not in str(refused.value)
    with pytest.raises(InputError, match=rf"^{old} is now {re.escape(new)}"):
        RunConfig.of(**{old: 3})


@pytest.mark.parametrize(("name", "section"), PLACES.items())
def test_a_file_gives_a_setting_in_its_section(name: str, section: str, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(f"{name} = 1\n")
    with pytest.raises(InputError, match=rf"{name} is now {section}\.{name}.*under \[{section}\]"):
        RunConfig.from_toml(tmp_path / "config.toml")


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"alpha": 3}, "no setting alpha. Did you mean decoding.alphas?"),
        ({"decoding": {"detrend": "none"}}, "no decoding.detrend, but preprocessing.detrend"),
        ({"decoding": {"folds": 3}}, "decoding.folds is now decoding.n_inner_folds"),
        ({"decoding": {"alphas": (1,)}, "alphas": (2,)}, "alphas is given twice"),
        ({"encoding": False}, 'not one (got False). Write encoding={"enabled": False}.'),
        ({"decoding": 3}, "decoding is a section of settings, not one (got 3). See `brain2music run --help`"),
        ({"n_inner_folds": 1}, "decoding.n_inner_folds: Input should be greater than or equal to 2"),
        ({"column": "kind"}, "events: column is given without values"),
        ({"decoder": "ridge+calibrated"}, "decoding.decoder: 'calibrated' is now 'matched'"),
        ({"compare_decoders": ("exemplars",)}, "evaluation.compare_decoders.0: 'exemplars' is now 'denoised'"),
        ({"rms": "loud"}, "stimuli.rms: Input should be a valid number"),
    ],
)
def test_what_is_wrong_with_a_setting_is_said_in_one_line(settings: dict[str, object], told: str) -> None:
    with pytest.raises(InputError, match=re.escape(told)):
        RunConfig.of(**settings)


def test_music_presented_as_recorded_can_be_said_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('[stimuli]\nrms = "none"\n')
    assert RunConfig.from_toml(tmp_path / "config.toml").stimuli.rms is None


def test_lags_that_the_decoder_is_fitted_to_are_each_there_once() -> None:
    config = RunConfig.of(lags_tr=(1, 3), lags_s=(3.0, 4.5, 6.0), lag_s=4.5)
    assert config.further_lags_in_scans(1.5) == (1, 2, 4)
    assert RunConfig().further_lags_in_scans(1.5) == ()
