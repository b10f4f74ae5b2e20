"""The page of settings, made from :mod:`brain2music.config` and from the options that set them."""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pages import heading, plain, write_pages
from pydantic import BeforeValidator
from pydantic.fields import FieldInfo
from sphinx.application import Sphinx

from brain2music.cli.settings import setting_options
from brain2music.config import SECTIONS, RunConfig

LEAD = """\
A TOML file gives settings to ``brain2music run`` and ``check`` (``--config FILE``), each in its section; an option that
is given on the command line wins over it. From Python they are keyword arguments of :func:`brain2music.load_study` and
:func:`brain2music.run`, by name alone (``detrend="cosine"``) or in sections (``preprocessing={"detrend": "cosine"}``).
Every setting changes results: when one changes, the steps that use it are done again, and no others.

.. code-block:: toml

   embeddings = ["mulan-small"]

   [events]
   lag_s = 4.5

   [decoding]
   decoder = "selected+whitened"
"""
WORDS = {int: "whole number", float: "number", str: "text", bool: "true or false"}
NONE = "none"
SIGNS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}


@dataclass(frozen=True)
class Setting:
    """A setting with its full name, ``section.name`` or ``name``."""

    full_name: str
    field: FieldInfo
    flags: tuple[str, ...]


def settings() -> dict[str, list[Setting]]:
    """The settings by section; those of no section first, under ''."""
    flags = {option.name: (*option.opts, *option.secondary_opts) for option in setting_options()}
    plain_ones = {name: field for name, field in RunConfig.model_fields.items() if name not in SECTIONS}
    sections = {"": plain_ones, **{name: model.model_fields for name, model in SECTIONS.items()}}
    return {
        section: [Setting(f"{section}.{name}".lstrip("."), field, flags[name]) for name, field in fields.items()]
        for section, fields in sections.items()
    }


def settings_page() -> str:
    """The text of the page."""
    parts = [heading("Settings"), LEAD]
    for section, each in settings().items():
        parts.append(heading(f"[{section}]" if section else "Of the run, without a section", "-"))
        parts.append(f"{plain((SECTIONS[section].__doc__ or '') if section else '')}\n")
        parts += map(_entry, each)
    return "\n".join(parts)


def _entry(setting: Setting) -> str:
    options = " or ".join(f":option:`{flag} <brain2music run {flag}>`" for flag in setting.flags)
    return (
        f".. confval:: {setting.full_name}\n"
        f"   :type: {kind(setting.field)}\n"
        f"   :default: ``{default(setting.field)}``\n\n"
        f"   {plain(setting.field.description or '')} Option: {options}.\n"
    )


def kind(field: FieldInfo) -> str:
    """The values that a setting takes, in words."""
    limits = (
        f"{sign} {getattr(each, name):g}"
        for each in _constraints(field)
        for name, sign in SIGNS.items()
        if hasattr(each, name)
    )
    none = [f"or ``{NONE}``"] if _takes_none(field) else []
    return " ".join([", ".join([_words(field.annotation), *dict.fromkeys(limits)]), *none])


def _takes_none(field: FieldInfo) -> bool:
    """Whether the text "none" switches the setting off, as a validator of the field converts it."""
    converters = (each.func for each in field.metadata if isinstance(each, BeforeValidator))
    return any(convert(NONE) is None for convert in converters)


def _words(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _words(arguments[0])
    if origin is Literal:
        return " or ".join(f"``{each}``" for each in arguments)
    if origin in (Union, UnionType):
        return " or ".join(_words(each) for each in arguments if each is not NoneType)
    if origin is tuple:
        return f"list of {_words(arguments[0])}"
    return "table of text by name" if origin is dict else WORDS[annotation]


def _constraints(field: FieldInfo) -> Iterator[Any]:
    yield from field.metadata
    for each in (field.annotation, *get_args(field.annotation)):
        for nested in (each, *get_args(each)):
            for extra in get_args(nested)[1:] if get_origin(nested) is Annotated else ():
                yield from getattr(extra, "metadata", ())


def default(field: FieldInfo) -> str:
    """The default as TOML would have it; settings that have none are left to what the description says."""
    value = field.default
    if value is None:
        return "not set"
    if isinstance(value, float) and not math.isclose(value, round(value, 4)):
        return f"{value:.6g}"
    return "{}" if value == {} else json.dumps(value)


def write(app: Sphinx, config: object) -> None:
    """Write the page before the sources are looked for."""
    write_pages(Path(app.srcdir) / "reference" / "settings", {"index": settings_page()})


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("config-inited", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
