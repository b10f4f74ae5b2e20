"""The music that mulan-small is trained on, as features: composed pieces, and recorded music of Debian's packages.

    python recipes/mulan_data.py rendered OUT [--pieces-per-genre N] [--seed S] [--workers W] [--minutes M]
    python recipes/mulan_data.py recorded OUT --packages CACHE [--excerpts 6]      CACHE: recorded_music.py fetch

Both may be interrupted and run again: shards that are there are kept. musicnn runs on a GPU where there is one.
Captions are no part of it: they follow from the rows kept in the shards.
"""

import argparse
import sys
import time
from math import inf
from pathlib import Path

import numpy as np
import torch

from brain2music import InputError
from brain2music.audio.find import find_audio
from brain2music.audio.io import duration_of
from brain2music.models.mulan.training_data import WINDOW_S, ComposedPiece, RecordedExcerpt, write_feature_shards
from brain2music.simulation.music.genres import GENRES

PACKAGES = {  # package: style, licence (spec: the only recorded music that shipped models are trained on)
    "colobot-common-sounds": ("ambient soundtrack", "GPL-3+"),
    "enigma-data": ("ragtime-like instrumental", "GPL-2+"),
    "fretsonfire-songs-muldjord": ("death metal", "CC-BY-SA-3.0"),
    "fretsonfire-songs-sectoid": ("instrumental rock", "MIT"),
    "hedgewars-data": ("video game", "GPL-2"),
    "marsshooter-data": ("female-fronted metal", "CC-BY-SA-3.0"),
    "nexuiz-music": ("techno and industrial", "GPL-2+"),
    "noiz2sa-data": ("electronic", "BSD-2-clause"),
    "singularity-music": ("ambient electronic", "CC-BY-SA-3.0"),
    "starfighter-data": ("electronic", "CC-BY, CC-BY-SA or GPL, by file"),
    "supertux-data": ("video game", "GPL-2+"),
    "torus-trooper-data": ("electronic", "BSD-2-clause"),
    "trackballs-data": ("electronic", "GPL-2+, three tracks other"),
    "tumiki-fighters-data": ("electronic", "BSD-2-clause"),
    "ufoai-music": ("soundtrack", "GPL-2+, CC-BY, CC-BY-SA or public domain, by file"),
    "wesnoth-1.16-music": ("orchestral", "GPL-2+"),
    "wizznic-data": ("dance and electronica", "GPL-3"),
}
STEMS = ("guitar", "rhythm", "drums")  # beside song.ogg, which lacks them
SHORTEST_S = 25.0


def composed(per_genre: int, seed: int) -> list[ComposedPiece]:
    """Pieces of all genres in turn."""
    return [ComposedPiece(seed, genre, number) for number in range(per_genre) for genre in GENRES]


def recorded(cache: Path, excerpts: int) -> list[RecordedExcerpt]:
    """Up to so many excerpts of every song, spread evenly over it."""
    found = []
    for package, (style, licence) in PACKAGES.items():
        if not (cache / package).is_dir():
            raise InputError(f"the package {package} is not here", cache, "run recipes/recorded_music.py fetch first")
        for path in find_audio(cache / package):
            if path.stem in STEMS or path.suffix not in (".ogg", ".mp3") or (length := _seconds(path)) < SHORTEST_S:
                continue
            stems = [path.with_name(f"{stem}{path.suffix}") for stem in STEMS] if path.stem == "song" else []
            files = (path, *filter(Path.is_file, stems))
            count = min(excerpts, int(length // WINDOW_S))
            for start in np.linspace(0.05, 0.95, count) * (length - WINDOW_S - 1.0):
                found.append(RecordedExcerpt(files, round(float(start), 2), package, style, licence))
    return [found[i] for i in np.random.default_rng(0).permutation(len(found))]


def _seconds(path: Path) -> float:
    try:
        return duration_of(path)
    except InputError:
        return 0.0


def show(done: int, total: int) -> None:
    """Say how far it has come."""
    print(f"\r{done}/{total}", end="" if done < total else "\n", file=sys.stderr, flush=True)


def main() -> None:
    """Read the arguments and write_feature_shards one kind of music."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=["rendered", "recorded"])
    parser.add_argument("out", type=Path)
    parser.add_argument("--pieces-per-genre", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1000)
    parser.add_argument("--packages", type=Path)
    parser.add_argument("--excerpts", type=int, default=6)
    parser.add_argument("--per-shard", type=int, default=100)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=inf, help="begin no further shard after so long")
    given = parser.parse_args()
    if given.kind == "recorded" and given.packages is None:
        parser.error("recorded music needs --packages")
    sources = (
        composed(given.pieces_per_genre, given.seed)
        if given.kind == "rendered"
        else recorded(given.packages, given.excerpts)
    )
    name = f"rendered-{given.seed}" if given.kind == "rendered" else "recorded"
    device = "cuda" if torch.cuda.is_available() else "cpu"
    began = time.perf_counter()
    files = write_feature_shards(sources, given.out, name, given.per_shard, given.workers, device, given.minutes, show)
    print(f"sources: {len(sources)}\nshards: {len(files)}\ndevice: {device}")
    print(f"megabytes: {sum(file.stat().st_size for file in files) / 1e6:.1f}")
    print(f"seconds: {time.perf_counter() - began:.1f}")


if __name__ == "__main__":
    main()
