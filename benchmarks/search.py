"""Searching: exactly beside faiss IndexFlatIP at FMA-large's size, approximately beside exactly at ten million.

    python benchmarks/search.py [--part exact|build|ann|both] [--ann-rows 10000000] [--scratch DIR]

``exact_over_faiss``: 106,574 x 512 random unit vectors, 60 queries, top 10, the same ids; medians of rounds
taken in turn after a warm-up, two threads. Building the indexes is not counted.

``ann_recall_at_10``, ``ann_speedup``: ten million x 128, **synthetic**: a mixture of 100,000 equally likely
clusters (one for every 100 rows). Their centres, and the rows about them, are Gaussian with a standard deviation
that falls as 1 / sqrt(dimension number), rows with 0.6 times that of centres; all brought to length 1. Queries
are new draws of the mixture. Recall is over 1,000 queries that tuning did not see (it takes rows of the index);
the speed is that of 60 queries in one call against our own exact search of the same 60. Vectors lie on disk as
float16.

The estimate for 100 million is on paper: from slopes between a tenth of the rows and all of them. Building takes
minutes: with ``--scratch`` what ``--part build`` makes is kept there, and ``--part ann`` measures it later, on a
quiet machine.
"""

import argparse
import json
import os
import resource
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import torch
from _results import Results

from brain2music.gallery.ann import AnnIndex, Measured
from brain2music.gallery.search import ExactIndex, as_float32

RESULTS = Results("search")
NUMBERS = {"exact": "numbers as suits the processor", "exact_float32": "float32"}

