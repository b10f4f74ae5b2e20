"""Does JEN-1 fill gaps and continue music as it should? On music that nothing was trained on.

    python benchmarks/inpaint.py --generator MODEL [--clips 60] [--steps 20] [--sets rendered recorded]

Of every clip of 15 s, seconds 5 to 10 are removed and filled, without a text; and the second half is removed and
made anew as a continuation of the first.

* ``gap_over_silence``, ``gap_over_crossfade``, ``gap_over_copy``: mean absolute difference of log-mel frames from the
  original in the gap, ours over that of silence, of the five seconds before cross-faded with the five after, and of
  the five seconds before. Below 1 is better.
* ``seam_db``: median over seams of how much the level jumps there (20 ms on either side) more than in the original.
* ``gap_identification``: two-way identification of each gap's own surroundings among those of all clips, by
  musicnn-MTT; ``gap_identification_original`` is that of what was removed.
* ``continuation_identification``: the same of each continued half and the first halves.
"""

import argparse
import os
from pathlib import Path

import numpy as np
from _results import Results, in_words
from adherence import composed, recordings

from brain2music.audio.io import resample
from brain2music.metrics.ranking import identification_by_clip, similarity
from brain2music.metrics.uncertainty import bootstrap_interval
from brain2music.models import Editor
from brain2music.models.abilities import abilities_of
from brain2music.models.embedders import get_embedder
from brain2music.models.generators import get_generator
from brain2music.models.mel_tokens.hifigan import HOP_LENGTH, SAMPLE_RATE, hifigan_log_mel

RESULTS = Results("inpaint")
REAL_DATA = Path(os.environ.get("BRAIN2MUSIC_REAL_DATA", Path(__file__).parents[1] / "../shared/data"))
SECONDS, START, STOP = 15.0, 5.0, 10.0
SEAM_S = 0.02
SAID = {
    "gap_over_silence": "log-mel distance in the gap, over that of silence",
    "gap_over_crossfade": "log-mel distance in the gap, over that of a cross-fade of both sides",
    "gap_over_copy": "log-mel distance in the gap, over that of the five seconds before it",
    "seam_db": "jump of the level at seams beyond the clip's own",
    "gap_identification": "gap identified with its surroundings",
    "continuation_identification": "continuation identified with its beginning",
}
BARS = {"gap_over": "< 1", "seam_db": "≤ 1", "identification": "≥ 0.85"}


