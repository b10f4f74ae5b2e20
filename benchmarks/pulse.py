"""Does what a generator makes have a pulse, as what it was asked to be like has?

    python benchmarks/pulse.py --generator musiclm [--clips 60] [--seconds 15] [--sets rendered recorded]

Held-out music is made again from its own embedding, as in adherence.py: composed pieces of a seed that no training
used, and the shared recordings of packages that no training used.

* ``pulse``: highest autocorrelation of onset strength at 0.25 to 2 s, the median over the clips; that of the clips
  themselves, of the clips through the generator's codec, and of white noise are printed beside it.
* ``pulse_ratio``: the median of a piece's pulse over that of its clip.
* ``tempo_agreement``: share of pieces whose tempo is within 8 % of their clip's, its double or its half; beside it that
  of pieces and other clips, which is chance.
* ``onsets_ratio``, ``strength_ratio``: medians of onsets per second, and of their strength, over the clip's.
"""

import argparse
from pathlib import Path

import numpy as np
from _results import Results, in_words
from adherence import REAL_DATA, composed, open_generator, recordings, through_codec

from brain2music.metrics import Rhythm, bootstrap_interval, rhythm, tempi_agree
from brain2music.models.embedding_input import EmbeddingInput
from brain2music.models.generator_parts.prompts import embed_sounds
from brain2music.models.generators import generate_from_embeddings
from brain2music.models.jen1.model import JEN1

SAID = {
    "pulse": "pulse",
    "pulse_of_the_clips": "pulse of the clips",
    "pulse_ratio": "pulse over that of the clip",
    "pulse_codec": "pulse of the clips through the codec",
    "pulse_white_noise": "pulse of white noise",
    "tempo_agreement": "tempo that agrees with the clip's",
    "onsets_ratio": "onsets per second over the clip's",
    "strength_ratio": "strength of onsets over the clip's",
}
BARS = {"pulse": "≥ 0.5", "pulse_ratio": "≥ 0.75", "tempo_agreement": "≥ 0.5"}


def main() -> None:
    """Read the arguments, make music, measure its rhythm."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--generator", default="musiclm")
    parser.add_argument("--clips", type=int, default=60)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--steps", type=int, help="of a JEN-1's sampler, default the model's own")
    parser.add_argument("--seed", type=int, default=990_001, help="of the composer: one that no training used")
    parser.add_argument("--sets", nargs="*", choices=("rendered", "recorded"), default=("rendered", "recorded"))
    parser.add_argument("--recorded", type=Path, default=REAL_DATA / "recorded")
    given = parser.parse_args()
    model = open_generator(given.generator, given.steps)
    results = Results("pulse" if not isinstance(model, JEN1) else "pulse_jen1")
    makers = {
        "rendered": lambda: composed(given.clips, given.seed, given.seconds)[0],
        "recorded": lambda: recordings(given.recorded, given.clips, given.seconds)[0],
    }
    for name in given.sets:
        sounds = makers[name]()
        vectors = embed_sounds(sounds, EmbeddingInput(model.space)).numpy()
        made = [draws[0] for draws in generate_from_embeddings(model, vectors, given.seconds, 1, seed=0)]
        report(results, name, [rhythm(*sound) for sound in sounds], [rhythm(*_wave(piece)) for piece in made])
        coded = np.median([rhythm(*through_codec(model, sound)).pulse for sound in sounds])
        show(results, f"pulse_codec_{name}", coded, n=len(sounds))
    noise = np.random.default_rng(0).standard_normal((20, round(given.seconds * 22_050))).astype(np.float32)
    show(results, "pulse_white_noise", np.median([rhythm(each, 22_050).pulse for each in noise]), n=len(noise))


def report(results: Results, name: str, clips: list[Rhythm], pieces: list[Rhythm]) -> None:
    """Print the measures of a set's pieces, and add them to the results."""
    reference, made = (np.array(each, dtype=float) for each in (clips, pieces))
    rng = np.random.default_rng(0)
    beats = reference[:, 0] > 0
    ratios = made[beats] / np.where(reference[beats] > 0, reference[beats], np.nan)
    agree = tempi_agree(made[:, 1], reference[:, 1])
    others = np.mean([tempi_agree(np.roll(made[:, 1], shift), reference[:, 1]) for shift in range(1, len(made))])
    low, high = np.percentile([np.median(rng.choice(made[:, 0], len(made))) for _ in range(1000)], [2.5, 97.5])
    show(results, f"pulse_{name}", np.median(made[:, 0]), n=len(made), low=low, high=high)
    show(results, f"pulse_of_the_clips_{name}", np.median(reference[:, 0]), n=len(made))
    show(results, f"pulse_ratio_{name}", np.nanmedian(ratios[:, 0]), n=len(ratios))
    low, high = bootstrap_interval(agree.astype(float), rng)
    show(results, f"tempo_agreement_{name}", agree.mean(), n=len(made), low=low, high=high, note=f"chance {others:.3f}")
    show(results, f"onsets_ratio_{name}", np.nanmedian(ratios[:, 2]), n=len(ratios))
    show(results, f"strength_ratio_{name}", np.nanmedian(ratios[:, 3]), n=len(ratios))


def show(results: Results, name: str, value: float, **more: object) -> None:
    """Print a figure and add it to the results."""
    print(f"{name}: {value:.3f}" + (f"  ({more['note']})" if more.get("note") else ""), flush=True)
    results.add(in_words(name, SAID), float(value), bar=BARS.get(name.rpartition("_")[0], ""), **more)


def _wave(piece: object) -> tuple[np.ndarray, int]:
    return piece.waveform[0], piece.sample_rate


if __name__ == "__main__":
    main()
