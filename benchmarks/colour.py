"""Is what a generator makes duller than what it was asked to be like, and rough at the rate of its frames?

    python benchmarks/colour.py --generator musiclm [--clips 60] [--seconds 15] [--sets rendered recorded]

Held-out music is made again from its own embedding, as in adherence.py.

* ``above_8_khz``: power above 8 kHz over all power, in dB: the median over pieces of how far they lie above their clip.
* ``roughness``: power of the sound's intensity at 86 Hz, the frame rate of a mel spectrogram of hops of 256 samples,
  over that around it (70 to 80 and 92 to 102 Hz), in dB, the median over pieces; that of the clips is beside it, and
  that of the clips through the generator's codec.
"""

import argparse
from pathlib import Path

import numpy as np
from _results import Results
from adherence import REAL_DATA, composed, open_generator, recordings, through_codec
from scipy.signal import welch

from brain2music.audio.io import resample
from brain2music.models.embedding_input import EmbeddingInput
from brain2music.models.generator_parts.prompts import embed_sounds
from brain2music.models.generators import generate_from_embeddings

RATE, FRAME_RATE, HIGH_HZ = 22_050, 22_050 / 256, 8_000.0
SAID = {"rendered": "composed pieces", "recorded": "recorded clips"}


def main() -> None:
    """Read the arguments, make music, measure its colour."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--generator", default="musiclm")
    parser.add_argument("--clips", type=int, default=60)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--seed", type=int, default=990_001, help="of the composer: one that no training used")
    parser.add_argument("--sets", nargs="*", choices=tuple(SAID), default=tuple(SAID))
    parser.add_argument("--recorded", type=Path, default=REAL_DATA / "recorded")
    given = parser.parse_args()
    model, results = open_generator(given.generator), Results("colour")
    for name in given.sets:
        if name == "rendered":
            sounds, _ = composed(given.clips, given.seed, given.seconds)
        else:
            sounds, _ = recordings(given.recorded, given.clips, given.seconds)
        vectors = embed_sounds(sounds, EmbeddingInput(model.space)).numpy()
        made = [draws[0] for draws in generate_from_embeddings(model, vectors, given.seconds, 1, seed=0)]
        pieces = [(draw.waveform.mean(axis=0), draw.sample_rate) for draw in made]
        coded = [through_codec(model, sound) for sound in sounds]
        own, of_made, of_coded = (np.array([colour(*each) for each in group]) for group in (sounds, pieces, coded))
        codec = np.median(of_coded, axis=0), np.median(of_coded - own, axis=0)
        show(results, f"power above 8 kHz beyond the clip's, {SAID[name]}", of_made[:, 0] - own[:, 0], codec[1][0], 0.0)
        show(results, f"roughness at 86 Hz, {SAID[name]}", of_made[:, 1], codec[0][1], np.median(own[:, 1]))


def colour(wave: np.ndarray, rate: int) -> tuple[float, float]:
    """Share of the power above 8 kHz, and power of the intensity at the frame rate over that around it, in dB."""
    wave = resample(np.asarray(wave, np.float32), rate, RATE).astype(float)
    hertz, power = welch(wave, RATE, nperseg=2048)
    high = power[hertz > HIGH_HZ].sum() / power.sum()
    slow, intensity = welch(wave**2, RATE, nperseg=2 * RATE)
    at = intensity[np.abs(slow - FRAME_RATE) <= 1.0].mean()
    around = intensity[((slow > 70) & (slow < 80)) | ((slow > 92) & (slow < 102))].mean()
    return 10 * np.log10(high + 1e-12), 10 * np.log10(at / around)


def show(results: Results, question: str, values: np.ndarray, codec: float, clips: float) -> None:
    """Print a median with its interval beside those of the codec and of the clips, and add it to the results."""
    rng = np.random.default_rng(0)
    low, high = np.percentile([np.median(rng.choice(values, len(values))) for _ in range(1000)], [2.5, 97.5])
    note = f"codec alone {codec:.1f}, the clips {clips:.1f}"
    print(f"{question}: {np.median(values):.2f} dB  [{low:.2f}, {high:.2f}], n = {len(values)}; {note}", flush=True)
    results.add(question, float(np.median(values)), "dB", low=low, high=high, n=len(values), note=note)


if __name__ == "__main__":
    main()
