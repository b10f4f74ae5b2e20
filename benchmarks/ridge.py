"""Cross-validated ridge against himalaya, both in one run: ``python benchmarks/ridge.py --case decode128_5``.

Simulated data, single precision, two threads; fit and prediction of 200 further rows are timed, reading is not.
Every side works in its own process, so that its peak memory, inputs and result included, is its own. himalaya runs
with its torch backend, the faster on a processor (``--backend numpy`` for the other). Where it would not end in
minutes, less of it is run, and the output says so:

* encoding: both its solvers, KernelRidgeCV and RidgeCV, on two smaller numbers of targets; their time and memory are
  continued along the line through the two, and the faster is the peer. With ``--whole`` the one that is faster at the
  first number is run on all targets instead, and nothing is continued: memory is not well told from two numbers;
* four embeddings: one of the three fits that are alike (128 targets each) stands for all three.

Differences of predictions are relative to the greatest prediction of the target. Decoding cases are also solved in
double precision with the alphas found, by the book, to say whose differences they are: ``ours_from_double``,
``peer_from_double``; and by the peer: ``ours_from_peer_in_double`` is without its rounding.
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

import numpy as np
from _results import Results

RESULTS = Results("ridge")
BARS = {
    "decode128_5": "≥ 4",
    "decode1152_5": "≥ 3",
    "decode128_12": "≥ 8",
    "four_embeddings_12": "≥ 15",
    "encode512": "≥ 6",
    "encode4096": "≥ 3",
}
"""Of the ratio of seconds."""
FROM = {
    "ours_from_double": "ours from double precision",
    "peer_from_double": "himalaya from double precision",
    "ours_from_peer_in_double": "ours from himalaya in double precision",
}
TITLES = {
    "decode128_5": "decoding, 128 targets, 5 folds",
    "decode1152_5": "decoding, 1,152 targets, 5 folds",
    "decode128_12": "decoding, 128 targets, 12 folds",
    "four_embeddings_12": "decoding of four embeddings, 12 folds",
    "encode512": "encoding, 512 features",
    "encode4096": "encoding, 4,096 features",
}

ALPHAS = np.logspace(-1, 8, 15)
TEST_ROWS = 200
GROWING = {"n": "rows", "p": "features", "targets": "targets", "folds": "folds", "alphas": "penalties"}


@dataclass(frozen=True)
class Case:
    """``delays`` of ``features`` each; ``sampled``: the two numbers of targets the peer is run on, if not on all.

    ``memory_gb`` is what ours may take beyond its data.
    """

    features: int
    targets: tuple[int, ...]
    folds: int
    delays: int = 1
    sampled: tuple[int, ...] = ()
    rows: int = 4800
    memory_gb: float = 2.0

    @property
    def bounds(self) -> list[tuple[int, int]]:
        """First and last column of every set of targets."""
        return list(pairwise(np.cumsum((0, *self.targets)).tolist()))


CASES = {
    "decode128_5": Case(60_000, (128,), 5),
    "decode1152_5": Case(60_000, (1152,), 5),
    "decode128_12": Case(60_000, (128,), 12),
    "four_embeddings_12": Case(60_000, (128, 128, 1024, 128), 12),
    "encode512": Case(128, (60_000,), 5, delays=4, sampled=(1024, 8192)),
    "encode4096": Case(1024, (60_000,), 5, delays=4, sampled=(1024, 8192), memory_gb=3.5),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", required=True, choices=[*CASES, "floor", "growth"])
    parser.add_argument("--backend", default="torch", choices=["torch", "numpy"], help="himalaya's")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--figure", type=Path, help="draw growth here")
    parser.add_argument("--whole", action="store_true", help="encoding: run one of the peer's solvers on all targets")
    parser.add_argument("--side", choices=[*SIDES, "simulate"], help="used by the script itself: do one side's work")
    parser.add_argument("--folder", type=Path, help="used by the script itself: where the data lie")
    parser.add_argument("--columns", type=int, nargs=2, help="used by the script itself: only these targets")
    arguments = parser.parse_args()
    if arguments.side:
        work(arguments)
    elif arguments.case == "growth":
        growth(arguments.figure)
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
        peer = sampled_peer(arguments, folder) if case.sampled else whole_peer(arguments, folder)
        difference, same = agreement(folder)
        exact = {} if case.sampled else from_double(arguments, folder)
    print(f"processor_time_ratio: {peer['cpu'] / ours['cpu']:.2f}")
    print(f"same_alphas: {same:.4f}")
    print(f"ours_s: {ours['seconds']:.2f}")
    print(f"peer_s: {peer['seconds']:.2f}")
    print(f"speedup: {peer['seconds'] / ours['seconds']:.2f}")
    print(f"max_relative_difference: {difference:.2e}")
    for name, value in exact.items():
        print(f"{name}: {value:.2e}")
    print(f"peak_gb: {ours['peak_gb']:.2f}")
    print(f"peer_peak_gb: {peer['peak_gb']:.2f}")
    times = {"peer": peer["seconds"], "ratio": peer["seconds"] / ours["seconds"], "bar": BARS[arguments.case]}
    title = TITLES[arguments.case]
    RESULTS.add(f"time, {title}, himalaya over ours", ours["seconds"], "s", **times)
    memory = {"peer": peer["peak_gb"], "ratio": peer["peak_gb"] / ours["peak_gb"]}
    RESULTS.add(f"peak memory, {title}, himalaya over ours", ours["peak_gb"], "GB", **memory)
    RESULTS.add(f"largest relative difference from himalaya, {title}", difference, bar="≤ 1e-4")
    for name, value in exact.items():
        RESULTS.add(f"largest relative difference, {FROM[name]}, {title}", value)


def whole_peer(arguments: argparse.Namespace, folder: Path) -> dict[str, float]:
    """A fit for every set of targets, sets of equal size measured once."""
    sizes: dict[int, dict[str, float]] = {}
    for columns in CASES[arguments.case].bounds:
        size = columns[1] - columns[0]
        sizes[size] = sizes.get(size) or run("kernel", arguments, folder, columns)
    fits = [sizes[size] for size in CASES[arguments.case].targets]
    if len(fits) > len(sizes):
        print(f"peer run on sets of {[*sizes]} targets, once each, which stand for {CASES[arguments.case].targets}")
    total = {key: sum(fit[key] for fit in fits) for key in ("seconds", "cpu")}
    return total | {"peak_gb": max(fit["peak_gb"] for fit in fits)}


def sampled_peer(arguments: argparse.Namespace, folder: Path) -> dict[str, float]:
    """The faster of himalaya's solvers, each on its line; one clearly behind is not run a second time."""
    case = CASES[arguments.case]
    (few, many), every = case.sampled, sum(case.targets)
    first = {side: run(side, arguments, folder, (0, few)) for side in ("kernel", "primal")}
    order = sorted(first, key=lambda side: first[side]["seconds"])
    if arguments.whole:
        return run(order[0], arguments, folder, (0, every))
    lines: dict[str, dict[str, float]] = {}
    for side in order:
        if lines and first[side]["seconds"] > min(line["seconds"] for line in lines.values()):
            print(f"{side}: slower at {few} targets than {order[0]} at {every}: not run on {many}")
            continue
        second = run(side, arguments, folder, (0, many))
        grow = (every - many) / (many - few)
        lines[side] = {key: value + grow * (value - first[side][key]) for key, value in second.items()}
        print(f"{side}, extrapolated from {few} and {many} to {every} targets: {lines[side]['seconds']:.1f} s")
    return min(lines.values(), key=lambda line: line["seconds"])


