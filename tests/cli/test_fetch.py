"""The command fetch as a shell sees it."""

import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from brain2music.cli import main

from ..study.downloads.server import Site, serving

FILES = {"sub-001_Resp_Training.npy": b"\x93NUMPY" + bytes(3000), "README.txt": b"Responses"}


def call(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    monkeypatch.setattr(sys, "argv", ["brain2music", "fetch", *map(str, words)])
    with pytest.raises(SystemExit) as stop:
        main()
    return int(stop.value.code or 0)


def record(site: Site) -> list[str]:
    site.put_record("8275363", FILES)
    return ["--server", f"zenodo={site.url}/api/records"]


def test_data_sets_are_listed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(monkeypatch) == 0
    shown = capsys.readouterr().out
    assert [line.partition(":")[0] for line in shown.splitlines()] == [
        *("ds003720", "ds000113", "zenodo-8275363", "captions", "fma-small", "fma-large", "gtzan-checksums", "gtzan")
    ]


def test_nothing_is_downloaded_unless_confirmed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with serving() as site:
        mirror = record(site)
        assert call(monkeypatch, "zenodo-8275363", tmp_path / "out", *mirror) == 1
        told = capsys.readouterr()
        assert "2 files, 3.0 kB" in told.out
        assert "to download: 3.0 kB" in told.out
        assert "add --yes" in told.err.lower()
        assert not (tmp_path / "out").exists()
        assert call(monkeypatch, "zenodo-8275363", tmp_path / "out", "--yes", *mirror) == 0
        told = capsys.readouterr()
        assert '"stage": "download zenodo-8275363 (MB)"' in told.err
        assert "is here and verified" in told.out
        assert all((tmp_path / "out" / name).read_bytes() == body for name, body in FILES.items())
        assert call(monkeypatch, "zenodo-8275363", tmp_path / "out", *mirror) == 0  # nothing to confirm
        assert "here already: 2 files" in capsys.readouterr().out


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 1), ("", 130)])
def test_a_terminal_is_asked(
    answer: str, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    import io

    terminal = io.StringIO(answer)
    terminal.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stdin", terminal)
    with serving() as site:
        assert call(monkeypatch, "zenodo-8275363", tmp_path / "out", *record(site)) == code
    assert (tmp_path / "out" / "README.txt").exists() == (code == 0)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["nothing", "out"], "there is no data set 'nothing'"),
        (["ds003720", "out", "--server", "x=y"], "no address of a server"),
        (["gtzan", "nowhere"], "GTZAN is not downloaded"),
    ],
)
def test_faults_are_one_line(
    words: list[str], says: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, *words) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert says in line


def test_a_folder_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert call(monkeypatch, "ds003720") == 2


def test_a_copy_of_gtzan_is_checked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "blues" / "blues.00000.wav"
    path.parent.mkdir()
    soundfile.write(path, np.random.default_rng(0).normal(0, 0.1, 30 * 22_050), 22_050)
    assert call(monkeypatch, "gtzan", tmp_path) == 0
    assert "0 errors, 1 warning" in capsys.readouterr().out
    path.write_bytes(b"")
    assert call(monkeypatch, "gtzan", tmp_path) == 1
    assert "error [gtzan-content]" in capsys.readouterr().out