def main() -> None:
    """Read the arguments, fill, continue, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--generator", default="jen1-small")
    parser.add_argument("--clips", type=int, default=60)
    parser.add_argument("--steps", type=int, help="of the sampler, default the model's own")
    parser.add_argument("--seed", type=int, default=990_001, help="of the composer: one that no training used")
    parser.add_argument("--sets", nargs="*", choices=("rendered", "recorded"), default=("rendered", "recorded"))
    parser.add_argument("--recorded", type=Path, default=REAL_DATA / "recorded")
    given = parser.parse_args()
    model = get_generator(given.generator)
    if missing := {"fill", "continue"} - set(abilities_of(model).edits):
        parser.error(f"{given.generator} does not {' and '.join(sorted(missing))}")
    makers = {
        "rendered": lambda: composed(given.clips, given.seed, SECONDS)[0],
        "recorded": lambda: recordings(given.recorded, given.clips, SECONDS)[0],
    }
    for name in given.sets:
        sounds = [resample(wave, rate, SAMPLE_RATE) for wave, rate in makers[name]()]
        sounds = [wave for wave in sounds if len(wave) >= (SECONDS - 0.1) * SAMPLE_RATE]
        judge(name, model, sounds, given.steps)


def judge(name: str, model: Editor, sounds: list[np.ndarray], steps: int | None = None) -> None:
    """Fill and continue all clips of a set, and print how well."""
    first, last = round(START * SAMPLE_RATE), round(STOP * SAMPLE_RATE)
    filled = [model.fill((wave, SAMPLE_RATE), [(START, STOP)], steps=steps)[0].waveform[0] for wave in sounds]
    errors = {what: np.array([distance(w, g) for w, g in zip(sounds, made, strict=True)]) for what, made in {
        "ours": filled,
        "silence": [_with_gap(wave, np.zeros(last - first, np.float32)) for wave in sounds],
        "crossfade": [_with_gap(wave, _crossfaded(wave)) for wave in sounds],
        "copy": [_with_gap(wave, wave[2 * first - last : first]) for wave in sounds],
    }.items()}  # fmt: skip
    for peer in ("silence", "crossfade", "copy"):
        ours, theirs = errors["ours"].mean(), errors[peer].mean()
        _report(f"gap_over_{peer}_{name}", ours / theirs, len(sounds), peer=theirs, note=f"nepers, ours {ours:.4f}")
    jumps = [jump(made, at) - jump(wave, at) for made, wave in zip(filled, sounds, strict=True) for at in (first, last)]
    _report(f"seam_db_{name}", float(np.median(jumps)), len(jumps), unit="dB")
    embedder = get_embedder("musicnn-mtt", 3.0, 1.0)

    def heard(waves: list[np.ndarray]) -> np.ndarray:
        return np.stack([embedder.embed(wave, SAMPLE_RATE).mean(axis=0) for wave in waves])

    around = heard([np.concatenate([wave[:first], wave[last:]]) for wave in sounds])
    for what, waves in (("", filled), ("_original", sounds)):
        _identified(f"gap_identification_{name}{what}", heard([wave[first:last] for wave in waves]), around)
    half = round(SECONDS / 2 * SAMPLE_RATE)
    made = [model.extend((wave[:half], SAMPLE_RATE), SECONDS / 2, steps=steps).waveform[0] for wave in sounds]
    beginnings = heard([wave[:half] for wave in sounds])
    for what, waves in (("", made), ("_original", sounds)):
        _identified(f"continuation_identification_{name}{what}", heard([wave[half:] for wave in waves]), beginnings)


def distance(wave: np.ndarray, made: np.ndarray) -> float:
    """Mean absolute difference of log-mel frames in the gap, in nepers."""
    frames = slice(round(START * SAMPLE_RATE / HOP_LENGTH), round(STOP * SAMPLE_RATE / HOP_LENGTH))
    one, other = (hifigan_log_mel(each.astype(np.float32))[:, frames] for each in (wave, made))
    return float((one - other).abs().mean())


def jump(wave: np.ndarray, at: int) -> float:
    """By how many dB the level changes at a sample, either way."""
    size = round(SEAM_S * SAMPLE_RATE)
    before, after = (np.sqrt(np.mean(part**2)) + 1e-5 for part in (wave[at - size : at], wave[at : at + size]))
    return abs(20 * float(np.log10(after / before)))


def _crossfaded(wave: np.ndarray) -> np.ndarray:
    """The five seconds before the gap faded out, and the five after it faded in."""
    first, last = round(START * SAMPLE_RATE), round(STOP * SAMPLE_RATE)
    before, after = wave[2 * first - last : first], wave[last : 2 * last - first]
    after = np.pad(after, (0, len(before) - len(after)))
    rise = np.linspace(0, 1, len(before), dtype=np.float32)
    return (1 - rise) * before + rise * after


def _with_gap(wave: np.ndarray, gap: np.ndarray) -> np.ndarray:
    filled = wave.copy()
    first = round(START * SAMPLE_RATE)
    filled[first : first + len(gap)] = gap
    return filled


def _identified(name: str, made: np.ndarray, own: np.ndarray) -> None:
    mean, scale = own.mean(axis=0), own.std(axis=0) + 1e-6
    scores = identification_by_clip(similarity((made - made.mean(axis=0)) / scale, (own - mean) / scale))
    low, high = bootstrap_interval(scores, np.random.default_rng(0))
    _report(name, float(scores.mean()), len(scores), low=low, high=high)


def _report(name: str, value: float, n: int, **more: object) -> None:
    bar = "" if name.endswith("_original") else next((bar for part, bar in BARS.items() if part in name), "")
    print(f"{name}: {value:.4f}", flush=True)
    RESULTS.add(in_words(name, SAID), value, n=n, bar=bar, **more)


if __name__ == "__main__":
    main()
