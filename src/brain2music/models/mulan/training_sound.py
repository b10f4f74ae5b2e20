"""Training pairs for MuLan's spectrogram towers: sound files with captions, read batch by batch."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float32
from torch import Tensor

from ..._utils.errors import InputError
from ...audio.io import duration_of, read_audio
from .pairs import open_text_store
from .spectrogram import FRAMES, HOP_LENGTH, SAMPLE_RATE, cut_windows, mulan_log_mel
from .training import PairBatch

_SECONDS = FRAMES * HOP_LENGTH / SAMPLE_RATE
_VALIDATION = 500  # files at most, and one in twenty


class SoundPairs:
    """Dataset of random ten seconds of sound files with their captions.

    Parameters
    ----------
    folder : a corpus of composed music (``truth.tsv``), or sound files beside ``captions.tsv``, a table with columns
        ``file`` (relative to the folder) and ``caption``; a file may have several rows.
    mels : bands of the spectrogram.
    cache : folder for the encoded captions.

    Raises
    ------
    InputError : there is no such table, or fewer than two files.
    """

    def __init__(self, folder: Path, mels: int, cache: Path) -> None:
        table = _read_captions(folder)
        self._mels = mels
        self._files = [folder / file for file in dict.fromkeys(table["file"])]
        if len(self._files) < 2:
            raise InputError("one sound file is too few to learn from", folder, "add music and captions")
        self.facts = f"{len(self._files)} sound files with {len(table)} captions"
        store = open_text_store(cache, table["caption"])
        self.pooled = torch.from_numpy(store.pooled())
        captions = table.groupby("file", sort=False)["caption"]
        self._text_ids = [[store.rows[text] for text in texts] for _, texts in captions]
        kept = max(1, min(_VALIDATION, len(self._files) // 20))
        self._held_out, self._used = range(kept), range(kept, len(self._files))

    def sample_batch(self, size: int, rng: np.random.Generator) -> PairBatch:
        """Sample a batch of one random window of each of ``size`` files."""
        rows = rng.choice(self._used, size, replace=size > len(self._used)).tolist()
        windows = []
        for row in rows:
            length = duration_of(self._files[row])
            start = float(rng.uniform(0, max(0.0, length - _SECONDS)))
            windows.append(self._windows(row, start, _SECONDS)[:1])
        text_ids = torch.tensor([self._text_ids[row][int(rng.integers(len(self._text_ids[row])))] for row in rows])
        return PairBatch(torch.stack(windows), self.pooled[text_ids], text_ids)

    def held_out(self) -> tuple[list[Tensor], Float32[Tensor, "rows 1152"]]:
        """The windows, end to end, and the first caption of the files held out for validation."""
        texts = torch.tensor([self._text_ids[row][0] for row in self._held_out])
        return [self._windows(row, 0.0, None) for row in self._held_out], self.pooled[texts]

    def _windows(self, row: int, start: float, seconds: float | None) -> Float32[Tensor, "windows 1000 mels"]:
        sound, _ = read_audio(self._files[row], SAMPLE_RATE, start=start, duration=seconds)
        frames = mulan_log_mel(np.resize(sound, max(len(sound), HOP_LENGTH)), self._mels)
        whole = max(1, round(len(sound) / SAMPLE_RATE // _SECONDS))
        return cut_windows(frames, [number * _SECONDS for number in range(whole)])


def _read_captions(folder: Path) -> pd.DataFrame:
    """Read the table of captions, with columns ``file`` and ``caption``."""
    for name in ("captions.tsv", "truth.tsv"):
        if (folder / name).is_file():
            table = pd.read_csv(folder / name, sep="\t", dtype=str, keep_default_na=False)
            if name == "truth.tsv":
                table["file"] = table["genre"] + "/" + table["track"] + ".wav"
            if missing := {"file", "caption"} - set(table.columns):
                raise InputError(f"there is no column {min(missing)}", folder / name, "give columns file and caption")
            return table
    raise InputError("there are no captions of the music", folder, "put captions.tsv (file, caption) beside it")
