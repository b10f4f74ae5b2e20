"""How fast the small codecs are on two cores, beside EnCodec's architecture at the same width.

Run: python benchmarks/codec_speed.py [--threads 2] [--seconds 10] [--rounds 5]
     python benchmarks/codec_speed.py --hours 3 [--codec soundstream-small]

``encode_x_realtime``, ``decode_x_realtime``: seconds of sound per second of clock of soundstream-small, whole-file
path. ``encodec_ratio``: the time transformers' EnCodec takes to encode and decode the same sound over the time of
ours, both with random weights (speed does not depend on them), taken in turn; best of the rounds. EnCodec has our
rate, stride, latent dimension and number of codebooks, and the width at which its widest layer is as wide as ours
(its own doubles at each of four strides, ours takes 20 samples at once and has three widths). ``paper_ratio`` is
the same for SoundStream at the paper's width, where each stride has three residual units of kernel 7 and EnCodec's
one of kernel 3 and half the width. ``stream_*`` are the small codec fed 20 ms at a time; ``autoencoder_*`` JEN-1's
small autoencoder at 48 kHz stereo. With ``--hours``, files of one minute and of so many hours are encoded and decoded
by the commands instead, each in a process of its own: ``peak_gb_*`` must not grow with the length.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
import torch
from _results import Results
from transformers import EncodecConfig, EncodecModel

from brain2music.models.autoencoder.model import Autoencoder, AutoencoderConfig
from brain2music.models.codecs import get_codec
from brain2music.models.soundstream.model import SoundStream, SoundStreamConfig

RESULTS = Results("codec_speed")
TITLES = {
    "soundstream": "soundstream-small",
    "stream": "soundstream-small, 20 ms at a time",
    "encodec": "EnCodec's architecture at its width",
    "paper": "SoundStream at the paper's width",
    "encodec_paper": "EnCodec's architecture at the paper's width",
    "autoencoder": "jen1-autoencoder-small, 48 kHz stereo",
}

Pair = tuple[Callable[[], object], Callable[[], object]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--hours", type=float, help="memory over so long a file instead of speed")
    parser.add_argument("--codec", default="soundstream-small", help="of --hours")
    options = parser.parse_args()
    if options.hours is not None:
        tell_memory(options.codec, options.hours)
        return
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    small, paper = SoundStreamConfig.size("small"), SoundStreamConfig.size("paper")
    mono = 0.1 * torch.randn(1, 1, small.sample_rate * options.seconds)
    pairs = {
        "soundstream": ours(SoundStream(small).eval(), mono),
        "stream": streamed(SoundStream(small).eval(), mono),
        "encodec": encodec(small, mono),
        "paper": ours(SoundStream(paper).eval(), mono),
        "encodec_paper": encodec(paper, mono),
        "autoencoder": ours(
            Autoencoder(AutoencoderConfig.size("small")).eval(), 0.1 * torch.randn(1, 2, 48000 * options.seconds)
        ),
    }
    print(f"threads: {options.threads}, load: {os.getloadavg()[0]:.1f}")
    took = best_times(pairs, options.rounds)
    for name, (encoding, decoding) in took.items():
        prefix = "" if name == "soundstream" else f"{name}_"
        print(f"{prefix}encode_x_realtime: {options.seconds / encoding:.1f}")
        print(f"{prefix}decode_x_realtime: {options.seconds / decoding:.1f}")
        for what, seconds in (("encode", encoding), ("decode", decoding)):
            bar = "≥ 10" if name in ("soundstream", "autoencoder") else ""
            RESULTS.add(f"{what}, {TITLES[name]}", options.seconds / seconds, "× real time", bar=bar)
    print(f"encodec_ratio: {sum(took['encodec']) / sum(took['soundstream']):.2f}")
    print(f"paper_ratio: {sum(took['encodec_paper']) / sum(took['paper']):.2f}")
    for width, mine, theirs in (("small", "soundstream", "encodec"), ("the paper's width", "paper", "encodec_paper")):
        a, b = sum(took[mine]), sum(took[theirs])
        question = f"time to encode and decode, {width}, EnCodec's architecture over SoundStream's"
        RESULTS.add(question, a, "s", peer=b, ratio=b / a)


def ours(model: SoundStream | Autoencoder, wave: torch.Tensor) -> Pair:
    """Encoding and decoding of the whole sound."""
    codes = model.encode(wave)
    return lambda: model.encode(wave), lambda: model.decode(codes)


def streamed(model: SoundStream, wave: torch.Tensor) -> Pair:
    """The same frame by frame."""
    codes = model.encode(wave)

    def encode() -> None:
        stream = model.stream()
        for chunk in wave.split(model.config.hop_length, dim=-1):
            stream.encode(chunk)

    def decode() -> None:
        stream = model.stream()
        for frame in codes.split(1, dim=-1):
            stream.decode(frame)

    return encode, decode


def encodec(like: SoundStreamConfig, wave: torch.Tensor) -> Pair:
    """transformers' EnCodec with random weights, of a SoundStream's rates and greatest width."""
    config = EncodecConfig(
        sampling_rate=like.sample_rate,
        upsampling_ratios=[8, 5, 4, 3],
        num_filters=max(like.encoder_channels) // 16,
        hidden_size=like.dim,
        codebook_dim=like.dim,
        codebook_size=like.codebook_size,
        target_bandwidths=[like.kbps],
        audio_channels=1,
    )
    model = EncodecModel(config).eval()

    @torch.no_grad()
    def encode() -> torch.Tensor:
        return model.encode(wave, bandwidth=like.kbps).audio_codes

    codes, scales = encode(), [None]
    assert codes.shape[2:] == (like.n_quantizers, wave.shape[-1] // like.hop_length), "the two must send the same codes"

    @torch.no_grad()
    def decode() -> object:
        return model.decode(codes, scales)

    return encode, decode


def best_times(pairs: dict[str, Pair], rounds: int) -> dict[str, tuple[float, float]]:
    """The least seconds of each encoding and decoding, all taken in turn in each round, after one to warm up."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in pairs}
    for _ in range(rounds + 1):
        for name, (encode, decode) in pairs.items():
            times[name].append((clock(encode), clock(decode)))
    return {name: (min(e for e, _ in both[1:]), min(d for _, d in both[1:])) for name, both in times.items()}


