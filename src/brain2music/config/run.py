"""The settings of a run, in sections. Every field changes results; where files lie and how many run is no setting.

A TOML file gives each setting in its section. From Python a setting may be given in its section or by its name alone,
for no name is in two sections::

    RunConfig.of(decoding={"decoder": "selected"}, seed=1)
    RunConfig.of(decoder="selected", seed=1)
"""

import difflib
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field

from .._utils.errors import InputError
from .._utils.toml import read_toml, validated
from .data import EventsConfig, PreprocessingConfig, StimuliConfig
from .methods import (
    DecodingConfig,
    EncodingConfig,
    EvaluationConfig,
    GenerationConfig,
    ModelsConfig,
    RetrievalConfig,
)
from .section import DEFAULT_LAG_S, LAGS, Section


class RunConfig(Section):
    """Settings of a run, in sections.

    Every field changes results; where files lie and how many processes run is not a setting. Each default is that of
    the Brain2Music paper [1]_, or its description names the source. Settings do not change once made; unknown names are
    refused.

    See Also
    --------
    brain2music.load_study : Takes settings by name.
    brain2music.run : Takes settings by name.

    References
    ----------
    .. [1] Denk, Takagi et al., "Brain2Music: Reconstructing music from human brain activity", arXiv 2307.11078.

    Examples
    --------
    >>> from brain2music.config import RunConfig
    >>> settings = RunConfig.of(decoder="selected+whitened", seed=1)
    >>> settings.decoding.decoder, settings.decoding.n_inner_folds, settings.seed
    ('selected+whitened', 5, 1)
    >>> settings.changed(n_inner_folds=3).decoding.n_inner_folds
    3
    """

    embeddings: tuple[str, ...] = Field(
        ("musicnn-mtt",), min_length=1, description="Embeddings of music that are decoded, by name."
    )
    window_s: float | None = Field(
        None, gt=0, description="Seconds of sound per embedding vector; default the model's own."
    )
    seed: int = Field(0, ge=0, description="Seed of permutations, bootstraps, folds and generated music.")

    stimuli: StimuliConfig = StimuliConfig()
    events: EventsConfig = EventsConfig()
    preprocessing: PreprocessingConfig = PreprocessingConfig()
    decoding: DecodingConfig = DecodingConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    retrieval: RetrievalConfig = RetrievalConfig()
    generation: GenerationConfig = GenerationConfig()
    encoding: EncodingConfig = EncodingConfig()
    models: ModelsConfig = ModelsConfig()

    def lag_in_scans(self, tr: float) -> int:
        """Convert the lag to whole scans, halves up: 6 at a TR of 0.8 s, 0 at a sparse TR of 10 s.

        Parameters
        ----------
        tr : float
            Repetition time in seconds.

        Returns
        -------
        int
            Scans by which responses follow the sound.
        """
        events = self.events
        if events.lag_tr is not None:
            return events.lag_tr
        return _scans(DEFAULT_LAG_S if events.lag_s is None else events.lag_s, tr)

    def compare_lags_in_scans(self, tr: float) -> tuple[int, ...]:
        """Convert the lags to compare with to whole scans, each once and without the lag itself.

        Parameters
        ----------
        tr : float
            Repetition time in seconds.

        Returns
        -------
        tuple of int
            Lags in scans.
        """
        return self._other_lags(self.evaluation.compare_lags_tr, self.evaluation.compare_lags_s, tr)

    def further_lags_in_scans(self, tr: float) -> tuple[int, ...]:
        """Convert the further lags of the stacked regressor to whole scans, each once and without the lag itself.

        Parameters
        ----------
        tr : float
            Repetition time in seconds.

        Returns
        -------
        tuple of int
            Lags in scans.
        """
        return self._other_lags(self.decoding.lags_tr, self.decoding.lags_s, tr)

    def _other_lags(self, lags_tr: tuple[int, ...], lags_s: tuple[float, ...], tr: float) -> tuple[int, ...]:
        every = (*lags_tr, *(_scans(seconds, tr) for seconds in lags_s))
        return tuple(lag for lag in dict.fromkeys(every) if lag != self.lag_in_scans(tr))

    def flat(self) -> dict[str, Any]:
        """List every setting by its full name, ``section.name`` or ``name``.

        Returns
        -------
        dict
            Values as JSON types.

        Examples
        --------
        >>> from brain2music.config import RunConfig
        >>> RunConfig().flat()["retrieval.k"]
        5
        """
        dumped = self.model_dump(mode="json")
        single = {name: value for name, value in dumped.items() if name not in SECTIONS}
        return single | {f"{part}.{name}": value for part in SECTIONS for name, value in dumped[part].items()}

    @classmethod
    def of(cls, **settings: object) -> "RunConfig":
        """Make settings from keyword arguments, each given by its name alone or in its section.

        Parameters
        ----------
        **settings
            Settings, such as ``decoder="selected"`` or ``decoding={"decoder": "selected"}``.

        Returns
        -------
        RunConfig
            These settings, and defaults for all others.

        Raises
        ------
        InputError
            A name is unknown or was renamed, a setting is given twice, or a value is not valid.

        Examples
        --------
        >>> from brain2music.config import RunConfig
        >>> RunConfig.of(decoder="selected") == RunConfig.of(decoding={"decoder": "selected"})
        True
        """
        return validated(cls, in_sections(settings), None)

    @classmethod
    def from_toml(cls, path: Path | None = None, **settings: object) -> "RunConfig":
        """Read settings from a TOML file.

        Parameters
        ----------
        path : Path, optional
            A file with each setting in its section; default none.
        **settings
            Settings that take the place of those in the file, as of :meth:`of`.

        Returns
        -------
        RunConfig
            The settings.

        Raises
        ------
        InputError
            The file is missing or not valid, or a setting is not.

        Examples
        --------
        >>> from pathlib import Path
        >>> from brain2music.config import RunConfig
        >>> _ = Path("settings.toml").write_text("decoding = {decoder = 'selected'}")
        >>> RunConfig.from_toml(Path("settings.toml"), seed=1).decoding.decoder
        'selected'
        """
        settings_of_file = {} if path is None else read_toml(path)
        _refuse_unsectioned(settings_of_file, path)
        return validated(cls, settings_of_file, path).changed(**settings)

    def changed(self, **settings: object) -> "RunConfig":
        """Make these settings with others in their place.

        Parameters
        ----------
        **settings
            Settings, as of :meth:`of`; a lag in seconds takes the place of one in scans, and the reverse.

        Returns
        -------
        RunConfig
            New settings.

        Raises
        ------
        InputError
            A name is unknown or was renamed, a setting is given twice, or a value is not valid.
        """
        new, kept = in_sections(settings), self.model_dump(exclude_unset=True)
        if LAGS & new.get("events", {}).keys():
            kept["events"] = {key: value for key, value in kept.get("events", {}).items() if key not in LAGS}
        merged = {
            key: kept.get(key, {}) | value if key in SECTIONS and isinstance(value, dict) else value
            for key, value in new.items()
        }
        return validated(RunConfig, kept | merged, None)


