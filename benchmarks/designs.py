"""Are studies of any design read right, and does decoding survive another TR? Layouts of real studies, and a simulated.

Each layout is a small study with noise for scans, which the tests write; what every clip must be given of it is
computed from what the writer presented when, with numpy alone (``tests/study/layouts.py``).

* ``clips_<name>``: clips that are read; the bar is the number that was presented.
* ``scans_equal_<name>``: 1 if the scans of every clip, linearly and by sinc, and at lags of 0 and 2 scans, equal that
  computation to 0.001 (of noise with a standard deviation of 10); of ds003720, whose clips are on the grid, exactly.
* ``identification_1.5``, ``identification_2``: two-way identification in a simulated study of TR 1.5 s (quick, ridge,
  log-mel, lag of 4.5 s), and in the same study after its images were resampled to a TR of 2 s (polyphase, with an
  anti-aliasing filter), at which half of its clips of 15 s start between scans; means over subjects.

    python benchmarks/designs.py [--no-simulation] [--subjects N] [--music DIR]
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from _results import Results
from scipy.signal import resample_poly

import brain2music as b2m
from brain2music.brain.load import load_responses
from brain2music.config import EventsConfig
from brain2music.study import read_study

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.study import layouts  # the same studies that the tests read

RESULTS = Results("designs")
SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
REAL_DATA = Path(os.environ.get("BRAIN2MUSIC_REAL_DATA", SHARED))
RAW: dict[str, Any] = {"detrend": "none", "zscore": False}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--no-simulation", action="store_true")
    parser.add_argument("--subjects", type=int, default=3)
    parser.add_argument("--music", type=Path, help="GENRE/TRACK.wav to present; default composed")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", b2m.Brain2MusicWarning)
    with tempfile.TemporaryDirectory() as folder:
        for name, write in WRITERS.items():
            read_layout(name, write(Path(folder) / name))
        if not arguments.no_simulation:
            compare_trs(Path(folder) / "simulated", arguments.subjects, arguments.music)


WRITERS = {
    "ds003720": lambda root: layouts.ds003720(root, REAL_DATA / "ds003720"),
    "ds000113": layouts.ds000113,
    "ds002725": layouts.ds002725,
    "ds003085": layouts.ds003085,
    "bep044": layouts.bep044,
    "long": layouts.long_piece,
}


def read_layout(name: str, layout: layouts.Layout) -> None:
    """Read a layout, and compare its clips and their scans with what was presented."""
    largest, n_clips = 0.0, 0
    for method in ("linear", "sinc"):
        study = read_study(layout.root, events=EventsConfig(**layout.settings, resampling=method))
        n_clips = len({*study.train_clips, *study.test_clips})
        for lag in (0, 2):
            found: dict[Any, np.ndarray] = {}
            for split in ("train", "test") if study.test_clips else ("train",):
                each = load_responses(study, study.subjects[0], split, lag_tr=lag, **RAW)
                found |= {(c.track, c.start, c.end): scans for c, scans in zip(each.clips, each.data, strict=True)}
            wanted = layouts.expected(layout, study.subjects[0], lag, method == "sinc")
            largest = max(largest, layouts.largest_difference(found, wanted))
    print(f"clips_{name}: {n_clips} of {len(layout.clips)}")
    print(f"scans_equal_{name}: {int(largest < 1e-3)} (largest difference {largest:.2g})")
    RESULTS.add(f"clips of {name} that are read", n_clips, bar=str(len(layout.clips)))
    note = f"largest difference {largest:.1g} of noise of 10"
    RESULTS.add(f"scans of {name} equal an independent computation", int(largest < 1e-3), bar="1", note=note)


def compare_trs(root: Path, n_subjects: int, music: Path | None) -> None:
    """Identification in a simulated study, and in the same study at a TR of 2 s."""
    b2m.simulate_study(root, design="quick", n_subjects=n_subjects, stimuli=music, seed=0, n_jobs=1)
    retime(root, root.with_name("retimed"), 4, 3)
    found = {tr: identify(folder) for tr, folder in ((1.5, root), (2.0, root.with_name("retimed")))}
    apart = float(np.mean(found[2.0]) - np.mean(found[1.5]))
    for tr, values in found.items():
        print(f"identification_{tr:g}: {np.mean(values):.3f} ({', '.join(f'{value:.3f}' for value in values)})")
    print(f"difference: {apart:+.3f}")
    RESULTS.add(
        "identification at a TR of 2 s, where clips start between scans (peer: the same study at 1.5 s)",
        float(np.mean(found[2.0])),
        peer=float(np.mean(found[1.5])),
        bar="within 0.03 of the peer",
        n=n_subjects,
        note=f"difference {apart:+.3f}; simulated brains, quick, log-mel, ridge",
    )


def retime(study: Path, copy: Path, down: int, up: int) -> None:
    """Copy a study with its images resampled in time, so that the TR is ``down / up`` times as long."""
    shutil.copytree(study, copy)
    for path in copy.rglob("*_bold.nii.gz"):
        image = nib.load(path)
        scans = resample_poly(image.get_fdata(dtype=np.float32), up, down, axis=3, padtype="line")
        header = image.header.copy()
        header.set_data_dtype(np.float32)
        header.set_zooms((*image.header.get_zooms()[:3], image.header.get_zooms()[3] * down / up))
        nib.save(nib.Nifti1Image(scans.astype(np.float32), image.affine, header), path)
        sidecar = path.with_name(path.name.replace(".nii.gz", ".json"))
        text = json.loads(sidecar.read_text())
        sidecar.write_text(json.dumps({**text, "RepetitionTime": text["RepetitionTime"] * down / up}))


def identify(root: Path) -> list[float]:
    """Two-way identification of test clips, by subject."""
    study = b2m.load_study(root)
    music = study.embed("logmel", cache_dir=root.with_name(f"{root.name}-embedded"))
    values = []
    for subject in study.subjects:
        bold = study.responses(subject)
        decoded = b2m.Decoder("ridge").fit(bold.train, music).predict(bold.test)
        values.append(float(b2m.metrics.identification(decoded, music).value))
    return values


if __name__ == "__main__":
    main()
