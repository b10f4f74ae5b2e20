"""Training pairs for MuLan from prepared data: cached features of music, cached texts."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float32
from torch import Tensor

from ..._utils.errors import InputError
from ..._utils.progress import progress
from .minilm import sentence_encoder
from .training import PairBatch
from .training_data import FeatureShard, read_feature_shards
from .training_texts import Texts, TextStore, texts_for

VIEWS = 1  # windows of a row per batch: composed pieces have no more
_VALIDATION = 500  # composed pieces at most, and one in twenty
_SHORT = 0.3  # of the texts
_RECORDED = 0.2  # of the rows, where there are recordings


class CachedPairs:
    """Dataset of pairs of cached features and cached texts.

    Parameters
    ----------
    folder : with the shards of :func:`.training_data.write_feature_shards`; encoded texts are cached there.

    Raises
    ------
    InputError : there are no shards, or fewer than twenty composed pieces.
    """

    def __init__(self, folder: Path) -> None:
        shards = list(read_feature_shards(folder))
        self.features = torch.from_numpy(np.concatenate([shard.features for shard in shards]))
        self.rows = [row for shard in shards for row in shard.rows]
        first = np.cumsum([0, *(len(shard.rows) for shard in shards)])
        piece = np.concatenate([shard.piece + start for shard, start in zip(shards, first[:-1], strict=True)])
        self._windows = [np.flatnonzero(piece == row) for row in range(len(self.rows))]
        self._texts, self.pooled = _number_texts(folder, shards)
        recorded = np.array(["package" in row for row in self.rows])
        kept = np.flatnonzero(~recorded)
        if len(kept) < 20:
            raise InputError(f"only {len(kept)} composed pieces to learn from", folder, "prepare more of them")
        self._held_out = kept[: min(_VALIDATION, len(kept) // 20)]
        self._composed, self._recorded = kept[len(self._held_out) :], np.flatnonzero(recorded)
        licences = sorted({row["licence"] for row in self.rows if "licence" in row})
        self.facts = f"{len(kept)} composed pieces, captions from their truth; {recorded.sum()} recorded excerpts"
        self.facts += f" with pseudo-captions ({'; '.join(licences)})" if licences else ""

    def sample_batch(self, size: int, rng: np.random.Generator) -> PairBatch:
        """Sample a batch: mostly composed pieces, mostly whole captions."""
        count = int(rng.binomial(size, _RECORDED)) if len(self._recorded) else 0
        rows = [*_choose(self._recorded, count, rng), *_choose(self._composed, size - count, rng)]
        windows = np.stack([rng.choice(self._windows[row], VIEWS) for row in rows])
        text_ids = torch.tensor([self._choose_text(row, rng) for row in rows])
        return PairBatch(self.features[torch.from_numpy(windows)], self.pooled[text_ids], text_ids)

    def held_out(self) -> tuple[list[Tensor], Float32[Tensor, "rows 1152"]]:
        """All windows and the first caption of the rows held out for validation."""
        texts = torch.tensor([self._texts[row][0][0] for row in self._held_out])
        return [self.features[torch.from_numpy(self._windows[row])] for row in self._held_out], self.pooled[texts]

    def _choose_text(self, row: int, rng: np.random.Generator) -> int:
        long, short = self._texts[row]
        options = short if rng.random() < _SHORT else long
        return options[int(rng.integers(len(options)))]


def _number_texts(
    folder: Path, shards: Sequence[FeatureShard]
) -> tuple[list[tuple[list[int], ...]], Float32[Tensor, "texts 1152"]]:
    """Numbers of the long and short texts of every row, and the encoded texts."""
    texts_of_rows: list[Texts] = []
    for shard in shards:
        for number, row in enumerate(shard.rows):
            texts_of_rows.append(texts_for(row, shard.tags[shard.piece == number].mean(axis=0)))
    store = open_text_store(folder / "texts", (text for texts in texts_of_rows for part in texts for text in part))
    numbers = [tuple([store.rows[text] for text in part] for part in texts) for texts in texts_of_rows]
    return numbers, torch.from_numpy(store.pooled())


def open_text_store(folder: Path, texts: Iterable[str]) -> TextStore:
    """Open the text store of a folder and add texts to it."""
    store = TextStore(folder)
    with progress("texts") as advance:
        store.add(texts, sentence_encoder(), advance)
    return store


def _choose(rows: np.ndarray, count: int, rng: np.random.Generator) -> list[int]:
    """Choose ``count`` rows at random, none twice where there are enough."""
    return rng.choice(rows, count, replace=count > len(rows)).tolist()
