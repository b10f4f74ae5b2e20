"""A gallery of 100,000 synthetic embeddings, built in a process that is killed again and again, then checked.

    python benchmarks/gallery_kill.py [--tracks 100000] [--kills 10] [--seed 0]
    python benchmarks/gallery_kill.py --together 20 --tracks 600

Every track is a real file: 1/16 s of 8-bit sound that spells its number again and again, read and "embedded" by a
fixed random projection, so that the vector a track must have is known. The build runs in a process of its own and
gets SIGKILL at a moment drawn between its first sign of work and the time that the rest would take, ten times; then
it is let finish. ``lost`` counts tracks that are missing or hold another's vector, ``duplicated`` those there twice;
``rewritten`` says how many were written again though they had been reported as written, ``leftover`` counts files
that should not be there. What a kill costs, the shards being embedded, is not counted.

``--together`` builds one gallery by several processes that begin at the same moment, so many times, each in four
ways: two builds, four builds, two builds of which one is killed at a moment of chance, and two builds from two
folders. ``right`` counts those in which every build that was let live ended well and every track is there once, with
its own vector.
"""

import argparse
import multiprocessing
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import wave
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

import numpy as np
from _results import Results

from brain2music.embeddings.embeddings import EmbeddingSpace
from brain2music.gallery.build import build_gallery
from brain2music.gallery.gallery import Gallery

RESULTS = Results("gallery_kill")

DIMS, BITS, RATE = 753, 20, 8000  # as many dims as musicnn has
REPEATS = RATE // 16 // BITS
FOLDER = 1000  # files


class Numbers:
    """The number that a file spells, as a random vector."""

    space = EmbeddingSpace("numbers", "1", "none", DIMS, 1.0, 1.0, RATE)

    def embed(self, waveform: np.ndarray, rate: int) -> np.ndarray:
        return vector_of(int((waveform[:BITS] > 0) @ (1 << np.arange(BITS))))[None]


