"""Is p honest where clips are scored in folds? Studies in which the brain knows nothing of the music.

Every study has 40 clips, heard in runs of ten: responses of 60 voxels, alike in space and slow in time and centred by
run as scans are that were z-scored, and an embedding of 16 dimensions; the two are drawn apart. In every other study
the clips are two excerpts each of 20 recordings, and excerpts of one recording are alike, in the responses as in the
embedding. The steps of a run score them, in folds.

* ``share_p_05_decode``: share of studies whose identification has p of at most 0.05.
* ``share_p_05_encode``: the same of the mean correlation over voxels (the row ``r``).
* ``share_p_05_voxels``: share of voxels with p of at most 0.05, over all studies; ``share_fdr``: of studies in
  which any voxel is found with the false discovery rate at 0.05.
* ``share_p_05_others``: of every other score of decoding that has a p, the share, over studies.
* ``identification``, ``chance_decode``, ``r``, ``chance_encode``: means, and what is told beside them as chance.
* ``…_alone``, ``…_excerpts``: of studies of either kind.

    python benchmarks/null_folds.py [--studies 1000] [--seed 0] [--decoder NAME] [--processes 2] [--json FILE]
"""

import argparse
import json
import os
import tempfile
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from pathlib import Path
from typing import Literal

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
from _results import Results

from brain2music.brain.responses import Responses
from brain2music.config import RunConfig
from brain2music.embeddings.embeddings import Embeddings, EmbeddingSpace
from brain2music.metrics.records import select_scores
from brain2music.metrics.score import Score
from brain2music.pipeline.context import Music, SubjectContext
from brain2music.pipeline.encoding import encode_subject
from brain2music.pipeline.outputs import Outputs
from brain2music.pipeline.scoring import score
from brain2music.study.stimuli import Stimuli
from brain2music.study.study import Clip

RESULTS = Results("null_folds")

CLIPS, RUN, SCANS, VOXELS, DIMS, FACTORS = 40, 10, 4, 60, 16, 12
SPACE = EmbeddingSpace("null", "1", "none", DIMS, 3.0, 1.5, 16000)
KINDS = ("alone", "excerpts")
QUESTIONS = {
    "share_p_05_decode": "null studies with p ≤ 0.05, decoding",
    "share_p_05_encode": "null studies with p ≤ 0.05, encoding",
    "share_p_05_voxels": "voxels with p ≤ 0.05 in null studies",
    "share_fdr": "voxels found at q ≤ 0.05 in null studies",
    "share_p_05_others": "null studies with p ≤ 0.05, other scores",
    "identification": "identification in null studies",
    "r": "correlation of encoding in null studies",
    "chance_decode": "chance that is told of identification in null studies",
    "chance_encode": "chance that is told of encoding in null studies",
}
"""What is kept as results."""
SAID = {"": "", "alone": "a clip per recording", "excerpts": "two clips per recording"}
DECODE, ENCODE = "decode identification decoded", "encode r true"
"""Labels of the main score of either step."""


@dataclass(frozen=True)
class Result:
    """The scores of one study: p of each, the main values with the chance that is reported, and shares of voxels."""

    p: dict[str, float]
    identification: float
    r: float
    chance_decode: float
    chance_encode: float
    voxels: float
    fdr: float


@dataclass(frozen=True)
class Null:
    """A study in memory, as a source of the pipeline."""

    responses_: Responses
    kind: Literal["arrays"] = "arrays"
    name: str = "null"
    simulated: bool = True
    note: str = ""
    folds: int = 5
    subjects: tuple[str, ...] = ("01",)
    step_s: float = 1.5
    has_time: bool = True
    images: None = None
    remarks: tuple[str, ...] = ()
    stimuli: Stimuli = field(default_factory=lambda: Stimuli(Path("nowhere")))
    test_clips: tuple[Clip, ...] = ()

    @property
    def train_clips(self) -> tuple[Clip, ...]:
        return self.responses_.clips

    def responses(self, subject: str, lag_tr: int) -> tuple[Responses, None]:
        return self.responses_, None

    def clips_of(self, subject: str) -> tuple[Clip, ...]:
        return self.responses_.clips

    def tr_of(self, subject: str) -> float:
        return self.step_s

    def digests(self, subject: str) -> dict[str, str]:
        return {}


def draw(kind: str, rng: np.random.Generator) -> tuple[Null, Embeddings]:
    """Responses and an embedding that have nothing to do with each other."""
    excerpts = 2 if kind == "excerpts" else 1
    recording = np.arange(CLIPS) // excerpts
    runs = np.arange(CLIPS) // RUN

    def drawn(n: int, size: int) -> np.ndarray:
        own, shared = rng.standard_normal((CLIPS, 1, size)), rng.standard_normal((CLIPS, 1, size))[recording]
        slow = own if excerpts == 1 else 0.5 * own + shared
        return slow + 0.7 * rng.standard_normal((CLIPS, n, size))

    data = drawn(SCANS, FACTORS) @ rng.standard_normal((FACTORS, VOXELS)) + drawn(SCANS, VOXELS)
    for run in np.unique(runs):
        data[runs == run] -= data[runs == run].mean(axis=(0, 1))
    clips = tuple(Clip(f"track{r}", 8.0 * (i % excerpts), 8.0 * (i % excerpts) + 6.0) for i, r in enumerate(recording))
    ones = np.ones(CLIPS, dtype=int)
    responses = Responses("01", data.astype(np.float32), clips, runs, 1.5, 0, ones)
    music = drawn(SCANS - 1, DIMS) * np.geomspace(3, 0.3, DIMS)
    return Null(responses), Embeddings(music.astype(np.float32), tuple(clip.name for clip in clips), SPACE)


