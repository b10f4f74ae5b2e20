"""Registration of models of users, which are then found by name like those of this package.

A module that registers models is imported by commands where ``$BRAIN2MUSIC_PLUGINS`` names it
(:mod:`brain2music.models.plugins`).
"""

import inspect
import re
from collections.abc import Callable, Collection

import numpy as np
from jaxtyping import Float32

from .._utils.errors import InputError
from ..audio.waveforms import AnyWaveform
from ..embeddings.embeddings import EmbeddingSpace
from ..embeddings.protocols import Embedder
from .catalogue import EMBEDDINGS, Embedding
from .codec_parts.codes import Codec
from .codecs import ADAPTERS, CODEC_DESCRIPTIONS, codec_names
from .generator_protocols import Generator
from .generators import GENERATORS
from .sources import Weights

_NAME = re.compile(r"[a-z0-9]+([-_.][a-z0-9]+)*")
_OURS = {"embedding": frozenset(EMBEDDINGS), "codec": frozenset(codec_names())}
"""Names that users may not take; names of users may be registered anew."""


class FunctionEmbedder:
    """Embedder made from a function of one window of sound.

    Parameters
    ----------
    name : str
        The name under which it is registered.
    function : callable
        Takes a window, mono float32 of shape (samples,) at ``sample_rate``, and returns its vector of shape (dims,).
        Sound that is shorter than a window is passed as it is.
    dims : int
        Length of the vectors.
    sample_rate : int
        Sample rate in Hz at which the function takes sound; recordings of any rate are resampled to it.
    window_s, step_s : float
        Seconds of sound per window, and between windows.
    version : str, default "1"
        To be changed when the function gives other numbers: kept embeddings are then computed again.
    sha256 : str, default "none"
        Digest of the weights, for a function that has weights.

    Attributes
    ----------
    space : EmbeddingSpace
        The definition of the embedding.

    Examples
    --------
    >>> import numpy as np
    >>> import brain2music as b2m
    >>> def loudness(window):
    ...     return np.array([np.abs(window).mean(), np.abs(window).max()])
    >>> embedder = b2m.FunctionEmbedder("loudness", loudness, 2, 16000, window_s=1.0, step_s=0.5)
    >>> embedder.embed(np.sin(np.arange(48000.0)), 16000).shape
    (5, 2)
    """

    def __init__(
        self,
        name: str,
        function: Callable[[Float32[np.ndarray, " samples"]], np.ndarray],
        dims: int,
        sample_rate: int,
        window_s: float = 10.0,
        step_s: float = 1.5,
        *,
        version: str = "1",
        sha256: str = "none",
    ) -> None:
        self.function = function
        self.space = EmbeddingSpace(name, version, sha256, dims, window_s, step_s, sample_rate)

    def embed(self, waveform: AnyWaveform, sample_rate: int) -> Float32[np.ndarray, "windows dims"]:
        """Embed a waveform.

        Parameters
        ----------
        waveform : ndarray
            Mono (samples,) or stereo.
        sample_rate : int
            Its sample rate in Hz.

        Returns
        -------
        (windows, dims) float32 array
            One vector per window.

        Raises
        ------
        InputError
            The function returns another shape than (dims,), or values that are not finite.
        """
        from .adapters.hub_windows import each_window

        vectors = [np.asarray(self.function(window)) for window in each_window(waveform, sample_rate, self.space)]
        name, dims = self.space.name, self.space.dims
        for vector in vectors:
            if vector.shape != (dims,):
                what = f"the function of {name} returned the shape {vector.shape} for a window, not ({dims},)"
                raise InputError(what, hint=f"return {dims} numbers, or correct dims")
            if not np.isfinite(vector).all():
                raise InputError(f"the function of {name} returned NaN or infinity", hint="return finite numbers")
        return np.stack(vectors).astype(np.float32)


def register_embedder(
    name: str,
    make: Callable[..., Embedder],
    *,
    description: str = "Of your own",
    window_s: float = 10.0,
    step_s: float = 1.5,
    depth: float | None = None,
    text: bool = False,
    weights: Weights | None = None,
) -> None:
    """Register an embedder under a name, for :func:`get_embedder`, settings and commands.

    Parameters
    ----------
    name : str
        Lower-case letters and digits, joined by ``-``, ``_`` or ``.``; a name of a user may be registered anew.
    make : callable
        Called as ``make(window_s, step_s)`` (with a relative depth from 0 to 1 as third argument where ``depth`` is
        given), and returns an object with ``space`` (:class:`EmbeddingSpace`) and
        ``embed(waveform, sample_rate)``, which gives (windows, dims) float32. See :class:`FunctionEmbedder`.
    description : str
        One line for ``brain2music models``.
    window_s, step_s : float
        Default window and step in seconds; in a study the step is the TR.
    depth : float, optional
        Default relative depth of a model with layers, which ``NAME@0.25`` changes.
    text : bool, default False
        Whether what ``make`` returns has ``embed_text(texts)`` too.
    weights : Weights, optional
        The source of its weights (:mod:`brain2music.models.sources`), for ``brain2music models pull``.

    Raises
    ------
    InputError
        The name is not valid, or is that of another embedding, or ``make`` does not take these arguments. What it
        returns is looked at by :func:`get_embedder`: its space has the name that it is registered under.

    Examples
    --------
    >>> import numpy as np
    >>> import brain2music as b2m
    >>> def make(window_s, step_s):
    ...     return b2m.FunctionEmbedder("peak", lambda x: np.array([np.abs(x).max()]), 1, 16000, window_s, step_s)
    >>> b2m.register_embedder("peak", make, description="Peak of the waveform", window_s=5.0)
    >>> b2m.get_embedder("peak").space.window_s
    5.0
    """
    _refuse_taken_name(name, "embedding", [other for other in EMBEDDINGS if other != name])
    _require_arguments(name, make, "window_s", "step_s", *([] if depth is None else ["depth"]))
    EMBEDDINGS[name] = Embedding(description, weights, window_s, step_s, make, depth, text, registered=True)


