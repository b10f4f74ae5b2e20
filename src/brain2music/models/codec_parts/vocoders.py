"""Names of the vocoders of mel tokens."""

from typing import Literal, get_args

Vocoder = Literal["hifigan", "griffin-lim"]
VOCODERS: tuple[Vocoder, ...] = get_args(Vocoder)
