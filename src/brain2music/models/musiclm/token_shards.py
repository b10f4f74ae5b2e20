"""Training data of MusicLM: music as tokens, in shards that are written once and survive a crash.

A shard is one safetensors file: ``codes`` (pieces, n_quantizers, frames) of the codec and, for three stages,
``semantic`` (pieces, tokens), both int16; ``clock`` (pieces, 3, frames), the beat clock; and ``windows`` (pieces,
windows, dims) in half precision, embeddings of 10 s. What each piece is, and what made the tokens, is in its metadata.
A shard is written atomically and kept when it is there, so building goes on where it stopped, and parts of a corpus may
be built on several machines.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float32, Int, Int8
from torch import Tensor

from ..._utils.cpu import use_one_thread
from ..._utils.errors import InputError
from ..._utils.files import digest_file, read_arrays, write_arrays
from ..._utils.progress import Advance
from ...embeddings.embeddings import EmbeddingSpace
from ...training.piece_shards import PieceShards, prepare_in_workers, write_piece_shards
from ...weights import find
from ..codec_parts.codes import TokenCodec
from ..generator_parts.clock import steady_clock, tempo_of, tracked_clock, with_echoes
from ..generator_parts.pieces import SAMPLE_RATE, RecordedSegment, WindowEmbedder
from ..mulan.training_data import ComposedPiece
from .semantic import FrameFeatures, MusicnnFrames, SemanticTokenizer

ClockSource = Callable[[int, float], Int8[np.ndarray, "3 frames"]]
"""From the number of frames and their rate to the clock of a piece."""

CODEBOOKS = "codebooks.safetensors"
"""The codec's codebooks, beside the shards."""


class PreparedPiece(NamedTuple):
    """A piece as prepared by a worker: its row, sound, log-mel frames, the input of its embedding, and its clock."""

    row: dict[str, Any]
    sound: Float32[np.ndarray, " samples"]
    mel: Float32[Tensor, "frames 96"]
    embedder_input: Any
    clock: "ClockSource"


