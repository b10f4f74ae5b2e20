"""Sound of the page: stimuli of any rate become mp3 of what they were."""

import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

sys.path.insert(0, str(Path(__file__).parent / "study"))
from tiny_study import TinyStudy

from brain2music.audio.io import read_audio
from brain2music.brain.source import BidsSource
from brain2music.config import RunConfig
from brain2music.layout import Outputs
from brain2music.steps.listen import export_stimuli


@pytest.mark.parametrize("rate", [4_000, 12_500, 44_056, 44_100, 88_200, 96_000, 176_400, 192_000])
def test_stimuli_of_any_rate_are_on_the_page(rate: int, tmp_path: Path) -> None:
    study = TinyStudy(tmp_path / "study")
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(4 * rate) / rate)
    for number in (5, 6):
        soundfile.write(study.track(number), tone, rate)
    source = BidsSource.read(study.root, RunConfig(fade_s=0, rms=0.2))
    export_stimuli(source, Outputs(tmp_path / "out"))
    for clip in source.test_clips:
        heard, rate_there = read_audio(Outputs(tmp_path / "out").stimulus(clip.name))
        assert len(heard) / rate_there == pytest.approx(3.0, abs=0.1)
        pitch = np.fft.rfftfreq(len(heard), 1 / rate_there)[np.abs(np.fft.rfft(heard)).argmax()]
        assert pitch == pytest.approx(440, abs=2)
        assert np.sqrt(np.mean(heard**2)) == pytest.approx(0.2, rel=0.05)
