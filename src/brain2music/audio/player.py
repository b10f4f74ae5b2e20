"""Audio players for notebooks and web pages, with their sound inside."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from jaxtyping import Float32

from .formats import FORMATS
from .io import read_audio, resample, write_audio
from .sound import Reconstruction
from .waveforms import AnyWaveform, as_channels

Playable = Reconstruction | tuple[AnyWaveform, int] | str | Path


@dataclass(frozen=True)
class Players:
    """Sounds side by side, each with its name and a player, where HTML is shown; a line of text elsewhere.

    Made by :func:`listen`.

    Attributes
    ----------
    sounds : dict of str to Reconstruction
        Sounds by name.

    Examples
    --------
    >>> import numpy as np, brain2music as b2m
    >>> players = b2m.listen({"noise": (np.random.default_rng(0).uniform(-0.1, 0.1, 16000), 8000)})
    >>> players.sounds["noise"].seconds
    2.0
    """

    sounds: Mapping[str, Reconstruction]

    def __repr__(self) -> str:
        """List names and durations."""
        listed = (f"{name!r} ({sound.seconds:.1f} s)" for name, sound in self.sounds.items())
        return f"Players of {', '.join(listed)}"

    def _repr_html_(self) -> str:
        """HTML of all players, which needs no further file."""
        players = "".join(_html_player(name, sound) for name, sound in self.sounds.items())
        return f'<div style="display: flex; flex-wrap: wrap; gap: 0.75em 1.5em">{players}</div>'


def listen(sounds: Mapping[str, Playable]) -> Players:
    """Make audio players for a notebook or a web page.

    Parameters
    ----------
    sounds : dict of str to sound
        Each is generated music (a :class:`Reconstruction`), a waveform of shape (samples,) or (channels, samples) with
        its sample rate in Hz, or the path of a sound file.

    Returns
    -------
    Players
        Shown as players at the end of a notebook's cell.

    Raises
    ------
    InputError
        A file cannot be read, or a waveform is empty, not finite, or has more than two channels.

    Examples
    --------
    >>> import numpy as np, brain2music as b2m
    >>> b2m.listen({"a": (np.sin(2 * np.pi * 440 / 8000 * np.arange(8000)), 8000)})
    Players of 'a' (1.0 s)
    """
    return Players({name: _as_sound(sound) for name, sound in sounds.items()})


def _as_sound(sound: Playable) -> Reconstruction:
    if isinstance(sound, Reconstruction):
        return sound
    waveform, rate = read_audio(sound, mono=False) if isinstance(sound, str | Path) else sound
    channels, rate = as_channels(waveform, rate)
    return Reconstruction(channels, rate)


def _html_player(name: str, sound: Reconstruction) -> str:
    label = escape(name)
    uri = "data:audio/mpeg;base64," + base64.b64encode(_mp3(sound.waveform, sound.sample_rate)).decode("ascii")
    audio = f'<audio controls preload="metadata" src="{uri}" aria-label="Play {label}"></audio>'
    return f'<figure style="margin: 0"><figcaption>{label}</figcaption>{audio}</figure>'


def _mp3(waveform: Float32[np.ndarray, "channels samples"], sample_rate: int) -> bytes:
    """Encode sound as mp3, which every browser plays, at the lowest of its sample rates that loses nothing."""
    rates = FORMATS[".mp3"].sample_rates
    rate = next((each for each in rates if each >= sample_rate), rates[-1])
    with TemporaryDirectory() as folder:
        path = Path(folder) / "sound.mp3"
        write_audio(path, resample(waveform, sample_rate, rate), rate)
        return path.read_bytes()
