"""General-MIDI rendering of composed pieces, and corpora of rendered pieces on disk."""

import io
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import as_completed
from functools import cache
from importlib import resources
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float32

from ... import __version__
from ..._utils.errors import InputError
from ..._utils.files import read_json, write_json, write_table
from ..._utils.progress import Advance
from ..._utils.workers import Workers
from ...audio.io import resample, write_audio
from .caption import make_caption
from .compose import compose_piece
from .genres import GENRES
from .piece import Piece

LEVEL = 0.1
"""RMS of a rendered piece (-20 dB full scale), lower where the peak would exceed :data:`PEAK`."""
PEAK = 0.98
_FADE_S = 0.02
_RESOLUTION = 960  # MIDI ticks per beat: about half a millisecond each
_REVERB = {"lead": 50, "texture": 60, "answer": 50, "chords": 35, "drums": 25, "bass": 8}  # controller 91


def render_piece(piece: Piece, sample_rate: int = 22050) -> Float32[np.ndarray, " samples"]:
    """Render a piece to sound.

    The instruments are those of the General-MIDI sound font TimGM6mb. The level is set to -20 dB of full scale (RMS),
    peaks stay below 0.98, and the end is faded out over 20 ms. The same piece gives the same samples to the bit.

    Parameters
    ----------
    piece : Piece
        Composed piece.
    sample_rate : int, default 22050
        Sample rate in Hz.

    Returns
    -------
    ndarray of float32, of shape (samples,)
        Mono waveform of exactly ``piece.seconds``.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.simulation.music import compose_piece, render_piece
    >>> piece = compose_piece("classical", np.random.default_rng(0), seconds=2.0)
    >>> render_piece(piece).shape
    (44100,)
    """
    import midirenderer
    import soundfile

    wav = midirenderer.render_wave_from(_sound_font(), midi_bytes(piece))
    stereo, rendered_rate = soundfile.read(io.BytesIO(wav), dtype="float32", always_2d=True)
    sound = resample(stereo.mean(axis=1), rendered_rate, sample_rate)
    waveform = np.zeros(round(piece.seconds * sample_rate), np.float32)
    waveform[: len(sound)] = sound[: len(waveform)]
    fade = min(round(_FADE_S * sample_rate), len(waveform))
    waveform[len(waveform) - fade :] *= np.linspace(1, 0, fade, dtype=np.float32)
    rms, peak = float(np.sqrt(np.mean(np.square(waveform, dtype=np.float64)))), float(np.abs(waveform).max())
    return waveform * np.float32(min(LEVEL / rms, PEAK / peak))


def midi_bytes(piece: Piece) -> bytes:
    """Convert a piece to a standard MIDI file.

    Parameters
    ----------
    piece : Piece
        Composed piece.

    Returns
    -------
    bytes
        Content of the file.

    Examples
    --------
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from brain2music.simulation.music import compose_piece, midi_bytes
    >>> content = midi_bytes(compose_piece("metal", np.random.default_rng(0)))
    >>> content[:4]
    b'MThd'
    >>> size = Path("piece.mid").write_bytes(content)
    """
    import pretty_midi

    midi = pretty_midi.PrettyMIDI(initial_tempo=piece.tempo, resolution=_RESOLUTION)
    for track in piece.tracks:
        part = pretty_midi.Instrument(track.program, is_drum=track.is_drum, name=track.instrument)
        part.notes = [pretty_midi.Note(note.velocity, note.pitch, note.start, note.end) for note in track.notes]
        part.control_changes = [
            pretty_midi.ControlChange(7, track.volume, 0.0),
            pretty_midi.ControlChange(91, _REVERB[track.role], 0.0),
        ]
        midi.instruments.append(part)
    file = io.BytesIO()
    midi.write(file)
    return file.getvalue()