def floor(arguments: argparse.Namespace) -> None:
    """How far decoding is from one symmetric product and one eigendecomposition."""
    arguments.case = "decode128_5"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run("simulate", arguments, folder)
        ours, least = run("ours", arguments, folder), run("floor", arguments, folder)
    print(f"processor_time_ratio: {ours['cpu'] / least['cpu']:.2f}")
    print(f"gram_s: {least['gram']:.2f}")
    print(f"eigendecomposition_s: {least['eigh']:.2f}")
    print(f"ours_s: {ours['seconds']:.2f}")
    print(f"floor_s: {least['seconds']:.2f}")
    over = ours["seconds"] / least["seconds"]
    print(f"ours_over_floor: {over:.2f}")
    question = "time of decoding over that of a Gram matrix, an eigendecomposition and coefficients"
    RESULTS.add(question, ours["seconds"], "s", peer=least["seconds"], ratio=over, bar="≤ 1.3")


def growth(figure: Path | None) -> None:
    """Every size doubled twice from a moderate problem; exponents of the times, and a figure if asked for."""
    from brain2music.ridge import ridge_cv

    base = {"n": 1200, "p": 4800, "targets": 400, "folds": 4, "alphas": 8}
    rng, grown = np.random.default_rng(0), {}
    for name in base:
        times: list[float] = []
        for factor in (1, 2, 4):
            size = base | {name: base[name] * factor}
            X = rng.standard_normal((size["n"], size["p"]), dtype=np.float32)
            Y = X[:, : size["targets"]] + 10 * rng.standard_normal((size["n"], size["targets"]), dtype=np.float32)
            grid = np.logspace(0, 6, size["alphas"])
            times.append(min(clock(lambda: ridge_cv(X, Y, alphas=grid, n_folds=size["folds"])) for _ in range(3)))  # noqa: B023
        grown[name] = times
        exponent = np.polyfit(np.log([1, 2, 4]), np.log(times), 1)[0]
        print(f"seconds_{name}: {', '.join(f'{t:.3f}' for t in times)}\nexponent_{name}: {exponent:.2f}")
        RESULTS.add(f"exponent of the growth of time with {GROWING[name]}", exponent)
    if figure is not None:
        draw(base, grown, figure)


