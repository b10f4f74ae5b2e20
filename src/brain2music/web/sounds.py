"""Sounds that a browser may ask for: by names without meaning, at one level, as FLAC, with their spectrograms."""

import base64
import io
import secrets
import threading
import warnings
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from .._utils.errors import InputError
from .._utils.files import atomic_path, digest_text
from ..audio.io import read_audio, resample
from ..audio.limiter import limit
from ..report.spectrogram import thumbnail

LEVEL = 0.08
"""Root mean square to which all sounds are brought, so that none is chosen or liked because it is louder."""
LONGEST_S = 180.0
"""What is played of a sound at most."""
HIGHEST = 48_000
AUDIO, PICTURE = "audio/flac", "image/webp"


@dataclass(frozen=True)
class SoundFile:
    """A sound, or the part of it from ``start_s`` that is played."""

    path: Path
    start_s: float = 0.0
    duration_s: float = LONGEST_S


class Sounds:
    """The sounds of one server.

    A name is all that a client can give, and only names that were given out are known: no path comes from a request.

    Parameters
    ----------
    folder : Path
        Where sounds are kept at one level.
    memory : int
        Bytes that are kept in memory.
    most_own : int
        Sounds of clients (uploads, what jobs made) that are kept.
    """

    def __init__(self, folder: Path, memory: int, most_own: int) -> None:
        self.folder, self.most_own = folder, most_own
        folder.mkdir(parents=True, exist_ok=True)
        self._files: dict[str, SoundFile] = {}
        self._own: OrderedDict[str, SoundFile] = OrderedDict()
        self._kept = _Memory(memory)
        self._lock = threading.Lock()
        self._making: dict[str, threading.Lock] = {}

    def add(self, path: Path, start_s: float = 0.0, duration_s: float = LONGEST_S) -> str:
        """Make a sound of the run known, and return its name, the same in every session."""
        name = digest_text(f"{path}\n{start_s:.3f}\n{duration_s:.3f}")[:24]
        with self._lock:
            self._files.setdefault(name, SoundFile(path, start_s, duration_s))
        return name

    def add_own(self, path: Path) -> str:
        """Make a sound of a client known by a name that cannot be guessed; the oldest is forgotten and removed."""
        name = secrets.token_hex(12)
        with self._lock:
            self._own[name] = SoundFile(path)
            old = [self._own.popitem(last=False) for _ in range(len(self._own) - self.most_own)]
        for gone, sound in old:
            for file in (sound.path, sound.path.with_suffix(".json"), *self._made(gone)):
                file.unlink(missing_ok=True)
            self._kept.drop(gone)
        return name

    def find(self, name: str) -> SoundFile | None:
        """The sound of a name; None where there is none."""
        with self._lock:
            return self._files.get(name) or self._own.get(name)

    def ready(self, name: str, media_type: str = AUDIO) -> bytes | None:
        """What is in memory already."""
        return self._kept.get((name, media_type))

    def data(self, name: str, media_type: str = AUDIO) -> bytes:
        """A sound at the common level, or its spectrogram; made where it is not there yet.

        Raises
        ------
        InputError
            There is no such sound, or its file is missing or cannot be read.
        """
        found = self.ready(name, media_type)
        if found is not None:
            return found
        sound = self.find(name)
        if sound is None:
            raise InputError("there is no such sound", hint="load the page again")
        audio, picture = self._made(name)
        with self._lock:
            making = self._making.setdefault(name, threading.Lock())
        with making:
            if not audio.is_file():
                _write(audio, *levelled(sound))
            if media_type == PICTURE and not picture.is_file():
                with atomic_path(picture) as temporary:
                    temporary.write_bytes(base64.b64decode(thumbnail(audio).partition(",")[2]))
            made = (audio if media_type == AUDIO else picture).read_bytes()
        with self._lock:
            self._making.pop(name, None)
        self._kept.put((name, media_type), made)
        return made

    def _made(self, name: str) -> tuple[Path, Path]:
        return self.folder / f"{name}.flac", self.folder / f"{name}.webp"


class _Memory:
    """Bytes by name, the least recently used of which go when there are too many."""

    def __init__(self, most: int) -> None:
        self.most, self.size = most, 0
        self._held: OrderedDict[tuple[str, str], bytes] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: tuple[str, str]) -> bytes | None:
        with self._lock:
            if key in self._held:
                self._held.move_to_end(key)
            return self._held.get(key)

    def put(self, key: tuple[str, str], data: bytes) -> None:
        with self._lock:
            self.size += len(data) - len(self._held.pop(key, b""))
            self._held[key] = data
            while self.size > self.most and len(self._held) > 1:
                self.size -= len(self._held.popitem(last=False)[1])

    def drop(self, name: str) -> None:
        with self._lock:
            for key in [key for key in self._held if key[0] == name]:
                self.size -= len(self._held.pop(key))


def levelled(sound: SoundFile) -> tuple[Float32[np.ndarray, " samples"], int]:
    """Mono samples at the common level, their peaks limited; silence stays silent."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of damage, which the run has told of
        waveform, rate = read_audio(sound.path, start=sound.start_s, duration=min(sound.duration_s, LONGEST_S))
    if rate > HIGHEST:
        waveform, rate = resample(waveform, rate, HIGHEST), HIGHEST
    rms = float(np.sqrt(np.mean(np.square(waveform, dtype=np.float64))))
    scaled = (waveform * (LEVEL / rms if rms > 1e-6 else 1.0)).astype(np.float32)
    return limit(scaled[None], rate)[0], rate


def _write(path: Path, waveform: Float32[np.ndarray, " samples"], rate: int) -> None:
    import soundfile

    held = io.BytesIO()
    soundfile.write(held, waveform, rate, format="FLAC", subtype="PCM_16")
    with atomic_path(path) as temporary:
        temporary.write_bytes(held.getvalue())
