"""Confounds by nilearn's strategies, and volumes that take no part, against nilearn's own results."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from nilearn.interfaces.fmriprep import load_confounds
from nilearn.signal import clean

from brain2music._utils.errors import Brain2MusicWarning, InputError
from brain2music.brain.clean import clean_run, fill_between, read_confounds
from brain2music.brain.cleaned_runs import Cleaning
from brain2music.brain.confound_strategy import ConfoundStrategy, load_strategy, read_nuisance
from brain2music.config import RunConfig

from .fmriprep_tables import write_fmriprep_table

N, TR = 120, 1.5
STRATEGY = ("high_pass", "motion", "compcor", "scrub")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Two volumes before the steady state, and three that moved, of which two have three volumes between them."""
    path = tmp_path / "sub-01_task-music_desc-confounds_timeseries.tsv"
    write_fmriprep_table(path, N, steady=(0, 1), moved=(40, 44, 90))
    return path


def of_nilearn(table: Path, **options: object) -> tuple[pd.DataFrame, np.ndarray | None]:
    """What nilearn loads itself, by the name of an image beside the table."""
    image = table.with_name(table.name.replace("desc-confounds_timeseries.tsv", "space-T1w_desc-preproc_bold.nii.gz"))
    image.touch()
    return load_confounds(str(image), **options)


@pytest.mark.parametrize(
    "options",
    [
        {"strategy": ("high_pass", "motion", "compcor"), "motion": "full", "n_compcor": "all"},
        {"strategy": ("wm_csf", "global_signal"), "wm_csf": "basic"},
        {
            "strategy": STRATEGY,
            "motion": "derivatives",
            "compcor": "anat_separated",
            "n_compcor": 1,
            "fd_threshold": 1.0,
        },
        {"strategy": ("motion", "scrub"), "scrub": 0, "motion": "basic", "fd_threshold": 0.05},
    ],
    ids=["full", "signals", "scrubbed", "all-scrubbed"],
)
def test_a_strategy_loads_what_nilearn_loads(table: Path, options: dict) -> None:
    expected, remaining = of_nilearn(table, demean=False, **options)
    ours = {name: None if value == "all" else value for name, value in options.items()}
    found, left_out = load_strategy(table, ConfoundStrategy(**ours), N)
    np.testing.assert_array_equal(np.flatnonzero(left_out.kept), remaining)
    if len(remaining):
        np.testing.assert_array_equal(found, expected.to_numpy())


def test_volumes_before_the_steady_state_are_told_from_scrubbed_ones(table: Path) -> None:
    _, left_out = load_strategy(table, ConfoundStrategy(STRATEGY, fd_threshold=1.0), N)
    assert np.flatnonzero(left_out.non_steady_state).tolist() == [0, 1]
    assert np.flatnonzero(left_out.scrubbed).tolist() == [40, 41, 42, 43, 44, 90]  # with the short stretch between
    _, named = read_nuisance(table, ("csf",), ConfoundStrategy(), N)
    assert np.flatnonzero(~named.kept).tolist() == [0, 1]


@pytest.mark.parametrize("steady", [(0, 1), ()])
@pytest.mark.parametrize(
    ("strategy", "detrend", "of_clean"),
    [
        (STRATEGY, "none", {"filter": False}),  # with the cosines of the table
        (("wm_csf", "global_signal", "scrub"), "cosine", {"filter": "cosine", "high_pass": 1 / 100.0, "t_r": TR}),
    ],
)
def test_cleaning_is_that_of_nilearn_on_the_volumes_that_remain(
    tmp_path: Path, steady: tuple[int, ...], strategy: tuple[str, ...], detrend: str, of_clean: dict
) -> None:
    path = tmp_path / "sub-01_task-music_desc-confounds_timeseries.tsv"
    write_fmriprep_table(path, N, steady=steady, moved=(40, 44, 90))
    rng = np.random.default_rng(1)
    series = (rng.normal(size=(N, 30)).cumsum(axis=0) + 300).astype(np.float32)
    series[[40, 44, 90]] += 50
    nuisance, left_out = load_strategy(path, ConfoundStrategy(strategy, fd_threshold=1.0), N)
    expected, remaining = of_nilearn(path, strategy=strategy, motion="basic", n_compcor=5, fd_threshold=1.0)
    cleaned = series.copy()
    clean_run(cleaned, TR, detrend, nuisance, window_s=100.0, kept=left_out.kept)
    reference = clean(
        series, confounds=expected, sample_mask=remaining, detrend=False, standardize="zscore_sample", **of_clean
    )
    by_n = np.sqrt(len(remaining) / (len(remaining) - 1))  # nilearn divides by one volume less
    np.testing.assert_allclose(cleaned[remaining], reference * by_n, atol=2e-3)
    again = series.copy()
    again[~left_out.kept] = rng.normal(0, 1e4, again[~left_out.kept].shape)
    again[np.flatnonzero(~left_out.kept)[-1]] = np.nan
    found = clean_run(again, TR, detrend, nuisance, window_s=100.0, kept=left_out.kept)
    np.testing.assert_array_equal(again, cleaned)  # whatever was measured in volumes that take no part
    assert found.finite.all()


