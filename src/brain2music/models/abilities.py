"""What a generator can do, as data that is read without loading it, and the refusal of all else."""

import inspect
from dataclasses import dataclass, replace
from functools import reduce
from math import inf, isfinite
from typing import Any, Literal, get_args

import numpy as np

from .._utils.errors import InputError
from .terms import Terms

ConditionKind = Literal["embedding", "text", "sound", "melody"]
"""What music is made from: ``sound`` is a recording to be like, embedded in the space of the generator, and ``melody``
one whose melody is kept. Both are given as ``like``."""
EditKind = Literal["fill", "continue"]
SettingKind = Literal["steps", "tempo"]
"""What can be chosen of how a model samples, beside what every model takes."""
_SETTINGS: tuple[SettingKind, ...] = get_args(SettingKind)
_EDITS: dict[EditKind, str] = {"fill": "fill", "continue": "extend"}
_WITHOUT = {"steps": "samples without steps to choose", "tempo": "takes no tempo"}
_GIVEN_AS = {"embedding": "an embedding", "text": "a text", "sound": "a recording to be like", "melody": "a melody"}


@dataclass(frozen=True)
class Abilities:
    """What a generator takes and makes, what its results may be used for, and what it costs.

    Attributes
    ----------
    conditions : tuple of {"embedding", "text", "sound", "melody"}
        What music is made from, one of them at a time.
    sample_rate : int
        Sample rate of what it makes, in Hz.
    channels : int
        Channels of what it makes.
    edits : tuple of {"fill", "continue"}
        How it edits recordings: see :class:`Editor`.
    settings : tuple of {"steps", "tempo"}
        Which further arguments of :meth:`Generator.generate`, and of edits, it understands.
    shortest_s, longest_s : float
        Least and greatest duration of a piece in seconds; infinite where it has no end.
    step_s : float or None
        The grid on which it computes, in seconds; what passes the duration that was asked for is cut.
    fixed_s : float or None
        The only duration that it computes, in seconds; shorter pieces are cut from it.
    seeded : {"machine", "none"}
        Whether the same seed gives the same bytes on one machine.
    licence : str
        Licence of the *results*: the strictest of code, weights, and the embedder of its space.
    commercial : bool
        Whether this licence allows commercial use.
    attribution : str
        Who is to be named with the results.
    download_mb, memory_mb : float or None
        Size of the weights and of the memory needed, in megabytes; None where unknown.
    gpu : {"no", "helps", "needed"}
        Whether a graphics card is of use.

    Examples
    --------
    >>> from brain2music.models import Abilities
    >>> abilities = Abilities(("embedding", "text"), 48000, 2, shortest_s=0.04, step_s=0.04)
    >>> abilities.check_seconds("mine", 2.04)
    2.04
    >>> abilities.check_condition("mine", like="song.ogg")  # doctest: +IGNORE_EXCEPTION_DETAIL
    Traceback (most recent call last):
    brain2music.InputError: mine makes no music from a recording to be like. Give an embedding or a text.
    """

    conditions: tuple[ConditionKind, ...]
    sample_rate: int
    channels: int = 1
    edits: tuple[EditKind, ...] = ()
    settings: tuple[SettingKind, ...] = ()
    shortest_s: float = 1.0
    longest_s: float = inf
    step_s: float | None = None
    fixed_s: float | None = None
    seeded: Literal["machine", "none"] = "machine"
    licence: str = "yours"
    commercial: bool = True
    attribution: str = ""
    download_mb: float | None = None
    memory_mb: float | None = None
    gpu: Literal["no", "helps", "needed"] = "no"

    @property
    def given(self) -> str:
        """What it takes, in words."""
        return " or ".join(_GIVEN_AS[kind] for kind in self.conditions)

    def check_condition(self, name: str, embedding: Any = None, text: Any = None, like: Any = None) -> ConditionKind:
        """Check that exactly one condition is given, and that it is taken.

        Parameters
        ----------
        name : str
            Name of the generator, for errors.
        embedding, text, like : optional
            As for :meth:`Generator.generate`.

        Returns
        -------
        {"embedding", "text", "sound", "melody"}
            Which it is.

        Raises
        ------
        InputError
            None or several are given, or one that the generator does not take; it says what is taken.
        """
        named: dict[ConditionKind, Any] = {"embedding": embedding, "text": text}
        named["melody" if "melody" in self.conditions else "sound"] = like
        found = [kind for kind, value in named.items() if value is not None]
        if len(found) != 1:
            what = " and ".join(_GIVEN_AS[kind] for kind in found) or "nothing"
            raise InputError(f"{name} is given {what}", hint=f"give exactly one: {self.given}")
        if found[0] not in self.conditions:
            raise InputError(f"{name} makes no music from {_GIVEN_AS[found[0]]}", hint=f"give {self.given}")
        return found[0]

    def check_seconds(self, name: str, seconds: Any) -> float:
        """Check a duration.

        Parameters
        ----------
        name : str
            Name of the generator, for errors.
        seconds : float
            Duration of a piece in seconds.

        Returns
        -------
        float
            The duration.

        Raises
        ------
        InputError
            It is no number, or shorter or longer than the generator can make.
        """
        if not isinstance(seconds, int | float | np.number) or isinstance(seconds, bool) or not isfinite(seconds):
            raise InputError(f"seconds: {seconds!r} is no number", hint="give a number")
        longest = self.longest_s if self.fixed_s is None else min(self.fixed_s, self.longest_s)
        if not self.shortest_s <= seconds <= longest:
            most = f"{self.shortest_s:g} s or more" if longest == inf else f"{self.shortest_s:g} to {longest:g} seconds"
            raise InputError(f"{name} cannot make {seconds:g} s of music", hint=f"ask for {most}")
        return float(seconds)

    def check_settings(self, name: str, **chosen: Any) -> None:
        """Raise :class:`InputError` for a setting that is chosen, and that the generator does not have.

        Parameters
        ----------
        name : str
            Name of the generator, for errors.
        **chosen
            Settings by name; those that are None are not chosen.
        """
        for setting in _SETTINGS:
            if chosen.get(setting) is not None and setting not in self.settings:
                raise InputError(f"{name} {_WITHOUT[setting]}", hint=f"leave the {setting} out")

    def check_edit(self, name: str, edit: EditKind) -> None:
        """Raise :class:`InputError` unless the generator edits recordings so.

        Parameters
        ----------
        name : str
            Name of the generator, for errors.
        edit : {"fill", "continue"}
            What is to be done.
        """
        if edit not in self.edits:
            words = {"fill": "fills no gaps in recordings", "continue": "continues no recordings"}
            own = {"fill": "it fills gaps", "continue": "it continues recordings"}
            able = ", ".join(own[each] for each in self.edits) or "it makes new music only"
            raise InputError(f"{name} {words[edit]}", hint=f"{able}; name another generator")

    def describe(self) -> str:
        """Describe what it takes and makes, what its results may be used for, and what it costs: one line.

        Returns
        -------
        str
            For a listing.

        Examples
        --------
        >>> print(Abilities(("text",), 32000, licence="CC-BY-NC-4.0", commercial=False, longest_s=30.0).describe())
        takes text; makes 32 kHz mono of 1 to 30 s; results: CC-BY-NC-4.0, not for commercial use
        """
        channels = {1: "mono", 2: "stereo"}.get(self.channels, f"{self.channels} channels")
        lengths = f"{self.shortest_s:g} to {self.longest_s:g} s"
        if self.fixed_s is not None:
            lengths = f"up to {self.fixed_s:g} s"
        elif self.longest_s == inf:
            lengths = f"{self.shortest_s:g} s or more"
        parts = [f"takes {', '.join(self.conditions)}"]
        parts += [f"edits: {', '.join(self.edits)}"] if self.edits else []
        parts += [f"makes {self.sample_rate / 1000:g} kHz {channels} of {lengths}"]
        parts += [f"results: {self.licence}{'' if self.commercial else ', not for commercial use'}"]
        sizes = {"to download": self.download_mb, "of memory": self.memory_mb}
        parts += [f"{megabytes / 1000:.1f} GB {word}" for word, megabytes in sizes.items() if megabytes is not None]
        parts += {"no": [], "helps": ["a GPU helps"], "needed": ["needs a GPU"]}[self.gpu]
        return "; ".join(parts)

    @property
    def terms(self) -> Terms:
        """What the results may be used for."""
        return Terms(self.licence, self.commercial, self.attribution)

    def under(self, *terms: Terms) -> "Abilities":
        """The same abilities, where the results are bound by the terms of further models, too.

        Parameters
        ----------
        *terms : Terms
            Of the embedder of its space, and of others that take part.

        Returns
        -------
        Abilities
            With the licences and names of all, and commercial use only where all allow it.

        Examples
        --------
        >>> from brain2music.models.catalogue import terms_of_space
        >>> Abilities(("embedding",), 24000).under(terms_of_space("muq-mulan")).licence
        'CC-BY-NC-4.0 (MuQ-MuLan)'
        """
        bound = reduce(Terms.with_, terms, self.terms)
        return replace(self, licence=bound.licence, commercial=bound.commercial, attribution=bound.attribution)


def abilities_of(generator: Any) -> Abilities:
    """Abilities of a generator, or where it names none what its methods and the arguments of its ``generate`` say.

    Parameters
    ----------
    generator : Generator
        Of this package or registered by a user.

    Returns
    -------
    Abilities
        Its abilities.
    """
    found = getattr(generator, "abilities", None)
    if isinstance(found, Abilities):
        return found
    taken = inspect.signature(generator.generate).parameters
    kinds: dict[str, ConditionKind] = {"text": "text", "like": "sound"}
    conditions: list[ConditionKind] = ["embedding"] if getattr(generator, "space", None) is not None else []
    conditions += [kind for argument, kind in kinds.items() if argument in taken]
    channels = int(getattr(generator, "channels", 1))
    edits = tuple(edit for edit, method in _EDITS.items() if callable(getattr(generator, method, None)))
    settings = tuple(each for each in _SETTINGS if each in taken)
    rate = int(generator.sample_rate)
    return Abilities(tuple(conditions), rate, channels, edits=edits, settings=settings, shortest_s=0.0)
