"""The whole training of a MuLan, from prepared music to the folder that users load."""

from collections.abc import Mapping
from pathlib import Path

import torch

from ...training.arguments import TrainingArguments
from ...training.loop import fit
from ...training.model_card import write_model_card
from .model import SIZES, MuLan, Size, Tower
from .pairs import CachedPairs
from .tokens import CODES, LEVELS, MulanTokenizer
from .training import MuLanHyperparameters, MuLanTask, Pairs
from .training_sound import SoundPairs


def train_mulan(
    data: Path,
    out: Path,
    hparams: MuLanHyperparameters,
    arguments: TrainingArguments,
    size: Size = "small",
    tower: Tower = "musicnn",
    codes: int = CODES,
    resume: bool = False,
) -> Path:
    """Train and export to ``OUT/model``: weights, tokens, card.

    Parameters
    ----------
    data : for the tower on musicnn, the shards of ``recipes/mulan_data.py``; for the others a folder of sound with
        captions (:class:`.mulan_sound.SoundPairs`).
    codes : of each level of the MuLan tokens, fitted to the training music at the end.

    Raises
    ------
    InputError : the data is not such a folder, or nothing is learned.
    """
    config = SIZES[tower, size]
    torch.manual_seed(hparams.seed)
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

    def finish(trained: MuLan, folder: Path, scores: Mapping[str, float]) -> None:
        device = next(trained.parameters()).device
        vectors = torch.cat([trained.audio(part.to(device)).cpu() for part in music.split(256)])
        MulanTokenizer.fit(vectors, LEVELS, codes).save(folder)
        facts = {
            "what": f"joint embedding of music and text after MuLan (arXiv 2208.12415), {tower} tower, size {size}",
            "command": f"brain2music train mulan DATA OUT --tower {tower} --size {size}",
            "music": pairs.facts,
            "steps": f"at most {arguments.steps}, batches of {hparams.batch}",
            "tokens": f"{LEVELS} levels of {codes} codes, fitted to the training music and frozen",
        }
        write_model_card(folder, trained, facts, scores)

    return fit(MuLanTask(model, pairs, hparams, finish), arguments, out, resume)
