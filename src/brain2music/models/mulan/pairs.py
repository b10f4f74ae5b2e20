"""Pairs for MuLan from what was prepared: cached features of music, cached texts."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

from ..._utils.errors import InputError
from ..._utils.progress import progress
from .minilm import sentence_encoder
from .training import Batch
from .training_data import Shard, read_shards
from .training_texts import Texts, TextStore, texts_of

VIEWS = 1  # windows of a row at once: composed pieces have no more
_VALIDATION = 500  # composed pieces at most, and one in twenty
_SHORT = 0.3  # of the texts
_RECORDED = 0.2  # of the rows, where there are recordings


class CachedPairs:
    """Pairs of cached features and cached texts.

    Parameters
    ----------
    folder : with the shards of :func:`.mulan_data.prepare`; what the sentence encoder makes of their texts is kept
        there too, so that it is read once.

    Raises
    ------
    InputError : there are no shards, or fewer than twenty composed pieces.
    """

    def __init__(self, folder: Path) -> None:
        shards = list(read_shards(folder))
        self.features = torch.from_numpy(np.concatenate([shard.features for shard in shards]))
        self.rows = [row for shard in shards for row in shard.rows]
        first = np.cumsum([0, *(len(shard.rows) for shard in shards)])
        piece = np.concatenate([shard.piece + start for shard, start in zip(shards, first[:-1], strict=True)])
        self._windows = [np.flatnonzero(piece == row) for row in range(len(self.rows))]
        self._texts, self.pooled = _texts(folder, shards)
        recorded = np.array(["package" in row for row in self.rows])
        kept = np.flatnonzero(~recorded)
        if len(kept) < 20:
            raise InputError(f"only {len(kept)} composed pieces to learn from", folder, "prepare more of them")
        self._held_out = kept[: min(_VALIDATION, len(kept) // 20)]
        self._composed, self._recorded = kept[len(self._held_out) :], np.flatnonzero(recorded)
        licences = sorted({row["licence"] for row in self.rows if "licence" in row})
        self.facts = f"{len(kept)} composed pieces, captions from their truth; {recorded.sum()} recorded excerpts"
        self.facts += f" with pseudo-captions ({'; '.join(licences)})" if licences else ""

    def draw(self, size: int, rng: np.random.Generator) -> Batch:
        """Mostly composed pieces, mostly whole captions."""
        count = int(rng.binomial(size, _RECORDED)) if len(self._recorded) else 0
        rows = [*_choose(self._recorded, count, rng), *_choose(self._composed, size - count, rng)]
        windows = np.stack([rng.choice(self._windows[row], VIEWS) for row in rows])
        which = torch.tensor([self._say(row, rng) for row in rows])
        return Batch(self.features[torch.from_numpy(windows)], self.pooled[which], which)

    def held_out(self) -> tuple[list[Tensor], Float32[Tensor, "rows 1152"]]:
        """All windows and the first caption of the rows kept for validation."""
        texts = torch.tensor([self._texts[row][0][0] for row in self._held_out])
        return [self.features[torch.from_numpy(self._windows[row])] for row in self._held_out], self.pooled[texts]

    def _say(self, row: int, rng: np.random.Generator) -> int:
        long, short = self._texts[row]
        options = short if rng.random() < _SHORT else long
        return options[int(rng.integers(len(options)))]


def _texts(folder: Path, shards: Sequence[Shard]) -> tuple[list[tuple[list[int], ...]], Float32[Tensor, "texts 1152"]]:
    """The numbers of the long and short texts of every row, and what the sentence encoder makes of all texts."""
    said: list[Texts] = []
    for shard in shards:
        for number, row in enumerate(shard.rows):
            said.append(texts_of(row, shard.tags[shard.piece == number].mean(axis=0)))
    store = read_texts(folder / "texts", (text for texts in said for part in texts for text in part))
    numbers = [tuple([store.rows[text] for text in part] for part in texts) for texts in said]
    return numbers, torch.from_numpy(store.pooled())


def read_texts(folder: Path, texts: Iterable[str]) -> TextStore:
    """The store in a folder, after every text was read."""
    store = TextStore(folder)
    with progress("texts") as advance:
        store.add(texts, sentence_encoder(), advance)
    return store


def _choose(rows: np.ndarray, count: int, rng: np.random.Generator) -> list[int]:
    """So many rows, none twice where there are enough."""
    return rng.choice(rows, count, replace=count > len(rows)).tolist()