def vector_of(number: int) -> np.ndarray:
    return np.random.default_rng(number).standard_normal(DIMS, dtype=np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tracks", type=int, default=100_000)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scratch", type=Path, default=None)
    parser.add_argument("--together", type=int, metavar="TIMES", help="several builds at once, so many times")
    parser.add_argument("--build", nargs=2, type=Path, metavar=("MUSIC", "OUT"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.build:
        build_gallery(*options.build, Numbers(), progress=lambda done, total: print(done, total, flush=True))
        return
    scratch = Path(tempfile.mkdtemp(dir=options.scratch))
    try:
        write_music(scratch / "music", options.tracks)
        begun = time.perf_counter()
        if options.together:
            build_together(scratch, options.tracks, options.together, random.Random(options.seed))
            print(f"seconds: {time.perf_counter() - begun:.0f}")
            return
        embedded = build_and_kill(scratch, options.kills, random.Random(options.seed))
        print(f"seconds: {time.perf_counter() - begun:.0f}")
        report(scratch / "gallery", options.tracks, embedded)
    finally:
        shutil.rmtree(scratch)


def build_and_kill(scratch: Path, kills: int, rng: random.Random) -> int:
    """Kill builds, then let one finish; how many tracks were reported as written in all."""
    embedded, killed, moments = 0, 0, []
    while True:
        command = [sys.executable, __file__, "--build", str(scratch / "music"), str(scratch / "gallery")]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        done = 0
        first = process.stdout.readline().split()
        begun = time.perf_counter()
        if first and killed < kills:
            done, total = map(int, first)
            share = rng.random() * min(1.0, 2 / (kills - killed))  # of what is left
            for line in process.stdout:
                done = int(line.split()[0])
                if done >= share * total:
                    break
            time.sleep(rng.random() * (time.perf_counter() - begun) / max(done, 1) * 128)  # anywhere in two shards
            if process.poll() is None:
                os.kill(process.pid, signal.SIGKILL)
                killed += 1
                moments.append(f"{done}/{total}")
        rest, _ = process.communicate()
        done = max([done, *(int(line.split()[0]) for line in rest.splitlines())])
        embedded += done
        if process.returncode == 0:
            print(f"killed_at: {' '.join(moments)} (tracks written of those left)")
            print(f"kills: {killed}")
            return embedded


WAYS = ("two builds", "four builds", "one of two killed", "two folders")


def build_together(scratch: Path, tracks: int, times: int, rng: random.Random) -> None:
    """Build by several processes at once, in every way, so many times; prints how many galleries are right."""
    one_build, halves = _seconds_of_one(scratch), [scratch / "half0", scratch / "half1"]
    for folder in sorted((scratch / "music").iterdir()):
        for number, file in enumerate(sorted(folder.iterdir())):
            copy = halves[number % 2] / folder.name / file.name
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.hardlink_to(file)
    right = dict.fromkeys(WAYS, 0)
    for time_ in range(times):
        for way in WAYS:
            out = scratch / "galleries" / f"{way}-{time_}"
            folders = halves if way == "two folders" else [scratch / "music"] * (4 if way == "four builds" else 2)
            killed = rng.choice([0, 1]) if way == "one of two killed" else None
            ended = _run_together(folders, out, killed, rng.random() * 1.5 * one_build)
            wrong = _wrong(out, tracks)
            right[way] += ended and not wrong
            if not ended or wrong:
                print(f"{way}, time {time_ + 1}: ended well: {ended}; {wrong}")
            shutil.rmtree(out)
    for way, count in right.items():
        print(f"{way}: right {count} of {times}")
        RESULTS.add(f"galleries that are right, {way}", count, bar=f"all {times}", n=times)


def _seconds_of_one(scratch: Path) -> float:
    begun = time.perf_counter()
    build_gallery(scratch / "music", scratch / "alone", Numbers())
    return time.perf_counter() - begun


def _run_together(folders: list[Path], out: Path, killed: int | None, after_s: float) -> bool:
    """Whether all builds end well but for the one that is killed."""
    context = multiprocessing.get_context("fork")
    begin = context.Barrier(len(folders))
    builds = [context.Process(target=_build_at, args=(begin, folder, out)) for folder in folders]
    for build in builds:
        build.start()
    if killed is not None:
        builds[killed].join(after_s)
        builds[killed].kill()
    for build in builds:
        build.join()
    return all(build.exitcode == 0 for number, build in enumerate(builds) if number != killed)


def _build_at(begin: Any, folder: Path, out: Path) -> None:
    with Path(os.devnull).open("w") as nothing, redirect_stderr(nothing):  # that it waits
        begin.wait()
        build_gallery(folder, out, Numbers(), shard_size=8)


def _wrong(folder: Path, tracks: int) -> str:
    gallery = Gallery.open(folder, check=True)
    numbers = [int(Path(path).stem) for path in gallery.tracks["path"]]
    right = {n for n, vector in zip(numbers, gallery.vectors, strict=True) if np.array_equal(vector, vector_of(n))}
    left = {path.name for path in folder.iterdir()} - {"gallery.json", "rejected.tsv"}
    lost, twice, over = len(set(range(tracks)) - right), len(numbers) - len(set(numbers)), len(left) - 1
    return f"lost {lost}, twice {twice}, leftover {over}" if lost or twice or over else ""


def report(folder: Path, tracks: int, embedded: int) -> None:
    gallery = Gallery.open(folder, check=True)
    numbers = [int(Path(track).name) for track in gallery.tracks["track"]]
    right = {n for n, vector in zip(numbers, gallery.vectors, strict=True) if np.array_equal(vector, vector_of(n))}
    expected = {"gallery.json", "rejected.tsv", "index-0001", "tracks.parquet", "vectors.safetensors"}
    print(f"tracks: {len(gallery)} x {DIMS}")
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    print(f"peak_memory_gb: {peak:.2f} (of the largest build; mapped vectors included)")
    figures = {
        "rewritten": embedded - tracks,
        "leftover": len([path for path in folder.rglob("*") if path.name not in expected]),
        "lost": len(set(range(tracks)) - right),
        "duplicated": len(numbers) - len(set(numbers)),
    }
    for name, value in figures.items():
        print(f"{name}: {value}")
        RESULTS.add(f"tracks {name} after kills", value, bar="" if name == "rewritten" else "0", n=tracks)
    RESULTS.add("peak memory of the largest build", peak, "GB", n=tracks)


def write_music(folder: Path, tracks: int) -> None:
    for number in range(tracks):
        path = folder / f"{number // FOLDER:03d}" / f"{number:06d}.wav"
        if number % FOLDER == 0:
            path.parent.mkdir(parents=True)
        spelled = [192 if number >> bit & 1 else 64 for bit in range(BITS)]
        with wave.open(str(path), "wb") as file:
            file.setparams((1, 1, RATE, 0, "NONE", ""))
            file.writeframes(bytes(REPEATS * spelled))


if __name__ == "__main__":
    main()