def draw(base: dict[str, int], grown: dict[str, list[float]], path: Path) -> None:
    """Seconds against the size relative to the first, both on scales of doubling."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    import torch

    canvas, axes = plt.subplots(figsize=(5, 3.4), layout="constrained")
    for name, times in grown.items():
        axes.loglog([1, 2, 4], times, marker="o", base=2, label=f"{name} (from {base[name]:,})")
    axes.set_xticks([1, 2, 4], ["1 ×", "2 ×", "4 ×"])
    axes.set(
        xlabel="size", ylabel=f"seconds, {torch.get_num_threads()} threads", title="Ridge: one size doubled at a time"
    )
    axes.legend(frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    canvas.savefig(path, dpi=150)


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
    np.save(folder / "train.npy", X[: case.rows])
    np.save(folder / "test.npy", X[case.rows :])
    Y = rng.standard_normal((rows, sum(case.targets)), dtype=np.float32)
    for start in range(0, Y.shape[1], 4096):
        part = Y[:, start : start + 4096]
        part += np.float32(0.1) * signal @ rng.standard_normal((20, part.shape[1]), dtype=np.float32)
    np.save(folder / "Y.npy", Y[: case.rows])
    np.save(folder / "folds.npy", np.repeat(np.arange(case.folds), case.rows // case.folds))


def run(
    side: str, arguments: argparse.Namespace, folder: Path, columns: tuple[int, int] | None = None
) -> dict[str, float]:
    """One side in a process of its own."""
    threads = str(arguments.threads)
    command = [sys.executable, __file__, "--case", arguments.case, "--backend", arguments.backend, "--side", side]
    command += ["--threads", threads, "--folder", str(folder)]
    command += ["--columns", *map(str, columns)] if columns else []
    environment = os.environ | {"OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
    output = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout
    result: dict[str, float] = json.loads(output.splitlines()[-1])
    numbers = ", ".join(f"{key} {value:.2f}" for key, value in result.items())
    print(f"{side}{list(columns or '')}: {numbers}", flush=True)
    return result


def work(arguments: argparse.Namespace) -> None:
    """Read the data, do the side's work, leave its predictions and alphas, print its time and peak memory."""
    import torch

    torch.set_num_threads(arguments.threads)
    case, folder = CASES[arguments.case], arguments.folder
    if arguments.side == "simulate":
        simulate(case, folder)
        print("{}")
        return
    first, last = arguments.columns or (0, sum(case.targets))
    stored = np.load(folder / "Y.npy", mmap_mode="r" if arguments.columns else None)
    Y = np.ascontiguousarray(stored[:, first:last])
    train, test, folds = (np.load(folder / f"{name}.npy") for name in ("train", "test", "folds"))
    before = time.process_time()
    result, predictions, alphas = SIDES[arguments.side](case, train, test, Y, folds, arguments)
    result["cpu"] = time.process_time() - before
    result["peak_gb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    if predictions is not None:
        np.savez(folder / f"{arguments.side}-{first}-{last}.npz", predictions=predictions, alphas=alphas)
    print(json.dumps(result))


Side = tuple[dict[str, float], np.ndarray | None, np.ndarray | None]


def side_ours(
    case: Case, train: np.ndarray, test: np.ndarray, Y: np.ndarray, folds: np.ndarray, arguments: argparse.Namespace
) -> Side:
    from brain2music.ridge import predict_many, ridge_cv_many

    sets = [Y[:, a:b] for a, b in case.bounds]
    start = time.perf_counter()
    fits = ridge_cv_many(
        train, sets, alphas=ALPHAS, folds=folds, scoring="neg_mean_squared_error", memory_gb=case.memory_gb
    )
    fitted = time.perf_counter() - start
    predictions = np.concatenate([np.asarray(each) for each in predict_many(fits, test)], 1)
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "fit": fitted}, predictions, np.concatenate([fit.best_alphas for fit in fits])


