"""The settings of a run as options: one per setting, made from :mod:`brain2music.config` when first asked for.

A command of the class :class:`SettingsCommand` takes them beside its own options, and reads them by
:func:`read_settings`. An option that was not given leaves the word to the settings file, and then to the default.
"""

import inspect
from collections.abc import Mapping
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

import typer
from typer.core import TyperCommand

from .completion import complete_among, complete_decoder, complete_embedding, complete_generator

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from ..brain.preprocess.preprocess_settings import PreprocessSettings
    from ..config import RunConfig

FLAGS = {
    "column": "--event-column",
    "values": "--event-value",
    "stimulus": "--stimulus-column",
    "k": "--retrieve-k",
    "enabled": "--encoding/--no-encoding",
    "lags_tr": "--stacked-lag-tr",
    "lags_s": "--stacked-lag-s",
    "compare_lags_s": "--compare-lag-s",
    "compare_lags_tr": "--compare-lag-tr",
}
"""Options that are not called as their setting; those that may be repeated are else called by the singular."""
METAVARS = {
    **dict.fromkeys(("embeddings", "further_embeddings", "decoder", "compare_decoders", "generator"), "NAME"),
    **dict.fromkeys(("captions", "track_index", "stimulus_table", "left_mesh", "right_mesh"), "FILE"),
    **dict.fromkeys(("train_task", "test_task"), "TASK"),
    **dict.fromkeys(("column", "confounds", "stimulus"), "COLUMN"),
    **dict.fromkeys(("window_s", "fade_s", "lag_s", "lags_s", "compare_lags_s", "duration_s"), "SECONDS"),
    **dict.fromkeys(("marker_s", "clip_s", "clip_step_s", "block_s", "gap_s"), "SECONDS"),
    "smoothing_mm": "MM",
    **dict.fromkeys(("lag_tr", "lags_tr", "compare_lags_tr", "scans_per_window"), "SCANS"),
    "growth": "SHARE",
    "values": "VALUE",
    "bids_filter": "ENTITY=LABEL",
    **dict.fromkeys(("rms", "alphas", "n_compcor"), "NUMBER"),
    "fd_threshold": "MM",
}
"""What stands for the value in the help, where its type alone says little."""
NUMBER_OR_WORD = frozenset({"rms", "n_compcor"})
"""Options that take a word ("none", "all") or a number, which the configuration tells apart."""
COMPLETIONS = {
    **dict.fromkeys(("embeddings", "further_embeddings"), complete_embedding),
    **dict.fromkeys(("decoder", "compare_decoders"), complete_decoder),
    "generator": complete_generator,
}


_given: ContextVar[dict[str, Any]] = ContextVar("settings that the command line gives")


class _CommandWithSettings(TyperCommand):
    """A command with settings among its options."""

    @staticmethod
    def settings() -> tuple[Any, ...]:
        """The options that are settings."""
        raise NotImplementedError

    def get_params(self, ctx: Any) -> list[Any]:
        """The command's own parameters, then the settings."""
        return [*super().get_params(ctx), *self.settings()]

    def invoke(self, ctx: Any) -> Any:
        """Keep the settings that were given apart from the command's own arguments."""
        values = {option.name: ctx.params.pop(option.name) for option in self.settings()}
        sources = {name: ctx.get_parameter_source(name) for name in values}
        _given.set({name: value for name, value in values.items() if sources[name].name != "DEFAULT"})
        return super().invoke(ctx)


class SettingsCommand(_CommandWithSettings):
    """A command with every setting of a run among its options, in one panel per section."""

    @staticmethod
    def settings() -> tuple[Any, ...]:
        """The options that are settings."""
        return setting_options()


class PreprocessCommand(_CommandWithSettings):
    """A command with every setting of the preprocessing among its options."""

    @staticmethod
    def settings() -> tuple[Any, ...]:
        """The options that are settings."""
        return preprocess_options()


def read_preprocess_settings(file: Path | None) -> "PreprocessSettings":
    """The file's settings of the preprocessing, and what the command line says instead."""
    from .._utils.toml import read_toml, validated
    from ..brain.preprocess.preprocess_settings import PreprocessSettings

    of_file = {} if file is None else read_toml(file)
    return validated(PreprocessSettings, of_file | _given.get(), file, "see `brain2music preprocess --help`")


