"""Encoding of sound files to files of codes, and decoding, in blocks and constant memory.

Codes are written to the disk as they come (:mod:`.codes_file`). Adapters to other codecs process whole files.
"""

import json
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from ..._utils.errors import Brain2MusicWarning, InputError
from ..._utils.files import atomic_path
from ..._utils.progress import Advance
from ...audio.channels import mix, polarities, products
from ...audio.io import MAKER, duration_of, read_audio, require_sound
from ...audio.limiter import limit_blocks
from ...audio.reader import Reader
from ...audio.reading import open_sound
from ...audio.waveforms import AudioBlock
from ..codecs import get_codec, weights_digest
from ..mel_tokens.model import MelTokenCodec
from .block_codecs import BLOCK_S, BlockCodec, cut_blocks
from .codes import Codec, check_channels_and_rate, check_length, mix_to
from .codes_file import CodesFile, codes_writer, write_codes
from .loudness import LoudnessMeter, restore_loudness
from .stream import with_last


def encode_file(audio: Path, out: Path, codec: Codec, advance: Advance = lambda done, total: None) -> None:
    """Encode a sound file to a file of codes.

    Our codecs read the sound in blocks of ten seconds, so memory does not grow with its length. The safetensors file
    names the codec and the digest of its weights.

    Parameters
    ----------
    audio : Path
        Sound file.
    out : Path
        File of codes to write.
    codec : Codec
        Codec (:func:`brain2music.get_codec`).
    advance : callable, optional
        Called with (seconds done, seconds to do).

    Raises
    ------
    InputError
        The sound file is missing, unreadable, empty, not finite, or has more than two channels.

    Examples
    --------
    >>> from pathlib import Path
    >>> import numpy as np
    >>> import brain2music as b2m
    >>> from brain2music.audio import write_audio
    >>> from brain2music.models.codec_parts import CodesFile, encode_file
    >>> write_audio("tone.wav", 0.3 * np.sin(2 * np.pi * 440 * np.arange(24000) / 24000), 24000)
    >>> encode_file(Path("tone.wav"), Path("tone.safetensors"), b2m.get_codec("soundstream-small"))
    >>> CodesFile(Path("tone.safetensors")).samples
    24000
    """
    origin = {"weights_sha256": weights_digest(codec.name), "source": audio.name}
    if not isinstance(codec, BlockCodec):
        waveform, sample_rate = read_audio(audio, mono=False)
        write_codes(out, codec.encode(waveform, sample_rate), origin)
        return
    total, samples, meter = round(duration_of(audio)), 0, LoudnessMeter(codec.sample_rate)

    def metered_blocks() -> Iterator[AudioBlock]:
        nonlocal samples
        for block in read_blocks(audio, codec.sample_rate, codec.channels):
            samples += block.shape[1]
            meter.push(block)
            yield block
            advance(min(round(samples / codec.sample_rate), total), total)

    with codes_writer(out, codec.name, origin) as writer:
        for values in codec.encode_blocks(metered_blocks()):
            writer.append(values)
        check_length(samples, codec.sample_rate)
        writer.samples, writer.loudness = samples, meter.finish() if codec.stores_loudness else None