def side_peer(
    case: Case, train: np.ndarray, test: np.ndarray, Y: np.ndarray, folds: np.ndarray, arguments: argparse.Namespace
) -> Side:
    from himalaya.backend import set_backend
    from himalaya.kernel_ridge import KernelRidgeCV
    from himalaya.ridge import RidgeCV
    from sklearn.model_selection import PredefinedSplit

    backend = set_backend(arguments.backend)
    batches = {"n_targets_batch": 2048} if Y.shape[1] > 2048 else {}
    refit = {"n_targets_batch_refit": 2048} if Y.shape[1] > 2048 and arguments.side == "kernel" else {}
    solver = KernelRidgeCV if arguments.side == "kernel" else RidgeCV
    start = time.perf_counter()
    model = solver(alphas=ALPHAS, cv=PredefinedSplit(folds), fit_intercept=True, solver_params=batches | refit)
    predictions = backend.to_numpy(model.fit(train, Y).predict(test))
    return {"seconds": time.perf_counter() - start}, predictions, backend.to_numpy(model.best_alphas_)


def side_floor(
    case: Case, train: np.ndarray, test: np.ndarray, Y: np.ndarray, folds: np.ndarray, arguments: argparse.Namespace
) -> Side:
    import scipy.linalg

    start = time.perf_counter()
    K = train @ train.T
    gram = time.perf_counter() - start
    scipy.linalg.eigh(K.T, driver="evd", overwrite_a=True, check_finite=False)
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "gram": gram, "eigh": seconds - gram}, None, None


def side_peer_double(
    case: Case, train: np.ndarray, test: np.ndarray, Y: np.ndarray, folds: np.ndarray, arguments: argparse.Namespace
) -> Side:
    """himalaya in double precision, with the alphas that our side chose."""
    from himalaya.backend import set_backend
    from himalaya.kernel_ridge import KernelRidge

    backend, found = set_backend(arguments.backend), alphas_found(arguments.folder)
    start = time.perf_counter()
    model = KernelRidge(alpha=found.astype(np.float64), fit_intercept=True)
    fitted = model.fit(train.astype(np.float64), Y.astype(np.float64))
    predictions = backend.to_numpy(fitted.predict(test.astype(np.float64)))
    return {"seconds": time.perf_counter() - start}, predictions, found


