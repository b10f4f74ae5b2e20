"""Cross-validated ridge against himalaya, both in one run: ``python benchmarks/ridge.py --case decode128_5``.

Simulated data, single precision, two threads; fit and prediction of 200 further rows are timed, reading is not.
Every side works in its own process, so that its peak memory is its own. himalaya runs with its torch backend, the
faster on a processor (``--backend numpy`` for the other). Where it would not end in minutes (the encoding cases) it
is run on two smaller numbers of targets, and its time and memory are continued along the line through the two;
the output says so.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

ALPHAS = np.logspace(-1, 8, 15)
TEST_ROWS = 200


@dataclass(frozen=True)
class Case:
    """``delays`` of ``features`` each; ``sampled``: the two numbers of targets the peer is run on, if not on all."""

    features: int
    targets: tuple[int, ...]
    folds: int
    delays: int = 1
    sampled: tuple[int, ...] = ()
    rows: int = 4800


CASES = {
    "decode128_5": Case(60_000, (128,), 5),
    "decode1152_5": Case(60_000, (1152,), 5),
    "decode128_12": Case(60_000, (128,), 12),
    "four_embeddings_12": Case(60_000, (128, 128, 1024, 128), 12),
    "encode512": Case(128, (60_000,), 5, delays=4, sampled=(1024, 4096)),
    "encode4096": Case(1024, (60_000,), 5, delays=4, sampled=(1024, 3072)),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", required=True, choices=[*CASES, "floor", "growth"])
    parser.add_argument("--backend", default="torch", choices=["torch", "numpy"], help="himalaya's")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--side", choices=[*SIDES, "simulate"], help="used by the script itself: do one side's work")
    parser.add_argument("--folder", type=Path, help="used by the script itself: where the data lie")
    parser.add_argument("--targets", type=int, default=0, help="used by the script itself: only the first")
    arguments = parser.parse_args()
    if arguments.side:
        work(arguments)
    elif arguments.case == "growth":
        growth()
    elif arguments.case == "floor":
        floor(arguments)
    else:
        compare(arguments)


def compare(arguments: argparse.Namespace) -> None:
    """Both sides of a case, and the table's numbers last."""
    case = CASES[arguments.case]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run("simulate", arguments, folder)
        ours = run("ours", arguments, folder)
        sizes = case.sampled or (0,)
        peers = [run("peer", arguments, folder, targets=size) for size in sizes]
        difference, same = agreement(folder, case.sampled[-1] if case.sampled else None)
    if case.sampled:
        print(f"peer run on {sizes} of {sum(case.targets)} targets; the values below are extrapolated linearly")
    peer = {key: extend(sizes, [p[key] for p in peers], sum(case.targets)) for key in ("seconds", "cpu", "peak_gb")}
    print(f"processor_time_ratio: {peer['cpu'] / ours['cpu']:.2f}  (steadier than wall time on a shared machine)")
    print(f"same_alphas: {same:.4f}")
    print(f"ours_s: {ours['seconds']:.2f}")
    print(f"peer_s: {peer['seconds']:.2f}")
    print(f"speedup: {peer['seconds'] / ours['seconds']:.2f}")
    print(f"max_relative_difference: {difference:.2e}")
    print(f"peak_gb: {ours['peak_gb']:.2f}")
    print(f"peer_peak_gb: {peer['peak_gb']:.2f}")


def floor(arguments: argparse.Namespace) -> None:
    """How far decoding is from one symmetric product and one eigendecomposition."""
    arguments.case = "decode128_5"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run("simulate", arguments, folder)
        ours, least = run("ours", arguments, folder), run("floor", arguments, folder)
    print(f"gram_s: {least['gram']:.2f}")
    print(f"eigendecomposition_s: {least['eigh']:.2f}")
    print(f"ours_s: {ours['seconds']:.2f}")
    print(f"floor_s: {least['seconds']:.2f}")
    print(f"ours_over_floor: {ours['seconds'] / least['seconds']:.2f}")


