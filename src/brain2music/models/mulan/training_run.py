"""Training of a MuLan from prepared music to the folder that users load."""

from collections.abc import Mapping
from pathlib import Path

import torch

from ...training.arguments import TrainingArguments
from ...training.loop import fit
from ...training.model_card import write_model_card
from .model import SIZES, MuLan, Size, Tower
from .pairs import CachedPairs
from .tokens import CODEBOOK_SIZE, N_QUANTIZERS, MuLanTokenizer
from .training import MuLanHyperparameters, MuLanTask, PairDataset
from .training_sound import SoundPairs


def train_mulan(
    data: Path,
    out: Path,
    hparams: MuLanHyperparameters,
    arguments: TrainingArguments,
    size: Size = "small",
    tower: Tower = "musicnn",
    codebook_size: int = CODEBOOK_SIZE,
    resume: bool = False,
) -> Path:
    """Train a MuLan, and write its weights, tokens and model card to ``OUT/model``.

    Parameters
    ----------
    data : Path
        For the tower on musicnn, the shards of ``recipes/mulan_data.py``; for the others a folder of sound with
        captions (:class:`.training_sound.SoundPairs`).
    out : Path
        Folder for checkpoints, log and the model.
    hparams : MuLanHyperparameters
        Batches, learning rate and loss.
    arguments : TrainingArguments
        Steps or minutes, precision and device.
    size : {"tiny", "small", "paper"}, default "small"
        Size of the towers.
    tower : {"musicnn", "resnet50", "ast"}, default "musicnn"
        Audio tower.
    codebook_size : int, default 1024
        Codes per quantizer of the MuLan tokens, fitted to the training music at the end.
    resume : bool, default False
        Whether to resume from the last checkpoint in ``out``.

    Returns
    -------
    Path
        Folder of the model.

    Raises
    ------
    InputError
        The data is not such a folder, or nothing is learned.
    """
    config = SIZES[tower, size]
    torch.manual_seed(hparams.seed)
    model = MuLan(config)
    pairs: PairDataset
    if model.reads_features:
        pairs = CachedPairs(data)
        model.standardise(pairs.pooled, pairs.features)
        music = pairs.features
    else:
        pairs = SoundPairs(data, config.mels, out / "texts")
        model.standardise(pairs.pooled)
        music = torch.cat(pairs.held_out()[0])

    def after_export(trained: MuLan, folder: Path, scores: Mapping[str, float]) -> None:
        device = next(trained.parameters()).device
        vectors = torch.cat([trained.audio(part.to(device)).cpu() for part in music.split(256)])
        MuLanTokenizer.fit(vectors, N_QUANTIZERS, codebook_size).save(folder)
        facts = {
            "what": f"joint embedding of music and text after MuLan (arXiv 2208.12415), {tower} tower, size {size}",
            "command": f"brain2music train mulan DATA OUT --tower {tower} --size {size}",
            "music": pairs.facts,
            "steps": f"at most {arguments.steps}, batches of {hparams.batch}",
            "tokens": f"{N_QUANTIZERS} quantizers of {codebook_size} codes, fitted to the training music and frozen",
        }
        write_model_card(folder, trained, facts, scores)

    return fit(MuLanTask(model, pairs, hparams, after_export), arguments, out, resume)