@dataclass(frozen=True)
class PieceTokenizer:
    """Tokenizer of prepared pieces, on one device: codec, embedder and, for three stages, semantic tokens.

    Attributes
    ----------
    name : name or folder of ``codec``, by which the trained model finds it.
    embedder : of windows. features, semantic : of semantic tokens; None for a single stage.
    """

    name: str
    codec: TokenCodec
    embedder: WindowEmbedder
    features: FrameFeatures | None = None
    semantic: SemanticTokenizer | None = None

    @torch.inference_mode()
    def __call__(self, piece: PreparedPiece) -> dict[str, np.ndarray]:
        """Arrays of a piece, cut to whole semantic tokens where there are any."""
        codes = np.ascontiguousarray(self.codec.encode(piece.sound[None], SAMPLE_RATE).values.T)
        clock = piece.clock(codes.shape[1], self.codec.sample_rate / self.codec.hop_length)
        windows = self.embedder.forward(piece.embedder_input).astype(np.float16)
        if self.semantic is None or self.features is None:
            return {"codes": codes, "clock": clock, "windows": windows}
        semantic = self.semantic.tokens(semantic_features(self.features, piece), self.features.hz)
        length = min(codes.shape[1] // 2, len(semantic))
        short = semantic[:length].cpu().numpy().astype(np.int16)
        cut = {"codes": codes[:, : 2 * length], "clock": clock[:, : 2 * length]}
        return {**cut, "semantic": short, "windows": windows}

    def metadata(self) -> dict[str, Any]:
        """Metadata for the trained model: codec, embedding space and semantic tokens."""
        codec, semantic = self.codec, self.semantic
        semantic_metadata = (
            {} if semantic is None else {"semantic": semantic.features, "semantic_codes": semantic.codebook_size}
        )
        return {
            "codec": find(self.name).name,
            "codec_sha256": digest_file(find(self.name) / "model.safetensors"),
            "codec_rate": codec.sample_rate / codec.hop_length,
            "codes": codec.codebook_size,
            "space": vars(self.embedder.space),
            **semantic_metadata,
        }


def semantic_features(features: FrameFeatures, piece: PreparedPiece) -> Float[Tensor, "frames dims"]:
    """Features for semantic tokens of a piece; musicnn's from the log-mel frames of the worker."""
    return (
        features.frames_from_mel(piece.mel)
        if isinstance(features, MusicnnFrames)
        else features.frames(piece.sound, SAMPLE_RATE)
    )


def write_shards(
    sources: Sequence[ComposedPiece | RecordedSegment],
    out: Path,
    name: str,
    tokenizer: PieceTokenizer,
    embedding: str,
    seconds: float = 30.0,
    per_shard: int = 200,
    workers: int = 1,
    progress: Advance | None = None,
    until: float | None = None,
) -> list[Path]:
    """Tokenize pieces and write shards ``OUT/<name>-<number>.safetensors``; existing shards are kept.

    Parameters
    ----------
    sources : composed pieces are ``seconds`` long; recordings that are shorter are left out.
    embedding : as for :class:`WindowEmbedder`, for the workers.
    until : begin no shard after this time (``time.monotonic()``).
    """
    write_arrays(out / CODEBOOKS, {"codebooks": tokenizer.codec.codebooks.cpu().numpy()}, {})
    step_s = tokenizer.embedder.space.step_s

    def prepare(missing: Sequence[ComposedPiece | RecordedSegment]) -> Iterator[PreparedPiece | None]:
        return prepare_pieces(missing, embedding, step_s, seconds, workers)

    metadata = tokenizer.metadata()
    return write_piece_shards(sources, out, name, prepare, tokenizer, metadata, per_shard, progress, until)


def prepare_pieces(
    sources: Iterable[ComposedPiece | RecordedSegment], embedding: str, step_s: float, seconds: float, workers: int
) -> Iterator[PreparedPiece | None]:
    """Render or read sources in ``workers`` processes, in order; None for recordings that are too short."""
    return prepare_in_workers(_prepare_piece, sources, seconds, workers, _start_worker, (embedding, step_s))


class TokenData:
    """Dataset of the shards of a folder, memory-mapped.

    Raises
    ------
    InputError : there are none, or they were made by different tokenizers.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        read = PieceShards.read(folder, "tokens", "recipes/musiclm_data.py")
        self.about, self.shards = read.about, read.arrays
        self.pieces, self.rows = np.array(read.places("codes")), read.rows
        self.has_clock = all("clock" in shard for shard in self.shards)
        self.n_quantizers, self.frame_rate = self.shards[0]["codes"].shape[1], float(self.about["codec_rate"])
        beside = folder / CODEBOOKS
        self.codebooks = torch.from_numpy(read_arrays(beside)[0]["codebooks"]) if beside.is_file() else None
        self.step_s, self.window_s = float(self.about["space"]["step_s"]), float(self.about["space"]["window_s"])

    def __len__(self) -> int:
        return len(self.pieces)

    @property
    def seconds(self) -> float:
        """Duration of all pieces together, in seconds."""
        return sum(len(shard["codes"]) * shard["codes"].shape[2] for shard in self.shards) / self.frame_rate

    def require_embedding(self, embedding: str) -> None:
        """Check which embedding the windows are of, as for :class:`WindowEmbedder`.

        Raises
        ------
        InputError : they are of another one, or of other weights of it, or it is not here.
        """
        found = EmbeddingSpace(**self.about["space"])
        wanted = WindowEmbedder(embedding, self.step_s).space
        if not found.same_as(wanted):
            weights = f" ({found.sha256[:12]}, not {wanted.sha256[:12]})" if found.name == wanted.name else ""
            what = f"these tokens were made with the embedding {found.name}{weights}, not {embedding}"
            make = f"python recipes/musiclm_data.py NEW --embedding {embedding}"
            raise InputError(what, self.folder, f"make others (`{make} …`), or train with --embedding {found.name}")

    def piece(self, index: int) -> dict[str, Tensor]:
        """``codes`` and ``windows`` of a piece; ``clock`` and ``semantic`` where there are any."""
        number, row = self.pieces[index]
        piece = {name: array[row] for name, array in self.shards[number].items()}
        if "clock" in piece:
            tempo, beats = self.rows[index].get("tempo"), self.rows[index].get("beats_per_bar")
            piece["clock"] = torch.from_numpy(with_echoes(piece["clock"].numpy(), tempo, beats, self.frame_rate))
        return piece

    def windows(self) -> Float[Tensor, "windows dims"]:
        """Embeddings of all windows, and their mean per piece: the data that conditions are fitted to."""
        parts = [shard["windows"].float() for shard in self.shards]
        return torch.cat([each for part in parts for each in (part.flatten(0, 1), part.mean(1))])

    def embedding(
        self, windows: Float[Tensor, "windows dims"], start_s: float, length_s: float
    ) -> Float[Tensor, " dims"]:
        """Mean embedding of the windows inside a crop, or the nearest window where the crop is shorter than one."""
        first = min(round(start_s / self.step_s), len(windows) - 1)
        inside = max(1, int((length_s - self.window_s + 1e-6) // self.step_s) + 1)
        return windows[first : first + inside].float().mean(0)


def code_frequencies(tokens: Int[Tensor, "pieces *rest"], codes: int) -> Float[Tensor, " codes"]:
    """Relative frequency of each code."""
    return torch.bincount(tokens.flatten().long(), minlength=codes).float() / tokens.numel()


def mean_entropy(frequencies: Float[Tensor, "quantizers codes"]) -> float:
    """Mean entropy of the codes over quantizers in nats: the loss of a model without context."""
    return float(-torch.special.xlogy(frequencies.double(), frequencies.double()).sum(1).mean())


_EMBEDDER: list[WindowEmbedder] = []


def _start_worker(embedding: str, step_s: float) -> None:
    _EMBEDDER[:] = [WindowEmbedder(embedding, step_s)]
    use_one_thread()


def _prepare_piece(source: ComposedPiece | RecordedSegment, seconds: float) -> PreparedPiece | None:
    """In a worker process: render or read a source, and compute all that needs no device."""
    from ...audio.beats import track_beats
    from ...audio.io import duration_of, read_audio, resample
    from ...simulation.music.render import render_piece
    from ..musicnn.musicnn_embedder import SAMPLE_RATE as MEL_RATE
    from ..musicnn.musicnn_embedder import musicnn_log_mel

    if isinstance(source, ComposedPiece):
        piece = source.piece(seconds)
        sound = render_piece(piece, SAMPLE_RATE)
        clock: ClockSource = partial(steady_clock, tempo=piece.tempo, beats_per_bar=piece.beats)
        row = {"genre": source.genre, "seed": source.seed, "number": source.number, "composed": True}
        row |= {"tempo": piece.tempo, "beats_per_bar": piece.beats}
    else:
        if duration_of(source.file) - source.start_s < seconds - 0.05:
            return None
        sound, _ = read_audio(source.file, SAMPLE_RATE, start=source.start_s, duration=seconds)
        beats = track_beats(sound, SAMPLE_RATE)
        clock = partial(tracked_clock, beats)
        row = {"file": source.file.name, "start_s": source.start_s, "licence": source.licence, "composed": False}
        row |= {"tempo": None if beats is None else tempo_of(beats)}
    count = round(seconds * SAMPLE_RATE)
    sound = np.pad(sound[:count], (0, max(0, count - len(sound))))
    return PreparedPiece(
        row, sound, musicnn_log_mel(resample(sound, SAMPLE_RATE, MEL_RATE)), _EMBEDDER[0].prepare(sound), clock
    )
