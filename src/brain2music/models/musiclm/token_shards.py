"""What MusicLM trains on: music as tokens, in shards that are written once and survive a crash.

A shard is one safetensors file: ``codes`` (pieces, levels, frames) of the codec and, for three stages, ``semantic``
(pieces, tokens), both int16, and ``windows`` (pieces, windows, dims) in half precision, embeddings of 10 s; what each
piece is, and what made the tokens, is in its metadata. A shard is written atomically and kept when it is there, so
building goes on where it stopped, and parts of a corpus may be built on several machines.
"""

import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float32, Int
from torch import Tensor

from ..._utils.cpu import use_one_thread
from ..._utils.errors import InputError
from ..._utils.files import digest_file, read_arrays, write_arrays
from ..._utils.progress import Advance
from ..._utils.workers import Workers
from ...embeddings.embedder import Embedder
from ...embeddings.embeddings import EmbeddingSpace
from ...weights import find
from ..codec_parts.codes import TokenCodec
from ..embedders import get_embedder
from ..mulan.embedder import MuLanEmbedder
from ..mulan.features import FeatureExtractor
from ..mulan.training_data import ComposedPiece
from ..musicnn.network import network_on
from .semantic import FrameFeatures, MusicnnFrames, SemanticTokenizer

SAMPLE_RATE = 24000
CODEBOOKS = "codebooks.safetensors"
"""What the codec's codes stand for, beside the shards."""
_AHEAD = 3  # pieces under way for each worker


@dataclass(frozen=True)
class Recording:
    """A part of a sound file."""

    file: Path
    start_s: float = 0.0
    licence: str = ""


class Heard(NamedTuple):
    """A piece as a worker hands it over: what it is, its sound, its log-mel frames, and what its embedding needs."""

    row: dict[str, Any]
    sound: Float32[np.ndarray, " samples"]
    mel: Float32[Tensor, "frames 96"]
    ear: Any


class Ear:
    """Embeddings of a piece's windows: in the worker as much as needs no device, the rest in :meth:`finish`.

    Parameters
    ----------
    embedding : a folder of a MuLan, or a name of the registry. step_s : between windows of 10 s (MusicLM: 1).
    """

    def __init__(self, embedding: str, step_s: float, device: str = "cpu") -> None:
        self.embedder = _embedder(embedding, step_s)
        self.device = torch.device(device)
        self._listener = _listener(self.embedder)
        if self._listener is not None:
            self._network = network_on(self._listener.musicnn.network, self.device)

    @property
    def space(self) -> EmbeddingSpace:
        """Of the embeddings."""
        return self.embedder.space

    def hear(self, sound: Float32[np.ndarray, " samples"]) -> Any:
        """In a worker: everything before the network, or the embedding itself."""
        return (
            self.embedder.embed(sound, SAMPLE_RATE)
            if self._listener is None
            else self._listener.prepare(sound, SAMPLE_RATE)
        )

    def finish(self, heard: Any) -> Float32[np.ndarray, "windows dims"]:
        """The embedding of what :meth:`hear` gave."""
        if self._listener is None or not isinstance(self.embedder, MuLanEmbedder):
            return heard
        on_device = heard._replace(frames=heard.frames.to(self.device))
        return self.embedder.embed_features(self._listener.forward(on_device, self._network)[0])


