"""
A codec round trip, heard and seen
==================================

Language models of music do not write samples but the tokens of a codec, so that whatever the codec loses is lost to
them. Here a piece is encoded and decoded by four codecs: our mel tokens, which musiclm-small writes, our SoundStream,
our latent autoencoder after JEN-1, and Opus, a codec for telephony. The piece is composed by rule.
"""

import librosa
import matplotlib.pyplot as plt
import numpy as np

import brain2music as b2m
from brain2music.audio import resample
from brain2music.simulation.music import compose_piece, render_piece

plt.style.use("brain2music.figures")

RATE = 22050
original = render_piece(compose_piece("country", np.random.default_rng(5), 10.0), RATE)

# %%
# ``encode`` gives tokens, latents or bytes, ``decode`` the sound. Bitrates are from 6 kbps to those of latents, where
# CD quality has 1,411 kbps.

CODECS = ("mel-tokens-6k", "soundstream-small", "jen1-autoencoder-small", "opus-6k")
decoded, kbps, distance = {}, {}, {}
for name in CODECS:
    codec = b2m.get_codec(name)
    codes = codec.encode(original, RATE)
    sound = codec.decode(codes).mean(axis=0)
    decoded[name], kbps[name] = resample(sound, codec.sample_rate, RATE)[: len(original)], codec.kbps
    distance[name] = b2m.metrics.log_mel_distance(original, np.resize(decoded[name], len(original)), RATE)
    print(f"{name:23} {codes.values.shape!s:12} {codec.kbps:6.1f} kbps   log-mel distance {distance[name]:.1f} dB")

# %%
b2m.listen({"original": (original, RATE), **{name: (sound, RATE) for name, sound in decoded.items()}})

# %%
# Six seconds of all five. Opus, at this bitrate, gives up all above 4 kHz; SoundStream keeps the level of each band and
# blurs what is inside; mel tokens keep melody and drums; the latents of the autoencoder keep nearly all, at forty times
# the bitrate.


def draw_spectrogram(axes: plt.Axes, waveform: np.ndarray) -> None:
    """Draw a spectrogram in dB below full scale, on a logarithmic frequency axis."""
    power = np.abs(librosa.stft(waveform[: 6 * RATE], n_fft=2048, hop_length=256))
    decibels = librosa.amplitude_to_db(power / 512, amin=1e-4)
    frequencies = librosa.fft_frequencies(sr=RATE, n_fft=2048)
    times = np.arange(power.shape[1]) * 256 / RATE
    axes.pcolormesh(times, frequencies[2:], decibels[2:], cmap="magma", vmin=-80, vmax=-10, rasterized=True)
    axes.set_yscale("log")
    axes.set(ylim=(60, RATE / 2))
    axes.set_yticks([100, 1000, 10000], ["100", "1k", "10k"])
    axes.minorticks_off()


figure, grid = plt.subplots(5, 1, figsize=(8.4, 8.6), sharex=True)
for axes, (name, sound) in zip(grid, {"original": original, **decoded}.items(), strict=True):
    draw_spectrogram(axes, sound)
    axes.set_title(name if name == "original" else f"{name}, {kbps[name]:.3g} kbps")
    axes.set_ylabel("Hz")
grid[-1].set_xlabel("time (s)")
scale = plt.cm.ScalarMappable(plt.Normalize(-80, -10), "magma")
figure.colorbar(scale, ax=grid, label="level (dB)", shrink=0.5)
figure.suptitle("A composed piece, and what is left of it after a round trip")
plt.show()

# %%
# Residual quantizers refine one another: each further one encodes what those before it left. With mel tokens every
# quantizer brings the sound nearer, with diminishing returns. With soundstream-small, a small model trained briefly,
# the spectrum is hardly better with ten than with one. A log-mel distance counts the bands that Opus leaves silent.

curves, quantizers = {}, {}
for name in ("mel-tokens-6k", "soundstream-small"):
    whole = b2m.get_codec(name)
    numbers = [n for n in (1, 2, 4, 8, 13) if n <= whole.n_quantizers]
    points = []
    for number in numbers:
        codec = b2m.get_codec(name, n_quantizers=number)
        sound = resample(codec.decode(codec.encode(original, RATE)).mean(axis=0), codec.sample_rate, RATE)
        sound = np.pad(sound, (0, max(0, len(original) - len(sound))))
        points.append((codec.kbps, b2m.metrics.log_mel_distance(original, sound[: len(original)], RATE)))
    curves[name], quantizers[name] = np.array(points), numbers[-1]

figure, axes = plt.subplots(figsize=(7.0, 3.8))
for name, points in curves.items():
    axes.plot(*points.T, "o-", label=f"{name}, 1 to {quantizers[name]} quantizers")
axes.plot(kbps["opus-6k"], distance["opus-6k"], "s", color="C3", label="opus-6k")
silence = b2m.metrics.log_mel_distance(original, np.zeros_like(original), RATE)
axes.axhline(0, color="#7d8590", linewidth=1, label="ceiling: the same sound")
axes.set(xlabel="bitrate (kbps)", ylabel="log-mel distance to the original (dB)", ylim=(-0.4, None), xlim=(0, None))
axes.set_title(f"Distance to the composed piece, of which silence is {silence:.0f} dB away")
axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()