def run(number: int, seed: int, settings: RunConfig) -> Result:
    """What the steps of a run make of one study: p and value of every score, and of the voxels."""
    kind = KINDS[number % 2]
    source, embeddings = draw(kind, np.random.default_rng((seed, number)))
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        outputs, context = Outputs(Path(folder)), SubjectContext(source, "01", settings)
        music = Music(source, (_Silent(),), outputs)
        music._done[SPACE.name] = embeddings
        scores = score(context, context.decoder(embeddings), music) + encode_subject(context, music, outputs)
        voxels = pd.read_parquet(outputs.encoding("01", SPACE.name))
    decoded, encoded = scores[0], next(each for each in scores if each.metric == "r")
    (permuted,) = select_scores(scores, condition="permuted")
    return Result(
        p={_label(each): each.p for each in scores if each.p is not None},
        identification=decoded.value,
        r=encoded.value,
        chance_decode=permuted.value,
        chance_encode=encoded.chance,
        voxels=float((voxels["p"] <= 0.05).mean()),
        fdr=float((voxels["q"] < 0.05).any()),
    )


def _label(score: Score) -> str:
    """The columns that tell the scores of a study apart, as words."""
    columns = [score.stage, score.metric, score.condition, score.group, score.ablation]
    return " ".join(each for each in columns if each not in ("all", "none"))


class _Silent:
    """An embedder that is asked for nothing but its space."""

    space = SPACE

    def embed(self, waveform: np.ndarray, rate: int) -> np.ndarray:
        raise NotImplementedError


def shares(rows: list[Result]) -> dict[str, float]:
    """The figures that are printed, of some studies."""
    tests = pd.DataFrame([row.p for row in rows])
    # a score without p in some studies (no group to test in) counts where it has one
    low = {str(name): float((each.dropna() <= 0.05).mean()) for name, each in tests.items()}
    others = [share for name, share in low.items() if name not in (DECODE, ENCODE)]
    means = ("identification", "r", "chance_decode", "chance_encode")
    return {
        "share_p_05_decode": low.get(DECODE, float("nan")),
        "share_p_05_encode": low.get(ENCODE, float("nan")),
        "share_p_05_voxels": float(np.mean([row.voxels for row in rows])),
        "share_fdr": float(np.mean([row.fdr for row in rows])),
        "share_p_05_others": float(np.mean(others)) if others else float("nan"),
        **{name: float(np.mean([getattr(row, name) for row in rows])) for name in means},
        **{f"p {name}": share for name, share in low.items()},
    }


def keep_result(name: str, value: float, studies: int) -> None:
    """Keep a figure of all studies, or of one kind, that has a question."""
    kind = next((kind for kind in KINDS if name.endswith(f"_{kind}")), "")
    name = name.removesuffix(f"_{kind}")
    if name in QUESTIONS:
        bar = "0.035 to 0.065" if not kind and name in ("share_p_05_decode", "share_p_05_encode") else ""
        n = studies // len(KINDS) if kind else studies
        RESULTS.add(", ".join(filter(None, [QUESTIONS[name], SAID[kind]])), value, bar=bar, n=n)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--decoder", default="ridge")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    settings = RunConfig.from_toml(
        n_inner_folds=3,
        n_permutations=1000,
        compare_lags_tr=(0,),
        lag_tr=0,
        decoder=given.decoder,
        leave_one_genre_out=False,
        seed=given.seed,
    )
    started = time.perf_counter()
    with ProcessPoolExecutor(given.processes) as pool:
        rows = list(pool.map(partial(run, seed=given.seed, settings=settings), range(given.studies), chunksize=4))
    figures = shares(rows)
    for place, kind in enumerate(KINDS):
        figures |= {f"{name}_{kind}": value for name, value in shares(rows[place :: len(KINDS)]).items()}
    seconds = time.perf_counter() - started
    for name, value in figures.items():
        print(f"{name}: {value:.4f}")
        keep_result(name, value, given.studies)
    print(f"studies: {given.studies}\nseconds: {seconds:.0f}")
    if given.json is not None:
        record = {"date": date.today().isoformat(), "studies": given.studies, "seed": given.seed, **figures}
        record |= {"decoder": given.decoder, "seconds": round(seconds)}
        given.json.write_text(json.dumps(record, indent=1))


if __name__ == "__main__":
    main()
