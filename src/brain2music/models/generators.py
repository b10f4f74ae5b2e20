"""Registry of generators: ours, public ones, and those that a user registered."""

from collections.abc import Callable, Iterator
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from .._utils.errors import InputError
from .._utils.files import read_json
from .._utils.progress import Advance
from ..audio.sound import Reconstruction
from .abilities import abilities_of
from .generator_catalogue import PUBLIC_GENERATORS, PublicGenerator
from .generator_protocols import Generator
from .own_generators import KINDS, OwnGenerator, own_generators
from .plugins import find_model, load_plugins

GENERATORS: dict[str, Callable[[str], Generator]] = {}
"""Name -> factory of the device, for generators that are not our models
(:func:`brain2music.models.registration.register_generator`)."""


def get_generator(
    name: str | Path, device: str = "cpu", codec: str | Path | None = None, vocoder: str | None = None
) -> Generator:
    """Make a generator by its name or from a folder.

    Parameters
    ----------
    name : str or Path
        ``musiclm-small``, the name of a public generator or of one that you registered, or a folder that
        ``brain2music train musiclm`` or ``train jen1`` wrote.
    device : str, default "cpu"
        Device on which it computes.
    codec : str or Path, optional
        Folder of its codec, if it is not a shipped model.
    vocoder : {"griffin-lim", "hifigan"}, optional
        Vocoder of mel spectrograms; default that of the model.

    Returns
    -------
    Generator
        ``generate(decoded)`` gives one piece per clip, each with ``save(path)``.

    Raises
    ------
    InputError
        There is no such model, it is not a generator, or it is incomplete.

    Examples
    --------
    >>> import brain2music as b2m
    >>> generator = b2m.get_generator("musiclm-small")
    >>> generator.space.name, generator.sample_rate
    ('mulan-small', 22050)
    """
    load_plugins()
    if str(name) in GENERATORS or str(name) in PUBLIC_GENERATORS:
        if codec is not None or vocoder is not None:
            raise InputError(f"{name} takes neither a codec nor a vocoder", hint="leave them out")
        if str(name) in PUBLIC_GENERATORS:
            return PUBLIC_GENERATORS[str(name)].make(device)
        return _with_abilities(GENERATORS[str(name)](device))
    own = own_generators().get(str(name))
    folder = find_model(name, "generator", KINDS) if own is None else own.weights.folder()
    kind = read_json(folder / "config.json").get("model")
    if kind == "MusicLM":
        from .musiclm.model import MusicLM

        return MusicLM.from_pretrained(folder, device, codec, vocoder)
    if kind == "JEN1":
        from .jen1.model import JEN1

        return JEN1.from_pretrained(folder, device, codec, vocoder)
    hint = "name a folder that `brain2music train musiclm` or `train jen1` wrote"
    raise InputError(f"{kind} does not generate music", folder, hint)


def _with_abilities(registered: Any) -> Generator:
    """A user's generator with abilities: its own, or what the arguments of its ``generate`` say."""
    if not hasattr(registered, "abilities") and hasattr(registered, "generate"):
        registered.abilities = abilities_of(registered)
    found: Generator = registered
    return found


def list_generators() -> list[str]:
    """List our generators, registered and public ones, here or not, without loading them.

    Returns
    -------
    list of str
        One line per generator, as in ``brain2music models``: what it takes and makes, the licence of its results,
        sizes, whether it is here, and the command that gets it.
    """
    load_plugins()
    own = {name: row for name, row in own_generators().items() if name not in GENERATORS}
    public = {name: (row, row.abilities.describe()) for name, row in PUBLIC_GENERATORS.items()}
    rows: dict[str, tuple[OwnGenerator | PublicGenerator, str]] = {name: (row, row.facts) for name, row in own.items()}
    listed = [f"{name:<23}here    Generator: Registered" for name in GENERATORS]
    for name, (row, facts) in (rows | public).items():
        here = "here  " if row.available() else "absent"
        listed.append(f"{name:<23}{here}  Generator: {row.description}. {_sentence(facts)}. {row.weights}")
    return listed


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]


def pieces_of(
    generator: Generator,
    embedding: Any = None,
    text: Any = None,
    like: Any = None,
    *,
    progress: Advance | None = None,
    **asked: Any,
) -> Iterator[Reconstruction]:
    """Pieces of a generator one by one where it can make them so, or all at once.

    Parameters
    ----------
    generator : Generator
        Generator of music.
    embedding, text, like
        As for :meth:`Generator.generate`, one of them.
    progress : callable, optional
        Called as ``progress(done, total)``.
    **asked
        Other arguments of :meth:`Generator.generate`; what is None is left to the generator.

    Yields
    ------
    Reconstruction
        Pieces.

    Raises
    ------
    InputError
        The generator takes no such condition or argument.
    """
    abilities = abilities_of(generator)
    abilities.check_condition(generator.name, embedding, text, like)
    abilities.check_settings(generator.name, **asked)
    make: Any = getattr(generator, "pieces", generator.generate)
    taken = signature(generator.generate).parameters
    given: dict[str, Any] = {"embedding": embedding, "text": text, "like": like, **asked}
    given |= {"progress": progress} if "progress" in taken else {}
    given = {name: value for name, value in given.items() if value is not None}
    strange = sorted(given.keys() - taken.keys())
    if strange and not any(each.kind is each.VAR_KEYWORD for each in taken.values()):
        raise InputError(f"{generator.name} takes no {strange[0]}", hint="leave it out")
    return iter(make(**given))


def generate_from_embeddings(
    generator: Generator, embeddings: Float[np.ndarray, "items dims"], seconds: float, n_samples: int, seed: int
) -> list[list[Reconstruction]]:
    """Generate ``n_samples`` pieces per embedding, all of which are returned.

    Parameters
    ----------
    generator : Generator
        Generator of music.
    embeddings : ndarray of float, of shape (items, dims)
        One vector per item, in the space of the generator.
    seconds : float
        Duration of each piece in seconds.
    n_samples : int
        Number of pieces per item.
    seed : int
        Seed of the random numbers.

    Returns
    -------
    list of list of Reconstruction
        The pieces of each item.
    """
    pieces = generator.generate(embedding=embeddings[:, None], seconds=seconds, n_samples=n_samples, seed=seed)
    return [pieces[first : first + n_samples] for first in range(0, len(pieces), n_samples)]
