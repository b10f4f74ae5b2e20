"""How long does the decoding part of a run take? The design of ds003720, simulated at 4 mm, all that is scored.

The decoder is ``selected+whitened+matched+denoised``, with 5 permuted fits and 10 genres left out. Study and
embeddings are made first, in FOLDER, and found again the next time; then one run is timed, from the images to the
scores of the decoder, in a process of its own. ``before`` is commit ebe6614, where every fit was made from nothing:
its one fit to all training clips is timed in the same run (``--before SRC``, a checkout of it), and its 17 fits (one,
5 permuted, 10 genres, one other lag) are counted as 17 of these, which is what they cost.

    python benchmarks/decode_run.py FOLDER [--before SRC] [--resolution 4] [--voxels 60000]

With ``--voxels`` the whole of decoding, scores and encoding is timed instead, of responses that are loaded already:
arrays of so many voxels, each a voxel of the simulated study with noise of its own (its scans' standard deviation).
"""

import argparse
import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
from _results import Results

import brain2music as b2m

FITS = 17
"""The fit to the clips as they are, 5 to permuted clips, 10 without a genre, and one at the paper's lag."""
DECODER = "selected+whitened+matched+denoised"
BEFORE = """
import sys, time
from pathlib import Path
from brain2music.brain.source import BidsSource
from brain2music.config import RunConfig
from brain2music.models.embedders import get_embedder
from brain2music.pipeline.listener import Listener, Music
from brain2music.pipeline.outputs import Outputs
config = RunConfig(embeddings=("mulan-small",), decoder="selected+whitened+calibrated+exemplars")
source = BidsSource.read(Path(sys.argv[1]), config)
listener = Listener(source, source.subjects[0], config)
music = Music(source, (get_embedder("mulan-small", None, source.step_s),), Outputs(Path(sys.argv[2])))["mulan-small"]
listener.responses
began = time.perf_counter()
listener.decode(music)
print(time.perf_counter() - began)
"""


WARM = """
embeddings = ["mulan-small"]
[evaluation]
leave_one_genre_out = false
n_permuted_fits = 1
[encoding]
enabled = false
"""
FULL = f'''
embeddings = ["mulan-small"]
[decoding]
decoder = "{DECODER}"
[evaluation]
n_permuted_fits = 5
[encoding]
enabled = false
'''
ENCODED = FULL.replace("[encoding]\nenabled = false\n", "")
COMMAND = [sys.executable, "-c", "from brain2music.cli import main; main()"]


def run(study: Path, out: Path, settings: str) -> float:
    """Seconds that ``brain2music run`` takes, or ``run-arrays`` of a TOML file."""
    config = out.with_suffix(".toml")
    config.write_text(settings)
    began = time.perf_counter()
    command = ["run-arrays", str(study), str(out)] if study.is_file() else ["run", str(study), str(out), "participant"]
    arguments = [*command, "--config", str(config)]
    subprocess.run([*COMMAND, *arguments], check=True, stderr=subprocess.DEVNULL)
    return time.perf_counter() - began


def write_arrays(study: Path, folder: Path, n_voxels: int) -> Path:
    """Responses to the clips of a study with more voxels than it has, as arrays and the file that names them."""
    opened = b2m.load_study(study)
    bold = opened.responses(opened.subjects[0])
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    rows = []
    for split, responses in (("train", bold.train), ("test", bold.test)):
        shape = (*responses.data.shape[:2], n_voxels)
        array = np.lib.format.open_memmap(folder / f"{split}.npy", "w+", np.float32, shape)
        for start in range(0, n_voxels, responses.n_voxels):
            part = responses.data[:, :, : n_voxels - start]
            noise = rng.standard_normal(part.shape, np.float32) * part.std()
            array[:, :, start : start + part.shape[2]] = part + noise
        array.flush()
        for clip, number in zip(responses.clips, responses.runs, strict=True):
            rows.append((clip.track, clip.genre, clip.start, clip.end, number, split))
    table = pd.DataFrame(rows, columns=["file", "genre", "start", "end", "run", "split"])
    table.to_csv(folder / "clips.tsv", sep="\t", index=False)
    arrays = folder / "arrays.toml"
    text = f'name = "simulated, {n_voxels} voxels"\nsimulated = true\ntr = {bold.train.tr}\n'
    text += 'axes = ["clips", "scans", "voxels"]\n'
    text += f'[stimuli]\nfolder = "{opened.source.stimuli.folder.resolve()}"\ntable = "clips.tsv"\n'
    text += '[[subjects]]\nlabel = "001"\ntrain = { file = "train.npy" }\ntest = { file = "test.npy" }\n'
    arrays.write_text(text)
    return arrays


def main() -> None:
    """Print ``before_s``, ``after_s`` and ``speedup``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--before", type=Path, help="src folder of a checkout of ebe6614")
    parser.add_argument("--resolution", type=int, default=4, help="voxel size in mm")
    parser.add_argument("--voxels", type=int, help="time all of decoding and encoding of arrays with so many voxels")
    asked = parser.parse_args()
    study, warm, out = (asked.folder / f"{name}{asked.resolution}" for name in ("study", "warm", "out"))
    if not (study / "dataset_description.json").is_file():
        design = ["--design", "ds003720", "--resolution", str(asked.resolution)]
        subprocess.run([*COMMAND, "simulate", str(study), *design], check=True)
    results = Results("decode_run")
    if asked.voxels is not None:
        study = write_arrays(study, asked.folder / f"arrays{asked.voxels}", asked.voxels)
        warm, out = (asked.folder / f"{name}{asked.voxels}" for name in ("warm", "out"))
    run(study, warm, WARM)
    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(warm, out)
    after = run(study, out, FULL if asked.voxels is None else ENCODED)
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    print(f"after_s: {after:.0f}\nmemory_gb: {memory:.1f}")
    if asked.voxels is not None:
        question = f"decoding, scores and encoding of {asked.voxels} voxels"
        results.add(question, after / 60, "min", bar="≤ 15", n=asked.voxels, note=DECODER)
        question = f"peak memory, decoding, scores and encoding of {asked.voxels} voxels"
        results.add(question, memory, "GiB", bar="≤ 6", n=asked.voxels)
        return
    question = f"decoding part of a run at {asked.resolution} mm"
    results.add(f"peak memory, {question}", memory, "GiB")
    if asked.before is None:
        results.add(question, after, "s", n=FITS, note=DECODER)
        return
    environment = {**os.environ, "PYTHONPATH": str(asked.before)}
    command = [sys.executable, "-c", BEFORE, str(study), str(warm)]
    one = float(subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.split()[-1])
    before = one * FITS
    print(f"before_fit_s: {one:.0f}\nbefore_s: {before:.0f}\nspeedup: {before / after:.1f}")
    question += ", separate fits over ours"
    results.add(question, after, "s", peer=before, ratio=before / after, bar="≥ 6", n=FITS, note=DECODER)


if __name__ == "__main__":
    main()
