"""Is the simulated brain as noisy as a real one? Single-trial genre classification of a simulated ds003720.

Users of the real data (Brain2Music spec, section 10.4) report 27-40 % of ten genres for its five subjects: clip means
of z-scored scans, the 1,300 best voxels by F-test and a linear SVM (C = 1), both fitted inside leave-one-run-out folds.
The default signal-to-noise ratio is chosen so that the first simulated subject lies in that range.

    python benchmarks/simulated_snr.py [--subjects N] [--snr S] [--seed N] [--music DIR]
"""

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from _results import Results
from sklearn.feature_selection import SelectKBest, f_classif
from sklearn.model_selection import LeaveOneGroupOut, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits

from brain2music.simulation.brain.dataset import clips_of, extract_features, plan_subjects
from brain2music.simulation.brain.design import DESIGNS
from brain2music.simulation.brain.recordings import compose_counts
from brain2music.simulation.brain.subject import SimulatedSubject, make_subject
from brain2music.simulation.music.render import write_corpus

RESULTS = Results("simulated_snr")

LAG_TR = 3
N_VOXELS = 1300


def main() -> None:
    """Print a row a subject, then the first subject's accuracy."""
    options = _options()
    shape = replace(DESIGNS["ds003720"], snr=options.snr or DESIGNS["ds003720"].snr)
    planned = plan_subjects(["001"], shape, options.seed, music=options.music)
    with tempfile.TemporaryDirectory() as folder, threadpool_limits(1):
        stimuli = options.music or Path(folder) / "stimuli"
        if options.music is None:
            write_corpus(stimuli, compose_counts(clips_of(planned)), options.seed)
        space = extract_features(stimuli, planned)
        accuracies = []
        print(f"simulated, {shape.resolution_mm:g} mm, snr {shape.snr:g}, seed {options.seed}, chance 0.100")
        print("subject  grey voxels  hearing  mean ceiling (1 trial, 4 repeats)  svm genre accuracy")
        for index in range(options.subjects):
            subject = make_subject(planned[0], space, shape.resolution_mm, shape.snr, options.seed, index)
            accuracies.append(genre_accuracy(subject))
            ceilings = f"{subject.ceiling().mean():.3f}, {subject.ceiling(4).mean():.3f}"
            sizes = f"{subject.brain.grey.sum():>11}  {len(subject.tuning.voxels):>7}"
            print(f"{index + 1:>7}  {sizes}  {ceilings:>33}  {accuracies[-1]:>18.3f}", flush=True)
    print(f"svm_genre_accuracy: {accuracies[0]:.4f}")
    question = "accuracy of single-trial genre by a linear SVM, first simulated subject"
    RESULTS.add(question, accuracies[0], bar="0.27 to 0.40", note="chance: 0.1")


def genre_accuracy(subject: SimulatedSubject) -> float:
    """Leave-one-run-out accuracy of a linear SVM on the grey matter's single-trial clip means."""
    responses, genres, runs = [], [], []
    for number, run in enumerate(subject.runs):
        if run.split != "train":
            continue
        scans = subject.scans(number)[:, subject.brain.grey].astype(np.float32)
        scans = (scans - scans.mean(0)) / scans.std(0)
        for shown in run.presentations[1:]:
            lagged = np.minimum(np.array(shown.volumes) + LAG_TR, run.n_volumes - 1)
            responses.append(scans[lagged].mean(0))
            genres.append(shown.clip.genre)
            runs.append(number)
    model = make_pipeline(SelectKBest(f_classif, k=N_VOXELS), SVC(kernel="linear", C=1.0))
    folds = cross_val_score(model, np.array(responses), genres, groups=runs, cv=LeaveOneGroupOut())
    return float(folds.mean())


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--subjects", type=int, default=1)
    parser.add_argument("--snr", type=float, help="default that of the design ds003720")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--music", type=Path, help="a folder GENRE/TRACK.wav; default composed")
    return parser.parse_args()


if __name__ == "__main__":
    main()
