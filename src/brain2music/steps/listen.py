"""Sound for the report: every scored clip as presented, and every first hit, as small mp3 files."""

from pathlib import Path

import pandas as pd

from ..audio.io import read_audio, resample, write_audio
from ..brain.source import Source
from ..layout import Outputs

RATE = 22_050
MP3_RATES = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
"""Hz that mp3 knows (MPEG-1, 2 and 2.5, layer III)."""


def export_stimuli(source: Source, outputs: Outputs) -> None:
    """The clips that are scored; files that are there are kept."""
    for clip in source.test_clips or source.train_clips:
        path = outputs.stimulus(clip.name)
        if not path.is_file():
            waveform, rate = source.stimuli.waveform(clip)
            known = mp3_rate(rate)
            write_audio(path, resample(waveform, rate, known), known)


def mp3_rate(rate: int) -> int:
    """The lowest rate of mp3 that loses nothing of a sound of this rate; the highest where there is none."""
    return next((known for known in MP3_RATES if known >= rate), MP3_RATES[-1])


def export_retrieved(found: pd.DataFrame, outputs: Outputs, seconds: float = 15.0) -> None:
    """The first ``seconds`` of every track of rank 1; files that are there are kept."""
    for row in found[found["rank"] == 1].drop_duplicates("track").itertuples():
        path = outputs.retrieved(str(row.track))
        if not path.is_file():
            waveform, rate = read_audio(Path(str(row.path)), RATE, start=float(str(row.start_s)), duration=seconds)
            write_audio(path, waveform, rate)
