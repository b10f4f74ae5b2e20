"""Settings of a run as options: one for each, described once, with the limits and defaults of the configuration."""

import sys
from pathlib import Path
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from brain2music._utils.errors import InputError
from brain2music.cli import app, main
from brain2music.cli.options import ConfigFile
from brain2music.cli.settings import SettingsCommand, read_settings, setting_options
from brain2music.config import PLACES, RunConfig


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch):
    """The settings that a command line gives."""
    small = typer.Typer()
    told: list[RunConfig] = []

    @small.command(cls=SettingsCommand)
    def command(out: Annotated[str, typer.Argument()], config: ConfigFile = None) -> None:
        told.append(read_settings(config))

    def settings(*words: str) -> RunConfig:
        done = CliRunner().invoke(small, ["out", *words], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return told.pop()

    return settings


def test_every_setting_is_one_option_with_its_own_default_and_limits() -> None:
    options = {option.name: option for option in setting_options()}
    defaults = {name.rpartition(".")[2]: value for name, value in RunConfig().flat().items()}
    assert options.keys() == defaults.keys()
    for name, option in options.items():
        assert option.help, name
        assert option.default == (defaults[name] or None if isinstance(defaults[name], list | dict) else defaults[name])
    assert (options["n_inner_folds"].min, options["lag_s"].min, options["lag_s"].max) == (2, 0, 30)
    assert options["compare_lags_tr"].max == 100
    flags = [flag for option in setting_options() for flag in (*option.opts, *option.secondary_opts)]
    assert len(flags) == len(set(flags))


def test_what_is_not_given_is_left_to_the_file_and_then_to_the_default(given, tmp_path: Path) -> None:
    file = tmp_path / "settings.toml"
    file.write_text('embeddings = ["logmel"]\n[decoding]\nn_inner_folds = 4\n[events]\nlag_tr = 2\n')
    assert given() == RunConfig()
    assert given("--config", str(file)) == RunConfig.from_toml(file)
    config = given("--config", str(file), "--n-inner-folds", "5", "--lag-s", "3")
    assert (config.embeddings, config.decoding.n_inner_folds) == (("logmel",), 5)
    assert (config.events.lag_s, config.events.lag_tr) == (3.0, None)


def test_lists_flags_and_entities_are_read(given) -> None:
    words = ["--embedding", "logmel", "--embedding", "yamnet", "--no-encoding", "--no-leave-one-genre-out"]
    words += ["--bids-filter", "space=T1w", "--bids-filter", "rec=norm", "--alpha", "0.5", "--between-subject", "srm"]
    assert given(*words) == RunConfig.of(
        embeddings=("logmel", "yamnet"),
        encoding={"enabled": False},
        leave_one_genre_out=False,
        bids_filter={"space": "T1w", "rec": "norm"},
        alphas=(0.5,),
        between_subject=("srm",),
    )


@pytest.mark.parametrize(("word", "value"), [("none", None), ("0.05", 0.05)])
def test_a_level_is_a_number_or_none(word: str, value: float | None, given) -> None:
    assert given("--rms", word).stimuli.rms == value


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["--n-inner-folds", "1"], 2, "greater than or equal to 2"),
        (["--detrend", "quadratic"], 2, "'quadratic' is not one of"),
        (["--bids-filter", "T1w"], 2, "'T1w' is not ENTITY=LABEL"),
        (
            ["--between-subject", "tms"],
            1,
            "evaluation.between_subject.0: Input should be 'srm', 'procrustes' or 'ridge'",
        ),
        (["--rms", "-1"], 1, "stimuli.rms: Input should be greater than 0"),
        (["--lag-s", "1", "--lag-tr", "1"], 1, "not both"),
        (["--draws", "2"], 2, "No such option: --draws"),
    ],
    ids=lambda words: words[0] if isinstance(words, list) else "",
)
def test_wrong_values_are_refused(
    words: list[str], code: int, told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["brain2music", "check", "nowhere", *words])
    with pytest.raises(SystemExit) as stop:
        main()
    shown = " ".join(capsys.readouterr().err.split())
    assert (stop.value.code, told in shown) == (code, True), shown
    assert "Traceback" not in shown


def test_run_check_and_run_arrays_take_the_same_settings() -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    assert {name for name, each in commands.items() if isinstance(each, SettingsCommand)} == {
        *("run", "check", "run-arrays")
    }
    assert set(PLACES) < {option.name for option in setting_options()}


def test_a_settings_file_of_before_is_refused_by_the_command_in_one_line(given, tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text("shuffles = 3\n")
    with pytest.raises(InputError, match=r"shuffles is now evaluation\.n_permuted_fits"):
        given("--config", str(tmp_path / "settings.toml"))
