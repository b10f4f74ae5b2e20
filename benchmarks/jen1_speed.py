"""How fast JEN-1 makes music, how quality falls with fewer steps, and whether memory grows with length.

    python benchmarks/jen1_speed.py --generator MODEL [--clips 20] [--steps 5 10 20 50]

* ``seconds_for_15s``: clock time of 15 s of music from an embedding, the model's default steps, on all cores; the
  median of three, without loading.
* ``identification_N steps``: composed pieces made again from their embeddings in N steps, identified by musicnn-MTT
  as in adherence.py, one sample of each; and the seconds that it takes.
* ``memory_60s_over_15s``: peak memory of a process that makes 60 s over that of one that makes 15 s.
"""

import argparse
import resource
import statistics
import subprocess
import sys
import time

import numpy as np
from _results import Results, in_words
from adherence import composed

from brain2music.metrics.ranking import identification_by_clip, similarity
from brain2music.models import Generator
from brain2music.models.abilities import abilities_of
from brain2music.models.embedders import get_embedder
from brain2music.models.embedding_input import EmbeddingInput
from brain2music.models.generator_parts.prompts import embed_sounds
from brain2music.models.generators import get_generator

RESULTS = Results("jen1_speed")
SECONDS = 15.0
SAID = {
    "seconds_for_15s": "time for 15 s of music",
    "memory_60s_over_15s": "peak memory of 60 s of music over that of 15 s",
    "identification": "identification of composed pieces",
}


def main() -> None:
    """Read the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--generator", default="jen1-small")
    parser.add_argument("--clips", type=int, default=20)
    parser.add_argument("--steps", type=int, nargs="*", default=[5, 10, 20, 50])
    parser.add_argument("--seed", type=int, default=990_001)
    parser.add_argument("--memory", type=float, help=argparse.SUPPRESS)
    given = parser.parse_args()
    model = get_generator(given.generator)
    if "steps" not in abilities_of(model).settings:
        parser.error(f"{given.generator} samples without steps to choose")
    vector = np.ones(model.space.dims, np.float32)
    if given.memory is not None:
        model.generate(vector, seconds=given.memory)
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
        return
    model.generate(vector, seconds=SECONDS)  # whatever is loaded when first used
    taken = [_seconds(model, vector) for _ in range(3)]
    _report("seconds_for_15s", statistics.median(taken), 3, unit="s", bar="≤ 30")
    peaks = [_peak(given.generator, seconds) for seconds in (15.0, 60.0)]
    _report("memory_60s_over_15s", peaks[1] / peaks[0], 1, peer=peaks[0], note="peer: kilobytes for 15 s")
    sounds, _ = composed(given.clips, given.seed, SECONDS)
    vectors = embed_sounds(sounds, EmbeddingInput(model.space)).numpy()
    judge = get_embedder("musicnn-mtt")
    true = np.stack([judge.embed(*sound).mean(axis=0) for sound in sounds])
    mean, scale = true.mean(axis=0), true.std(axis=0) + 1e-6
    for steps in given.steps:
        began = time.perf_counter()
        made = model.generate(vectors[:, None], seconds=SECONDS, steps=steps)
        spent = (time.perf_counter() - began) / len(made)
        heard = np.stack([judge.embed(each.waveform[0], each.sample_rate).mean(axis=0) for each in made])
        scores = identification_by_clip(similarity((heard - mean) / scale, (true - mean) / scale))
        _report(f"identification_{steps} steps", float(scores.mean()), len(scores), note=f"{spent:.2f} s a piece")


def _seconds(model: Generator, vector: np.ndarray) -> float:
    began = time.perf_counter()
    model.generate(vector, seconds=SECONDS)
    return time.perf_counter() - began


def _peak(generator: str, seconds: float) -> float:
    """Peak memory of a process of its own, in kilobytes."""
    command = [sys.executable, __file__, "--generator", generator, "--memory", str(seconds)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])


def _report(name: str, value: float, n: int, **more: object) -> None:
    print(f"{name}: {value:.4f}  {more.get('note', '')}", flush=True)
    RESULTS.add(in_words(name, SAID), value, n=n, **more)


if __name__ == "__main__":
    main()
