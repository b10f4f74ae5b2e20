"""Training data of JEN-1: music as latents before whitening, in shards that are written once and survive a crash.

A shard is one safetensors file: ``latents`` (pieces, dim, frames) and ``windows`` (pieces, windows, dims), joint
embeddings of 10 s, in half precision; ``beat_count`` (pieces, frames), the beats until each frame; and for texts
``text`` (pieces, tokens, text_dim), ``n_tokens`` (pieces,), 0 where a piece has none. What each piece is (its tempo,
too, where it has any), and what made the numbers, is in its metadata. Shards that are there are kept; the whitening of
the latents is fitted once and kept, too, so that a training that goes on with more shards works in the same space.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64, Int
from torch import Tensor

from ..._utils.cpu import use_one_thread
from ..._utils.errors import InputError
from ..._utils.progress import Advance
from ...audio.io import duration_of, read_audio, resample
from ...embeddings.embeddings import EmbeddingSpace
from ...simulation.music.render import render_piece
from ...training.piece_shards import PieceShards, prepare_in_workers, write_piece_shards
from ..autoencoder.whitening import LatentWhitening
from ..generator_parts.clock import count_beats, tempo_of
from ..generator_parts.pieces import SAMPLE_RATE as EMBEDDED_RATE
from ..generator_parts.pieces import RecordedSegment, WindowEmbedder
from ..mulan.training_data import ComposedPiece
from .beats import clock_of
from .latents import WHITENING, LatentCodec, describe_latents
from .texts import TextTokens, pad_tokens

_SHORTER_S = 0.05
_WHITENED_PIECES = 400


class PreparedMusic(NamedTuple):
    """A piece from a worker: what it is, sound for the codec, input of the embedder, caption, and tracked beats."""

    row: dict[str, Any]
    sound: Float32[np.ndarray, "channels samples"]
    embedder_input: Any
    caption: str
    beats: Float64[np.ndarray, " beats"] | None


@dataclass(frozen=True)
class PieceEncoder:
    """Encoder of prepared pieces: latents, joint embeddings of their windows, and token states of their captions.

    Attributes
    ----------
    latents : LatentCodec
        Of the sound.
    embedder : WindowEmbedder
        Of the windows. ``embedding`` is its name, with which workers make it again.
    embedding : str
        Name or folder.
    texts : TextTokens or None
        Of captions; None for none.
    """

    latents: LatentCodec
    embedder: WindowEmbedder
    embedding: str
    texts: TextTokens | None

    @torch.inference_mode()
    def __call__(self, piece: PreparedMusic) -> dict[str, np.ndarray]:
        """Arrays of a piece."""
        latents = self.latents.raw(piece.sound).numpy().astype(np.float16)
        times = np.arange(latents.shape[1]) * self.latents.hop_length / self.latents.sample_rate
        arrays = {
            "latents": latents,
            "windows": self.embedder.forward(piece.embedder_input).astype(np.float16),
            "beat_count": _beat_count(piece, times),
        }
        if self.texts is None:
            return arrays
        states, words = torch.zeros(1, 1, self.texts.dims), torch.zeros(1, 1, dtype=torch.bool)
        if piece.caption:
            states, words = self.texts([piece.caption])
        states, words = pad_tokens(states, words)
        return arrays | {"text": states[0].numpy().astype(np.float16), "n_tokens": words.sum().int().numpy()}

    def metadata(self) -> dict[str, Any]:
        """What made the numbers, for the trained model."""
        texts = None if self.texts is None else {"name": self.texts.name, "dims": self.texts.dims}
        return {**describe_latents(self.latents), "space": asdict(self.embedder.space), "text": texts}


def write_latent_shards(
    sources: Sequence[ComposedPiece | RecordedSegment],
    out: Path,
    name: str,
    encoder: PieceEncoder,
    seconds: float = 15.0,
    per_shard: int = 100,
    workers: int = 1,
    progress: Advance | None = None,
    until: float | None = None,
) -> list[Path]:
    """Encode pieces and write shards ``OUT/<name>-<number>.safetensors``; existing shards are kept.

    Parameters
    ----------
    sources : sequence of ComposedPiece or RecordedSegment
        Composed pieces are made ``seconds`` long; recordings that are shorter are left out.
    out : Path
        Folder of the shards.
    name : str
        Beginning of the names of the files.
    encoder : PieceEncoder
        What makes the numbers.
    seconds : float, default 15
        Length of a piece.
    per_shard, workers : int
        Pieces per file, and processes that render and read.
    progress : callable, optional
        Called as ``progress(done, total)``.
    until : float, optional
        Begin no shard after this time (``time.monotonic()``).

    Returns
    -------
    list of Path
        The shards that there are.
    """

    def prepare(missing: Sequence[ComposedPiece | RecordedSegment]) -> Iterator[PreparedMusic | None]:
        return prepare_in_workers(_prepare_music, missing, seconds, workers, _begin_worker, _of_worker(encoder))

    metadata = encoder.metadata()
    return write_piece_shards(sources, out, name, prepare, encoder, metadata, per_shard, progress, until)


class LatentData:
    """Dataset of the shards of a folder, memory-mapped, with the whitening of their latents.

    Parameters
    ----------
    folder : Path
        That :func:`write_latent_shards` wrote to.
    channels : int, optional
        Whitened channels to keep, where the whitening is not fitted yet; default all.

    Raises
    ------
    InputError
        There are no shards, they were made in different ways, or the whitening keeps another number of channels.
    """

    def __init__(self, folder: Path, channels: int | None = None) -> None:
        read = PieceShards.read(folder, "latents", "recipes/jen1_data.py")
        self.about, self.rows, self.shards = read.about, read.rows, read.arrays
        self.pieces = read.places("latents")
        self.space = EmbeddingSpace(**self.about["space"])
        self.has_beats = all("beat_count" in shard for shard in self.shards)
        self.frame_rate, self.frames = float(self.about["frame_rate"]), min(s["latents"].shape[2] for s in self.shards)
        self.whitening = self._whitening(folder / WHITENING, channels)

    def __len__(self) -> int:
        """Pieces."""
        return len(self.pieces)

    @property
    def seconds(self) -> float:
        """Duration of all pieces together."""
        return sum(len(each["latents"]) * each["latents"].shape[2] for each in self.shards) / self.frame_rate

    @property
    def usual_level(self) -> float:
        """Median root mean square of the latents of a piece, where they are divided by it; otherwise 1."""
        whitening, step = self.whitening, max(1, len(self) // _WHITENED_PIECES)
        levels = [whitening.rms(self.piece(index)["latents"].float()[None]) for index in range(0, len(self), step)]
        return float(torch.cat(levels).median())

    @property
    def text_dim(self) -> int | None:
        """Dimensions of token states; None where there are no texts."""
        return None if self.about["text"] is None else int(self.about["text"]["dims"])

    def piece(self, index: int) -> dict[str, Tensor]:
        """The arrays of a piece."""
        number, row = self.pieces[index]
        return {name: array[row] for name, array in self.shards[number].items()}

    def clock(self, index: int) -> Int[Tensor, "rows frames"]:
        """Beat clock of a piece."""
        row, count = self.rows[index], self.piece(index)["beat_count"].numpy()
        if not row["composed"] and row["tempo"] is not None:  # what was tracked is not even
            tempo = 60 * self.frame_rate * np.gradient(count.astype(np.float64))
            return torch.from_numpy(clock_of(count, tempo, None))
        return torch.from_numpy(clock_of(count, row["tempo"], row.get("beats_per_bar")))

    def embedding(self, windows: Float[Tensor, "windows dims"], start_s: float, length_s: float) -> Tensor:
        """Unit embedding (dims,) of a crop: the mean of its windows, or of the one nearest to its middle."""
        space = self.space
        starts, slack = torch.arange(len(windows)) * space.step_s, space.step_s / 2
        inside = (starts >= start_s - slack) & (starts + space.window_s <= start_s + length_s + slack)
        if not inside.any():
            middle = start_s + length_s / 2 - space.window_s / 2
            inside = (starts - middle).abs() == (starts - middle).abs().min()
        mean = windows[inside].float().mean(0)
        return mean / mean.norm().clamp(min=1e-9)

    def _whitening(self, file: Path, channels: int | None) -> LatentWhitening:
        """The whitening of the folder, fitted to pieces spread over all shards where there is none."""
        if file.is_file():
            found = LatentWhitening.load(file)
            if channels not in (None, found.channels):
                what = f"the whitening keeps {found.channels} channels, not {channels}"
                raise InputError(what, file, "remove it to fit it again, and train from the beginning")
            return found
        dim = self.shards[0]["latents"].shape[1]
        whitening = LatentWhitening(dim, channels, normalise_rms=self.about["normalise_rms"])
        for index in np.unique(np.linspace(0, len(self) - 1, min(len(self), _WHITENED_PIECES)).astype(int)):
            whitening.update(self.piece(int(index))["latents"].float()[None])
        whitening.save(file)
        return whitening


_WORKER: list[Any] = []


def _of_worker(encoder: PieceEncoder) -> tuple[str, float, int, int]:
    latents = encoder.latents
    return encoder.embedding, encoder.embedder.space.step_s, latents.sample_rate, latents.channels


def _begin_worker(embedding: str, step_s: float, sample_rate: int, channels: int) -> None:
    _WORKER[:] = [cache(lambda: WindowEmbedder(embedding, step_s)), sample_rate, channels]
    use_one_thread()


def _prepare_music(source: ComposedPiece | RecordedSegment, seconds: float) -> PreparedMusic | None:
    """In a worker process: render or read a source, and compute all that needs no device."""
    from ...audio.beats import track_beats

    embedder, sample_rate, channels = _WORKER
    caption, beats = "", None
    if isinstance(source, ComposedPiece):
        piece = source.piece(seconds)
        sound = np.repeat(render_piece(piece, sample_rate)[None], channels, axis=0)
        row = {"genre": source.genre, "seed": source.seed, "number": source.number, "composed": True}
        row |= {"tempo": piece.tempo, "beats_per_bar": piece.beats}
        caption = source.caption()
    else:
        if duration_of(source.file) - source.start_s < seconds - _SHORTER_S:
            return None
        read, _ = read_audio(source.file, sample_rate, channels == 1, source.start_s, seconds)
        sound = np.atleast_2d(read)
        sound = np.repeat(sound, channels, axis=0) if len(sound) == 1 else sound[:channels]
        row = {"file": source.file.name, "start_s": source.start_s, "licence": source.licence, "composed": False}
    count = round(seconds * sample_rate)
    sound = np.ascontiguousarray(np.pad(sound[:, :count], ((0, 0), (0, max(0, count - sound.shape[1])))), np.float32)
    mono = resample(sound.mean(axis=0), sample_rate, EMBEDDED_RATE)
    if not row["composed"]:
        beats = track_beats(mono, EMBEDDED_RATE)
        row["tempo"] = None if beats is None else tempo_of(beats)
    return PreparedMusic(row, sound, embedder().prepare(mono), caption, beats)


def _beat_count(piece: PreparedMusic, times: Float64[np.ndarray, " frames"]) -> Float32[np.ndarray, " frames"]:
    """Beats until each time, from the first downbeat where that is known; 0 where there is no tempo."""
    if piece.beats is not None:
        return count_beats(piece.beats, times)[0].astype(np.float32)
    return (times * (piece.row["tempo"] or 0.0) / 60).astype(np.float32)
