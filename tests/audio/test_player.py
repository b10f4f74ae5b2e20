"""Players: HTML that holds its sound, which decodes to what was given."""

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

import brain2music as b2m
from brain2music.audio import Reconstruction, write_audio


def decoded(html: str) -> list[tuple[np.ndarray, int]]:
    """Every sound in a page, (samples, channels), and its sample rate."""
    found = re.findall(r'src="data:audio/mpeg;base64,([^"]+)"', html)
    return [soundfile.read(io.BytesIO(base64.b64decode(each)), always_2d=True) for each in found]


def tone(seconds: float = 1.0, rate: int = 22050) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * 440 * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def test_players_hold_every_sound_in_order(tmp_path: Path) -> None:
    path = tmp_path / "file.wav"
    write_audio(path, tone(0.5), 22050)
    stereo = Reconstruction(np.stack([tone(2.0), 0.1 * tone(2.0)]), 22050)
    players = b2m.listen({"array": (tone(), 22050), "file": path, "piece": stereo})
    sounds = decoded(players._repr_html_())
    assert [rate for _, rate in sounds] == [22050] * 3
    assert [sound.shape[1] for sound, _ in sounds] == [1, 1, 2]
    np.testing.assert_allclose([len(sound) / 22050 for sound, _ in sounds], [1.0, 0.5, 2.0], atol=0.12)  # mp3 pads
    assert repr(players) == "Players of 'array' (1.0 s), 'file' (0.5 s), 'piece' (2.0 s)"


@pytest.mark.parametrize(("rate", "kept"), [(16000, 16000), (17000, 22050), (96000, 48000)])
def test_sounds_keep_their_pitch_at_a_rate_that_mp3_has(rate: int, kept: int) -> None:
    ((sound, found),) = decoded(b2m.listen({"a": (tone(1.0, rate), rate)})._repr_html_())
    spectrum = np.abs(np.fft.rfft(sound[:, 0]))
    assert found == kept
    assert spectrum.argmax() * found / len(sound) == pytest.approx(440, abs=2)


def test_names_are_escaped_and_generated_music_shows_itself() -> None:
    html = b2m.listen({'<b> & "c"': (tone(), 22050)})._repr_html_()
    assert "&lt;b&gt; &amp; &quot;c&quot;" in html
    assert "<b>" not in html
    piece = Reconstruction(tone()[None], 22050, {"generator": "musiclm-small"})
    assert "musiclm-small" in piece._repr_html_()
    assert len(decoded(piece._repr_html_())) == 1


def test_what_is_no_sound_is_refused(tmp_path: Path) -> None:
    with pytest.raises(b2m.InputError, match="no samples"):
        b2m.listen({"a": (np.zeros(0), 22050)})
    with pytest.raises(b2m.InputError):
        b2m.listen({"a": tmp_path / "missing.wav"})
