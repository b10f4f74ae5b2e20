"""The commands as a shell sees them: cheap to start, honest exit codes, help on each."""

import os
import signal
import subprocess
import sys
import threading

import pytest
import typer

from brain2music.cli import app, main

COMMANDS = [
    ["demo"],
    ["simulate"],
    ["fetch"],
    ["check"],
    ["preprocess"],
    ["run"],
    ["run-arrays"],
    ["predict"],
    ["embed"],
    ["report"],
    ["score"],
    ["serve"],
    ["listening", "export"],
    ["listening", "analyse"],
    ["power"],
    ["replicate"],
    ["gallery", "build"],
    ["gallery", "search"],
    ["gallery", "info"],
    ["gallery", "duplicates"],
    ["models", "list"],
    ["models", "pull"],
    ["models", "bridge"],
    ["encode"],
    ["decode"],
    ["generate"],
    ["continue"],
    ["inpaint"],
    ["story"],
    *(
        ["train", family]
        for family in ("autoencoder", "jen1", "mulan", "musiclm", "semantic", "soundstream", "w2v-bert")
    ),
    ["train", "postfilter"],
    ["train", "post-net"],
    ["train", "mel-inverse"],
]


def call(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["brain2music", *words])
    with pytest.raises(SystemExit) as stop:
        main()
    return int(stop.value.code or 0)


@pytest.mark.parametrize("module", ["brain2music", "brain2music.cli"])
def test_importing_loads_nothing_heavy(module: str) -> None:
    heavy = {"torch", "nilearn", "pandas", "matplotlib", "librosa", "sklearn", "scipy"}
    code = f"import {module}, sys; print(*sorted({heavy!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, *command, "--help") == 0
    shown = capsys.readouterr().out
    assert "Usage" in shown
    assert len(shown.splitlines()) > 5


def test_the_list_of_commands_is_whole() -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    named = [[name, inner] for name, each in commands.items() for inner in getattr(each, "commands", [""])]
    assert sorted([word for word in words if word] for words in named) == sorted(COMMANDS)


@pytest.mark.parametrize(
    "words",
    [
        ["nothing"],
        ["run"],
        ["run", "a", "b", "everything"],
        ["simulate", "x", "--subjects", "none"],
        ["gallery", "search", "g"],
    ],
    ids=" ".join,
)
def test_wrong_usage_exits_2(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, *words) == 2
    assert "Usage" in capsys.readouterr().err


def test_an_interrupt_exits_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("brain2music.report.page.build_report", interrupt)
    assert call(monkeypatch, "report", "somewhere") == 130
    assert "run the same command again to finish" in capsys.readouterr().err


def test_a_signal_that_falls_into_a_finaliser_ends_the_command_all_the_same(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Finalised:
        def __del__(self) -> None:
            os.kill(os.getpid(), signal.SIGTERM)

    went_on = []

    def work(*_: object, **__: object) -> None:
        Finalised()
        threading.Event().wait(30)
        went_on.append(True)

    monkeypatch.setattr("brain2music.report.page.build_report", work)
    assert call(monkeypatch, "report", "somewhere") == 128 + signal.SIGTERM
    assert went_on == []
    shown = capsys.readouterr().err
    assert "run the same command again to finish" in shown
    assert "Traceback" not in shown


def test_debug_shows_the_traceback(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(monkeypatch, "--debug", "report", "nowhere") == 1
    assert "Traceback" in capsys.readouterr().err
    assert call(monkeypatch, "report", "nowhere") == 1
    shown = capsys.readouterr().err
    assert "Traceback" not in shown
    assert shown.startswith("error: ")


def test_models_are_listed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(monkeypatch, "models") == 0
    shown = capsys.readouterr().out
    assert call(monkeypatch, "models", "list") == 0
    assert capsys.readouterr().out == shown
    assert "musicnn-mtt" in shown
    assert "\nmusiclm-small          here    Generator: MusicLM" in shown


def test_a_pull_says_what_is_here(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(monkeypatch, "models", "pull", "jen1-small") == 0
    assert capsys.readouterr().out == "jen1-small: its weights are here\n"
    assert call(monkeypatch, "models", "pull", "logmel") == 0
    assert capsys.readouterr().out == "logmel: it has no weights\n"


def test_the_version_is_shown(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(monkeypatch, "--version") == 0
    assert capsys.readouterr().out.startswith("brain2music ")


def test_without_a_command_the_first_steps_are_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch) == 2
    shown = capsys.readouterr().err
    assert [line.split()[1] for line in shown.splitlines() if line.startswith("  brain2music")] == [
        *("demo", "check", "run", "fetch", "models")
    ]


def test_a_command_that_is_nearly_right_is_suggested(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "rn") == 2
    assert "Did you mean 'run'" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--help"], ["run", "--help"], ["--version"]], ids=" ".join)
def test_help_loads_nothing_heavy(words: list[str]) -> None:
    heavy = {"torch", "nilearn", "pandas", "matplotlib", "librosa", "sklearn", "scipy", "numpy"}
    heavy |= {"pydantic"} if words[0] != "run" else set()
    code = (
        f"import sys; sys.argv = ['brain2music', *{words!r}]\nfrom brain2music.cli import main\n"
        f"try: main()\nexcept SystemExit: print(*sorted({heavy!r} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stderr.strip(), bool(done.stdout)) == ("", True)


def test_every_argument_and_option_is_described_for_itself() -> None:
    for words in COMMANDS:
        command = typer.main.get_command(app)
        for word in words:
            command = command.commands[word]  # type: ignore[attr-defined]
        params = command.get_params(typer.Context(command))  # type: ignore[arg-type]
        told = [getattr(each, "help", None) for each in params]
        assert all(told), [words, [each.name for each in params if not getattr(each, "help", None)]]
        assert len(told) == len(set(told)), [words, [text for text in told if told.count(text) > 1]]
        assert all(text[-1] in ".)" for text in told if text), words
        lists = [each for each in params if getattr(each, "multiple", False) or each.nargs == -1]
        assert all(each.metavar for each in lists), [words, [each.name for each in lists if not each.metavar]]
