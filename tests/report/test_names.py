"""Names of any script and sign in file names and links of the pages."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest
import soundfile

from brain2music.pipeline.outputs import Outputs
from brain2music.report.panels import PagePlayers

NAMES = [
    "a#b",
    "what?",
    "100%25",
    'he said "no"',
    "it's",
    "音楽",
    "Привет мир",
    "e\u0301",
    "a b",
    "x" * 120,
    "<b>",
    "a&b=c",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_link_leads_to_the_file_of_any_name(name: str, tmp_path: Path) -> None:
    path = tmp_path / "stimuli" / f"{name}.mp3"
    path.parent.mkdir()
    soundfile.write(path, np.sin(np.arange(2000) / 9), 8000)
    address = PagePlayers(Outputs(tmp_path)).player(path).source
    assert address is not None
    assert address.isascii()
    parts = urlsplit(address)
    assert (tmp_path / unquote(parts.path)).samefile(path)
    assert (parts.query, parts.fragment) == ("", "")


@pytest.mark.parametrize("name", ["../outside.mp3", "/etc/hostname"])
def test_what_lies_outside_of_the_folder_is_not_played(name: str, tmp_path: Path) -> None:
    root = tmp_path / "out"
    root.mkdir()
    soundfile.write(tmp_path / "outside.mp3", np.sin(np.arange(2000) / 9), 8000)
    assert PagePlayers(Outputs(root)).player(root / name).source is None
