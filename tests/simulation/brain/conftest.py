"""A small simulated study on music made of tones: 20 + 10 clips, 8-mm voxels, one subject."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from brain2music.simulation.brain import DESIGNS, StudyDesign, simulate
from brain2music.simulation.brain.dataset import extract_features, plan_subjects
from brain2music.simulation.brain.subject import SimulatedSubject, make_subject

SMALL = StudyDesign(train_runs=2, train_clips=10, test_runs=1, test_clips=10, repeats=4, resolution_mm=8.0, snr=0.6)
GENRES = ("blues", "classical", "country", "disco", "hiphop", "jazz", "metal", "pop", "reggae", "rock")
RATE = 8000


def write_tones(path: Path, rng: np.random.Generator, seconds: float = 17.0) -> None:
    """Half-second tones of random pitch, loudness and brightness, with noise."""
    times = np.arange(round(seconds * RATE)) / RATE
    note = (times * 2).astype(int)
    pitch = 110 * 2 ** rng.uniform(0, 4, note[-1] + 1)[note]
    phase = 2 * np.pi * np.cumsum(pitch) / RATE
    tone = np.sin(phase) + rng.uniform(0, 1, note[-1] + 1)[note] * np.sin(3 * phase)
    sound = rng.uniform(0.1, 1, note[-1] + 1)[note] * tone + rng.uniform(0, 0.3) * rng.standard_normal(len(times))
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.3 * sound / np.abs(sound).max(), RATE)


@pytest.fixture(autouse=True)
def small_design(monkeypatch: pytest.MonkeyPatch) -> None:
    """The design "quick" is made smaller while a test of this folder runs."""
    monkeypatch.setitem(DESIGNS, "quick", SMALL)


@pytest.fixture(scope="session")
def music(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three tracks per genre, in GTZAN's layout."""
    folder = tmp_path_factory.mktemp("music")
    rng = np.random.default_rng(0)
    for genre in GENRES:
        for number in range(3):
            write_tones(folder / genre / f"{genre}.{number:05d}.wav", rng)
    return folder


@pytest.fixture(scope="session")
def study_folder(music: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small study as it is written."""
    folder = tmp_path_factory.mktemp("simulated") / "study"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(DESIGNS, "quick", SMALL)
        simulate(folder, stimuli=music, seed=3, n_jobs=1)
    return folder


@pytest.fixture(scope="session")
def subject(music: Path) -> SimulatedSubject:
    """The subject of the small study, in memory."""
    planned = plan_subjects(["001"], SMALL, 3, music=music)
    return make_subject(planned[0], extract_features(music, planned, n_jobs=1), SMALL.resolution_mm, SMALL.snr, 3)