def decode_file(file: Path, out: Path, advance: Advance = lambda done, total: None, vocoder: str | None = None) -> None:
    """Decode a file of codes to a 16-bit wav file.

    The codec that the file names decodes it. The comment in the tags of the wav file is the origin.

    Parameters
    ----------
    file : Path
        File of codes (:func:`encode_file`).
    out : Path
        Sound file to write, with the suffix .wav.
    advance : callable, optional
        Called with (seconds done, seconds to do).
    vocoder : {"griffin-lim", "hifigan"}, optional
        Vocoder of a codec of mel tokens; default "griffin-lim".

    Raises
    ------
    InputError
        The file is missing or damaged, its codec is missing or has other weights, or ``out`` is not a wav file.

    Examples
    --------
    >>> from pathlib import Path
    >>> import numpy as np
    >>> import brain2music as b2m
    >>> from brain2music.audio import audio_info, write_audio
    >>> from brain2music.models.codec_parts import decode_file, encode_file
    >>> write_audio("tone.wav", 0.3 * np.sin(2 * np.pi * 440 * np.arange(24000) / 24000), 24000)
    >>> encode_file(Path("tone.wav"), Path("tone.safetensors"), b2m.get_codec("soundstream-small"))
    >>> decode_file(Path("tone.safetensors"), Path("decoded.wav"))
    >>> audio_info("decoded.wav")
    AudioInfo(sample_rate=24000, channels=1, seconds=1.0, bits=16)
    """
    if out.suffix.lower() != ".wav":
        raise InputError(f"cannot decode into {out.suffix or 'no suffix'!r} files", out, "name a .wav file")
    codes = CodesFile(file)
    codec, weights = get_codec(codes.codec, vocoder=vocoder), weights_digest(codes.codec)
    if codes.weights and codes.weights != weights:
        raise InputError(
            f"these codes were made with other weights of {codes.codec} ({codes.weights[:12]}, here {weights[:12]})",
            file,
            "encode the sound again, or decode where it was encoded",
        )
    origin = {"codec": codes.codec, "weights_sha256": weights, "codes": file.name}
    if isinstance(codec, MelTokenCodec):
        origin["vocoder"] = codec.vocoder.name
    if isinstance(codec, BlockCodec):
        pieces = codes.pieces(round(BLOCK_S * codec.sample_rate / codec.hop_length))
        blocks: Iterable[AudioBlock] = cut_blocks(codec.decode_blocks(pieces), codes.samples)
        blocks = blocks if codes.loudness is None else restore_loudness(blocks, codes.loudness, codec.sample_rate)
    else:
        blocks = [codec.decode(codes.read())]
    _write_blocks(out, _with_progress(blocks, codes.samples, advance), codec.sample_rate, codec.channels, origin)


def read_blocks(path: Path, sample_rate: int, channels: int) -> Iterator[Float32[np.ndarray, "channels samples"]]:
    """Read a sound file in blocks of about ten seconds, resampled and mixed to mono or repeated to stereo.

    Samples, errors and warnings are those of :func:`brain2music.audio.io.read_audio` for the whole file.
    """
    import soxr

    with open_sound(path) as sound:
        try:
            check_channels_and_rate(sound.channels, sound.sample_rate)
        except InputError as error:
            raise InputError(error.what, path, error.hint) from None
        signs = _channel_signs(sound) if channels < sound.channels else None
        resampler = soxr.ResampleStream(sound.sample_rate, sample_rate, channels, dtype="float32")
        for block, last in with_last(sound.blocks(round(BLOCK_S * sound.sample_rate))):
            require_sound(block, path)
            mixed = mix_to(block, channels) if signs is None else mix(block, signs)[None]
            if sound.sample_rate != sample_rate:
                mixed = resampler.resample_chunk(np.ascontiguousarray(mixed.T), last=last).reshape(-1, channels).T
            yield np.ascontiguousarray(mixed)


def _channel_signs(sound: Reader) -> Float32[np.ndarray, " channels"]:
    """Signs with which the channels of a file are mixed, from a separate pass over the file in constant memory."""
    sums = np.zeros((sound.channels, sound.channels))
    for block in sound.blocks(round(BLOCK_S * sound.sample_rate)):
        sums += products(np.nan_to_num(block, posinf=0, neginf=0))
    return polarities(sums, sound.path)


def _with_progress(blocks: Iterable[AudioBlock], samples: int, advance: Advance) -> Iterator[AudioBlock]:
    done = 0
    for block in blocks:
        yield block
        done += block.shape[1]
        advance(min(done, samples), samples)


def _write_blocks(
    out: Path, blocks: Iterable[AudioBlock], sample_rate: int, channels: int, origin: dict[str, str]
) -> None:
    """Write a wav file block by block; where samples are beyond ±1 the gain is reduced, with a warning."""
    import soundfile

    loud = 0

    def counted_blocks() -> Iterator[AudioBlock]:
        nonlocal loud
        for block in blocks:
            loud += int((np.abs(block) > 1).sum())
            yield block

    with (
        atomic_path(out) as temporary,
        soundfile.SoundFile(temporary, "w", sample_rate, channels, subtype="PCM_16", format="WAV") as file,
    ):
        file.software, file.comment = MAKER, json.dumps(origin, sort_keys=True)
        for block in limit_blocks(counted_blocks(), sample_rate):
            file.write(block.T)
    if loud:
        warnings.warn(f"{out}: {loud} decoded samples were beyond ±1 and are turned down", Brain2MusicWarning, 2)