K = 10
DIMS, PER_CLUSTER, SPREAD = 128, 100, 0.6
HELD_OUT = 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=["exact", "build", "ann", "both"], default="both")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--ann-rows", type=int, default=10_000_000)
    parser.add_argument("--scratch", type=Path, default=None, help="where vectors and indexes are kept: 3.5 GB")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    faiss.omp_set_num_threads(options.threads)
    print(f"cores: {os.cpu_count()}, load: {os.getloadavg()[0]:.1f}, threads: {options.threads}")
    if options.part in ("exact", "both"):
        compare_exact(options.rounds)
    if options.part == "exact":
        return
    scratch = options.scratch or Path(tempfile.mkdtemp())
    try:
        for rows in (options.ann_rows // 10, options.ann_rows):
            build_ann(rows, scratch)
        if options.part != "build":
            compare_ann(options.ann_rows, scratch)
    finally:
        if options.scratch is None:
            shutil.rmtree(scratch)


def compare_exact(rounds: int) -> None:
    """Exact search beside faiss's."""
    vectors, queries = _unit(106_574, 512, 0), _unit(60, 512, 1)
    theirs = faiss.IndexFlatIP(512)
    theirs.add(vectors)
    ours = {name: ExactIndex(vectors, name) for name in ("auto", "float32")}
    searches: dict[str, Callable[[], Any]] = {
        "faiss": lambda: theirs.search(queries, K)[1],
        "exact": lambda: ours["auto"].search(queries, K)[0],
        "exact_float32": lambda: ours["float32"].search(queries, K)[0],
    }
    ids = {name: search() for name, search in searches.items()}
    medians = _medians(searches, rounds)
    print("exact: 106,574 x 512, 60 queries, top 10")
    print(f"identical_ids: {all((found == ids['faiss']).all() for found in ids.values())}")
    for name, seconds in medians.items():
        print(f"{name}_ms: {1e3 * seconds:.1f}")
    print(f"float32_over_faiss: {medians['exact_float32'] / medians['faiss']:.3f}")
    print(f"exact_over_faiss: {medians['exact'] / medians['faiss']:.3f}")
    for name in ("exact", "exact_float32"):
        ours_ms, peer_ms = 1e3 * medians[name], 1e3 * medians["faiss"]
        question = f"exact search of 60 queries ({NUMBERS[name]}), ours over faiss's IndexFlatIP"
        RESULTS.add(question, ours_ms, "ms", peer=peer_ms, ratio=ours_ms / peer_ms, bar="≤ 0.2", n=106_574)


def build_ann(rows: int, scratch: Path) -> None:
    """Vectors, an index and what was measured in building it, unless they are there."""
    if (scratch / f"{rows}.json").is_file():
        return
    stored = write_mixture(scratch / f"{rows}.f16", rows)
    begun, processor = time.perf_counter(), time.process_time()
    ann = AnnIndex.build(stored, prepare=_unit_rows)
    spent = {"build_s": time.perf_counter() - begun, "build_cpu_s": time.process_time() - processor}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    ann.save(scratch / f"{rows}.faiss")
    built = {"measured": asdict(ann.measured), **spent, "build_peak_gb": peak}
    (scratch / f"{rows}.json").write_text(json.dumps(built))
    print(f"built: {rows:,} rows in {spent['build_s']:.0f} s, {ann.measured}", flush=True)


def write_mixture(file: Path, rows: int) -> np.ndarray:
    """The vectors, mapped; written first where they are not there."""
    if not file.is_file():
        part, first = np.memmap(f"{file}.part", np.float16, "w+", shape=(rows, DIMS)), 0
        for block in _mixture(rows, 0, rows):
            part[first : first + len(block)] = block
            first += len(block)
        part.flush()
        Path(f"{file}.part").rename(file)
    return np.memmap(file, np.float16, "r", shape=(rows, DIMS))


def compare_ann(rows: int, scratch: Path) -> None:
    """Approximate search beside exact search, at a tenth of the rows and at all of them."""
    small, large = measure(rows // 10, scratch), measure(rows, scratch)
    print("paper estimate for 100 million, from the slopes between the two:")
    for name in ("build_cpu_s", "exact_ms", "ann_ms", "index_gb", "exact_gb", "vectors_gb"):
        slope = np.log10(large[name] / small[name])
        print(f"  {name}: {large[name] * (1e8 / rows) ** slope:.3g} (grows as rows^{slope:.2f})")
    print(f"peak_memory_gb: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.1f} (mapped vectors included)")
    print(f"ann_recall_at_10: {large['recall_at_10']:.3f}")
    print(f"ann_speedup: {large['speedup']:.1f}")
    RESULTS.add("recall at 10 of approximate search", large["recall_at_10"], bar="≥ 0.95", n=rows)
    times = {"peer": large["exact_ms"], "ratio": large["speedup"], "bar": "≥ 20"}
    question = "approximate search of 60 queries, our exact search over it"
    RESULTS.add(question, large["ann_ms"], "ms", n=rows, **times)
    RESULTS.add("size of the approximate index", large["index_gb"], "GB", n=rows)


def measure(rows: int, scratch: Path) -> dict[str, float]:
    built = json.loads((scratch / f"{rows}.json").read_text())
    measured = Measured(**built.pop("measured"))
    vectors = write_mixture(scratch / f"{rows}.f16", rows)
    ann = AnnIndex.open(scratch / f"{rows}.faiss", measured, vectors, _unit_rows)
    exact, queries = ExactIndex(vectors, prepare=_unit_rows), next(_mixture(HELD_OUT, 1, rows))
    truth, found = exact.search(queries, K)[0], ann.search(queries, K)[0]
    recall = float(np.mean([np.isin(want, have).mean() for want, have in zip(truth, found, strict=True)]))
    few = queries[:60]
    medians = _medians({"exact": lambda: exact.search(few, K), "ann": lambda: ann.search(few, K)}, 7)
    result = {
        **built,
        "exact_ms": 1e3 * medians["exact"],
        "ann_ms": 1e3 * medians["ann"],
        "index_gb": (scratch / f"{rows}.faiss").stat().st_size / 1e9,
        "exact_gb": rows * DIMS * 2 / 1e9,
        "vectors_gb": vectors.nbytes / 1e9,
        "recall_at_10": recall,
        "speedup": medians["exact"] / medians["ann"],
    }
    print(f"ann: {rows:,} x {DIMS}, {measured.lists} lists, {measured.probes} looked into,", end=" ")
    print(f"{measured.candidates} candidates; recall in tuning {measured.recall:.3f}")
    print("  ms are for 60 queries in one call; index and exact are in memory, vectors on disk")
    for name, value in result.items():
        print(f"  {name}: {value:.3f}", flush=True)
    return result


def _medians(searches: dict[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """Median seconds of each, taken in turn, after one that does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in searches}
    for counted in range(rounds + 1):
        for name, search in searches.items():
            begun = time.perf_counter()
            search()
            if counted:
                seconds[name].append(time.perf_counter() - begun)
    return {name: statistics.median(times) for name, times in seconds.items()}


def _mixture(rows: int, seed: int, of: int, block: int = 200_000) -> Iterator[np.ndarray]:
    scale = (np.arange(1, DIMS + 1) ** -0.5).astype(np.float32)
    centres = np.random.default_rng(99).standard_normal((of // PER_CLUSTER, DIMS), dtype=np.float32)
    rng = np.random.default_rng(seed)
    for first in range(0, rows, block):
        n = min(block, rows - first)
        drawn = rng.standard_normal((n, DIMS), dtype=np.float32)
        yield _unit_rows((centres[rng.integers(0, len(centres), n)] + np.float32(SPREAD) * drawn) * scale)


def _unit_rows(rows: np.ndarray) -> np.ndarray:
    rows = as_float32(rows)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def _unit(rows: int, dims: int, seed: int) -> np.ndarray:
    return _unit_rows(np.random.default_rng(seed).standard_normal((rows, dims), dtype=np.float32))


if __name__ == "__main__":
    main()