def side_double(
    case: Case, train: np.ndarray, test: np.ndarray, Y: np.ndarray, folds: np.ndarray, arguments: argparse.Namespace
) -> Side:
    """Kernel ridge by the book in double precision, with the alphas that our side chose."""
    found = alphas_found(arguments.folder)
    start = time.perf_counter()
    K, across = np.zeros((len(train), len(train))), np.zeros((len(test), len(train)))
    for first in range(0, train.shape[1], 4096):
        part = train[:, first : first + 4096].astype(np.float64)
        mean = part.mean(0)
        part -= mean
        K += part @ part.T
        across += (test[:, first : first + 4096] - mean) @ part.T
    centre = Y.mean(0, dtype=np.float64)
    predictions = np.empty((len(test), Y.shape[1]))
    for alpha in np.unique(found):
        chosen = found == alpha
        dual = np.linalg.solve(K + alpha * np.eye(len(K)), Y[:, chosen] - centre[chosen])
        predictions[:, chosen] = across @ dual + centre[chosen]
    return {"seconds": time.perf_counter() - start}, predictions, found


SIDES: dict[str, Callable[..., Side]] = {
    "ours": side_ours,
    "kernel": side_peer,
    "primal": side_peer,
    "floor": side_floor,
    "double": side_double,
    "peerdouble": side_peer_double,
}


def alphas_found(folder: Path) -> np.ndarray:
    """What our side chose."""
    (path,) = folder.glob("ours-*.npz")
    return np.load(path)["alphas"]


def agreement(folder: Path) -> tuple[float, float]:
    """Greatest difference of predictions relative to the greatest prediction of the target; share of equal alphas."""
    (mine,) = (np.load(path) for path in folder.glob("ours-*.npz"))
    differences, same = [], []
    for path in [*folder.glob("kernel-*.npz"), *folder.glob("primal-*.npz")]:
        first, last = map(int, path.stem.split("-")[1:])
        theirs = np.load(path)
        ours = mine["predictions"][:, first:last]
        equal = np.isclose(mine["alphas"][first:last], theirs["alphas"], rtol=1e-4)
        difference = np.abs(ours - theirs["predictions"]).max(0) / np.abs(theirs["predictions"]).max(0)
        differences.append(difference[equal])
        same.append(equal)
    return float(np.concatenate(differences).max()), float(np.concatenate(same).mean())


def from_double(arguments: argparse.Namespace, folder: Path) -> dict[str, float]:
    """How far each side's predictions are from those in double precision, where both chose the same alphas."""
    run("double", arguments, folder)
    run("peerdouble", arguments, folder)
    (exact,) = (np.load(path)["predictions"] for path in folder.glob("double-*.npz"))
    (theirs_exact,) = (np.load(path)["predictions"] for path in folder.glob("peerdouble-*.npz"))
    (mine,) = (np.load(path) for path in folder.glob("ours-*.npz"))
    found: dict[str, list[np.ndarray]] = {"ours_from_double": [], "peer_from_double": []}
    for path in folder.glob("kernel-*.npz"):
        first, last = map(int, path.stem.split("-")[1:])
        theirs, wanted = np.load(path), exact[:, first:last]
        equal = np.isclose(mine["alphas"][first:last], theirs["alphas"], rtol=1e-4)
        sides = mine["predictions"][:, first:last], theirs["predictions"]
        for name, side in zip(found, sides, strict=True):
            found[name].append((np.abs(side - wanted).max(0) / np.abs(wanted).max(0))[equal])
    without_rounding = np.abs(mine["predictions"] - theirs_exact).max(0) / np.abs(theirs_exact).max(0)
    differences = {name: float(np.concatenate(each).max()) for name, each in found.items()}
    return differences | {"ours_from_peer_in_double": float(without_rounding.max())}


def clock(task: Callable[[], object]) -> float:
    start = time.perf_counter()
    task()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
