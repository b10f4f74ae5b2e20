"""Sounds within a page, so that it can be sent to somebody as one file."""

import base64
import io
from pathlib import Path

from brain2music._utils.errors import InputError
from brain2music.audio.io import read_audio, resample
from brain2music.pipeline.listen import mp3_rate

MOST_BYTES = 8 << 20
"""Size up to which a page with its sounds is said to be handy."""


def sound_uri(path: Path) -> str:
    """A sound file as a ``data:`` address: mp3 as it is, anything else as mono mp3.

    Raises
    ------
    InputError
        The file cannot be read as sound.
    """
    if path.suffix.lower() == ".mp3":
        try:
            data = path.read_bytes()
        except OSError as error:
            raise InputError(f"the sound cannot be read ({error.strerror})", path, "run the study again") from None
    else:
        data = _as_mp3(path)
    return f"data:audio/mpeg;base64,{base64.b64encode(data).decode('ascii')}"


def _as_mp3(path: Path) -> bytes:
    import soundfile

    waveform, rate = read_audio(path)
    known = mp3_rate(rate)
    held = io.BytesIO()
    soundfile.write(held, resample(waveform, rate, known), known, format="MP3")
    return held.getvalue()
