"""The embeddings there are: what each is, where its weights come from, and whether they are here."""

import difflib
import importlib.util
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32

from ..errors import InputError
from .embeddings import Space


@runtime_checkable
class Embedder(Protocol):
    """Anything that turns sound into vectors of one space."""

    space: Space

    def embed(self, waveform: Float32[np.ndarray, " samples"], rate: int) -> Float32[np.ndarray, "windows dims"]:
        """(windows, dims) float32 of a mono waveform; one window where it is shorter than a window."""
        ...


@runtime_checkable
class TextEmbedder(Protocol):
    """Anything that turns text into vectors of the space its sound side lives in."""

    space: Space

    def embed_text(self, texts: list[str]) -> Float32[np.ndarray, "texts dims"]:
        """(texts, dims) float32, unit rows; :class:`InputError` where a text is empty."""
        ...


@dataclass(frozen=True)
class Embedding:
    """A member of the registry.

    Attributes
    ----------
    description : one line about it. weights : where they come from.
    window_s, step_s : its own window and step in seconds.
    make : (window_s, step_s) -> the embedder.
    package : the package that brings its weights; None for those without.
    """

    description: str
    weights: str
    window_s: float
    step_s: float
    make: Callable[[float, float], Embedder]
    package: str | None = None

    def available(self) -> bool:
        """Whether its weights are here."""
        return self.package is None or importlib.util.find_spec(self.package) is not None


@dataclass(frozen=True)
class Listing:
    """One line of ``brain2music models``."""

    name: str
    description: str
    weights: str
    available: bool

    def __str__(self) -> str:
        return f"{self.name:<14}{'here  ' if self.available else 'absent'}  {self.description}. {self.weights}"


def get_embedder(name: str, window_s: float | None = None, step_s: float | None = None) -> Embedder:
    """The named embedding, ready to embed; window and step in seconds, the member's own by default.

    Raises
    ------
    InputError : there is no such embedding, its weights are not here, or it cannot take such windows.
    """
    member = EMBEDDINGS[_known(name, tuple(EMBEDDINGS))]
    window_s = member.window_s if window_s is None else window_s
    step_s = member.step_s if step_s is None else step_s
    if window_s <= 0 or step_s <= 0:
        raise InputError(
            f"windows of {window_s:g} s every {step_s:g} s cannot be", mend="give positive seconds for both"
        )
    return member.make(window_s, step_s)


def models() -> list[Listing]:
    """Every embedding, for the command line."""
    return [
        Listing(name, member.description, member.weights, member.available()) for name, member in EMBEDDINGS.items()
    ]


def pull(name: str) -> None:
    """Install the weights of an embedding ("musicnn", or any member's name) into this Python.

    ``musicnn`` is installed without its dependencies: its pins (TensorFlow, numpy < 1.17) cannot be met, and
    only its data files are read. Embeddings without weights have nothing to install.

    Raises
    ------
    InputError : there is no such embedding, or pip could not install it.
    """
    packages: dict[str, str | None] = {package: package for package in _PINS}
    packages |= {member_name: member.package for member_name, member in EMBEDDINGS.items()}
    package = packages[_known(name, tuple(packages))]
    if package is None:
        return
    command = [sys.executable, "-m", "pip", "install", "--no-deps", _PINS[package]]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["it said nothing"]
        raise InputError(
            f"pip could not install {_PINS[package]} ({lines[-1]})",
            mend=f"see to that, then run `{' '.join(command)}`",
        )
    importlib.invalidate_caches()


def _known(name: str, names: tuple[str, ...]) -> str:
    """The name itself where it is one of ``names``; else an error with the closest."""
    if name in names:
        return name
    close = difflib.get_close_matches(name.lower(), names, n=1, cutoff=0.4)
    guess = f"try {close[0]!r}; " if close else ""
    raise InputError(f"there is no embedding {name!r}", mend=f"{guess}choose one of {', '.join(names)}")


def _musicnn(model: Literal["mtt", "msd"]) -> Callable[[float, float], Embedder]:
    def make(window_s: float, step_s: float) -> Embedder:
        from .musicnn import MusicnnEmbedder

        return MusicnnEmbedder(model, window_s, step_s)

    return make


def _logmel(window_s: float, step_s: float) -> Embedder:
    from .baselines import LogMel

    return LogMel(window_s, step_s)


def _mfcc_chroma(window_s: float, step_s: float) -> Embedder:
    from .baselines import MfccChroma

    return MfccChroma(window_s, step_s)


def _genre_onehot(window_s: float, step_s: float) -> Embedder:
    from .baselines import GenreOneHot

    return GenreOneHot(window_s, step_s)


_PINS = {"musicnn": "musicnn==0.1.0"}
_WHEEL = "Weights: the musicnn wheel (`brain2music models pull musicnn`)"
_MTT = "musicnn trained on MagnaTagATune, 753 mean-pooled features"
_MSD = "musicnn trained on the Million Song Dataset, 753 mean-pooled features"

EMBEDDINGS: dict[str, Embedding] = {
    "musicnn-mtt": Embedding(_MTT, _WHEEL, 10.0, 1.5, _musicnn("mtt"), "musicnn"),
    "musicnn-msd": Embedding(_MSD, _WHEEL, 10.0, 1.5, _musicnn("msd"), "musicnn"),
    "logmel": Embedding("Mean log-mel spectrum, 96 bands", "No weights", 10.0, 1.5, _logmel),
    "mfcc-chroma": Embedding("Mean and deviation of MFCCs and chroma", "No weights", 10.0, 1.5, _mfcc_chroma),
    "genre-onehot": Embedding("The clip's genre as a unit vector", "No weights", 15.0, 1.5, _genre_onehot),
}
"""name -> member, in the order in which they are listed."""
