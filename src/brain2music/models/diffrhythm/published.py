"""DiffRhythm as published, put together from its parts on this machine."""

from dataclasses import replace

from ..adapters.muq_mulan import muq_mulan_space
from .model import DiffRhythm
from .weights import ABILITIES, CHECKPOINT, DECODER, EMBEDDER, NETWORKS


def base(device: str = "cpu") -> DiffRhythm:
    """Load the model of 95 s; :class:`InputError` says what is not here."""
    return _load("diffrhythm", device)


def full(device: str = "cpu") -> DiffRhythm:
    """Load the model of 96 to 285 s; :class:`InputError` says what is not here."""
    return _load("diffrhythm-full", device)


def _load(name: str, device: str) -> DiffRhythm:
    checkpoint = NETWORKS[name].path(CHECKPOINT)
    space = muq_mulan_space(EMBEDDER)
    made = DiffRhythm(name, ABILITIES[name], checkpoint, DECODER.load(device), space, device)
    if ABILITIES[name].fixed_s is not None:
        made.abilities = replace(made.abilities, fixed_s=made.window_s)
    else:
        made.abilities = replace(made.abilities, longest_s=made.window_s)
    return made
