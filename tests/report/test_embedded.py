"""A page that holds its sounds is one file: mp3 as it was, other formats as mp3 of the same length and sound."""

import base64
import io
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from brain2music import Brain2MusicWarning
from brain2music._utils.errors import InputError
from brain2music.report import page
from brain2music.report.embedded import sound_uri

MakeRun = Callable[..., Path]


def data_of(uri: str) -> bytes:
    kind, _, text = uri.partition(",")
    assert kind == "data:audio/mpeg;base64"
    return base64.b64decode(text, validate=True)


def test_a_page_with_its_sounds_plays_without_its_folder(make_run: MakeRun) -> None:
    root = make_run()
    beside = (page.build_report(root).parent / "sub-001.html").read_text(encoding="utf-8")
    page.build_report(root, embed_sounds=True)
    within = (root / "sub-001.html").read_text(encoding="utf-8")
    files, sounds = (re.findall(r'<audio [^>]*src="([^"]+)"', html) for html in (beside, within))
    assert len(files) == len(sounds) > 6
    assert not any(file.startswith("data:") for file in files)
    assert [data_of(sound) for sound in sounds] == [(root / file).read_bytes() for file in files]
    assert re.sub(r'src="data:audio[^"]+"', "", within) == re.sub(r'(<audio [^>]*)src="[^"]+"', r"\1", beside)


def test_other_formats_become_mp3_of_the_same_sound(tmp_path: Path) -> None:
    rate = 44_100
    tone = 0.3 * np.sin(2 * np.pi * 440 * np.arange(rate) / rate)
    soundfile.write(tmp_path / "tone.flac", np.stack([tone, tone], axis=1), rate)
    heard, found = soundfile.read(io.BytesIO(data_of(sound_uri(tmp_path / "tone.flac"))))
    assert (found, heard.ndim) == (rate, 1)
    assert len(heard) == pytest.approx(rate, abs=2500)  # mp3 has frames
    spectrum = np.abs(np.fft.rfft(heard))
    assert np.argmax(spectrum) * rate / len(heard) == pytest.approx(440, abs=2)


def test_a_large_page_is_warned_of_and_a_broken_sound_is_named(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    root = make_run()
    monkeypatch.setattr(page, "MOST_BYTES", 10_000)
    with pytest.warns(Brain2MusicWarning, match=r"sub-001\.html has \d\.\d MiB with its sounds in it: leave out"):
        page.build_report(root, embed_sounds=True)
    shutil.copy(__file__, tmp_path / "sound.flac")
    with pytest.raises(InputError) as error:
        sound_uri(tmp_path / "sound.flac")
    assert error.value.file == tmp_path / "sound.flac"
