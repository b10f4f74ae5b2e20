"""How long does the decoding part of a run take? The design of ds003720, simulated at 4 mm, all that is scored.

The decoder is ``selected+whitened+matched+denoised``, with 5 permuted fits and 10 genres left out. Study and
embeddings are made first, in FOLDER, and found again the next time; then one run is timed, from the images to the
scores of the decoder, in a process of its own. ``before`` is commit ebe6614, where every fit was made from nothing:
its one fit to all training clips is timed in the same run (``--before SRC``, a checkout of it), and its 17 fits (one,
5 permuted, 10 genres, one other lag) are counted as 17 of these, which is what they cost.

    python benchmarks/decode_run.py FOLDER [--before SRC] [--resolution 4]
"""

import argparse
import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

from _results import Results

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
COMMAND = [sys.executable, "-c", "from brain2music.cli import main; main()"]


def run(study: Path, out: Path, settings: str) -> float:
    """Seconds that ``brain2music run`` takes."""
    config = out.with_suffix(".toml")
    config.write_text(settings)
    began = time.perf_counter()
    arguments = ["run", str(study), str(out), "participant", "--config", str(config)]
    subprocess.run([*COMMAND, *arguments], check=True, stderr=subprocess.DEVNULL)
    return time.perf_counter() - began


def main() -> None:
    """Print ``before_s``, ``after_s`` and ``speedup``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--before", type=Path, help="src folder of a checkout of ebe6614")
    parser.add_argument("--resolution", type=int, default=4, help="voxel size in mm")
    asked = parser.parse_args()
    study, warm, out = (asked.folder / f"{name}{asked.resolution}" for name in ("study", "warm", "out"))
    if not (study / "dataset_description.json").is_file():
        design = ["--design", "ds003720", "--resolution", str(asked.resolution)]
        subprocess.run([*COMMAND, "simulate", str(study), *design], check=True)
    results = Results("decode_run")
    run(study, warm, WARM)
    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(warm, out)
    after = run(study, out, FULL)
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    print(f"after_s: {after:.0f}\nmemory_gb: {memory:.1f}")
    question = f"decoding part of a run at {asked.resolution} mm, {DECODER}"
    if asked.before is None:
        results.add(question, after, "s", n=FITS, note=f"{memory:.1f} GB")
        return
    environment = {**os.environ, "PYTHONPATH": str(asked.before)}
    command = [sys.executable, "-c", BEFORE, str(study), str(warm)]
    one = float(subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.split()[-1])
    before = one * FITS
    print(f"before_fit_s: {one:.0f}\nbefore_s: {before:.0f}\nspeedup: {before / after:.1f}")
    note = f"{memory:.1f} GB; before: {FITS} fits of {one:.0f} s"
    results.add(question, after, "s", peer=before, ratio=before / after, bar="6 times as fast", n=FITS, note=note)


if __name__ == "__main__":
    main()
