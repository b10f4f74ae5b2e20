"""The tokens that MusicLM is trained on: composed pieces and free recordings, rendered, embedded and quantised.

    python recipes/musiclm_data.py OUT --pieces-per-genre 800 --seed 7 --workers 14 --recorded FOLDER \\
        --codec mel-tokens-6k --mulan mulan-small --single

``FOLDER`` is a set of 30-s segments as recipes/training_data.py writes it (``--segment 30``). For three stages semantic
tokens are fitted first, on a part of the pieces; then shards are written, each kept once it is there, so that the same
command goes on after an interruption, also with more pieces; last the embedding's codebooks are fitted. ComposedPiece
pieces carry seeds: judge on others. ``--minutes`` stops between two shards, in time to fit what is left.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from brain2music.models.codecs import get_token_codec
from brain2music.models.generator_parts.pieces import RecordedSegment, WindowEmbedder
from brain2music.models.mulan.training_data import ComposedPiece
from brain2music.models.musiclm.condition import Conditioner
from brain2music.models.musiclm.config import ACOUSTIC_FRAME_RATE
from brain2music.models.musiclm.semantic import FILE, MusicnnFrames, SemanticTokenizer, codebook_use
from brain2music.models.musiclm.semantic_training import fit_semantic
from brain2music.models.musiclm.token_shards import (
    PieceTokenizer,
    TokenData,
    prepare_pieces,
    semantic_features,
    write_shards,
)
from brain2music.simulation.music.genres import GENRES


def main() -> None:
    """Read the arguments and build."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--pieces-per-genre", type=int, default=100)
    parser.add_argument("--seed", type=int, default=7, help="of the composer")
    parser.add_argument("--seconds", type=float, default=30.0, help="of a piece")
    parser.add_argument("--recorded", type=Path, help="folder of recorded segments with a manifest.tsv")
    parser.add_argument("--codec", default="soundstream-small")
    parser.add_argument("--n-quantizers", type=int, help="of the codec, all by default")
    parser.add_argument("--single", action="store_true", help="for a single stage: no semantic tokens")
    parser.add_argument(
        "--mulan", "--embedding", default="mulan-small", help="a MuLan's folder, or an embedding's name (musiccoca)"
    )
    parser.add_argument("--step", type=float, default=5.0, help="seconds between windows of 10 s (MusicLM: 1)")
    parser.add_argument(
        "--codebook-size", type=int, default=1024, help="of semantic tokens and of each quantizer of the condition"
    )
    parser.add_argument("--fit-pieces", type=int, default=400, help="pieces that semantic tokens are fitted on")
    parser.add_argument("--per-shard", type=int, default=100)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--minutes", type=float, help="stop rendering after so long")
    given = parser.parse_args()

    began = time.monotonic()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    given.out.mkdir(parents=True, exist_ok=True)
    composed = [
        ComposedPiece(given.seed, genre, number) for number in range(given.pieces_per_genre) for genre in GENRES
    ]
    recorded = list(recordings(given.recorded, given.seconds)) if given.recorded else []
    embedder, codec = (
        WindowEmbedder(given.mulan, given.step, device),
        get_token_codec(given.codec, given.n_quantizers, device),
    )
    tokenizer = PieceTokenizer(given.codec, codec, embedder)
    if not given.single and codec.sample_rate != ACOUSTIC_FRAME_RATE * codec.hop_length:
        parser.error(
            f"three stages need a codec of {ACOUSTIC_FRAME_RATE:g} frames a second, not {given.codec}: add --single"
        )
    if not given.single:
        features = MusicnnFrames(device)
        semantic = semantic_tokens(given, [*spread(composed, recorded, given.fit_pieces)], features)
        tokenizer = replace(tokenizer, features=features, semantic=semantic)
    for name, sources in (("recorded", recorded), (f"composed-{given.seed}", composed)):
        limit = None if given.minutes is None else began + 60 * given.minutes
        write_shards(
            sources, given.out, name, tokenizer, given.mulan, given.seconds, given.per_shard, given.workers,
            show, limit,
        )  # fmt: skip
    fit_conditions(given.out, embedder, given.codebook_size)
    print(f"seconds_spent={time.monotonic() - began:.0f}")


def show(done: int, total: int) -> None:
    """Say how far it has come."""
    print(f"\r{done}/{total}", end="" if done < total else "\n", file=sys.stderr, flush=True)


def recordings(folder: Path, seconds: float) -> Iterator[RecordedSegment]:
    """The segments of a set in the order of its manifest, each cut into pieces of so many seconds."""
    for row in pd.read_csv(folder / "manifest.tsv", sep="\t").itertuples():
        for number in range(int(row.seconds // seconds)):
            yield RecordedSegment(folder / str(row.file), number * seconds, str(row.licence))


def spread(
    composed: list[ComposedPiece], recorded: list[RecordedSegment], count: int
) -> list[ComposedPiece | RecordedSegment]:
    """At most ``count`` pieces, half of them recorded where there are as many."""
    half = min(len(recorded), count // 2)
    rng = np.random.default_rng(0)
    chosen: list[ComposedPiece | RecordedSegment] = [recorded[i] for i in rng.permutation(len(recorded))[:half]]
    chosen += [composed[i] for i in rng.permutation(len(composed))[: count - half]]
    return [chosen[i] for i in rng.permutation(len(chosen))]


def semantic_tokens(
    given: argparse.Namespace, sources: list[ComposedPiece | RecordedSegment], features: MusicnnFrames
) -> SemanticTokenizer:
    """The semantic tokenizer of OUT, fitted if it is not there."""
    if not (given.out / FILE).is_file():

        def batches() -> Iterator[torch.Tensor]:
            prepared = prepare_pieces(sources, given.mulan, given.step, given.seconds, given.workers)
            for done, each in enumerate(prepared, start=1):
                show(done, len(sources))
                if each is not None:
                    yield semantic_features(features, each)

        tokenizer, report = fit_semantic(batches(), features, given.codebook_size)
        tokenizer.save(given.out, report)
    return SemanticTokenizer.load(given.out)  # as everybody else will read it


def fit_conditions(out: Path, embedder: WindowEmbedder, codebook_size: int) -> None:
    """Fit the condition's codebooks on all windows, unless the embedding has some, and report what there is."""
    data = TokenData(out)
    Conditioner.fit_to(embedder.embedder, data.windows(), codebook_size).save(out)
    report = {"pieces": len(data), "hours": data.seconds / 3600}
    if "semantic_codes" in data.about:
        semantic = torch.cat([shard["semantic"].flatten() for shard in data.shards]).long()
        report |= codebook_use(torch.bincount(semantic, minlength=codebook_size).float())
    (out / "report.json").write_text(json.dumps(report, indent=1), encoding="utf-8")
    print("\n".join(f"{name}={value:.4g}" for name, value in report.items()))


if __name__ == "__main__":
    main()
