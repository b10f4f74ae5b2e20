"""How much of recorded music codecs keep: ours at 6 kbps against Opus, Lyra V2, EnCodec's floor and mel + HiFi-GAN.

Run: python benchmarks/codec.py [--clips 100] [--slow-clips 30] [--systems ours_6k opus_6k] [--ours NAME_OR_FOLDER]

Held-out recorded music, the first 10 s of each clip, spread over all packages. Every system gets the clip at its own
44.1 kHz in stereo and gives sound at its own rate; both are brought to the common rate of 24 kHz, mono, and compared:
``visqol_<name>`` (audio mode, 1 to 4.75, more is better) and ``logmel_<name>`` (dB over six resolutions, less is
better), means over clips with 95 % bootstrap intervals. The autoencoder is compared at its own 48 kHz, in stereo
(ViSQOL hears the mean of the channels), and as ``autoencoder_24k`` at the common rate. Systems slower than music
run on every k-th clip; ``<name>_minus_ours`` are differences on the clips that both were measured on.
``mel_hifigan`` is not quantised, ``mel_tokens`` the same at 5.6 kbps, also by Griffin-Lim instead of HiFi-GAN.
``kbps_<name>`` counts the bits sent, for Opus without its container. ``encodec_random`` has EnCodec's architecture with
random weights. Systems whose weights or packages are absent are named so, with what to do.
"""

import argparse
import multiprocessing
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache, partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from _results import Results
from rich.console import Console
from rich.progress import track

from brain2music import InputError
from brain2music.audio.find import find_audio
from brain2music.audio.io import read_audio
from brain2music.metrics.audio import code_use, log_mel_distance, visqol
from brain2music.metrics.uncertainty import bootstrap_interval
from brain2music.models.adapters.codecs import EnCodec
from brain2music.models.adapters.lyra import Lyra
from brain2music.models.adapters.opus import Opus
from brain2music.models.autoencoder.model import mask_frames
from brain2music.models.autoencoder.whitening import LatentWhitening
from brain2music.models.codec_parts.block_codecs import AutoencoderCodec, SoundStreamCodec
from brain2music.models.codec_parts.codes import Codec, Codes, prepare_waveform
from brain2music.models.codecs import get_codec, get_token_codec

RESULTS = Results("codec")
WHITE = {"whitened": "whitened latents", "best_whitening": "the best whitening of as many clips"}
MEASURES = {"visqol": "ViSQOL (1 to 4.75)", "logmel": "log-mel distance"}
TITLES = {
    "ours_6k": "soundstream-small",
    "opus_6k": "Opus at 6 kbit/s",
    "opus_12k": "Opus at 12 kbit/s",
    "lyra_9k": "Lyra V2",
    "encodec_random": "EnCodec's architecture with random weights",
    "mel_hifigan": "mel + HiFi-GAN, not quantised",
    "mel_tokens": "mel-tokens-6k",
    "mel_tokens_griffin_lim": "mel-tokens-6k with Griffin-Lim",
    "autoencoder": "jen1-autoencoder-small at its own 48 kHz, stereo",
    "autoencoder_24k": "jen1-autoencoder-small",
}

REAL_DATA = Path(os.environ.get("BRAIN2MUSIC_REAL_DATA", Path(__file__).parents[1] / "../shared/data"))
SECONDS, COMMON = 10.0, 24_000
SLOW = ("encodec_random", "mel_hifigan", "mel_tokens", "mel_tokens_griffin_lim")


