"""Registry of generators, and their interface."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from .._utils.errors import InputError
from .._utils.files import read_json
from ..audio.sound import Reconstruction
from ..embeddings.embeddings import Embeddings, EmbeddingSpace
from ..weights import local_models
from .plugins import find_model, load_plugins


@runtime_checkable
class Generator(Protocol):
    """Generator of music from an embedding or a text.

    This is the protocol of what :func:`get_generator` returns. ``name`` and ``sha256`` are in the origin of its
    outputs.

    Attributes
    ----------
    name : str
        Name of the model.
    sha256 : str
        Digest of all that decides its outputs.
    sample_rate : int
        Sample rate of the generated sound in Hz.
    space : EmbeddingSpace
        Space of the embeddings that condition it.

    Examples
    --------
    >>> import brain2music as b2m
    >>> from brain2music.models import Generator
    >>> isinstance(b2m.get_codec("opus-6k"), Generator)  # a codec does not generate
    False
    """

    name: str
    sha256: str

    @property
    def sample_rate(self) -> int:
        """Sample rate of the generated sound in Hz."""
        ...

    @property
    def space(self) -> EmbeddingSpace:
        """Space of the embeddings that condition it."""
        ...

    def generate(
        self,
        embedding: Embeddings | Float[np.ndarray, "..."] | None = None,
        text: str | Sequence[str] | None = None,
        *,
        seconds: float = 15.0,
        seed: int = 0,
        n_samples: int = 1,
        first_item: int = 0,
    ) -> list[Reconstruction]:
        """Generate music.

        A piece depends only on its item, the seed and the numbers of item and sample.

        Parameters
        ----------
        embedding : Embeddings or ndarray, optional
            Embeddings in the space of the generator; an array is (dims,) for one item, or (items, windows, dims).
        text : str or sequence of str, optional
            Descriptions of the music, instead of an embedding.
        seconds : float, default 15.0
            Duration of each piece in seconds.
        seed : int, default 0
            Seed of the random numbers.
        n_samples : int, default 1
            Number of pieces per item.
        first_item : int, default 0
            Number of the first item.

        Returns
        -------
        list of Reconstruction
            ``n_samples`` pieces per item, all of the first item first.
        """
        ...


KINDS = {
    "MusicLM": "MusicLM, ours: music from embeddings and texts",
    "JEN1": "JEN-1, ours: music from embeddings and texts, inpainting and continuation",
}
"""Our generators, by the model that their folders name."""
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
        ``musiclm-small``, a registered name, or a folder that ``brain2music train musiclm`` or ``train jen1`` wrote.
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
    if str(name) in GENERATORS:
        if codec is not None or vocoder is not None:
            raise InputError(f"{name} takes neither a codec nor a vocoder", hint="leave them out")
        return GENERATORS[str(name)](device)
    folder = find_model(name, "generator", KINDS)
    kind = read_json(folder / "config.json").get("model")
    if kind == "MusicLM":
        from .musiclm.model import MusicLM

        return MusicLM.from_pretrained(folder, device, codec, vocoder)
    if kind == "JEN1":
        from .jen1.model import JEN1

        return JEN1.from_pretrained(folder, device, codec, vocoder)
    hint = "name a folder that `brain2music train musiclm` or `train jen1` wrote"
    raise InputError(f"{kind} does not generate music", folder, hint)


def list_generators() -> list[str]:
    """List all generators that are here, without loading them.

    Returns
    -------
    list of str
        One line per generator, as in ``brain2music models``.
    """
    load_plugins()
    models = {name: kind for name, kind in local_models().items() if kind in KINDS and name not in GENERATORS}
    lines = {name: KINDS[kind] for name, kind in models.items()} | dict.fromkeys(GENERATORS, "Registered")
    return [f"{name:<23}here    Generator: {description}" for name, description in lines.items()]


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