@dataclass(frozen=True)
class Tokenisers:
    """What turns sound into tokens, on one device.

    Attributes
    ----------
    name : or folder of ``codec``; its last part is what the trained model will ask for.
    ear : of embeddings. features, semantic : of semantic tokens, None where a single stage will need none.
    """

    name: str
    codec: TokenCodec
    ear: Ear
    features: FrameFeatures | None = None
    semantic: SemanticTokenizer | None = None

    @torch.inference_mode()
    def __call__(self, heard: Heard) -> dict[str, np.ndarray]:
        """A piece's arrays, cut to whole semantic tokens where there are such."""
        codes = np.ascontiguousarray(self.codec.encode(heard.sound[None], SAMPLE_RATE).values.T)
        windows = self.ear.finish(heard.ear).astype(np.float16)
        if self.semantic is None or self.features is None:
            return {"codes": codes, "windows": windows}
        semantic = self.semantic.tokens(frames_of(self.features, heard), self.features.hz)
        length = min(codes.shape[1] // 2, len(semantic))
        short = semantic[:length].cpu().numpy().astype(np.int16)
        return {"codes": codes[:, : 2 * length], "semantic": short, "windows": windows}

    def about(self) -> dict[str, Any]:
        """What the trained model has to know of all this."""
        codec, semantic = self.codec, self.semantic
        spoken = {} if semantic is None else {"semantic": semantic.features, "semantic_codes": semantic.codes}
        return {
            "codec": find(self.name).name,
            "codec_sha256": digest_file(find(self.name) / "model.safetensors"),
            "codec_rate": codec.sample_rate / codec.hop_length,
            "codes": codec.codebook_size,
            "space": vars(self.ear.space),
            **spoken,
        }


def frames_of(features: FrameFeatures, heard: Heard) -> Float[Tensor, "frames dims"]:
    """The features of a piece; musicnn's from the log-mel frames that the worker made."""
    return (
        features.of_mel(heard.mel) if isinstance(features, MusicnnFrames) else features.frames(heard.sound, SAMPLE_RATE)
    )


def write_shards(
    sources: Sequence[ComposedPiece | Recording],
    out: Path,
    name: str,
    tokenisers: Tokenisers,
    embedding: str,
    seconds: float = 30.0,
    per_shard: int = 200,
    workers: int = 1,
    progress: Advance | None = None,
    until: float | None = None,
) -> list[Path]:
    """Write ``OUT/<name>-<number>.safetensors``; shards that are there are kept.

    Parameters
    ----------
    sources : composed pieces are ``seconds`` long; recordings that are shorter are left out.
    embedding : what ``tokenisers.ear`` was made from, for the workers.
    until : begin no shard after this time (``time.monotonic()``).
    """
    parts = [sources[first : first + per_shard] for first in range(0, len(sources), per_shard)]
    files = [out / f"{name}-{number:04d}.safetensors" for number in range(len(parts))]
    missing = [(file, part) for file, part in zip(files, parts, strict=True) if not file.is_file()]
    done = len(sources) - sum(len(part) for _, part in missing)
    made_by = tokenisers.about()
    write_arrays(out / CODEBOOKS, {"codebooks": tokenisers.codec.codebooks.cpu().numpy()}, {})
    flat = [source for _, part in missing for source in part]
    heard = listen(flat, embedding, tokenisers.ear.space.step_s, seconds, workers)
    for file, part in missing:
        if until is not None and time.monotonic() > until:
            break
        pieces: list[tuple[dict[str, Any], dict[str, np.ndarray]]] = []
        for each in (next(heard) for _ in part):
            done += 1
            if each is not None:
                pieces.append((each.row, tokenisers(each)))
            if progress is not None:
                progress(done, len(sources))
        if pieces:
            rows, arrays = zip(*pieces, strict=True)
            stacked = {key: np.stack([array[key] for array in arrays]) for key in arrays[0]}
            write_arrays(file, stacked, {"pieces": list(rows), **made_by})
    return [file for file in files if file.is_file()]


def listen(
    sources: Iterable[ComposedPiece | Recording], embedding: str, step_s: float, seconds: float, workers: int
) -> Iterator[Heard | None]:
    """Every source in order, rendered or read, by ``workers`` processes; None for recordings that are too short."""
    context = get_context("spawn")
    with Workers(workers, context, initializer=_start_worker, initargs=(embedding, step_s)) as pool:
        waiting: list[Future[Heard | None]] = []
        try:
            for source in sources:
                waiting.append(pool.submit(_hear, source, seconds))
                if len(waiting) > _AHEAD * workers:
                    yield waiting.pop(0).result()
            while waiting:
                yield waiting.pop(0).result()
        finally:
            pool.shutdown(cancel_futures=True)


class TokenData:
    """The shards of a folder, read where they lie (memory-mapped).

    Raises
    ------
    InputError : there are none, or they were made by different tokenisers.
    """

    def __init__(self, folder: Path) -> None:
        from safetensors.torch import load_file

        files = sorted(folder.glob("*-[0-9]*.safetensors"))
        if not files:
            raise InputError("the folder holds no tokens", folder, "run recipes/musiclm_data.py first")
        self.about: dict[str, Any] = {}
        for file in files:
            about = read_arrays(file)[1]
            about.pop("pieces")
            if self.about and about != self.about:
                raise InputError("these tokens were made otherwise than those before them", file, "build them again")
            self.about = about
        self.shards: list[dict[str, Tensor]] = [load_file(file) for file in files]
        self.pieces = np.array(
            [(number, row) for number, shard in enumerate(self.shards) for row in range(len(shard["codes"]))]
        )
        self.levels, self.frame_rate = self.shards[0]["codes"].shape[1], float(self.about["codec_rate"])
        beside = folder / CODEBOOKS
        self.codebooks = torch.from_numpy(read_arrays(beside)[0]["codebooks"]) if beside.is_file() else None
        self.step_s, self.window_s = float(self.about["space"]["step_s"]), float(self.about["space"]["window_s"])

    def __len__(self) -> int:
        return len(self.pieces)

    @property
    def seconds(self) -> float:
        """Of all pieces together."""
        return sum(len(shard["codes"]) * shard["codes"].shape[2] for shard in self.shards) / self.frame_rate

    def piece(self, index: int) -> dict[str, Tensor]:
        """One piece's ``codes`` and ``windows``, and ``semantic`` where there are such tokens."""
        number, row = self.pieces[index]
        return {name: array[row] for name, array in self.shards[number].items()}

    def windows(self) -> Float[Tensor, "windows dims"]:
        """All windows, and the mean of each piece's: what conditions are quantised from."""
        parts = [shard["windows"].float() for shard in self.shards]
        return torch.cat([each for part in parts for each in (part.flatten(0, 1), part.mean(1))])

    def embedding(
        self, windows: Float[Tensor, "windows dims"], start_s: float, length_s: float
    ) -> Float[Tensor, " dims"]:
        """The mean of the windows that lie in a crop, or the nearest window where the crop is shorter than one."""
        first = min(round(start_s / self.step_s), len(windows) - 1)
        inside = max(1, int((length_s - self.window_s + 1e-6) // self.step_s) + 1)
        return windows[first : first + inside].float().mean(0)


def shares(tokens: Int[Tensor, "pieces *rest"], codes: int) -> Float[Tensor, " codes"]:
    """How often each code occurs."""
    return torch.bincount(tokens.flatten().long(), minlength=codes).float() / tokens.numel()


def entropy(often: Float[Tensor, "levels codes"]) -> float:
    """Mean over levels of the codes' entropy in nats: what a model without context would lose."""
    return float(-torch.special.xlogy(often.double(), often.double()).sum(1).mean())


_EAR: list[Ear] = []


def _start_worker(embedding: str, step_s: float) -> None:
    _EAR[:] = [Ear(embedding, step_s)]
    use_one_thread()


def _hear(source: ComposedPiece | Recording, seconds: float) -> Heard | None:
    """In a worker: the sound of a source, and all of it that needs no device."""
    from ...audio.io import duration_of, read_audio, resample
    from ...simulation.music.render import render
    from ..musicnn.embedder import SAMPLE_RATE as MEL_RATE
    from ..musicnn.embedder import musicnn_log_mel

    if isinstance(source, ComposedPiece):
        sound = render(source.piece(seconds), SAMPLE_RATE)
        row = {"genre": source.genre, "seed": source.seed, "number": source.number, "composed": True}
    else:
        if duration_of(source.file) - source.start_s < seconds - 0.05:
            return None
        sound, _ = read_audio(source.file, SAMPLE_RATE, start=source.start_s, duration=seconds)
        row = {"file": source.file.name, "start_s": source.start_s, "licence": source.licence, "composed": False}
    count = round(seconds * SAMPLE_RATE)
    sound = np.pad(sound[:count], (0, max(0, count - len(sound))))
    return Heard(row, sound, musicnn_log_mel(resample(sound, SAMPLE_RATE, MEL_RATE)), _EAR[0].hear(sound))


def _embedder(embedding: str, step_s: float) -> Embedder:
    if (Path(embedding) / "config.json").is_file():
        return MuLanEmbedder(Path(embedding), 10.0, step_s)
    return get_embedder(embedding, 10.0, step_s)


def _listener(embedder: Embedder) -> FeatureExtractor | None:
    """What a MuLan on frozen features hears by, to be run in two halves."""
    if isinstance(embedder, MuLanEmbedder) and embedder.model.reads_features:
        return FeatureExtractor(embedder.space.window_s, embedder.space.step_s)
    return None
