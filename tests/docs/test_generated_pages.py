"""Every option, setting and public name is on a page of the manual, which is written from the package itself."""

import importlib
import json
import pkgutil
import re
from pathlib import Path
from typing import Any

import api_pages
import command_pages
import pages
import public_names
import pytest
import settings_page
import typer

import brain2music
from brain2music.cli import app
from brain2music.config import RunConfig

PACKAGES = [package.name for package in pkgutil.walk_packages(brain2music.__path__, "brain2music.") if package.ispkg]


def parsers(command: Any, path: tuple[str, ...] = ()) -> dict[str, set[str]]:
    """The options that each command takes, as its parser knows them."""
    context = command.context_class(command, info_name=" ".join(path))
    nested = getattr(command, "commands", {})
    if nested:
        return {name: found for key, each in nested.items() for name, found in parsers(each, (*path, key)).items()}
    parser = command.make_parser(context)
    return {" ".join(path): {*parser._long_opt, *parser._short_opt}}


@pytest.mark.parametrize(("name", "options"), parsers(typer.main.get_command(app)).items())
def test_every_option_that_a_command_takes_is_on_its_page(name: str, options: set[str]) -> None:
    page = command_pages.command_pages()[name.split()[0]]
    _, program, text = page.partition(f".. program:: brain2music {name}\n")
    assert program
    text = text.split(".. program::")[0]
    written = {word.split()[0] for line in re.findall(r"^\.\. option:: (.*)$", text, re.M) for word in line.split(", ")}
    assert written == options


def test_arguments_have_their_description() -> None:
    page = command_pages.command_pages()["run"]
    assert all(f"``{name}``\n   " in page for name in ("BIDS_DIR", "OUT", "LEVEL <participant|group>"))


def test_every_setting_is_on_the_page_with_its_default_and_its_option() -> None:
    page = settings_page.settings_page()
    for name, value in RunConfig().flat().items():
        entry = page.partition(f".. confval:: {name}\n")[2].split(".. confval::")[0]
        assert entry, name
        default = entry.partition(":default: ``")[2].partition("``")[0]
        expected = pytest.approx(value, rel=1e-5) if isinstance(value, float) else value
        assert default == "not set" if value is None else json.loads(default) == expected, name
        flag = re.search(r"<brain2music run (--[a-z0-9-]+)>", entry)
        assert flag is not None
        assert f".. option:: {flag.group(1)}" in command_pages.command_pages()["run"]


def test_limits_and_choices_of_settings_are_told() -> None:
    fields = {each.full_name: each.field for section in settings_page.settings().values() for each in section}
    assert settings_page.kind(fields["decoding.n_inner_folds"]) == "whole number, ≥ 2"
    assert settings_page.kind(fields["preprocessing.detrend"]).startswith("``median`` or ``cosine``")
    assert settings_page.kind(fields["evaluation.compare_lags_tr"]) == "list of whole number, ≥ 0, ≤ 100"
    assert settings_page.kind(fields["generation.duration_s"]) == "number, ≥ 1, ≤ 600"
    assert settings_page.kind(fields["stimuli.rms"]) == "number, > 0 or ``none``"


@pytest.mark.parametrize("package", ["brain2music", *PACKAGES])
def test_names_that_are_read_from_the_sources_are_those_that_can_be_imported(package: str) -> None:
    listed = {public.name for public in public_names.rooms().get(package, ())}
    assert listed == set(getattr(importlib.import_module(package), "__all__", ()))


def test_every_public_name_has_one_page() -> None:
    for room, names in public_names.rooms().items():
        for public in names:
            home = public_names.home_of(public)
            page = api_pages.api_pages()[api_pages._page_of(home.room)]
            is_there = re.search(rf"^ +{home.name}$|^\.\. py:data:: {home.name}$|^``{home.name}`` is ", page, re.M)
            assert is_there, public.path
            link = f"   ~{home.path.removeprefix(f'{room}.')}\n"
            assert home == public or link in api_pages.api_pages()[api_pages._page_of(room)], public.path


def test_the_page_of_a_name_is_where_it_is_defined() -> None:
    homes = {public.name: public_names.home_of(public).path for public in public_names.rooms()["brain2music"]}
    assert homes["Decoder"] == "brain2music.decoding.Decoder"
    assert homes["get_codec"] == "brain2music.models.get_codec"
    assert homes["load_study"] == "brain2music.load_study"
    assert homes["InputError"] == "brain2music.InputError"


def test_pages_are_left_alone_where_they_are_the_same(tmp_path: Path) -> None:
    pages.write_pages(tmp_path, {"one": "1", "two": "2"})
    before = (tmp_path / "one.rst").stat().st_mtime_ns
    pages.write_pages(tmp_path, {"one": "1", "three": "3"})
    assert (tmp_path / "one.rst").stat().st_mtime_ns == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.rst", "three.rst"]


def test_help_texts_become_plain_text() -> None:
    assert pages.plain("as *this* or `--that`, a|b") == r"as \*this\* or ``--that``, a\|b"


@pytest.mark.parametrize(
    ("reference", "role", "in_class", "leads_to"),
    [
        ("Decoder.fit", "meth", "", "brain2music.decoding.Decoder.fit"),
        ("fit", "meth", "Decoder", "brain2music.decoding.Decoder.fit"),
        ("fit", "func", "", "brain2music.training.fit"),
        ("brain2music.training.loop.fit", "func", "", "brain2music.training.fit"),
        (".io.read_audio", "func", "", "brain2music.audio.read_audio"),
        ("brain2music.pipeline.run", "func", "", "brain2music.run"),
        ("InputError", "class", "Decoder", "brain2music.InputError"),
    ],
)
def test_references_lead_to_the_page_of_what_they_mean(reference: str, role: str, in_class: str, leads_to: str) -> None:
    parts = reference.lstrip(".").split(".")
    assert next(iter(api_pages._pages_meant(parts, role, in_class))) == leads_to


def test_only_what_exists_can_be_referred_to() -> None:
    assert api_pages._exists(["pipeline", "gate"])
    assert api_pages._exists(["prepare_run"])
    assert not api_pages._exists(["prepare_walk"])
