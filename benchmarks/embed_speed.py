"""How fast music is embedded, end to end, and where the time goes: decoding, mel spectrogram, network.

Run: python benchmarks/embed_speed.py [--folder DIR] [--processes 2] [--files 120]

A gallery is built of the first 15 s of recorded music (44.1 kHz stereo Vorbis in the shared data; any folder will
do), as `brain2music gallery build` builds it: processes that decode, resample and embed, each on one thread.
``musicnn_x_realtime`` and ``mulan_x_realtime`` are seconds of music per second of clock of the build, without
the time that the processes take to start, which is measured by a build of one file for each and printed. The
shares come from a pass of their own over the same files, in one process on one thread. Measure on a quiet
machine. ``mulan-small`` is left out, and said to be, where its weights are not here.
"""

import argparse
import os
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from _results import Results

from brain2music.audio.find import find_audio
from brain2music.audio.io import read_audio
from brain2music.embeddings.protocols import Embedder
from brain2music.gallery.build import build_gallery
from brain2music.models.catalogue import EMBEDDINGS
from brain2music.models.embedders import get_embedder
from brain2music.models.musicnn.musicnn_embedder import SAMPLE_RATE, MusicnnEmbedder

RESULTS = Results("embed_speed")

REAL_DATA = Path(os.environ.get("BRAIN2MUSIC_REAL_DATA", Path(__file__).parents[1] / "../shared/data"))
SECONDS = 15.0
SHORT = {"musicnn-mtt": "musicnn", "mulan-small": "mulan"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=REAL_DATA / "recorded")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--files", type=int, default=120)
    options = parser.parse_args()
    torch.set_num_threads(1)
    files = find_audio(options.folder)[: options.files]
    print(f"files: {len(files)}, processes: {options.processes}, load: {os.getloadavg()[0]:.1f}")
    for name, short in SHORT.items():
        if EMBEDDINGS[name].available():
            report(short, files, get_embedder(name), options.processes)
        else:
            print(f"{short}: its weights are not here")


def report(short: str, files: list[Path], embedder: Embedder, processes: int) -> None:
    starting, _ = time_build(files[:processes], embedder, processes)
    seconds, heard = time_build(files, embedder, processes)
    first = SECONDS * processes * (seconds / heard)  # what embedding itself took of the first build
    begin = max(0.0, starting - first)
    spent = time_stages(files, embedder)
    print(f"{short}_seconds_of_music: {heard:.1f}")
    print(f"{short}_seconds: {seconds:.2f} (of it {begin:.2f} to start the processes)")
    for stage, share in spent.items():
        print(f"{short}_share_{stage}: {share / sum(spent.values()):.3f}")
    print(f"{short}_hours_per_minute: {heard / (seconds - begin) / 60:.2f}")
    print(f"{short}_x_realtime: {heard / (seconds - begin):.1f}")
    RESULTS.add(f"speed of embedding, {short}", heard / (seconds - begin), "× real time", bar="≥ 60", n=len(files))


def time_build(files: list[Path], embedder: Embedder, processes: int) -> tuple[float, float]:
    """Seconds that a build takes, and seconds of music in it."""
    folder = Path(tempfile.mkdtemp())
    try:
        table = folder / "files.tsv"
        table.write_text("file\n" + "".join(f"{file.resolve()}\n" for file in files))
        shard = -(-len(files) // (4 * processes))  # a few for each
        begun = time.perf_counter()
        gallery = build_gallery(table, folder / "out", embedder, n_jobs=processes, shard_size=shard, seconds=SECONDS)
        return time.perf_counter() - begun, float(gallery.tracks["duration_s"].sum())
    finally:
        shutil.rmtree(folder)


def time_stages(files: list[Path], embedder: Embedder) -> dict[str, float]:
    """Seconds in decoding (with resampling), in the mel spectrogram, and in the networks.

    mulan-small hears through musicnn: what it takes beyond musicnn's spectrogram is its network's.
    """
    spent = dict.fromkeys(("decode", "mel", "network"), 0.0)
    mel = embedder if isinstance(embedder, MusicnnEmbedder) else None
    if mel is None and getattr(embedder, "_listener", None) is not None:
        mel = MusicnnEmbedder("mtt", embedder.space.window_s, embedder.space.step_s)
    for file in files:
        clock = [time.perf_counter()]
        sound, _ = read_audio(file, sample_rate=SAMPLE_RATE, duration=SECONDS)
        clock.append(time.perf_counter())
        if mel is not None:
            mel.prepare(sound, SAMPLE_RATE)
        clock.append(time.perf_counter())
        embedder.embed(sound, SAMPLE_RATE)
        clock.append(time.perf_counter())
        decode, prepare, whole = np.diff(clock)
        spent["decode"] += decode
        spent["mel"] += prepare
        spent["network"] += whole - prepare
    return spent


if __name__ == "__main__":
    main()
