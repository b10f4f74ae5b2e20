"""Studies in the cache folder: simulated once for the same arguments, whoever asks."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

import brain2music as b2m
from brain2music.simulation.brain import cached
from brain2music.simulation.brain.cached import simulate_cached


@pytest.fixture
def simulated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The studies that were simulated, each of which is a folder with a line of text here."""
    made: list[Path] = []

    def simulate(folder: Path, **arguments: object) -> None:
        made.append(folder)
        folder.mkdir(parents=True)
        (folder / "README").write_text(str(arguments))

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(cached, "simulate", simulate)
    return made


def test_the_same_arguments_find_the_same_study(simulated: list[Path], tmp_path: Path) -> None:
    first = simulate_cached(design="quick", seed=1, n_jobs=1)
    assert first == simulate_cached(design="quick", seed=1, n_jobs=2)
    assert simulated == [first]
    assert first.parent == tmp_path / "cache" / "brain2music" / "simulated"
    assert simulate_cached(design="quick", seed=2) != first
    assert len(simulated) == 2


def test_another_simulator_gives_another_study(simulated: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    first = simulate_cached(seed=1)
    monkeypatch.setattr(cached, "_digest_of_simulator", lambda: "changed")
    assert simulate_cached(seed=1) != first


def test_of_several_that_ask_at_once_one_simulates(simulated: list[Path]) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda ask: ask(), [partial(simulate_cached, seed=3)] * 8))
    assert simulated == list(found)


def test_a_study_of_own_music_is_not_kept(tmp_path: Path) -> None:
    with pytest.raises(b2m.InputError, match="not kept in the cache"):
        b2m.simulate_study(stimuli=tmp_path)