SECTIONS: dict[str, type[Section]] = {
    name: field.annotation
    for name, field in RunConfig.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, Section)
}
"""The sections of a run's settings, in the order of the data's flow."""
PLACES: dict[str, str] = {name: section for section, model in SECTIONS.items() for name in model.model_fields}
"""The section of each setting that is in one."""
RENAMED = {
    "judges": "evaluation.further_embeddings",
    "also_lags": "evaluation.compare_lags_tr",
    "also_lags_s": "evaluation.compare_lags_s",
    "ablations": "evaluation.compare_decoders",
    "across": "evaluation.between_subject",
    "unseen_genres": "evaluation.leave_one_genre_out",
    "encode": "encoding.enabled",
    "partition": "encoding.variance_partitioning",
    "folds": "decoding.n_inner_folds",
    "generate_from": "generation.conditioning",
    "generate_s": "generation.duration_s",
    "draws": "generation.n_samples",
    "retrieve": "retrieval.k",
    "permutations": "evaluation.n_permutations",
    "hold_together": "decoding.group_by",
    "shuffles": "evaluation.n_permuted_fits",
}
"""Names of settings before they had sections, and what they are now."""


def in_sections(settings: Mapping[str, object]) -> dict[str, Any]:
    """Place settings that are given by name or in sections in their sections.

    Parameters
    ----------
    settings : mapping of str to object
        Settings by name, or by name of a section.

    Returns
    -------
    dict
        The settings in sections.

    Raises
    ------
    InputError
        A name is unknown or was renamed, or a setting is given twice.
    """
    placed: dict[str, Any] = {}
    for name, value in settings.items():
        if name in SECTIONS:
            given = value.model_dump(exclude_unset=True) if isinstance(value, Section) else value
            if not isinstance(given, Mapping):
                what = f"{name} is a section of settings, not one (got {value!r})"
                switch = isinstance(value, bool) and "enabled" in SECTIONS[name].model_fields
                raise InputError(what, hint=f'write {name}={{"enabled": {value}}}' if switch else _HELP)
            _refuse_renamed(given, None, name)
        elif name in PLACES:
            name, given = PLACES[name], {name: value}
        else:
            _refuse_renamed({name: value}, None)
            placed[name] = value
            continue
        section = placed.setdefault(name, {})
        if twice := sorted(section.keys() & given.keys()):
            raise InputError(f"{twice[0]} is given twice, by name and in {name}", hint="give it once")
        section.update(given)
    return placed


_HELP = "see `brain2music run --help`"


def _refuse_unsectioned(settings: Mapping[str, object], path: Path | None) -> None:
    """In a file, settings are in their sections."""
    for name, value in settings.items():
        if name in SECTIONS and isinstance(value, Mapping):
            _refuse_renamed(value, path, name)
        elif name in PLACES:
            raise InputError(f"{name} is now {PLACES[name]}.{name}", path, f"write it under [{PLACES[name]}]")
        else:
            _refuse_renamed({name: value}, path)


def _refuse_renamed(settings: Mapping[str, object], path: Path | None, section: str | None = None) -> None:
    """Name the setting that an old or unknown name means."""
    known: type[BaseModel] = RunConfig if section is None else SECTIONS[section]
    for name in settings:
        if name in known.model_fields:
            continue
        old = name if section is None else f"{section}.{name}"
        if name in RENAMED:
            raise InputError(f"{old} is now {RENAMED[name]}", path, _under(RENAMED[name]))
        if name in PLACES and section is not None:
            raise InputError(f"there is no {old}, but {PLACES[name]}.{name}", path, _under(f"{PLACES[name]}.{name}"))
        every = {key: f"{place}.{key}" for key, place in PLACES.items()} | {key: key for key in RunConfig.model_fields}
        close = difflib.get_close_matches(name, every, 1)
        hint = f"did you mean {every[close[0]]}?" if close else _HELP
        raise InputError(f"there is no setting {old}", path, hint)


def _under(place: str) -> str:
    section, name = place.split(".")
    return f"write {name} under [{section}]"


def _scans(seconds: float, tr: float) -> int:
    """Seconds in whole scans, halves up as wherever times meet scans."""
    return math.floor(seconds / tr + 0.5 + 1e-6)
