"""Types and limits of what a user gives to a generator."""

from pathlib import Path
from typing import Literal

from ...audio.waveforms import AnyWaveform

Waveform = tuple[AnyWaveform, int]
"""A waveform, mono or stereo, either way round, and its sample rate in Hz."""
AudioInput = Waveform | Path | str
"""A waveform with its sample rate, or a sound file."""
Rows = Literal["items", "windows"]
"""What the rows of a two-dimensional array are: items, each with a piece of its own, or windows of one item."""
MIN_DURATION_S, MAX_DURATION_S = 1.0, 600.0
"""Shortest and longest piece of our generators in seconds."""
