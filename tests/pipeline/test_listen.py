"""Sound of the page: stimuli of any rate become mp3 of what they were."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from brain2music._utils.files import digest_file
from brain2music.audio.io import read_audio
from brain2music.brain.source import BidsSource
from brain2music.config import RunConfig
from brain2music.pipeline.listen import export_stimuli
from brain2music.pipeline.outputs import Outputs
from tests.study.tiny_study import TinyStudy


@pytest.mark.parametrize("rate", [4_000, 12_500, 44_056, 44_100, 88_200, 96_000, 176_400, 192_000])
def test_stimuli_of_any_rate_are_on_the_page(rate: int, tmp_path: Path) -> None:
    study = TinyStudy(tmp_path / "study")
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(4 * rate) / rate)
    for number in (5, 6):
        soundfile.write(study.track(number), tone, rate)
    source = BidsSource.read(study.root, RunConfig.of(fade_s=0, rms=0.2))
    export_stimuli(source, Outputs(tmp_path / "out"))
    for clip in source.test_clips:
        heard, rate_there = read_audio(Outputs(tmp_path / "out").stimulus(clip.name))
        assert len(heard) / rate_there == pytest.approx(3.0, abs=0.1)
        pitch = np.fft.rfftfreq(len(heard), 1 / rate_there)[np.abs(np.fft.rfft(heard)).argmax()]
        assert pitch == pytest.approx(440, abs=2)
        assert np.sqrt(np.mean(heard**2)) == pytest.approx(0.2, rel=0.05)


def exported(study: TinyStudy, others: tuple[str, ...] = (), fade_s: float = 0.0) -> dict[str, str]:
    source = BidsSource.read(study.root, RunConfig.of(fade_s=fade_s))
    export_stimuli(source, Outputs(study.root.parent / "out"), others=others)
    return {path.name: digest_file(path) for path in (study.root.parent / "out" / "stimuli").glob("*.mp3")}


def test_stimuli_are_kept_while_the_sound_is_the_same_and_made_again_with_it(tmp_path: Path) -> None:
    study = TinyStudy(tmp_path / "study")
    first = exported(study)
    (kept, changed) = sorted(first)
    modified = {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "stimuli").iterdir()}
    assert exported(study) == first
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "stimuli").iterdir()} == modified
    sound, rate = soundfile.read(study.track(6))
    soundfile.write(study.track(6), sound[::-1], rate)
    after = exported(study, others=(changed,))  # another subject's page plays it too
    assert after[kept] == first[kept]
    assert after[changed] != first[changed]
    (tmp_path / "out" / "stimuli" / kept).write_text("edited")
    assert exported(study) == after
    assert set(exported(study, fade_s=1.0).values()).isdisjoint(after.values())


def test_stimuli_of_other_subjects_stay_and_those_of_none_go(tmp_path: Path) -> None:
    study = TinyStudy(tmp_path / "study")
    first = exported(study)
    (left, gone) = sorted(first)
    study.add_run("task-Test_run-01", [4, 4, 4])
    assert set(exported(study, others=(left,))) == {left, "jazz.00004_0.5-3.5.mp3"}
    assert gone not in exported(study)


def test_stimuli_that_a_kill_left_half_made_are_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = TinyStudy(tmp_path / "study")
    whole = exported(study)
    shutil.rmtree(tmp_path / "out")

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("brain2music.pipeline.listen.write_audio", stop)
        with pytest.raises(KeyboardInterrupt):
            exported(study)
    assert exported(study) == whole
    record = tmp_path / "out" / "stimuli" / "provenance.json"
    (tmp_path / "precious").write_text("mine")
    record.write_text(record.read_text().replace('"outputs": {', '"outputs": {"../../precious": null,'))
    assert exported(study) == whole
    assert (tmp_path / "precious").read_text() == "mine"