def test_volumes_that_take_no_part_leave_no_trace_in_a_median(table: Path) -> None:
    rng = np.random.default_rng(2)
    series = rng.normal(100, 5, (N, 4)).astype(np.float32)
    kept = np.ones(N, bool)
    kept[[0, 50, 51, 119]] = False
    spoilt = series.copy()
    spoilt[~kept] = 1e5
    for each in (series, spoilt):
        clean_run(each, TR, "median", kept=kept)
    np.testing.assert_array_equal(series, spoilt)
    np.testing.assert_allclose(series[50], (2 * series[49] + series[52]) / 3, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(series[[0, 119]], series[[1, 118]])
    with pytest.raises(ValueError, match="no volume counts"):
        fill_between(series, np.zeros(N, bool))


def test_what_a_table_lacks_is_named_with_what_it_has(tmp_path: Path) -> None:
    path = tmp_path / "sub-01_task-music_desc-confounds_timeseries.tsv"
    table = write_fmriprep_table(path, N)
    with pytest.raises(InputError, match="120 rows for 119 scans"):
        load_strategy(path, ConfoundStrategy(("motion",)), N - 1)
    path.with_suffix(".json").unlink()
    with pytest.raises(InputError, match=r"described by the table's .json, which is missing.*'high_pass', 'motion'"):
        load_strategy(path, ConfoundStrategy(("high_pass", "motion", "compcor")), N)
    table.drop(columns=[name for name in table if name.startswith(("trans", "rot", "std_dvars"))]).to_csv(
        path, sep="\t", index=False
    )
    with pytest.raises(InputError, match=r"lacks what motion and scrub .*\['wm_csf'\]"):
        load_strategy(path, ConfoundStrategy(("motion", "wm_csf", "scrub")), N)
    path.write_text("")
    with pytest.raises(InputError, match="not a readable table"):
        load_strategy(path, ConfoundStrategy(("motion",)), N)


def test_gaps_in_confounds_are_said_where_volumes_count(table: Path) -> None:
    rows = pd.read_csv(table, sep="\t")
    rows.loc[[0, 1], "csf"] = np.nan  # of volumes that take no part
    rows.to_csv(table, sep="\t", index=False, na_rep="n/a")
    how = ConfoundStrategy(("wm_csf",))
    assert np.isfinite(load_strategy(table, how, N)[0]).all()
    rows.loc[60, "csf"] = np.inf
    rows.to_csv(table, sep="\t", index=False, na_rep="n/a")
    with pytest.warns(Brain2MusicWarning, match="csf is n/a or infinite at 1 of 118 volumes"):
        found = load_strategy(table, how, N)[0]
    assert np.isfinite(found).all()
    with pytest.warns(Brain2MusicWarning, match="csf is n/a or infinite at 2 of 120 volumes"):
        assert np.isfinite(read_confounds(table, ("csf",), N)).all()
    rows["csf"] = np.nan
    rows.to_csv(table, sep="\t", index=False, na_rep="n/a")
    with pytest.raises(InputError, match="csf is n/a or infinite throughout"):
        load_strategy(table, how, N)
    with pytest.raises(InputError, match="csf is n/a or infinite throughout"):
        read_confounds(table, ("csf",), N)


def test_the_settings_of_a_run_name_what_nilearn_does() -> None:
    assert Cleaning.of(RunConfig().preprocessing) == Cleaning()
    regression = Cleaning.of(RunConfig.of(cleaning="regression", motion="full", fd_threshold=0.2).preprocessing)
    assert regression.strategy == ConfoundStrategy(
        ("high_pass", "motion", "compcor"), motion="full"
    )  # no scrub: no threshold
    scrubbing = RunConfig.of(cleaning="regression", strategy=("motion", "scrub"), fd_threshold=0.2)
    assert Cleaning.of(scrubbing.preprocessing).strategy.fd_threshold == 0.2
    named = Cleaning.of(RunConfig.of(cleaning="regression", confounds=("csf",)).preprocessing)
    assert (named.strategy.strategy, named.confounds) == ((), ("csf",))
    every = RunConfig.of(cleaning="regression", n_compcor="all")
    assert every.preprocessing.n_compcor is None
    assert RunConfig.of(preprocessing=every.preprocessing.model_dump(mode="json")).preprocessing.n_compcor is None
    with pytest.raises(InputError, match="add high_pass"):
        RunConfig.of(strategy=("compcor",))
    assert replace(regression, strategy=ConfoundStrategy()).reads_table is False
