"""Sound files to files of codes and back, in blocks: three hours take no more memory than ten seconds.

Codes themselves go to the disk as they come (:mod:`codes_file`). Codecs that are not ours work on whole files.
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
from ..codecs import get_codec, weights_digest
from ..mel_tokens.model import MelTokenCodec
from .codes import Codec, check_channels_and_rate, check_length, mixed
from .codes_file import CodesFile, codes_writer, write_codes
from .loudness import Meter, restore_loudness
from .ours import BLOCK_S, Block, BlockCodec, cut_blocks


def encode_file(audio: Path, out: Path, codec: Codec, advance: Advance = lambda done, total: None) -> None:
    """Encode a sound file into a safetensors file of codes, which says by which codec and weights.

    Raises
    ------
    InputError : the sound is missing, unreadable, empty, not finite, or of more than two channels.
    """
    origin = {"weights_sha256": weights_digest(codec.name), "source": audio.name}
    if not isinstance(codec, BlockCodec):
        waveform, sample_rate = read_audio(audio, mono=False)
        write_codes(out, codec.encode(waveform, sample_rate), origin)
        return
    total, samples, meter = round(duration_of(audio)), 0, Meter(codec.sample_rate)

    def counted() -> Iterator[Float32[np.ndarray, "channels samples"]]:
        nonlocal samples
        for block in read_blocks(audio, codec.sample_rate, codec.channels):
            samples += block.shape[1]
            meter.push(block)
            yield block
            advance(min(round(samples / codec.sample_rate), total), total)

    with codes_writer(out, codec.name, origin) as writer:
        for values in codec.encode_blocks(counted()):
            writer.append(values)
        check_length(samples, codec.sample_rate)
        writer.samples, writer.loudness = samples, meter.finish() if codec.metered else None


def decode_file(file: Path, out: Path, advance: Advance = lambda done, total: None, vocoder: str | None = None) -> None:
    """Decode a file of codes, by the codec it names, into a 16-bit wav file whose comment says what from.

    Raises
    ------
    InputError : the file is missing or damaged, its codec is not here or has other weights, or ``out`` is no wav file.
    """
    if out.suffix.lower() != ".wav":
        raise InputError(f"cannot decode into {out.suffix or 'no suffix'!r} files", out, "name a .wav file")
    codes = CodesFile(file)
    codec, weights = get_codec(codes.codec, vocoder=vocoder), weights_digest(codes.codec)
    if codes.weights and codes.weights != weights:
        raise InputError(
            f"these codes were made by other weights of {codes.codec} ({codes.weights[:12]}, here {weights[:12]})",
            file,
            "encode the sound again, or decode where it was encoded",
        )
    origin = {"codec": codes.codec, "weights_sha256": weights, "codes": file.name}
    if isinstance(codec, MelTokenCodec):
        origin["vocoder"] = codec.vocoder.name
    if isinstance(codec, BlockCodec):
        pieces = codes.pieces(round(BLOCK_S * codec.sample_rate / codec.hop_length))
        blocks: Iterable[Block] = cut_blocks(codec.decode_blocks(pieces), codes.samples)
        blocks = blocks if codes.loudness is None else restore_loudness(blocks, codes.loudness, codec.sample_rate)
    else:
        blocks = [codec.decode(codes.read())]
    _write_blocks(out, _with_progress(blocks, codes.samples, advance), codec.sample_rate, codec.channels, origin)


def read_blocks(path: Path, sample_rate: int, channels: int) -> Iterator[Float32[np.ndarray, "channels samples"]]:
    """A sound file in blocks of about ten seconds, resampled and mixed to mono or spread to stereo.

    What :func:`brain2music.audio.io.read_audio` gives of it as a whole, with the same errors and warnings.
    """
    import soxr

    with open_sound(path) as sound:
        try:
            check_channels_and_rate(sound.channels, sound.sample_rate)
        except InputError as error:
            raise InputError(error.what, path, error.hint) from None
        signs = _signs(sound) if channels < sound.channels else None
        resampler = soxr.ResampleStream(sound.sample_rate, sample_rate, channels, dtype="float32")
        for block, last in _with_last(sound.blocks(round(BLOCK_S * sound.sample_rate))):
            require_sound(block, path)
            one = mixed(block, channels) if signs is None else mix(block, signs)[None]
            if sound.sample_rate != sample_rate:
                one = resampler.resample_chunk(np.ascontiguousarray(one.T), last=last).reshape(-1, channels).T
            yield np.ascontiguousarray(one)


def _signs(sound: Reader) -> Float32[np.ndarray, " channels"]:
    """How to mix the channels of a file, from all of it; a reading of its own, that memory need not hold it."""
    sums = np.zeros((sound.channels, sound.channels))
    for block in sound.blocks(round(BLOCK_S * sound.sample_rate)):
        sums += products(np.nan_to_num(block, posinf=0, neginf=0))
    return polarities(sums, sound.path)


def _with_last(
    blocks: Iterable[Float32[np.ndarray, "channels samples"]],
) -> Iterator[tuple[Float32[np.ndarray, "channels samples"], bool]]:
    """Every block, and whether it is the last."""
    held = None
    for block in blocks:
        if held is not None:
            yield held, False
        held = block
    if held is not None:
        yield held, True


def _with_progress(blocks: Iterable[Block], samples: int, advance: Advance) -> Iterator[Block]:
    done = 0
    for block in blocks:
        yield block
        done += block.shape[1]
        advance(min(done, samples), samples)


def _write_blocks(out: Path, blocks: Iterable[Block], sample_rate: int, channels: int, origin: dict[str, str]) -> None:
    """A wav file, block by block; samples beyond ±1 are turned down with their surroundings, and that is said."""
    import soundfile

    loud = 0

    def watched() -> Iterator[Block]:
        nonlocal loud
        for block in blocks:
            loud += int((np.abs(block) > 1).sum())
            yield block

    with (
        atomic_path(out) as temporary,
        soundfile.SoundFile(temporary, "w", sample_rate, channels, subtype="PCM_16", format="WAV") as file,
    ):
        file.software, file.comment = MAKER, json.dumps(origin, sort_keys=True)
        for block in limit_blocks(watched(), sample_rate):
            file.write(block.T)
    if loud:
        warnings.warn(f"{out}: {loud} decoded samples were beyond ±1 and are turned down", Brain2MusicWarning, 2)
