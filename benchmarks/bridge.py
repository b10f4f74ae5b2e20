"""How much of what a sound is survives a bridge between embedding spaces? mulan-small to musicnn-mtt, unless told.

    python benchmarks/bridge.py [--source mulan-small] [--target musicnn-mtt] [--pieces-per-genre 12] [--gtzan FOLDER]
                                [--brain] [--subjects 3]

A bridge is fitted to composed music, and the second half of every song is identified among the second halves of all
songs by its first half, in the target space. Chance is 0.5.

* ``identification_direct``: the first half is embedded in the target space.
* ``identification_bridged``: it is embedded in the source space and mapped by a bridge that was fitted to other songs.
* ``…_recorded``: the same on validation clips of GTZAN in halves of 7.5 s, by the bridge that was fitted to all
  composed songs. None of them is fitted to.
* ``…_decoded`` (``--brain``): test clips of a simulated study, identified among one another in the target space by what
  is decoded of them: by a decoder of the target itself (direct), and by a decoder of the source and the bridge that was
  fitted to all composed songs. The study's music is other music.
"""

import argparse
import os
import tempfile
from pathlib import Path

import numpy as np
from _results import Results

import brain2music as b2m
from brain2music.metrics import bootstrap_nested, identification_by_clip, similarity
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
    parser.add_argument("--brain", action="store_true", help="decode a simulated study, too")
    parser.add_argument("--subjects", type=int, default=3, help="of the simulated study")
    given = parser.parse_args()
    sides = get_embedder(given.source), get_embedder(given.target)
    with tempfile.TemporaryDirectory() as folder:
        write_corpus(folder, given.pieces_per_genre, SEED, SECONDS, n_jobs=1)
        composed, _ = pair_sounds(Path(folder), *sides)
    report("", measure_bridge(composed, given.kind), f"{given.source} to {given.target}, composed music")
    fitted = composed.given, composed.wanted, np.array(composed.songs)
    bridge = Bridge.fit(composed.source, composed.target, *fitted, kind=given.kind)
    if given.brain:
        report(
            "_decoded", decode_both_ways(bridge, given.subjects), "simulated brains, design quick; n is of test clips"
        )
    if (given.gtzan / "dev").is_dir():
        recorded, _ = pair_sounds(given.gtzan / "dev", *sides, part_s=7.5)
        report("_recorded", score_bridge(bridge, recorded), f"{given.source} to {given.target}, GTZAN validation clips")


def decode_both_ways(bridge: Bridge, n_subjects: int) -> BridgeLoss:
    """Identify the test clips of a simulated study in the target space, decoded directly and through the bridge."""
    shares: dict[str, list[np.ndarray]] = {"direct": [], "bridged": []}
    correlations = []
    with tempfile.TemporaryDirectory() as folder:
        study = b2m.simulate_study(f"{folder}/study", design="quick", n_subjects=n_subjects, seed=SEED, n_jobs=1)
        music = {space.name: study.embed(space.name) for space in (bridge.source, bridge.target)}
        for subject in study.subjects:
            bold = study.responses(subject)
            source, target = (
                b2m.Decoder().fit(bold.train, music[name]).predict(bold.test)
                for name in (bridge.source.name, bridge.target.name)
            )
            true = target.truth(music[bridge.target.name]) - target.train_mean
            for way, found in (("direct", target.mean), ("bridged", bridge.transform(source).mean)):
                shares[way].append(identification_by_clip(similarity(found - target.train_mean, true)))
            mapped = bridge.transform(source).mean - target.train_mean
            correlations.append(np.diag(similarity(mapped, true)).mean())
    rng = np.random.default_rng(0)
    (low, high), (direct_low, direct_high) = (bootstrap_nested(shares[way], rng) for way in ("bridged", "direct"))
    return BridgeLoss(
        bridged=float(np.mean(shares["bridged"])),
        bridged_low=low,
        bridged_high=high,
        direct=float(np.mean(shares["direct"])),
        direct_low=direct_low,
        direct_high=direct_high,
        correlation=float(np.mean(correlations)),
        n=sum(map(len, shares["direct"])),
    )


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
