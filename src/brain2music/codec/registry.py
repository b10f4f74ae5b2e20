"""The codecs there are, by name: models of ours (shipped, or a folder), and adapters to codecs people know."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from ..artifacts import read_json
from ..errors import InputError
from ..weights import find
from .codes import Codec, TokenCodec


def _opus(kbps: float) -> Codec:
    from .opus import Opus

    return Opus(kbps)


def _lyra() -> Codec:
    from .lyra import Lyra

    return Lyra()


def _encodec() -> Codec:
    from .hub import EnCodec

    return EnCodec.from_pretrained()


def _dac() -> Codec:
    from .hub import DAC

    return DAC.from_pretrained()


def _mel_hifigan() -> Codec:
    from .hifigan import MelHiFiGAN

    return MelHiFiGAN()


ADAPTERS: dict[str, Callable[[], Codec]] = {
    "opus-6k": partial(_opus, 6.0),
    "opus-12k": partial(_opus, 12.0),
    "lyra-v2": _lyra,
    "encodec-24khz": _encodec,
    "dac-44khz": _dac,
    "mel-hifigan": _mel_hifigan,
}
"""Codecs that are not models of ours: name -> what makes one."""


def get_codec(name: str, levels: int | None = None) -> Codec:
    """The named codec, ready to encode.

    Parameters
    ----------
    name : of an adapter, of a model that ships (``mel-tokens-6k``, ``soundstream-small``,
        ``jen1-autoencoder-small``), or a folder.
    levels : of a codec of tokens to use, all by default.

    Raises
    ------
    InputError : there is no such codec, or it has no such levels.
    """
    if name in ADAPTERS:
        return _without_levels(ADAPTERS[name](), name, levels)
    folder = find(name)
    kind = read_json(folder / "config.json").get("model")
    if kind == "SoundStream":
        from .ours import SoundStreamCodec
        from .soundstream import SoundStream

        return SoundStreamCodec(SoundStream.from_pretrained(folder), name, levels)
    if kind == "Autoencoder":
        from .autoencoder import Autoencoder
        from .ours import AutoencoderCodec

        return _without_levels(AutoencoderCodec(Autoencoder.from_pretrained(folder), name), name, levels)
    if kind == "MelTokens":
        from .mel_tokens import MelTokenCodec, MelTokens

        return MelTokenCodec(MelTokens.from_pretrained(folder), name, levels)
    raise InputError(f"a {kind} is no codec", folder / "config.json", "name a SoundStream or an autoencoder")


def get_token_codec(name: str, levels: int | None = None, device: str = "cpu", vocoder: str = "hifigan") -> TokenCodec:
    """The named codec, if it makes tokens; a SoundStream is put on the device, mel tokens sing by the vocoder.

    Raises
    ------
    InputError : it makes no tokens, or there is no such vocoder.
    """
    from .mel_tokens import VOCODERS, MelTokenCodec
    from .ours import SoundStreamCodec

    codec = get_codec(name, levels)
    if not isinstance(codec, TokenCodec):
        raise InputError(f"{name} makes no tokens", mend="name a SoundStream or a codec of mel tokens")
    if vocoder not in VOCODERS:
        raise InputError(f"there is no vocoder {vocoder!r}", mend=f"choose from {', '.join(VOCODERS)}")
    if isinstance(codec, MelTokenCodec):
        return MelTokenCodec(codec.model, name, levels, vocoder)
    if isinstance(codec, SoundStreamCodec):
        codec.model.to(device)
    return codec


def names() -> list[str]:
    """The adapters, and the models of ours that ship."""
    import brain2music.weights

    shipped = Path(brain2music.weights.__file__).parent.glob("*/config.json")
    ours = (path for path in shipped if read_json(path).get("model") in ("SoundStream", "Autoencoder", "MelTokens"))
    return [*sorted(path.parent.name for path in ours), *ADAPTERS]


def _without_levels(codec: Codec, name: str, levels: int | None) -> Codec:
    if levels is not None:
        raise InputError(f"{name} has no levels to choose", mend="leave --levels out")
    return codec
