"""Bridges built from a folder of music, and what is lost on them: identification through the bridge beside direct.

Of every song, the first half is the query and the second half the candidate, both embedded apart from each other. The
direct score compares them in the target space; the score through the bridge has the query embedded in the source space
and mapped by a bridge that was fitted to other songs.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from .._utils.errors import InputError
from .._utils.progress import Advance
from ..audio.find import find_audio
from ..audio.io import duration_of, read_audio
from ..audio.paths import as_text
from ..embeddings.embeddings import EmbeddingSpace
from ..embeddings.listing import list_files
from ..embeddings.protocols import Embedder
from ..models.bridges import Bridge, Kind
from ..models.embedders import get_embedder
from .ranking import identification_accuracy, similarity
from .uncertainty import bootstrap_identification

FOLDS = 5
"""Folds of songs that are held out in turn."""
FEWEST = 10
"""Fewest songs of which a fold can be held out."""
LONGEST_S = 120.0
"""Seconds of a recording that are read."""


@dataclass(frozen=True)
class PairedSounds:
    """Parts of songs embedded in two spaces.

    Attributes
    ----------
    source, target : EmbeddingSpace
        The two spaces.
    given : ndarray of float32, of shape (parts, source dims)
        Parts in the first space.
    wanted : ndarray of float32, of shape (parts, target dims)
        The same parts in the second.
    songs : tuple of str
        Song of each part; parts of a song follow one another.
    """

    source: EmbeddingSpace
    target: EmbeddingSpace
    given: Float32[np.ndarray, "parts source"]
    wanted: Float32[np.ndarray, "parts target"]
    songs: tuple[str, ...]


@dataclass(frozen=True)
class BridgeLoss:
    """What a bridge keeps: two-way identification of songs that its fit has not seen.

    Attributes
    ----------
    bridged, bridged_low, bridged_high : float
        Identification of a song's second half, in the target space, by its first half through the bridge, and its 95 %
        interval over songs.
    direct, direct_low, direct_high : float
        The same by the first half embedded in the target space itself.
    correlation : float
        Mean correlation of mapped and true vectors over dimensions, both centred.
    chance : float
        Identification by chance.
    n : int
        Songs.
    """

    bridged: float
    bridged_low: float
    bridged_high: float
    direct: float
    direct_low: float
    direct_high: float
    correlation: float
    n: int
    chance: float = 0.5

    def __str__(self) -> str:
        through = f"{self.bridged:.3f} ({self.bridged_low:.3f} to {self.bridged_high:.3f})"
        direct = f"{self.direct:.3f} ({self.direct_low:.3f} to {self.direct_high:.3f})"
        return f"identification through the bridge {through}, direct {direct}, chance {self.chance:g}, {self.n} songs"


def build_bridge(
    source: str | Embedder,
    target: str | Embedder,
    music: Path | Sequence[Path],
    *,
    kind: Kind = "linear",
    part_s: float = 10.0,
    seed: int = 0,
    progress: Advance | None = None,
) -> Bridge:
    """Fit a bridge to the music of a folder, and measure what is lost on it on songs held out of the fit.

    Parameters
    ----------
    source, target : str or Embedder
        Embedding that is decoded, and that of the generator.
    music : Path or sequence of Path
        A folder of songs, or sound files and folders; a file is a song. None may be a stimulus that is scored.
    kind : {"auto", "linear", "nonlinear"}
        Kind of map; see :meth:`brain2music.models.Bridge.fit`.
    part_s : float, default 10.0
        Seconds of the parts that songs are cut into. Songs shorter than two parts are left out.
    seed : int, default 0
        Seed of folds and random features.
    progress : callable, optional
        Called with (songs done, songs).

    Returns
    -------
    Bridge
        Fitted to all songs, with its loss on its card.

    Raises
    ------
    InputError
        There are fewer than ten songs, parts are longer than half of what is read of a song, an embedding is unknown
        or not of sound, or both are the same.

    Examples
    --------
    >>> from pathlib import Path
    >>> from brain2music.metrics.bridging import build_bridge
    >>> build_bridge("mulan-small", "musicnn-mtt", Path("MUSIC")).card["identification"]["bridged"]  # doctest: +SKIP
    0.93
    """
    sides = [get_embedder(each) if isinstance(each, str) else each for each in (source, target)]
    if sides[0].space == sides[1].space:
        raise InputError(f"both sides of the bridge are {sides[0].space.name}", hint="name two different embeddings")
    for space in (each.space for each in sides):
        if space.sample_rate == 0:
            raise InputError(f"{space.name} embeds labels or captions, not sound", hint="name an embedding of sound")
    paired, left_out = pair_sounds(music, sides[0], sides[1], part_s, progress)
    loss = measure_bridge(paired, kind, seed)
    bridge = Bridge.fit(paired.source, paired.target, paired.given, paired.wanted, np.array(paired.songs), kind, seed)
    card = {
        "identification": asdict(loss),
        "measured": f"on songs held out of the fit, in {FOLDS} folds; the first half of a song against second halves",
        "songs": loss.n,
        "parts": len(paired.songs),
        "part_s": part_s,
        "left_out": left_out,
    }
    return replace(bridge, card=card)


def pair_sounds(
    music: Path | Sequence[Path],
    source: Embedder,
    target: Embedder,
    part_s: float = 10.0,
    progress: Advance | None = None,
) -> tuple[PairedSounds, dict[str, str]]:
    """Embed parts of songs in two spaces.

    Parameters
    ----------
    music, part_s, progress
        As for :func:`build_bridge`.
    source, target : Embedder
        Embedders of the two spaces.

    Returns
    -------
    PairedSounds
        The mean embedding of every part in both.
    dict of str to str
        Songs that were left out, and why.

    Raises
    ------
    InputError
        There are no sound files, parts are too long, or there are fewer than ten songs of two parts.
    """
    if 2 * part_s > LONGEST_S:
        what = f"two parts of {part_s:g} s are more than the {LONGEST_S:g} s that are read of a song"
        raise InputError(what, hint=f"give parts of {LONGEST_S / 2:g} s or less")
    files, left_out = _list_songs(music, part_s)
    rows: list[tuple[np.ndarray, np.ndarray, str]] = []
    for done, (name, file) in enumerate(files.items(), 1):
        try:
            wave, rate = read_audio(file, duration=LONGEST_S)
            size = round(part_s * rate)
            parts = [wave[first : first + size] for first in range(0, len(wave) - size + 1, size)]
            sides = [[each.embed(part, rate).mean(axis=0) for part in parts] for each in (source, target)]
            rows += [(*pair, name) for pair in zip(*sides, strict=True)]
        except InputError as error:
            left_out[name] = error.what
        if progress is not None:
            progress(done, len(files))
    songs = tuple(song for *_, song in rows)
    _require_songs(len(set(songs)), left_out, part_s)
    given, wanted = (np.stack(side).astype(np.float32) for side in list(zip(*rows, strict=True))[:2])
    return PairedSounds(source.space, target.space, given, wanted, songs), left_out


def _list_songs(music: Path | Sequence[Path], part_s: float) -> tuple[dict[str, Path], dict[str, str]]:
    """Songs of two parts or more, by their paths within the folder, and those left out; too few are refused at once."""
    within, files = (music, find_audio(music)) if isinstance(music, Path) else (Path(), list_files(music).files)
    songs, left_out = dict[str, Path](), dict[str, str]()
    for file in files:
        name = as_text(file.relative_to(within) if file.is_relative_to(within) else file)
        try:
            if (length := duration_of(file)) < 2 * part_s:
                raise InputError(f"it lasts {length:.1f} s")
            songs[name] = file
        except InputError as error:
            left_out[name] = error.what
    _require_songs(len(songs), left_out, part_s)
    return songs, left_out


def _require_songs(count: int, left_out: dict[str, str], part_s: float) -> None:
    if count < FEWEST:
        why = next(iter(left_out.items()), None)
        reason = f"; of {len(left_out)} left out, {why[0]}: {why[1]}" if why else ""
        raise InputError(
            f"a bridge needs {FEWEST} songs of {2 * part_s:g} s or more, and there are {count}{reason}",
            hint="name a folder with more music",
        )


def measure_bridge(paired: PairedSounds, kind: Kind = "linear", seed: int = 0) -> BridgeLoss:
    """Measure what a bridge keeps on songs that its fit has not seen.

    Parameters
    ----------
    paired : PairedSounds
        Two or more parts of every song in both spaces.
    kind : {"auto", "linear", "nonlinear"}
        Kind of map, chosen within each fold.
    seed : int, default 0
        Seed of folds, random features and bootstrap samples.

    Returns
    -------
    BridgeLoss
        Identification through the bridge, and direct.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.embeddings import EmbeddingSpace
    >>> from brain2music.metrics.bridging import PairedSounds, measure_bridge
    >>> a, b = (EmbeddingSpace(name, "1", "none", 6, 10.0, 1.5, 16000) for name in "ab")
    >>> songs = np.repeat(np.random.default_rng(0).normal(size=(30, 6)), 2, axis=0).astype(np.float32)
    >>> loss = measure_bridge(PairedSounds(a, b, songs, 2 * songs, tuple(str(n // 2) for n in range(60))), "linear")
    >>> round(loss.bridged, 1), loss.direct, loss.n
    (1.0, 1.0, 30)
    """
    songs = np.array(paired.songs)
    names = list(dict.fromkeys(paired.songs))
    rng = np.random.default_rng(seed)
    fold_of = dict(zip(names, rng.permutation(np.arange(len(names)) % FOLDS).tolist(), strict=True))
    folds = np.array([fold_of[song] for song in paired.songs])
    mapped, means = np.zeros_like(paired.wanted), np.zeros_like(paired.wanted)
    for fold in range(FOLDS):
        held_out = folds == fold
        bridge = Bridge.fit(
            paired.source,
            paired.target,
            paired.given[~held_out],
            paired.wanted[~held_out],
            songs[~held_out],
            kind,
            seed,
        )
        mapped[held_out] = bridge(paired.given[held_out])
        means[held_out] = paired.wanted[~held_out].mean(axis=0)
    return _loss(mapped - means, paired.wanted - means, paired.songs, rng)


def score_bridge(bridge: Bridge, paired: PairedSounds, seed: int = 0) -> BridgeLoss:
    """Measure what a bridge keeps on songs of another collection than the one that it was fitted to.

    Parameters
    ----------
    bridge : Bridge
        A fitted bridge.
    paired : PairedSounds
        Two or more parts of every song in both spaces, none of which the fit has seen.
    seed : int, default 0
        Seed of bootstrap samples.

    Returns
    -------
    BridgeLoss
        Identification through the bridge, and direct. Both sides are centred on the mean of these songs.
    """
    mapped = bridge(paired.given)
    centred = mapped - mapped.mean(axis=0), paired.wanted - paired.wanted.mean(axis=0)
    return _loss(*centred, paired.songs, np.random.default_rng(seed))


def _loss(mapped: np.ndarray, wanted: np.ndarray, songs: tuple[str, ...], rng: np.random.Generator) -> BridgeLoss:
    """The scores of mapped and of true vectors, both centred."""
    names = list(dict.fromkeys(songs))
    halves = [_halves(np.flatnonzero(np.array(songs) == name)) for name in names]
    second = np.stack([wanted[rows].mean(axis=0) for _, rows in halves])
    bridged, direct = (
        similarity(np.stack([side[rows].mean(axis=0) for rows, _ in halves]), second) for side in (mapped, wanted)
    )
    (low, high), (direct_low, direct_high) = (bootstrap_identification(each, rng, 2000) for each in (bridged, direct))
    return BridgeLoss(
        bridged=identification_accuracy(bridged),
        bridged_low=float(low),
        bridged_high=float(high),
        direct=identification_accuracy(direct),
        direct_low=float(direct_low),
        direct_high=float(direct_high),
        correlation=float(np.mean(np.sum(_unit(mapped) * _unit(wanted), axis=1))),
        n=len(names),
    )


def _halves(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The first and the second half of a song's parts."""
    return rows[: len(rows) // 2], rows[len(rows) // 2 :]


def _unit(rows: np.ndarray) -> np.ndarray:
    centred = rows - rows.mean(axis=1, keepdims=True)
    return centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-12)
