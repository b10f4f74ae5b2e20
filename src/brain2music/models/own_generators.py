"""Our generators: what each takes, makes and costs, as read from its folder without loading it."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .._utils.errors import InputError
from .._utils.files import read_json
from ..weights import local_models
from .abilities import Abilities, ConditionKind
from .catalogue import terms_of_space
from .codecs import codec_format
from .generator_parts.inputs import MAX_DURATION_S, MIN_DURATION_S
from .musiclm.condition import spaces_in
from .sources import LocalWeights

KINDS = {
    "MusicLM": "MusicLM, ours: music from embeddings and texts",
    "JEN1": "JEN-1, ours: music from embeddings and texts, inpainting and continuation",
}
"""Our generators, by the model that their folders name."""
_TRAINED_BY = {"MusicLM": "brain2music train musiclm SHARDS OUT", "JEN1": "brain2music train jen1 LATENTS OUT"}
_NAMED = {"musiclm-small": "MusicLM", "jen1-small": "JEN1"}
MEMORY_MB = {"musiclm-small": 620.0, "jen1-small": 630.0}
"""Largest memory of a process that makes a piece of 15 s on a CPU, in megabytes."""


@dataclass(frozen=True)
class OwnGenerator:
    """One of our generators, here or not.

    Attributes
    ----------
    kind : {"MusicLM", "JEN1"}
        Which of ours it is.
    weights : LocalWeights
        Where its folder is, or the command that trains it.
    facts : str
        What it takes and makes, in words, or why its folder cannot be used.
    """

    kind: str
    weights: LocalWeights
    facts: str

    @property
    def description(self) -> str:
        """A few words."""
        return KINDS[self.kind]

    def available(self) -> bool:
        """Whether it is on this machine."""
        return self.weights.available()


def own_generators() -> dict[str, OwnGenerator]:
    """Find our generators: those of this package, here or not, and those in ``$BRAIN2MUSIC_MODELS``.

    Returns
    -------
    dict of str to OwnGenerator
        By name, in the order of the listing.

    Examples
    --------
    >>> own_generators()["musiclm-small"].available()
    True
    """
    here = {name: kind for name, kind in local_models().items() if kind in KINDS}
    return {name: _row(name, kind) for name, kind in (_NAMED | here).items()}


def musiclm_abilities(sample_rate: int, *spaces: str) -> Abilities:
    """What a MusicLM takes and makes.

    Parameters
    ----------
    sample_rate : int
        Sample rate of its codec in Hz.
    *spaces : str
        Names of the embedding spaces that it was trained in and that it takes, whose terms bind its results.

    Returns
    -------
    Abilities
        Its abilities.
    """
    return Abilities(
        ("embedding", "text", "sound"),
        sample_rate,
        edits=("continue",),
        settings=("tempo",),
        shortest_s=MIN_DURATION_S,
        longest_s=MAX_DURATION_S,
        gpu="helps",
    ).under(*map(terms_of_space, spaces))


def jen1_abilities(sample_rate: int, channels: int, frame_rate: float, text: bool, space: str) -> Abilities:
    """What a JEN-1 takes and makes; a text may come with an embedding or a sound, too.

    Parameters
    ----------
    sample_rate : int
        Sample rate of its codec in Hz.
    channels : int
        Channels of its codec.
    frame_rate : float
        Latent frames per second.
    text : bool
        Whether it was trained with texts.
    space : str
        Name of the embedding space that it was trained in, whose terms bind its results.

    Returns
    -------
    Abilities
        Its abilities.
    """
    conditions: tuple[ConditionKind, ...] = ("embedding", "text", "sound") if text else ("embedding", "sound")
    return Abilities(
        conditions,
        sample_rate,
        channels,
        edits=("fill", "continue"),
        settings=("steps", "tempo"),
        shortest_s=MIN_DURATION_S,
        longest_s=MAX_DURATION_S,
        step_s=1.0 / frame_rate,
        gpu="helps",
    ).under(terms_of_space(space))


def read_abilities(folder: Path) -> Abilities:
    """Read what one of our generators takes and makes from its ``config.json`` and that of its codec.

    Parameters
    ----------
    folder : Path
        Folder of a MusicLM or a JEN-1.

    Returns
    -------
    Abilities
        Those that the loaded model has.

    Raises
    ------
    InputError
        The folder is of another model or incomplete, or its codec is not here.

    Examples
    --------
    >>> from brain2music.weights import find
    >>> read_abilities(find("musiclm-small")).sample_rate
    22050
    """
    settings: Any = read_json(folder / "config.json")
    try:
        sample_rate, channels = codec_format(str(settings["codec"]))
        if settings["model"] == "MusicLM":
            return musiclm_abilities(sample_rate, *spaces_in(folder))
        frame_rate, space = float(settings["frame_rate"]), str(settings["space"]["name"])
        return jen1_abilities(sample_rate, channels, frame_rate, settings["text"] is not None, space)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"the model's settings cannot be used ({error})", folder, "copy the folder again") from None


def _row(name: str, kind: str) -> OwnGenerator:
    weights = LocalWeights(name, _TRAINED_BY[kind], file="config.json")
    try:
        abilities = read_abilities(weights.folder()) if weights.available() else _AS_TRAINED[kind]
    except InputError as problem:
        return OwnGenerator(kind, weights, f"it cannot be used: {problem}")
    return OwnGenerator(kind, weights, replace(abilities, memory_mb=MEMORY_MB.get(name)).describe())


_AS_TRAINED = {
    "MusicLM": musiclm_abilities(22_050, "mulan-small"),
    "JEN1": jen1_abilities(22_050, 1, 22_050 / 1024, text=True, space="mulan-small"),
}
"""Abilities where the commands that train are left at their defaults."""
