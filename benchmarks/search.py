"""Exact search beside faiss IndexFlatIP: the same vectors, the same queries, the same ids.

    python benchmarks/search.py [--rows 106574] [--dims 512] [--queries 60] [--k 10] [--rounds 15]

Both are given all the processor's cores and are timed in turn, after a warm-up, on a matrix of FMA-large's
size. Building the indexes is not counted. The last line is the ratio of the medians.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

import faiss
import numpy as np
import torch

from brain2music.gallery.search import ExactIndex


def main() -> None:
    options = _options()
    vectors, queries = _unit(options.rows, options.dims, 0), _unit(options.queries, options.dims, 1)
    theirs = faiss.IndexFlatIP(options.dims)
    theirs.add(vectors)
    ours = {name: ExactIndex(vectors, name) for name in ("auto", "float32")}
    searches: dict[str, Callable[[], Any]] = {
        "faiss": lambda: theirs.search(queries, options.k)[1],
        "exact": lambda: ours["auto"].search(queries, options.k)[0],
        "exact_float32": lambda: ours["float32"].search(queries, options.k)[0],
    }
    ids = {name: search() for name, search in searches.items()}
    seconds: dict[str, list[float]] = {name: [] for name in searches}
    for _ in range(options.rounds):
        for name, search in searches.items():
            begun = time.perf_counter()
            search()
            seconds[name].append(time.perf_counter() - begun)
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    print(f"cores: {os.cpu_count()}, load: {os.getloadavg()[0]:.1f}, torch threads: {torch.get_num_threads()}")
    print(f"matrix: {options.rows} x {options.dims}, queries: {options.queries}, k: {options.k}")
    print(f"identical_ids: {all((found == ids['faiss']).all() for found in ids.values())}")
    for name, times in seconds.items():
        print(f"{name}_ms: {1e3 * medians[name]:.1f} (best {1e3 * min(times):.1f})")
    print(f"float32_over_faiss: {medians['exact_float32'] / medians['faiss']:.3f}")
    print(f"exact_over_faiss: {medians['exact'] / medians['faiss']:.3f}")


def _unit(rows: int, dims: int, seed: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).standard_normal((rows, dims), dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (("rows", 106_574), ("dims", 512), ("queries", 60), ("k", 10), ("rounds", 15)):
        parser.add_argument(f"--{name}", type=int, default=default)
    return parser.parse_args()


if __name__ == "__main__":
    main()
