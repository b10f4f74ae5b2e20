"""Do encoding and decoding find what was planted? Simulated studies, measured against their truth.

Music is composed once; every seed deals it anew to the runs of the design, at its default signal-to-noise ratio,
and draws a subject. Responses are cleaned as a run cleans them, of the five components of white matter that
fMRIPrep would offer too, with the slow cosines that belong to them (``--components 0``: not of these), and follow the
sound by three scans.

* ``voxel_auc``: area under the ROC curve of the test-set correlation of ridge encoding (log-mel, MFCC and chroma,
  genre, standardised, in windows of 3 s and those 3 s before) between voxels whose planted ceiling is at least 0.2
  and all other grey matter.
* ``control_fdr``: share of voxels without signal among those found with the false discovery rate at 0.05 (10,000
  permutations of clips within runs, over all grey matter); ``control_fdr_error`` is the standard error over seeds.
* ``ceiling_error``: mean absolute difference of estimated and planted noise ceilings, scan by scan, of signal voxels
  that encoding found, shrunken; ``ceiling_error_repeats`` is that of the plain estimate from repeats, of
  all signal voxels, and ``ceiling_floor`` what the correlation of the true noiseless response with the same average of
  repeats gives for these.
* ``bayes_ratio``: two-way identification by our decoder over that by :func:`bayes_optimal`, means over seeds.
* ``shuffled_identification``: our decoder after training clips have changed places.

    python benchmarks/simulated_truth.py [--design NAME] [--seeds N] [--first-seed N] [--decode-seeds N]
                                         [--option NAME] [--embedding NAME] [--music DIR] [--components N]
"""

import argparse
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from _results import Results
from scipy.linalg import cho_factor, cho_solve
from sklearn.metrics import roc_auc_score

from brain2music import Brain2MusicWarning
from brain2music.brain.clean import detrend, regress_out, zscore
from brain2music.brain.responses import Responses
from brain2music.decoding.decoded import Decoded
from brain2music.decoding.subject import SubjectDecoder
from brain2music.embeddings.alignment import match_windows
from brain2music.embeddings.clips import embed_clips
from brain2music.embeddings.embeddings import Embeddings
from brain2music.encoding.alignment import Windows
from brain2music.encoding.ceiling import of_average, response_ceiling, shrunken_ceiling
from brain2music.encoding.encoder import EncoderSettings, correlation, encode
from brain2music.encoding.significance import fdr, voxel_permutation_test
from brain2music.metrics.ranking import identification_by_clip, similarity
from brain2music.models.embedders import get_embedder
from brain2music.simulation.brain.bold import SPONTANEOUS_AR1, physiological_courses
from brain2music.simulation.brain.confounds import slow_courses, white_matter_courses
from brain2music.simulation.brain.dataset import extract_features
from brain2music.simulation.brain.design import DESIGNS, PlannedRun, StudyDesign, plan_runs
from brain2music.simulation.brain.features import FeatureSpace
from brain2music.simulation.brain.recordings import catalogue
from brain2music.simulation.brain.subject import SimulatedSubject, autoregressive_left, make_subject
from brain2music.simulation.brain.tuning import respond
from brain2music.simulation.music.genres import GENRES
from brain2music.simulation.music.render import write_corpus
from brain2music.study.stimuli import Stimuli
from brain2music.study.study import Clip

RESULTS = Results("simulated_truth")

CLIP_S, TR = 15.0, 1.5
PIECES = 40
"""Composed pieces a genre, or more where a design asks for it: all but test clips tell the Bayes-optimal decoder."""
LAG_TR = 3
SIGNAL = 0.2
"""Planted ceiling from which a voxel counts as carrying signal."""
LEVEL = 0.05
DESCRIPTIONS = {"logmel": 3.0, "mfcc-chroma": 3.0, "genre-onehot": 15.0}
"""What voxels are predicted from, with the window of each in seconds."""
DELAYS = (0, 2)
PERMUTATIONS = 10_000
N_SHUFFLES = 2


