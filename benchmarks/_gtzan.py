"""The validation clips of GTZAN and the captions that people wrote for some of them."""

from pathlib import Path

import numpy as np
import pandas as pd

from brain2music.audio.io import read_audio

SECONDS = 15.0


def validation_clips(folder: Path) -> tuple[list[str], list[tuple[np.ndarray, int]], dict[int, str]]:
    """The genre of every clip, its first 15 s, and the captions by the number of their clip."""
    table = pd.read_csv(folder / "captions.csv", encoding="utf-8-sig")
    caption_of = {name.removesuffix("_15s"): text for name, text in zip(table["ID"], table["DescEN"], strict=True)}
    files = sorted((folder / "dev").glob("*.ogg"))
    captions = {row: caption_of[file.stem] for row, file in enumerate(files) if file.stem in caption_of}
    genres = [file.name.partition(".")[0] for file in files]
    return genres, [read_audio(file, duration=SECONDS) for file in files], captions
