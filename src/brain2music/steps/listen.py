"""Sound for the report: every scored clip as presented, and every first hit, as small mp3 files."""

from pathlib import Path

import pandas as pd

from ..audio.io import read_audio, write_audio
from ..brain.source import Source
from ..layout import Outputs

RATE = 22_050


def export_stimuli(source: Source, outputs: Outputs) -> None:
    """The clips that are scored; files that are there are kept."""
    for clip in source.test_clips or source.train_clips:
        path = outputs.stimulus(clip.name)
        if not path.is_file():
            write_audio(path, *source.stimuli.waveform(clip))


def export_retrieved(found: pd.DataFrame, outputs: Outputs, seconds: float = 15.0) -> None:
    """The first ``seconds`` of every track of rank 1; files that are there are kept."""
    for row in found[found["rank"] == 1].drop_duplicates("track").itertuples():
        path = outputs.retrieved(str(row.track))
        if not path.is_file():
            waveform, rate = read_audio(Path(str(row.path)), RATE, start=float(str(row.start_s)), duration=seconds)
            write_audio(path, waveform, rate)
