"""Training data of the small MuLan: features of composed and recorded music, in resumable shards.

A shard is one safetensors file: ``features`` (windows, 2130) in eight bits with ``low`` and ``step`` to undo it,
``tags`` (windows, 100) of musicnn-MSD and -MTT (zeros for composed pieces, whose truth is known), ``piece``
(windows,) the row of each window; the rows (the truth of a composed piece, the source of a recorded one) are in the
file's metadata. Shards that are there are kept.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from math import inf
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, Int32, UInt8

from ..._utils.cpu import multiplies_bfloat16, use_one_thread
from ..._utils.errors import InputError
from ..._utils.files import read_arrays, write_arrays
from ..._utils.progress import Advance
from ..._utils.workers import Workers
from ...audio.io import read_audio
from ...simulation.music.caption import make_caption
from ...simulation.music.compose import compose_piece
from ...simulation.music.genres import GENRES
from ...simulation.music.piece import Piece, PieceTrack
from ...simulation.music.render import render_piece
from ..musicnn.musicnn_embedder import SAMPLE_RATE, load_network, package_folder
from ..musicnn.network import MusicnnNetwork, network_on
from .fast import with_fast_front_end
from .feature_extractor import VERSION, FeatureExtractor, PreparedSound

WINDOW_S, STEP_S = 10.0, 10.0
SECONDS = 10.0
_STEPS = 255
_SPREAD = 6.0  # deviations kept on each side of the mean


@dataclass(frozen=True)
class ComposedPiece:
    """A composed piece by its number, as in :func:`brain2music.simulation.music.render.write_corpus`."""

    seed: int
    genre: str
    number: int

    def piece(self, seconds: float = SECONDS) -> Piece:
        """Compose the piece."""
        return compose_piece(self.genre, self._generators()[0], seconds)

    def caption(self) -> str:
        """The caption of the piece in the corpus."""
        return make_caption(self.piece(), self._generators()[1])

    def _generators(self) -> list[np.random.Generator]:
        sequence = np.random.SeedSequence([self.seed, list(GENRES).index(self.genre), self.number])
        return [np.random.default_rng(child) for child in sequence.spawn(2)]


@dataclass(frozen=True)
class RecordedExcerpt:
    """An excerpt of 10 s of a recording: files (stems are added up), start, package, style and licence."""

    files: tuple[Path, ...]
    start_s: float
    package: str
    style: str
    licence: str


@dataclass(frozen=True)
class FeatureShard:
    """A shard: features and tags per window, the row of each window, and the rows."""

    features: Float32[np.ndarray, "windows 2130"]
    tags: Float32[np.ndarray, "windows 100"]
    piece: Int32[np.ndarray, " windows"]
    rows: list[dict[str, Any]]


def write_feature_shards(
    sources: Sequence[ComposedPiece | RecordedExcerpt],
    out: Path,
    name: str,
    per_shard: int = 500,
    workers: int = 1,
    device: str = "cpu",
    minutes: float = inf,
    progress: Advance | None = None,
) -> list[Path]:
    """Extract features and write shards ``OUT/<name>-<number>.safetensors``; existing shards are kept.

    Parameters
    ----------
    workers : processes that render or read; this one runs the networks.
    minutes : begin no further shard after this time; the next call goes on.

    Returns
    -------
    The existing shards.

    Raises
    ------
    InputError : musicnn's weights are not installed, or a recording cannot be read.
    """
    shards = [sources[first : first + per_shard] for first in range(0, len(sources), per_shard)]
    files = [out / f"{name}-{number:03d}.safetensors" for number in range(len(shards))]
    networks = _networks(device)
    extractor = FeatureExtractor(WINDOW_S, STEP_S)
    began, done = time.monotonic(), 0
    with Workers(workers, mp_context=get_context("spawn"), initializer=use_one_thread) as pool:
        for file, shard in zip(files, shards, strict=True):
            if not file.is_file():
                if time.monotonic() - began > 60 * minutes:
                    break
                prepared = pool.map(_prepare_source, shard, chunksize=4)
                _write(file, [_features_and_tags(extractor, networks, device, *each) for each in prepared])
            done += len(shard)
            if progress is not None:
                progress(done, len(sources))
    return [file for file in files if file.is_file()]


def read_feature_shards(folder: Path) -> Iterator[FeatureShard]:
    """Read the shards of a folder in the order of their names; :class:`InputError` when there is none."""
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise InputError("the folder holds no prepared music", folder, "run recipes/mulan_data.py first")
    for file in files:
        arrays, metadata = read_arrays(file)
        if metadata.get("features") != VERSION:
            raise InputError("these features are of another version", file, "prepare them again")
        features = arrays["low"] + arrays["step"] * arrays["features"]
        yield FeatureShard(features, arrays["tags"].astype(np.float32), arrays["piece"], metadata["rows"])


def piece_from_row(row: dict[str, Any]) -> Piece:
    """A composed piece from its row, without notes: enough for captions."""
    tracks = tuple(
        PieceTrack(role, instrument, manner, 0, drum, 0, ()) for role, instrument, manner, drum in row["tracks"]
    )
    facts = {name: row[name] for name in ("genre", "tempo", "key", "mode", "mood", "beats", "swing")}
    return Piece(**facts, seconds=SECONDS, sections=(), tracks=tracks)


def _networks(device: str) -> list[MusicnnNetwork]:
    """musicnn-MSD and -MTT: in half precision on a CPU that has it, else as they are."""
    networks = [load_network(model, package_folder())[0] for model in ("msd", "mtt")]
    if device == "cpu":
        return [with_fast_front_end(network) for network in networks] if multiplies_bfloat16() else networks
    return [network_on(network, torch.device(device)) for network in networks]


@cache
def _worker_extractor() -> FeatureExtractor:
    return FeatureExtractor(WINDOW_S, STEP_S)


def _prepare_source(source: ComposedPiece | RecordedExcerpt) -> tuple[dict[str, Any], PreparedSound]:
    """In a worker process: render or read a source, and compute all that needs no network."""
    extractor = _worker_extractor()
    if isinstance(source, ComposedPiece):
        piece = source.piece()
        return row_of_piece(source, piece), extractor.prepare(render_piece(piece, SAMPLE_RATE), SAMPLE_RATE)
    stems = [read_audio(file, SAMPLE_RATE, start=source.start_s, duration=WINDOW_S)[0] for file in source.files]
    sound = np.stack([stem[: min(map(len, stems))] for stem in stems]).sum(axis=0)
    row = {
        "package": source.package,
        "style": source.style,
        "licence": source.licence,
        "file": source.files[0].name,
        "song": source.files[0].parent.name if source.files[0].stem == "song" else source.files[0].stem,
        "start_s": source.start_s,
    }
    return row, extractor.prepare(sound, SAMPLE_RATE)


def row_of_piece(source: ComposedPiece, piece: Piece) -> dict[str, Any]:
    """The row of a composed piece in a shard."""
    facts = {name: getattr(piece, name) for name in ("genre", "tempo", "key", "mode", "mood", "beats", "swing")}
    tracks = [[track.role, track.instrument, track.manner, track.is_drum] for track in piece.tracks]
    return {"seed": source.seed, "number": source.number, **facts, "tracks": tracks}


def _features_and_tags(
    extractor: FeatureExtractor,
    networks: list[MusicnnNetwork],
    device: str,
    row: dict[str, Any],
    prepared: PreparedSound,
) -> tuple[dict[str, Any], np.ndarray, np.ndarray]:
    moved = prepared._replace(frames=prepared.frames.to(device))
    msd, mtt = networks
    features, tags = extractor.forward(moved, msd)
    if "package" not in row:
        return row, features, np.zeros((len(features), 100), np.float32)
    return row, features, np.concatenate([tags, extractor.forward(moved, mtt)[1]], axis=1)


def _write(file: Path, extracted: list[tuple[dict[str, Any], np.ndarray, np.ndarray]]) -> None:
    rows, features, tags = zip(*extracted, strict=True)
    quantised, low, step = _quantise(np.concatenate(features))
    arrays = {
        "features": quantised,
        "low": low,
        "step": step,
        "tags": np.concatenate(tags).astype(np.float16),
        "piece": np.repeat(np.arange(len(rows)), [len(part) for part in features]).astype(np.int32),
    }
    write_arrays(file, arrays, {"rows": list(rows), "features": VERSION})


def _quantise(
    values: Float32[np.ndarray, "windows features"],
) -> tuple[UInt8[np.ndarray, "windows features"], Float32[np.ndarray, " features"], Float32[np.ndarray, " features"]]:
    """Quantise features to eight bits over the range of the shard, cut at six deviations."""
    mean, deviation = values.mean(axis=0), values.std(axis=0)
    low = np.maximum(values.min(axis=0), mean - _SPREAD * deviation)
    high = np.minimum(values.max(axis=0), mean + _SPREAD * deviation)
    step = np.maximum((high - low) / _STEPS, 1e-9).astype(np.float32)
    return np.clip(np.rint((values - low) / step), 0, _STEPS).astype(np.uint8), low.astype(np.float32), step