def main() -> None:
    """Print a row a seed, then the figures."""
    options = _options()
    warnings.simplefilter("ignore", Brain2MusicWarning)
    with tempfile.TemporaryDirectory() as folder:
        shape = DESIGNS[options.design]
        music = Music(options.music or _composed(Path(folder), shape), shape, options.embedding, options.components)
    print(
        f"simulated, design {options.design}, snr {music.shape.snr:g}, {len(music.clips)} pieces, {options.embedding}, "
        f"{options.components} components of white matter regressed out"
    )
    found, ratios = [], []
    for seed in range(options.first_seed, options.first_seed + options.seeds):
        subject = music.subject(seed)
        train, test = (responses(subject, split, music.components) for split in ("train", "test"))
        found.append(encoded(subject, train, test, music, seed))
        line = "auc {:.3f}  found {:4.0f}  false {:.3f}  ceiling error {:.3f} repeats {:.3f} floor {:.3f}".format(
            *found[-1]
        )
        if seed < options.first_seed + options.decode_seeds:
            ratios.append(decoded(subject, train, test, music, options.option, seed))
            line += "  ours {:.3f}  ridge {:.3f}  bayes {:.3f}  shuffled {:.3f}".format(*ratios[-1])
        print(f"seed {seed:>2}  {line}", flush=True)
    auc, _, false, ceiling_error, by_repeats, floor = np.mean(found, axis=0)
    error = np.std([each[2] for each in found]) / np.sqrt(len(found))
    print(f"voxel_auc: {auc:.4f}")
    print(f"control_fdr: {false:.4f}")
    print(f"control_fdr_error: {error:.4f}")
    print(f"ceiling_floor: {floor:.4f}")
    print(f"ceiling_error_repeats: {by_repeats:.4f}")
    print(f"ceiling_error: {ceiling_error:.4f}")
    n = options.seeds
    RESULTS.add("area under ROC of voxels found (simulated)", auc, bar="≥ 0.95", n=n)
    RESULTS.add("false discoveries among controls at q = 0.05 (simulated)", false, bar="≤ 0.05", n=n)
    RESULTS.add("mean absolute error of the noise ceiling (simulated)", ceiling_error, bar="≤ 0.05", n=n)
    if not ratios:
        return
    ours, _, bayes, shuffled = np.mean(ratios, axis=0)
    print(f"identification_best: {ours:.4f}")
    print(f"identification_bayes: {bayes:.4f}")
    print(f"bayes_ratio: {ours / bayes:.4f}")
    print(f"shuffled_identification: {shuffled:.4f}")
    question = "identification, ours over Bayes-optimal (simulated)"
    RESULTS.add(question, ours, peer=bayes, ratio=ours / bayes, bar="≥ 0.95", n=len(ratios), note=options.option)
    RESULTS.add("identification, permuted clips (simulated)", shuffled, bar="0.5", n=len(ratios))