class Heard(NamedTuple):
    """What one system made of one clip."""

    visqol: float
    logmel: float
    kbps: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=100)
    parser.add_argument("--slow-clips", type=int, default=30)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=REAL_DATA / "recorded")
    parser.add_argument("--ours", default="soundstream-small")
    parser.add_argument("--autoencoder", default="jen1-autoencoder-small")
    parser.add_argument("--mel-tokens", default="mel-tokens-6k")
    parser.add_argument("--systems", nargs="*", help="all by default")
    given = parser.parse_args()

    systems = {
        "ours_6k": given.ours,
        "opus_6k": "opus-6k",
        "opus_12k": "opus-12k",
        "lyra_9k": "lyra",
        "encodec_random": "encodec-random",
        "mel_hifigan": "mel-hifigan",
        "mel_tokens": given.mel_tokens,
        "mel_tokens_griffin_lim": f"{given.mel_tokens}:griffin-lim",
        "autoencoder": given.autoencoder,
    }
    asked = {name: codec for name, codec in systems.items() if not given.systems or name in given.systems}
    here = {name: codec for name, codec in asked.items() if is_here(name, codec)}
    files = find_audio(given.folder)
    clips = [files[i] for i in np.linspace(0, len(files) - 1, min(given.clips, len(files))).astype(int)]
    step = max(1, -(-len(clips) // given.slow_clips))
    jobs = [
        (clip, {name: codec for name, codec in here.items() if name not in SLOW or i % step == 0})
        for i, clip in enumerate(clips)
    ]
    print(f"clips={len(clips)}\nclip_seconds={SECONDS:g}\ncommon_rate={COMMON}")
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(given.workers, context, one_thread) as pool:
        heard = list(track(pool.map(measure, jobs), "codecs", len(jobs), console=Console(stderr=True)))
    tell(heard)
    if "ours_6k" in here:
        tell_codes(get_codec(given.ours), sounds_of(clips))
    if "autoencoder" in here:
        tell_latents(get_codec(given.autoencoder), sounds_of(clips))


def sounds_of(clips: list[Path]) -> Iterator[tuple[np.ndarray, int]]:
    """The waveforms (channels, samples) and their rates."""
    return (read_audio(clip, mono=False, duration=SECONDS) for clip in clips)


def is_here(name: str, codec: str) -> bool:
    """Whether the system can be made; where not, the reason is printed."""
    try:
        getattr(system(codec), "vocoder", None)  # its weights may be absent where the codec's are not
    except InputError as error:
        print(f"absent_{name}={error}")
        return False
    return True


@lru_cache
def system(name: str) -> Codec:
    """A codec, made once a process."""
    special: dict[str, Callable[[], Codec]] = {
        "encodec-random": EnCodec.random,
        "lyra": partial(Lyra, REAL_DATA / "lyra_v2"),
    }
    folder, _, vocoder = name.partition(":")
    if vocoder or folder.startswith("mel-tokens"):
        return get_token_codec(folder, vocoder=vocoder or "hifigan")
    return special[name]() if name in special else get_codec(name)


def one_thread() -> None:
    """Every worker computes on one thread."""
    torch.set_num_threads(1)
    os.environ["NUMBA_NUM_THREADS"] = "1"


def measure(job: tuple[Path, dict[str, str]]) -> dict[str, Heard]:
    """One clip through the systems asked of it."""
    clip, systems = job
    sound, sample_rate = read_audio(clip, mono=False, duration=SECONDS)
    found = {}
    for name, codec_name in systems.items():
        codec = system(codec_name)
        codes = codec.encode(sound, sample_rate)
        made, kbps = codec.decode(codes), kbps_of(codec, codes)
        if codec.channels == 1:
            found[name] = compared(sound, sample_rate, made, codec.sample_rate, COMMON, 1, kbps)
        else:
            found[name] = compared(sound, sample_rate, made, codec.sample_rate, codec.sample_rate, codec.channels, kbps)
            found[f"{name}_24k"] = compared(sound, sample_rate, made, codec.sample_rate, COMMON, 1, kbps)
    return found


def compared(
    sound: np.ndarray, sample_rate: int, made: np.ndarray, made_rate: int, common: int, channels: int, kbps: float
) -> Heard:
    """The measures of a pair brought to a common rate and number of channels."""
    reference, ours = (
        prepare_waveform(sound, sample_rate, common, channels),
        prepare_waveform(made, made_rate, common, channels),
    )
    samples = min(reference.shape[1], ours.shape[1])
    assert reference.shape[1] - samples <= 1 + common // min(sample_rate, made_rate)  # rounding of resampled lengths
    reference, ours = reference[:, :samples], ours[:, :samples]
    return Heard(
        visqol(reference.mean(axis=0), ours.mean(axis=0), common), log_mel_distance(reference, ours, common), kbps
    )


def kbps_of(codec: Codec, codes: Codes) -> float:
    """What was sent for this clip."""
    return Opus.bits(codes) / SECONDS / 1000 if isinstance(codec, Opus) else codec.kbps


def tell(heard: list[dict[str, Heard]]) -> None:
    """Means and intervals of each system, and its differences to ours on the same clips."""
    names = dict.fromkeys(name for each in heard for name in each)
    for name in names:
        results = [each[name] for each in heard if name in each]
        kbps = np.mean([each.kbps for each in results])
        print(f"clips_{name}={len(results)}\nkbps_{name}={kbps:.2f}")
        RESULTS.add(f"bit rate, {TITLES[name]}", kbps, "kbit/s", n=len(results))
        for measure_name in ("visqol", "logmel"):
            tell_mean(f"{measure_name}_{name}", np.array([getattr(each, measure_name) for each in results]))
    for name in names:
        pairs = [(each[name], each["ours_6k"]) for each in heard if name in each and "ours_6k" in each]
        if name != "ours_6k" and pairs:
            for measure_name in ("visqol", "logmel"):
                differences = [getattr(theirs, measure_name) - getattr(ours, measure_name) for theirs, ours in pairs]
                tell_mean(f"{measure_name}_{name}_minus_ours", np.array(differences))
    if "ours_6k" in names and "autoencoder_24k" in names:
        ours, theirs = (np.mean([each[name].logmel for each in heard]) for name in ("ours_6k", "autoencoder_24k"))
        print(f"logmel_ours_over_autoencoder={ours / theirs:.2f}")
        question = f"log-mel distance, {TITLES['ours_6k']} over {TITLES['autoencoder_24k']}"
        RESULTS.add(question, theirs, "dB", peer=ours, ratio=ours / theirs, bar="≥ 2")


def tell_mean(name: str, values: np.ndarray) -> None:
    """A mean with its interval."""
    low, high = bootstrap_interval(values, np.random.default_rng(0))
    print(f"{name}={values.mean():.3f} [{low:.3f}, {high:.3f}]", flush=True)
    measured, system_name = name.split("_", 1)
    other = system_name.removesuffix("_minus_ours")
    question = f"{MEASURES[measured]}, {TITLES[other]}"
    if other != system_name:
        question += f", minus {TITLES['ours_6k']} on the same clips"
    unit = "dB" if measured == "logmel" else ""
    RESULTS.add(question, values.mean(), unit, low=low, high=high, n=len(values))


def tell_codes(codec: Codec, sounds: Iterator[tuple[np.ndarray, int]]) -> None:
    """Which codes are used, and what of the latents' energy each level leaves."""
    assert isinstance(codec, SoundStreamCodec)
    model, ids, left = codec.model, [], []
    for sound, sample_rate in sounds:
        wave = torch.from_numpy(prepare_waveform(sound, sample_rate, codec.sample_rate, 1))[None]
        with torch.inference_mode():
            latents = model.latents(wave)
            codes = model.quantize(latents)
            levels = [latents, *(latents - model.dequantize(codes[:, :n]) for n in range(1, codes.shape[1] + 1))]
            left.append([float(level.square().sum()) for level in levels])
        ids.append(codes[0].numpy())
    use = code_use(np.concatenate(ids, axis=1), model.config.codebook_size)
    energy = np.sum(left, axis=0)
    print(f"codes_used_min={use.used.min():.3f}\ncode_density_min={use.density.min():.3f}")
    RESULTS.add("share of codes in use, the level with the fewest", use.used.min(), bar="≥ 0.9")
    print("codes_used=" + " ".join(f"{each:.3f}" for each in use.used))
    print("residual_energy=" + " ".join(f"{each:.4f}" for each in energy / energy[0]))
    print(f"residual_energy_falls={bool((np.diff(energy) < 0).all())}")


def tell_latents(codec: Codec, sounds: Iterator[tuple[np.ndarray, int]]) -> None:
    """How far whitened latents are from white, and what losing 5 % of the frames costs."""
    assert isinstance(codec, AutoencoderCodec)
    model, seen, plain, masked = codec.model, [], [], []
    torch.manual_seed(0)
    for sound, sample_rate in sounds:
        wave = prepare_waveform(sound, sample_rate, codec.sample_rate, codec.channels)
        latents = model.encode(torch.from_numpy(wave)[None])
        seen.append(latents)
        for distances, given in ((plain, latents), (masked, mask_frames(latents, 0.05))):
            distances.append(log_mel_distance(wave, model.decode(given)[0].numpy(), codec.sample_rate))
    cost = np.mean(masked) / np.mean(plain) - 1
    print(f"masking_cost={cost:.4f}")
    RESULTS.add("log-mel distance added by the loss of 5 % of latent frames", cost, bar="< 0.1", n=len(plain))
    if model.whitening is None:
        print("whitened_covariance=absent: the model folder holds no whitening.safetensors")
        return
    tell_white("whitened", np.array(away_from_white(model.whitening, seen)))
    tell_white("best_whitening", best_whitening(seen))


def tell_white(name: str, away: np.ndarray) -> None:
    """Print what :func:`away_from_white` found."""
    for what, value in zip(("covariance_mean_error", "covariance_max_error", "variance_mean_error"), away, strict=True):
        print(f"{name}_{what}={value:.4f}")
        bar = "≤ 0.05" if (name, what) == ("whitened", "covariance_mean_error") else ""
        RESULTS.add(f"{WHITE[name]}, {what.replace('_', ' ')}", value, bar=bar)


def best_whitening(seen: list[torch.Tensor], draws: int = 20) -> np.ndarray:
    """What no whitening gets below on so many clips: one fitted on these very clips, seen on clips drawn anew."""
    best, rng = LatentWhitening(seen[0].shape[1], normalise_rms=True), np.random.default_rng(0)
    for latents in seen:
        best.update(latents)
    drawn = [away_from_white(best, [seen[i] for i in rng.integers(len(seen), size=len(seen))]) for _ in range(draws)]
    return np.mean(drawn, axis=0)


def away_from_white(whitening: LatentWhitening, seen: list[torch.Tensor]) -> tuple[float, float, float]:
    """Mean and largest distance of the whitened covariance's elements from the identity's; mean of the diagonal's."""
    white = torch.cat([whitening(latents)[0] for latents in seen], dim=1).numpy()
    away = np.abs(np.cov(white) - np.eye(len(white)))
    return float(away.mean()), float(away.max()), float(np.diag(away).mean())


if __name__ == "__main__":
    main()