def tell_memory(codec: str, hours: float) -> None:
    """Peak memory and speed of both commands on a short and on a long file."""
    sample_rate = get_codec(codec).sample_rate
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for label, seconds in (("minute", 60.0), (f"{hours:g}_hours", 3600 * hours)):
            sound, codes, back = folder / f"{label}.wav", folder / f"{label}.safetensors", folder / f"{label}-back.wav"
            write_noise(sound, sample_rate, seconds)
            encode = [sound, "-o", codes, "--codec", codec]
            for what, arguments in (
                ("encode", encode),
                ("decode", [codes, "-o", back]),
            ):
                took, peak = measured([what, *map(str, arguments)])
                print(
                    f"{what}_x_realtime_{label}: {seconds / took:.1f}\npeak_gb_{what}_{label}: {peak:.3f}", flush=True
                )
                RESULTS.add(f"peak memory, {what} by command, {label.replace('_', ' ')}", peak, "GB", bar="no growth")
            assert soundfile.info(back).frames == round(seconds * sample_rate)
            for file in (sound, codes, back):
                file.unlink()


def write_noise(path: Path, sample_rate: int, seconds: float) -> None:
    """Quiet noise, ten seconds at a time."""
    rng, left = np.random.default_rng(0), round(seconds * sample_rate)
    with soundfile.SoundFile(path, "w", sample_rate, 1, "PCM_16") as file:
        while left:
            block = min(left, 10 * sample_rate)
            file.write(0.1 * rng.standard_normal(block, dtype=np.float32))
            left -= block


def measured(arguments: list[str]) -> tuple[float, float]:
    """Seconds and peak memory, in GB, of a command of ours in a process of its own."""
    begun = time.perf_counter()
    command = [str(Path(sys.executable).with_name("brain2music")), *arguments]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, arguments
    return time.perf_counter() - begun, usage.ru_maxrss / 2**20


def clock(run: Callable[[], object]) -> float:
    """Seconds that a call takes."""
    begun = time.perf_counter()
    run()
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
