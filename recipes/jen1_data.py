"""The latents that JEN-1 is trained on: composed pieces and free recordings, rendered, embedded and encoded.

    python recipes/jen1_data.py OUT --pieces-per-genre 300 --seed 7 --recorded MONO --workers 1

``MONO`` is a set of 30-s segments as recipes/training_data.py writes it (``--segment 30``). Shards are kept once they
are there, so the same command goes on after an interruption, also with more pieces. ``--minutes`` stops between two
shards. Composed pieces carry seeds: judge on others. With ``--codec jen1-autoencoder-small`` latents are those of the
paper's autoencoder, 48 kHz and stereo, in place of mel spectrograms.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from brain2music.models.generator_parts.pieces import RecordedSegment, WindowEmbedder
from brain2music.models.jen1.latent_shards import LatentData, PieceEncoder, write_latent_shards
from brain2music.models.jen1.latents import open_latents
from brain2music.models.jen1.texts import get_text_tokens
from brain2music.models.mulan.training_data import ComposedPiece
from brain2music.simulation.music.genres import GENRES


def main() -> None:
    """Read the arguments and encode."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--pieces-per-genre", type=int, default=100)
    parser.add_argument("--seed", type=int, default=7, help="of the composer")
    parser.add_argument("--seconds", type=float, default=15.0, help="of a piece")
    parser.add_argument("--recorded", type=Path, help="folder of recorded segments with a manifest.tsv")
    parser.add_argument("--codec", default="mel-tokens-6k", help="a codec of mel tokens, or an autoencoder")
    parser.add_argument("--mulan", default="mulan-small", help="a MuLan's folder, or an embedding's name")
    parser.add_argument("--step", type=float, default=5.0, help="seconds between windows of 10 s")
    parser.add_argument("--text", default="minilm", help="encoder of captions: minilm, or a name of the hub")
    parser.add_argument("--channels", type=int, default=64, help="whitened channels to keep")
    parser.add_argument("--mel-frames", type=int, default=4, help="frames of 11.6 ms per latent of mel spectrograms")
    parser.add_argument("--per-shard", type=int, default=100)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--minutes", type=float, help="begin no shard after so long")
    given = parser.parse_args()

    began = time.monotonic()
    until = None if given.minutes is None else began + 60 * given.minutes
    given.out.mkdir(parents=True, exist_ok=True)
    encoder = PieceEncoder(
        open_latents(given.codec, None, mel_frames=given.mel_frames),
        WindowEmbedder(given.mulan, given.step),
        given.mulan,
        get_text_tokens(given.text),
    )
    composed = [ComposedPiece(given.seed, genre, each) for each in range(given.pieces_per_genre) for genre in GENRES]
    recorded = list(recordings(given.recorded, given.seconds)) if given.recorded else []
    for name, sources in (("recorded", recorded), (f"composed-{given.seed}", composed)):
        write_latent_shards(
            sources, given.out, name, encoder, given.seconds, given.per_shard, given.workers, show, until
        )
    data = LatentData(given.out, given.channels)
    print(f"pieces={len(data)}\nhours={data.seconds / 3600:.2f}\nchannels={data.whitening.channels}")
    print(f"seconds_spent={time.monotonic() - began:.0f}")


def recordings(folder: Path, seconds: float) -> Iterator[RecordedSegment]:
    """The segments of a set in the order of its manifest, each cut into pieces of so many seconds."""
    for row in pd.read_csv(folder / "manifest.tsv", sep="\t").itertuples():
        for number in range(int(row.seconds // seconds)):
            yield RecordedSegment(folder / str(row.file), number * seconds, str(row.licence))


def show(done: int, total: int) -> None:
    """Say how far it has come."""
    print(f"\r{done}/{total}", end="" if done < total else "\n", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