def growth() -> None:
    """Every size doubled twice from a moderate problem; exponents of the times."""
    from brain2music.ridge import ridge_cv

    base = {"n": 1200, "p": 4800, "targets": 400, "folds": 4, "alphas": 8}
    rng = np.random.default_rng(0)
    for name in base:
        times = []
        for factor in (1, 2, 4):
            size = base | {name: base[name] * factor}
            X = rng.standard_normal((size["n"], size["p"]), dtype=np.float32)
            Y = X[:, : size["targets"]] + 10 * rng.standard_normal((size["n"], size["targets"]), dtype=np.float32)
            grid = np.logspace(0, 6, size["alphas"])
            times.append(min(clock(lambda: ridge_cv(X, Y, alphas=grid, n_folds=size["folds"])) for _ in range(3)))  # noqa: B023
        exponent = np.polyfit(np.log([1, 2, 4]), np.log(times), 1)[0]
        print(f"seconds_{name}: {', '.join(f'{t:.3f}' for t in times)}\nexponent_{name}: {exponent:.2f}")


def simulate(case: Case, folder: Path) -> None:
    """Features with 20 shared components and noise, delayed if asked; targets that 20 directions explain in part."""
    rng = np.random.default_rng(0)
    rows = case.rows + TEST_ROWS
    X = rng.standard_normal((rows, case.features), dtype=np.float32)
    X += (
        0.3
        * rng.standard_normal((rows, 20), dtype=np.float32)
        @ rng.standard_normal((20, X.shape[1]), dtype=np.float32)
    )
    X = np.concatenate([np.roll(X, shift, axis=0) for shift in range(case.delays)], 1)
    signal = X @ (rng.standard_normal((X.shape[1], 20), dtype=np.float32) / np.float32(X.shape[1] ** 0.5))
    np.save(folder / "X.npy", X)
    Y = rng.standard_normal((rows, sum(case.targets)), dtype=np.float32)
    for start in range(0, Y.shape[1], 4096):
        part = Y[:, start : start + 4096]
        part += np.float32(0.1) * signal @ rng.standard_normal((20, part.shape[1]), dtype=np.float32)
    np.save(folder / "Y.npy", Y)
    np.save(folder / "folds.npy", np.repeat(np.arange(case.folds), case.rows // case.folds))


def run(side: str, arguments: argparse.Namespace, folder: Path, targets: int = 0) -> dict[str, float]:
    """One side in a process of its own."""
    command = [sys.executable, __file__, "--case", arguments.case, "--backend", arguments.backend, "--side", side]
    command += ["--threads", str(arguments.threads), "--folder", str(folder), "--targets", str(targets)]
    threads = str(arguments.threads)
    environment = os.environ | {"OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
    output = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    result: dict[str, float] = json.loads(output.splitlines()[-1])
    print(f"{side}: " + ", ".join(f"{key} {value:.2f}" for key, value in result.items()), flush=True)
    return result


def work(arguments: argparse.Namespace) -> None:
    """Read the data, do the side's work, leave its predictions and alphas, print its time and peak memory."""
    import torch

    torch.set_num_threads(arguments.threads)
    case = CASES[arguments.case]
    if arguments.side == "simulate":
        simulate(case, arguments.folder)
        print("{}")
        return
    X, Y = np.load(arguments.folder / "X.npy"), np.load(arguments.folder / "Y.npy", mmap_mode="r")
    folds = np.load(arguments.folder / "folds.npy")
    Y = np.ascontiguousarray(Y[: case.rows, : arguments.targets or None])
    bounds = [0, Y.shape[1]] if case.sampled else np.cumsum((0, *case.targets)).tolist()
    train, test = X[: case.rows], X[case.rows :].copy()
    before = time.process_time()
    result = SIDES[arguments.side](train, test, Y, bounds, folds, arguments)
    result["cpu"] = time.process_time() - before
    result["peak_gb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(json.dumps(result))


def side_ours(
    train: np.ndarray,
    test: np.ndarray,
    Y: np.ndarray,
    bounds: list[int],
    folds: np.ndarray,
    arguments: argparse.Namespace,
) -> dict[str, Any]:
    from brain2music.ridge import ridge_cv_many

    sets = [Y[:, a:b] for a, b in pairwise(bounds)]
    start = time.perf_counter()
    fits = ridge_cv_many(train, sets, alphas=ALPHAS, folds=folds, score="mse", memory_gb=1.5)
    fitted = time.perf_counter() - start
    predictions = np.concatenate([np.asarray(fit.predict(test)) for fit in fits], 1)
    seconds = time.perf_counter() - start
    leave("ours", arguments, predictions, np.concatenate([fit.best_alphas for fit in fits]))
    return {"seconds": seconds, "fit": fitted}


def side_peer(
    train: np.ndarray,
    test: np.ndarray,
    Y: np.ndarray,
    bounds: list[int],
    folds: np.ndarray,
    arguments: argparse.Namespace,
) -> dict[str, Any]:
    from himalaya.backend import set_backend
    from himalaya.kernel_ridge import KernelRidgeCV
    from sklearn.model_selection import PredefinedSplit

    backend = set_backend(arguments.backend)
    batches = {"n_targets_batch": 2048, "n_targets_batch_refit": 2048} if Y.shape[1] > 2048 else {}
    predictions, alphas = [], []
    start = time.perf_counter()
    for a, b in pairwise(bounds):
        model = KernelRidgeCV(alphas=ALPHAS, cv=PredefinedSplit(folds), fit_intercept=True, solver_params=batches)
        model.fit(train, np.ascontiguousarray(Y[:, a:b]))
        predictions.append(backend.to_numpy(model.predict(test)))
        alphas.append(backend.to_numpy(model.best_alphas_))
    seconds = time.perf_counter() - start
    leave("peer", arguments, np.concatenate(predictions, 1), np.concatenate(alphas))
    return {"seconds": seconds}


def side_floor(
    train: np.ndarray,
    test: np.ndarray,
    Y: np.ndarray,
    bounds: list[int],
    folds: np.ndarray,
    arguments: argparse.Namespace,
) -> dict[str, Any]:
    import scipy.linalg

    start = time.perf_counter()
    K = train @ train.T
    gram = time.perf_counter() - start
    scipy.linalg.eigh(K.T, driver="evd", overwrite_a=True, check_finite=False)
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "gram": gram, "eigh": seconds - gram}


SIDES: dict[str, Callable[..., dict[str, Any]]] = {"ours": side_ours, "peer": side_peer, "floor": side_floor}


def leave(side: str, arguments: argparse.Namespace, predictions: np.ndarray, alphas: np.ndarray) -> None:
    np.save(arguments.folder / f"{side}_predictions.npy", predictions)
    np.save(arguments.folder / f"{side}_alphas.npy", alphas)


def agreement(folder: Path, targets: int | None) -> tuple[float, float]:
    """Greatest difference of predictions relative to the greatest prediction of the target; share of equal alphas."""
    ours, peer = (np.load(folder / f"{side}_predictions.npy")[:, :targets] for side in ("ours", "peer"))
    mine, theirs = (np.load(folder / f"{side}_alphas.npy")[:targets] for side in ("ours", "peer"))
    same = np.isclose(mine, theirs, rtol=1e-4)
    difference = np.abs(ours - peer).max(0) / np.abs(peer).max(0)
    return float(difference[same].max()), float(same.mean())


def extend(sizes: tuple[int, ...], values: list[float], size: int) -> float:
    """The value at ``size`` on the line through the two measured; the only value measured where there is one."""
    if len(values) == 1:
        return values[0]
    slope = (values[1] - values[0]) / (sizes[1] - sizes[0])
    return values[1] + slope * (size - sizes[1])


def clock(task: Callable[[], object]) -> float:
    start = time.perf_counter()
    task()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
