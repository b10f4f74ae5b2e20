"""The whole training of a MuLan, from prepared music to the folder that users load."""

from pathlib import Path

import torch
from jaxtyping import Float32

from ..artifacts import write_text
from ..embed.mulan.model import CARD, SIZES, MuLan, Size, Tower
from ..embed.mulan.tokens import CODES, LEVELS, MulanTokenizer
from .loop import fit
from .mulan import MuLanTask, Pairs, Recipe
from .mulan_pairs import CachedPairs
from .mulan_sound import SoundPairs
from .plan import Plan


def train_mulan(
    data: Path,
    out: Path,
    recipe: Recipe,
    plan: Plan,
    size: Size = "small",
    tower: Tower = "musicnn",
    codes: int = CODES,
    resume: bool = False,
) -> Path:
    """Train and export to ``OUT/model``: weights, tokens, card.

    Parameters
    ----------
    data : for the tower on musicnn, the shards of ``runs/mulan_data.py``; for the others a folder of sound with
        captions (:class:`.mulan_sound.SoundPairs`).
    codes : of each level of the MuLan tokens, fitted to the training music at the end.

    Raises
    ------
    InputError : the data is not such a folder, or nothing is learned.
    """
    config = SIZES[tower, size]
    torch.manual_seed(recipe.seed)
    model = MuLan(config)
    pairs: Pairs
    if model.reads_features:
        pairs = CachedPairs(data)
        model.standardise(pairs.pooled, pairs.features)
        music = pairs.features
    else:
        pairs = SoundPairs(data, config.mels, out / "texts")
        model.standardise(pairs.pooled)
        music = torch.cat(pairs.held_out()[0])

    def finish(trained: MuLan, folder: Path) -> None:
        device = next(trained.parameters()).device
        vectors = torch.cat([trained.audio(part.to(device)).cpu() for part in music.split(256)])
        MulanTokenizer.fit(vectors, LEVELS, codes).save(folder)
        write_text(folder / CARD, _card(tower, size, plan, vectors))

    return fit(MuLanTask(model, pairs, recipe, finish), plan, out, resume)


def _card(tower: Tower, size: Size, plan: Plan, vectors: Float32[torch.Tensor, "windows dims"]) -> str:
    return f"""# MuLan ({tower}, {size})

Joint embedding of music and text, 128 dims, after MuLan (arXiv 2208.12415); windows of 10 s.

* Trained by `brain2music train mulan`, at most {plan.steps} steps, on {len(vectors)} windows of music.
* `tokens.safetensors`: {LEVELS} levels of residual codebooks, fitted to those windows and frozen.
"""