def register_codec(name: str, make: Callable[[], Codec], *, description: str = "of your own") -> None:
    """Register a codec under a name, for :func:`get_codec` and the commands ``encode`` and ``decode``.

    Parameters
    ----------
    name : str
        As for :func:`register_embedder`.
    make : callable
        Takes nothing, and returns an object with ``name``, ``sample_rate``, ``channels``, ``kbps``,
        ``encode(waveform, sample_rate)``, which gives :class:`brain2music.models.codec_parts.Codes`, and
        ``decode(codes)``, which gives (channels, samples) float32.
    description : str
        A few words for ``brain2music models``.

    Raises
    ------
    InputError
        The name is not valid, or is that of a codec of this package, or ``make`` takes arguments.

    Examples
    --------
    >>> import numpy as np
    >>> import brain2music as b2m
    >>> from brain2music.models.codec_parts import Codes
    >>> class EightBit:
    ...     name, sample_rate, channels, kbps = "eight-bit", 8000, 1, 64.0
    ...
    ...     def encode(self, waveform, sample_rate):
    ...         return Codes(self.name, np.round(127 * waveform).astype(np.int16)[:, None], len(waveform))
    ...
    ...     def decode(self, codes):
    ...         return codes.values.T.astype(np.float32) / 127
    >>> b2m.register_codec("eight-bit", EightBit, description="eight bits per sample")
    >>> b2m.get_codec("eight-bit").encode(np.zeros(8000, np.float32), 8000).values.shape
    (8000, 1)
    """
    _refuse_taken_name(name, "codec")
    _require_arguments(name, make)
    ADAPTERS[name] = make
    CODEC_DESCRIPTIONS[name] = description


def register_generator(name: str, make: Callable[[str], Generator]) -> None:
    """Register a generator under a name, for :func:`get_generator`, and for runs.

    Parameters
    ----------
    name : str
        As for :func:`register_embedder`.
    make : callable
        Called as ``make(device)``, and returns an object with ``name``, ``sha256``, ``sample_rate``, ``space`` (of the
        embeddings that condition it) and ``generate(embedding, text, *, seconds, seed, n_samples, first_item)``, which
        gives a list of :class:`brain2music.audio.Reconstruction`.

    Raises
    ------
    InputError
        The name is not valid, or ``make`` does not take a device.

    Examples
    --------
    >>> import numpy as np
    >>> import brain2music as b2m
    >>> from brain2music.audio import Reconstruction
    >>> class Noise:
    ...     name, sha256, sample_rate = "noise", "none", 16000
    ...     space = b2m.get_embedder("logmel").space
    ...
    ...     def generate(self, embedding=None, text=None, *, seconds=15.0, seed=0, n_samples=1, first_item=0):
    ...         wave = np.random.default_rng(seed).normal(0, 0.1, (1, round(seconds * 16000)))
    ...         return [Reconstruction(wave.astype(np.float32), 16000, {"generator": self.name})] * n_samples
    >>> b2m.register_generator("noise", lambda device: Noise())
    >>> b2m.get_generator("noise").generate(np.zeros(96), seconds=2.0)[0].seconds
    2.0
    """
    _refuse_taken_name(name, "generator")
    _require_arguments(name, make, "device")
    GENERATORS[name] = make


def _require_arguments(name: str, make: Callable[..., object], *arguments: str) -> None:
    """Refuse what cannot be called with the arguments that the registry gives."""
    wanted = f"make({', '.join(arguments)})"
    try:
        inspect.signature(make).bind(*arguments)
    except TypeError as problem:
        raise InputError(f"{name} cannot be made by {wanted}: {problem}", hint=f"give a {wanted}") from None
    except ValueError:  # a function without a signature
        return


def _refuse_taken_name(name: str, kind: str, others: Collection[str] = ()) -> None:
    """Refuse names that are not valid or belong to another model, also in names of output files."""
    if not _NAME.fullmatch(name):
        what = f"{name!r} cannot be the name of a model"
        raise InputError(what, hint="use lower-case letters and digits, joined by -, _ or .")
    if name in _OURS.get(kind, ()):
        article = "an" if kind == "embedding" else "a"
        raise InputError(f"{name} is {article} {kind} of brain2music", hint="choose another name")
    plain = re.sub(r"[^0-9a-z]", "", name)
    alike = [other for other in others if re.sub(r"[^0-9a-z]", "", other.lower()) == plain]
    if alike:
        what = f"the {kind} {name} would share its output files with {alike[0]}"
        raise InputError(what, hint="choose a name that differs in letters or digits")