class Music:
    """All pieces, as they are heard, described and embedded; each gives one clip."""

    def __init__(self, folder: Path, shape: StudyDesign, embedding: str, components: int) -> None:
        self.shape, self.components = shape, components
        self.tracks = {genre: dict.fromkeys(sorted(pool), CLIP_S) for genre, pool in catalogue(folder).items()}
        self.clips = [Clip(track, 0.0, CLIP_S, genre) for genre, pool in self.tracks.items() for track in pool]
        self.space: FeatureSpace = extract_features(folder, [self.in_runs(self.clips)])
        stimuli = Stimuli(folder)
        described = [embed_clips(self.clips, stimuli, get_embedder(name, w, TR)) for name, w in DESCRIPTIONS.items()]
        self.described = _side_by_side(described)
        self.embedded = embed_clips(self.clips, stimuli, get_embedder(embedding, step_s=TR))

    def subject(self, seed: int) -> SimulatedSubject:
        """A study of its own: other clips in each run, another person."""
        runs = plan_runs(self.shape, self.tracks, np.random.default_rng((seed, 0)))
        return make_subject(runs, self.space, self.shape.resolution_mm, self.shape.snr, seed)

    def in_runs(self, clips: Sequence[Clip]) -> list[PlannedRun]:
        """Training runs of these clips, 20 in each, in an order drawn at random."""
        tracks = {genre: {c.track: CLIP_S for c in clips if c.genre == genre} for genre in self.tracks}
        shape = replace(self.shape, train_runs=len(clips) // 20, train_clips=20, test_runs=0)
        return list(plan_runs(shape, tracks, np.random.default_rng(len(clips))))


def responses(subject: SimulatedSubject, split: str, components: int) -> Responses:
    """The grey matter's responses to a split: detrended, cleaned and z-scored per run, cut, repeats averaged."""
    rows: dict[Clip, list[np.ndarray]] = {}
    groups: dict[Clip, int] = {}
    for number, run in enumerate(subject.runs):
        if run.split != split:
            continue
        stored = subject.scans(number)
        scans = detrend(stored[:, subject.brain.grey].astype(np.float32), run.tr)
        if components:
            courses = white_matter_courses(stored, subject.brain, run.tr, components)
            scans = regress_out(scans, np.hstack([courses, slow_courses(len(scans), run.tr)]))
        scans = zscore(scans)[0]
        for shown in run.presentations[1:]:
            lagged = np.minimum(np.array(shown.volumes) + LAG_TR, run.n_volumes - 1)
            rows.setdefault(shown.clip, []).append(scans[lagged])
            groups.setdefault(shown.clip, number)
    repeats = np.stack([np.stack(each) for each in rows.values()], axis=1)
    counts, runs = np.full(len(rows), len(repeats)), np.array(list(groups.values()))
    mean = repeats.mean(axis=0)
    return Responses("001", mean, tuple(rows), runs, TR, LAG_TR, counts, repeats)


def encoded(
    subject: SimulatedSubject, train: Responses, test: Responses, music: Music, seed: int
) -> tuple[float, float, float, float, float, float]:
    """Area under the ROC curve, voxels found, the false among them, errors of ceilings (two) and their floor."""
    planted = _of_grey(subject, subject.ceiling(subject.repeats, cleaned=music.components > 0))
    signal = planted >= SIGNAL
    result = encode(train, music.described, test, music.described, delays=DELAYS, fit=EncoderSettings(standardise=True))
    rng = np.random.default_rng(seed)
    tested = voxel_permutation_test(result.predicted, result.measured, rng, PERMUTATIONS, blocks=test.runs)
    found = fdr(tested.p) <= LEVEL
    false = float((found & (planted == 0)).sum() / max(1, found.sum()))
    ceiling = response_ceiling(test, Windows(1, 1, test.n_scans))
    assert ceiling is not None
    learned = of_average(result.cv_scores[0], subject.repeats)
    shrunken = shrunken_ceiling(ceiling, subject.repeats, result.r, found, learned)
    error = float(np.abs(shrunken - planted)[signal & found].mean())
    by_repeats = float(np.abs(ceiling.r - planted)[signal].mean())
    floor = float(np.abs(_of_grey(subject, _realised(subject, test, music)) - planted)[signal].mean())
    return float(roc_auc_score(signal, result.r)), float(found.sum()), false, error, by_repeats, floor


def decoded(
    subject: SimulatedSubject, train: Responses, test: Responses, music: Music, option: str, seed: int
) -> tuple[float, float, float, float]:
    """Identification by our decoder, by plain ridge, by the Bayes-optimal one, and by ours after shuffling."""
    decoder, ridge = (SubjectDecoder(name, train, test, music.embedded, seed=seed) for name in (option, "ridge"))
    shuffled = decoder.fit(N_SHUFFLES).permuted(N_SHUFFLES)
    ours, plain = decoder.decoded(), ridge.decoded()
    best = replace(plain, predicted=bayes_optimal(subject, test, music))
    by_shuffled = float(np.mean([_identified(each) for each in shuffled]))
    return _identified(ours), _identified(plain), _identified(best), by_shuffled


def bayes_optimal(subject: SimulatedSubject, test: Responses, music: Music) -> np.ndarray:
    """The linear decoder of least squared error, from the truth: E[y] + C_ys (C_ss + N)⁻¹ r.

    r is a window's average response (all grey matter, all repeats averaged), y its embedding, s the noiseless r. With
    the planted weights, haemodynamics and delays, s is computed for every piece that is not among the test clips, heard
    in random order, so that what the clip before leaves behind is in C_ss as it is in r; C_ss, C_ys and E[y] are
    moments over these pieces. N is the planted noise's covariance for averages of the window's scans: AR(1) noise,
    spontaneous activity, and physiology where it is not regressed out, over the number of repeats. Drift is taken as
    removed; cosines, where they are regressed out, are taken from s, and in expectation from N. Responses are
    z-scored, so s and N are in units of each voxel's standard deviation over a run.
    """
    known = [clip for clip in music.clips if clip not in set(test.clips)]
    s, y = _noiseless(subject, music, known)
    asked = match_windows(test, music.embedded)
    heard = np.flatnonzero(_of_grey(subject, np.ones(len(subject.tuning.voxels), np.float32)))
    s, y_mean = (s - s.mean(axis=0)) / np.sqrt(len(s)), y.mean(axis=0)
    own, shared = _noise(subject, music)
    factors = np.zeros((len(own), len(heard)))
    factors[heard] = np.linalg.qr(s, mode="r").T  # factors factorsᵀ = C_ss
    factors = np.hstack([factors, shared / np.sqrt(subject.repeats)])
    c_sy = np.zeros((len(own), y.shape[1]))
    c_sy[heard] = s.T @ (y - y_mean) / np.sqrt(len(s))
    predicted = y_mean + asked.X @ _solve(own / subject.repeats, factors, c_sy)
    return predicted.reshape(len(test.clips), asked.n_windows, -1).astype(np.float32)


def _solve(diagonal: np.ndarray, factors: np.ndarray, right: np.ndarray) -> np.ndarray:
    """(diag + factors factorsᵀ)⁻¹ right, by Woodbury's identity."""
    scaled = factors / diagonal[:, None]
    inner = cho_factor(np.eye(factors.shape[1]) + factors.T @ scaled)
    return right / diagonal[:, None] - scaled @ cho_solve(inner, scaled.T @ right)


def _noiseless(subject: SimulatedSubject, music: Music, clips: Sequence[Clip]) -> tuple[np.ndarray, np.ndarray]:
    """Windows of noiseless responses (pairs, planned), in run standard deviations, and their embeddings."""
    data, names, sd = [], [], _sd(subject, music)[subject.tuning.voxels]
    for run in music.in_runs(clips):
        scans = respond(run, subject.tuning, music.space.frames) / sd
        if music.components:
            scans = regress_out(scans, slow_courses(len(scans), run.tr))
        for shown in run.presentations[1:]:
            data.append((scans - scans.mean(axis=0))[np.minimum(np.array(shown.volumes) + LAG_TR, len(scans) - 1)])
            names.append(shown.clip)
    ones = np.ones(len(names), dtype=int)
    noiseless = Responses("001", np.stack(data), tuple(names), ones, TR, LAG_TR, ones)
    pairs = match_windows(noiseless, music.embedded)
    return pairs.X.astype(np.float64), pairs.Y.astype(np.float64)


def _noise(subject: SimulatedSubject, music: Music) -> tuple[np.ndarray, np.ndarray]:
    """Noise over a window's scans, in run standard deviations: its covariance is diag(own) + shared sharedᵀ."""
    noise, grey, sd, length = subject.noise, subject.brain.grey, _sd(subject, music), _scans_in_window(music)
    slow = _slow(subject, music)
    own = autoregressive_left(noise.ar1[grey], slow, length).astype(np.float64)
    long = replace(subject.runs[0], n_volumes=20_000)
    courses = physiological_courses(long, np.random.default_rng(0))
    averaged = np.lib.stride_tricks.sliding_window_view(courses, length, axis=0).mean(axis=2)
    physiology = (noise.physiology / sd[:, None])[grey].astype(np.float64)
    spontaneous = np.zeros((len(sd), subject.tuning.spontaneous.shape[1]))
    spontaneous[subject.tuning.voxels] = subject.tuning.spontaneous
    spontaneous = (spontaneous / sd[:, None])[grey]
    kept = autoregressive_left(np.array([SPONTANEOUS_AR1], np.float32), slow, length)
    shared = [np.sqrt(kept) * spontaneous]
    shared += [] if music.components else [physiology @ np.linalg.cholesky(np.cov(averaged.T))]
    return own * (noise.sd / sd)[grey].astype(np.float64) ** 2, np.hstack(shared)


def _realised(subject: SimulatedSubject, test: Responses, music: Music) -> np.ndarray:
    """Correlation, scan by scan, of the noiseless responses of responsive voxels with the average of repeats."""
    data = {}
    for number, run in enumerate(subject.runs):
        scans = subject.signal(number)
        if music.components:
            scans = regress_out(scans, slow_courses(len(scans), run.tr))
        for shown in run.presentations[1:]:
            data[shown.clip] = scans[np.minimum(np.array(shown.volumes) + LAG_TR, len(scans) - 1)]
    grey = np.flatnonzero(subject.brain.grey)
    measured = test.data[..., np.searchsorted(grey, subject.tuning.voxels)]
    return correlation(np.stack([data[clip] for clip in test.clips]), measured)


def _sd(subject: SimulatedSubject, music: Music) -> np.ndarray:
    """Standard deviation of every voxel of the brain over a run, as cleaned."""
    spread = subject.spread(cleaned=music.components > 0)
    variance = spread.scanner.astype(np.float64) ** 2
    variance[subject.tuning.voxels] = spread.noise**2 + spread.response**2
    return np.sqrt(variance)


def _slow(subject: SimulatedSubject, music: Music) -> np.ndarray:
    """The slow courses that are regressed out of a run, (scans, courses); none without components."""
    run = subject.runs[0]
    return slow_courses(run.n_volumes, run.tr)[:, : None if music.components else 0]


def _scans_in_window(music: Music) -> int:
    return min(int(np.ceil(music.embedded.space.window_s / TR - 0.01)), round(CLIP_S / TR))


def _identified(decoded: Decoded) -> float:
    """Two-way identification of clips, both sides about the training mean."""
    predicted, true = (side.mean(axis=1) - decoded.train_mean for side in (decoded.predicted, decoded.true))
    return float(identification_by_clip(similarity(predicted, true)).mean())


def _of_grey(subject: SimulatedSubject, values: np.ndarray) -> np.ndarray:
    """Values of the responsive voxels among the grey matter's, 0 elsewhere."""
    every = np.zeros(subject.brain.n_voxels)
    every[subject.tuning.voxels] = values
    return every[subject.brain.grey]


def _side_by_side(parts: Sequence[Embeddings]) -> Embeddings:
    """Several descriptions as one; one vector a clip is repeated over the windows of the first."""
    first = parts[0]
    n_windows = first.data.shape[1]
    columns = [np.broadcast_to(p.data, (len(p.data), n_windows, p.space.dims)) for p in parts]
    data = np.concatenate(columns, axis=2)
    return Embeddings(data, first.names, replace(first.space, name="+".join(DESCRIPTIONS), dims=data.shape[2]))


def _composed(folder: Path, shape: StudyDesign) -> Path:
    write_corpus(folder / "music", max(PIECES, -(-shape.n_clips // len(GENRES))), 0, CLIP_S)
    return folder / "music"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--design", choices=list(DESIGNS), default="ds003720")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--decode-seeds", type=int, default=2, help="how many of the seeds are decoded too")
    parser.add_argument("--option", default="selected+whitened", help="our decoder, by name")
    parser.add_argument("--embedding", default="musicnn-mtt")
    parser.add_argument("--components", type=int, default=5, help="of white matter, regressed out; 0 for none")
    parser.add_argument("--music", type=Path, help="a folder GENRE/TRACK.wav of pieces of 15 s or more")
    return parser.parse_args()


if __name__ == "__main__":
    main()
