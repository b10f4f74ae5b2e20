"""The vocoders of mel tokens, by name."""

from typing import Literal, get_args

Vocoder = Literal["hifigan", "griffin-lim"]
VOCODERS: tuple[Vocoder, ...] = get_args(Vocoder)