def read_settings(file: Path | None) -> "RunConfig":
    """The file's settings, and what the command line says instead."""
    from ..config import RunConfig

    given = dict(_given.get())
    if "bids_filter" in given:
        given["bids_filter"] = dict(map(_entity, given["bids_filter"]))
    return RunConfig.from_toml(file, **given)


@cache
def setting_options() -> tuple[Any, ...]:
    """One option per setting, in the order of the sections."""
    from ..config import SECTIONS, RunConfig

    plain = {name: field for name, field in RunConfig.model_fields.items() if name not in SECTIONS}
    panels = {"Settings of the run": plain} | {
        f"{part.capitalize()} \\[{part}]": model.model_fields for part, model in SECTIONS.items()
    }
    return _options(panels)


@cache
def preprocess_options() -> tuple[Any, ...]:
    """One option per setting of the preprocessing."""
    from ..brain.preprocess.preprocess_settings import PreprocessSettings

    return _options({"Settings of the preprocessing": PreprocessSettings.model_fields})


def _options(panels: Mapping[str, Mapping[str, "FieldInfo"]]) -> tuple[Any, ...]:
    """The options of settings in panels."""

    def carrier() -> None: ...

    carrier.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [_parameter(name, field, panel) for panel, fields in panels.items() for name, field in fields.items()]
    )
    app = typer.Typer(add_completion=False)
    app.command()(carrier)
    return tuple(typer.main.get_command(app).params)


def _parameter(name: str, field: "FieldInfo", panel: str) -> inspect.Parameter:
    """A parameter from which typer makes the option of a setting."""
    kind, several = _type(field.annotation)
    choices = get_args(kind) if get_origin(kind) is Literal and several else ()
    kind = str if choices or name in NUMBER_OR_WORD else kind  # typer takes choices of a single value only
    low, high = (_limit(field, element) for element in ("ge", "le"))
    numeric = kind in (int, float)
    option = typer.Option(
        _flags(name, kind, several),
        help=_sentence(str(field.description), several),
        metavar="|".join(choices) or METAVARS.get(name) or ("N" if kind is int else None),
        min=low if numeric else None,
        max=high if numeric else None,
        autocompletion=complete_among(choices) if choices else COMPLETIONS.get(name),
        rich_help_panel=panel,
    )
    default = field.default
    if several:
        kind, default = list[kind], [*default] if default else None  # type: ignore[valid-type]
    elif default is None:
        kind = kind | None
    annotation = Annotated[kind, option]  # type: ignore[valid-type]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _type(annotation: Any) -> tuple[Any, bool]:
    """The type of one value of a setting, and whether it takes several."""
    if get_origin(annotation) is Annotated:
        return _type(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        (inner,) = (each for each in get_args(annotation) if each is not NoneType)
        return _type(inner)
    if get_origin(annotation) is tuple:
        return _type(get_args(annotation)[0])[0], True
    return (str, True) if get_origin(annotation) is dict else (annotation, False)


def _limit(field: "FieldInfo", name: str) -> int | float | None:
    """The limit ``ge`` or ``le`` of a setting, or of the elements of one that takes several."""
    elements = [extra for each in get_args(field.annotation) for extra in get_args(each)[1:]]
    places = [*field.metadata, *(limit for each in elements for limit in getattr(each, "metadata", ()))]
    return next((getattr(each, name) for each in places if hasattr(each, name)), None)


def _flags(name: str, kind: Any, several: bool) -> str:
    flag = (name.removesuffix("s") if several else name).replace("_", "-")
    return FLAGS.get(name) or (f"--{flag}/--no-{flag}" if kind is bool else f"--{flag}")


def _sentence(description: str, several: bool) -> str:
    return f"{description} Repeatable." if several else description


def _entity(text: str) -> tuple[str, str]:
    entity, equals, label = text.partition("=")
    if not (entity and equals and label):
        raise typer.BadParameter(f"{text!r} is not ENTITY=LABEL, such as space=T1w", param_hint="--bids-filter")
    return entity, label
