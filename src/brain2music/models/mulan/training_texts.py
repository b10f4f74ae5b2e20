"""Texts for MuLan's training music: captions from the truth, short prompts, words from taggers.

Composed pieces get captions from the composer and short prompts of some of their facts; recorded music gets its style
and the tags of musicnn (pseudo-captions). All follow from the rows of the shards alone, so that the frozen sentence
encoder reads them once, beforehand (:class:`TextStore`).
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float32

from ..._utils.cpu import multiplies_bfloat16
from ..._utils.files import read_arrays, write_arrays
from ..._utils.progress import Advance
from ...simulation.music.caption import make_captions, pace_words
from ...simulation.music.genres import GENRES
from ..musicnn.musicnn_embedder import package_folder, read_tag_names
from .minilm import POOLED, SentenceEncoder
from .training_data import piece_from_row

CAPTIONS = 4
_PER_FILE = 2000
_N_TAGS = 5  # the strongest of each tagger
_FORMS = ("{}", "{} music", "a piece of {} music", "music that is {}", "a recording with {}")
_OF_INSTRUMENTS = ("{}", "music with {}", "a piece with {}", "the sound of {}")
_OF_GENRES = ("{}", "{} music", "a piece of {} music", "a {} track", "this is {}")


class Texts(NamedTuple):
    """Texts that describe one row: whole captions, and short prompts (sampled as often as they occur)."""

    long: tuple[str, ...]
    short: tuple[str, ...]


def texts_for(row: dict[str, Any], tags: Float32[np.ndarray, " 100"]) -> Texts:
    """Texts for a row of a shard; ``tags``, used for recordings, are the taggers' means over its windows."""
    rng = np.random.default_rng(_seed(row))
    if "package" in row:
        style = _fill_forms(_OF_GENRES, row["style"], rng)
        return Texts(_pseudo_captions(row, tags, rng), (*_tag_texts(tags, rng), *_tag_texts(tags, rng), *style))
    piece = piece_from_row(row)
    genre = "hip-hop" if piece.genre == "hiphop" else piece.genre
    pace = str(rng.choice(pace_words(piece.tempo)))
    names = list(piece.instruments)
    one, other = (names[i] for i in rng.choice(len(names), 2, replace=len(names) < 2))
    short = (
        *_fill_forms(_OF_GENRES, genre, rng, 2),
        *_fill_forms(_FORMS[:4], piece.mood, rng),
        *_fill_forms(_OF_INSTRUMENTS, one, rng),
        f"{pace} {genre}",
        f"{piece.mood} {genre}",
        f"{one}, {other}",
        f"{genre}, {other}",
    )
    return Texts(make_captions(piece, rng, CAPTIONS), short)


def tag_names() -> tuple[str, ...]:
    """The 100 tags of both taggers, MSD's first, in lower case."""
    folder = package_folder()
    return tuple(tag.lower() for model in ("msd", "mtt") for tag in read_tag_names(model, folder))


class TextStore:
    """Store of texts with their encodings in a folder; only new texts are encoded."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rows: dict[str, int] = {}
        self._parts: list[np.ndarray] = [np.zeros((0, POOLED), np.float16)]
        self._files = sorted(folder.glob("texts-*.safetensors"))
        for file in self._files:
            arrays, metadata = read_arrays(file)
            self._remember(metadata["texts"], arrays["pooled"])

    def add(self, texts: Iterable[str], encoder: SentenceEncoder, progress: Advance | None = None) -> None:
        """Encode and store new texts, in half precision where the CPU is three times as fast in it."""
        new = [text for text in dict.fromkeys(texts) if text not in self.rows]
        for first in range(0, len(new), _PER_FILE):
            part = new[first : first + _PER_FILE]
            with torch.autocast("cpu", torch.bfloat16, enabled=multiplies_bfloat16()):
                pooled = encoder.pooled(part).astype(np.float16)
            file = self.folder / f"texts-{len(self._files):04d}.safetensors"
            write_arrays(file, {"pooled": pooled}, {"texts": part, "encoder": encoder.digest})
            self._files.append(file)
            self._remember(part, pooled)
            if progress is not None:
                progress(min(len(new), first + _PER_FILE), len(new))

    def pooled(self) -> Float32[np.ndarray, "texts 1152"]:
        """Encodings of all texts, in the order of the numbers in :attr:`rows`."""
        return np.concatenate(self._parts).astype(np.float32)

    def _remember(self, texts: Sequence[str], pooled: np.ndarray) -> None:
        self.rows |= {text: len(self.rows) + place for place, text in enumerate(texts)}
        self._parts.append(pooled)


def _tag_texts(tags: Float32[np.ndarray, " 100"], rng: np.random.Generator) -> tuple[str, ...]:
    """Tags of both taggers, sampled in proportion to their strength; each in one of several forms."""
    names = tag_names()
    texts = []
    for first in (50, 0, 50):
        part = tags[first : first + 50]
        strongest = np.argsort(-part)[:_N_TAGS]
        tag = names[first + int(rng.choice(strongest, p=part[strongest] / part[strongest].sum()))]
        texts.append(str(rng.choice(_FORMS)).format(tag))
    return tuple(texts)


def _pseudo_captions(
    row: dict[str, Any], tags: Float32[np.ndarray, " 100"], rng: np.random.Generator
) -> tuple[str, ...]:
    """Pseudo-captions from style and strongest tags."""
    names = tag_names()
    texts = []
    for _ in range(CAPTIONS):
        words = [names[first + i] for first in (0, 50) for i in np.argsort(-tags[first : first + 50])[:_N_TAGS]]
        chosen = [str(word) for word in rng.choice(list(dict.fromkeys(words)), int(rng.integers(2, 5)), replace=False)]
        listed = f"{', '.join(chosen[:-1])} and {chosen[-1]}"
        form = str(
            rng.choice(
                (
                    "{style}, {listed}",
                    "A piece of {style} music: {listed}.",
                    "This {style} track is {listed}.",
                    "Music that one would call {listed}.",
                    "{listed}",
                )
            )
        )
        texts.append(form.format(style=row["style"], listed=listed))
    return tuple(texts)


def _fill_forms(forms: Sequence[str], word: str, rng: np.random.Generator, count: int = 1) -> list[str]:
    return [forms[i].format(word) for i in rng.choice(len(forms), count, replace=False)]


def _seed(row: dict[str, Any]) -> list[int]:
    if "package" in row:
        return [1, *f"{row['package']}/{row['song']}/{row['start_s']}".encode()]
    return [0, row["seed"], list(GENRES).index(row["genre"]), row["number"]]
