"""How much of what a sound is survives a bridge between embedding spaces? mulan-small to musicnn-mtt, unless told.

    python benchmarks/bridge.py [--source mulan-small] [--target musicnn-mtt] [--pieces-per-genre 12] [--gtzan FOLDER]

A bridge is fitted to composed music, and the second half of every song is identified among the second halves of all
songs by its first half, in the target space. Chance is 0.5.

* ``identification_direct``: the first half is embedded in the target space.
* ``identification_bridged``: it is embedded in the source space and mapped by a bridge that was fitted to other songs.
* ``…_recorded``: the same on validation clips of GTZAN in halves of 7.5 s, by the bridge that was fitted to all
  composed songs. None of them is fitted to.
"""

import argparse
import os
import tempfile
from pathlib import Path

import numpy as np
from _results import Results

from brain2music.metrics.bridging import BridgeLoss, measure_bridge, pair_sounds, score_bridge
from brain2music.models.bridges import Bridge
from brain2music.models.embedders import get_embedder
from brain2music.simulation.music import write_corpus

RESULTS = Results("bridge")
SEED, SECONDS = 990_030, 20.0
DATA = Path(os.environ.get("BRAIN2MUSIC_REAL_DATA", Path(__file__).parents[2] / "shared" / "data")) / "gtzan"


def main() -> None:
    """Compose, embed, fit, identify."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", default="mulan-small")
    parser.add_argument("--target", default="musicnn-mtt")
    parser.add_argument("--pieces-per-genre", type=int, default=12)
    parser.add_argument("--kind", default="linear", choices=["linear", "nonlinear", "auto"])
    parser.add_argument("--gtzan", type=Path, default=DATA, help="folder of dev/*.ogg")
    given = parser.parse_args()
    sides = get_embedder(given.source), get_embedder(given.target)
    with tempfile.TemporaryDirectory() as folder:
        write_corpus(folder, given.pieces_per_genre, SEED, SECONDS, n_jobs=1)
        composed, _ = pair_sounds(Path(folder), *sides)
    report("", measure_bridge(composed, given.kind), f"{given.source} to {given.target}, composed music")
    fitted = composed.given, composed.wanted, np.array(composed.songs)
    bridge = Bridge.fit(composed.source, composed.target, *fitted, kind=given.kind)
    if (given.gtzan / "dev").is_dir():
        recorded, _ = pair_sounds(given.gtzan / "dev", *sides, part_s=7.5)
        report("_recorded", score_bridge(bridge, recorded), f"{given.source} to {given.target}, GTZAN validation clips")


def report(suffix: str, loss: BridgeLoss, note: str) -> None:
    """Print and keep both scores."""
    print(f"identification_direct{suffix}: {loss.direct:.4f}  ({loss.direct_low:.4f} to {loss.direct_high:.4f})")
    print(f"identification_bridged{suffix}: {loss.bridged:.4f}  ({loss.bridged_low:.4f} to {loss.bridged_high:.4f})")
    print(
        f"kept{suffix}: {loss.bridged / loss.direct:.4f}  correlation: {loss.correlation:.4f}  n: {loss.n}", flush=True
    )
    RESULTS.add(
        f"identification through the bridge{suffix.replace('_', ', ')}",
        loss.bridged,
        peer=loss.direct,
        ratio=loss.bridged / loss.direct,
        bar="≥ 0.8 of direct",
        n=loss.n,
        low=loss.bridged_low,
        high=loss.bridged_high,
        note=f"{note}; the peer is direct; chance 0.5",
    )


if __name__ == "__main__":
    main()