def write_corpus(
    folder: str | Path,
    pieces_per_genre: int | Mapping[str, int],
    seed: int,
    seconds: float = 30.0,
    sample_rate: int = 22050,
    n_jobs: int | None = None,
    progress: Advance | None = None,
    first: int = 0,
) -> Path:
    r"""Compose and render a corpus of music in the layout of GTZAN.

    Files are ``<genre>/<genre>.<00000>.wav``, and their properties are in ``truth.tsv``. Each track depends only on
    seed, genre and number, so a larger corpus with the same seed begins with the smaller one. After an interruption,
    complete files are kept and only missing ones are rendered.

    Parameters
    ----------
    folder : str or Path
        Folder to write.
    pieces_per_genre : int or dict of str to int
        Number of pieces per genre, for all ten genres, or by genre.
    seed : int
        Seed, 0 to 2³² - 1; two corpora with different seeds have no piece in common.
    seconds : float, default 30.0
        Duration of each piece in seconds.
    sample_rate : int, default 22050
        Sample rate in Hz.
    n_jobs : int, optional
        Number of processes; default one per core. With 1, this process does the work.
    progress : callable, optional
        Called with (tracks done, tracks to do).
    first : int, default 0
        Number of the first track of each genre; corpora of one seed with other numbers have no piece in common.

    Returns
    -------
    Path
        File ``truth.tsv``: one row per track with ``track``, ``genre``, ``instruments`` ("; " between), ``tempo``,
        ``key``, ``mode``, ``meter``, ``mood``, ``progression``, ``caption``, ``seed``.

    Raises
    ------
    InputError
        There is no such genre, the seed is out of range, or the folder holds other sound already.

    Examples
    --------
    >>> import pandas as pd
    >>> from brain2music.simulation.music import write_corpus
    >>> truth = write_corpus("music", {"jazz": 1, "rock": 2}, seed=7, seconds=3.0, n_jobs=1)
    >>> pd.read_csv(truth, sep="\t")["track"].tolist()
    ['jazz.00000', 'rock.00000', 'rock.00001']
    """
    folder = Path(folder)
    counts = pieces_per_genre if isinstance(pieces_per_genre, Mapping) else dict.fromkeys(GENRES, pieces_per_genre)
    _check_corpus(
        folder, counts, {"seed": seed, "seconds": seconds, "rate": sample_rate, "first": first, "version": __version__}
    )
    specs = [
        _TrackSpec(folder, genre, number, seed, seconds, sample_rate)
        for genre in GENRES
        for number in range(first, first + counts.get(genre, 0))
    ]
    rows: dict[str, dict[str, Any]] = {}
    for row in _make_tracks(specs, n_jobs):
        rows[row["track"]] = row
        if progress is not None:
            progress(len(rows), len(specs))
    truth = folder / "truth.tsv"
    write_table(truth, pd.DataFrame([rows[spec.track] for spec in specs]))
    return truth


class _TrackSpec(NamedTuple):
    """Arguments from which one track is made."""

    folder: Path
    genre: str
    number: int
    seed: int
    seconds: float
    sample_rate: int

    @property
    def track(self) -> str:
        return f"{self.genre}.{self.number:05d}"

    @property
    def path(self) -> Path:
        return self.folder / self.genre / f"{self.track}.wav"


def _make_tracks(specs: list[_TrackSpec], n_jobs: int | None) -> Iterator[dict[str, Any]]:
    workers = min(n_jobs or os.cpu_count() or 1, len(specs))
    if workers <= 1:
        yield from map(_make_track, specs)
        return
    with Workers(workers, mp_context=get_context("spawn")) as pool:
        pending = [pool.submit(_make_track, spec) for spec in specs]
        try:
            for done in as_completed(pending):
                yield done.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _make_track(spec: _TrackSpec) -> dict[str, Any]:
    """Compose a track, render it unless its file exists, and return its row of the truth table."""
    sequence = np.random.SeedSequence([spec.seed, list(GENRES).index(spec.genre), spec.number])
    notes, words = (np.random.default_rng(child) for child in sequence.spawn(2))
    piece = compose_piece(spec.genre, notes, spec.seconds)
    if not spec.path.is_file():  # files are written atomically: an existing one is complete
        write_audio(spec.path, render_piece(piece, spec.sample_rate), spec.sample_rate)
    return {
        "track": spec.track,
        "genre": piece.genre,
        "instruments": "; ".join(piece.instruments),
        "tempo": piece.tempo,
        "key": piece.key,
        "mode": piece.mode,
        "meter": piece.meter,
        "mood": piece.mood,
        "progression": " ".join(piece.progression),
        "caption": make_caption(piece, words),
        "seed": spec.seed,
    }


def _check_corpus(folder: Path, counts: Mapping[str, int], settings: dict[str, Any]) -> None:
    unknown = sorted(set(counts) - set(GENRES))
    if unknown:
        raise InputError(f"there is no genre {unknown[0]!r}", hint=f"choose from {', '.join(GENRES)}")
    if not 0 <= settings["seed"] < 2**32:
        raise InputError(f"the seed is {settings['seed']}", hint="choose one from 0 to 4294967295")
    record = folder / "corpus.json"
    if record.is_file() and read_json(record) != settings:
        raise InputError("the folder holds a corpus made with other settings", record, "choose another folder")
    if not record.is_file() and folder.is_dir() and any(folder.glob("*/*.wav")):
        raise InputError("the folder holds sound that is not a composed corpus", folder, "choose another folder")
    write_json(record, settings)


@cache
def _sound_font() -> bytes:
    return resources.files("pretty_midi").joinpath("TimGM6mb.sf2").read_bytes()
