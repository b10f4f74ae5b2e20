"""Fit the map of texts by tags that mulan-small has beside its text tower, in closed form, and write it to a folder.

    python recipes/mulan_tag_map.py MONO CAPTIONS.csv OUT --heard HEARD [--without DEV] [--model mulan-small]

``MONO`` is a set of recorded segments as recipes/training_data.py writes it, of the packages that shipped models are
trained on. They and composed pieces (of a seed that mulan-small was not trained on) are tagged by both musicnn models
and by YAMNet's classes of music, and moved to where musicnn's own training music lies. ``CAPTIONS.csv`` (ID, DescEN)
are texts that people wrote on music, read as texts only, without those of the clips in ``DEV``. ``HEARD`` keeps
features and tags, so that hearing (some ten minutes of a core for an hour of music) may be interrupted and run again.
``OUT`` gets the whole model with the map.
"""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from brain2music import get_embedder
from brain2music.audio.io import read_audio
from brain2music.models.mulan.feature_extractor import FeatureExtractor
from brain2music.models.mulan.minilm import sentence_encoder
from brain2music.models.mulan.mulan_embedder import MuLanEmbedder
from brain2music.models.mulan.tag_map import TagMap
from brain2music.models.mulan.tagged_music import move_to_tagged_music, tags_of_features
from brain2music.models.mulan.training_data import SAMPLE_RATE, ComposedPiece
from brain2music.models.mulan.training_texts import tag_names
from brain2music.models.musicnn.musicnn_embedder import load_network, package_folder
from brain2music.simulation.music.genres import GENRES
from brain2music.simulation.music.render import render_piece
from brain2music.weights import find

WINDOW_S, STEP_S = 10.0, 4.5  # a step of patches of musicnn, which are computed once
PER_PART = 20
MUSIC = slice(132, 277)  # YAMNet's classes of music, instruments and genres
Heard = dict[str, np.ndarray]


def main() -> None:
    """Read the arguments, hear, fit, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mono", type=Path)
    parser.add_argument("captions", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--heard", type=Path, required=True)
    parser.add_argument("--without", type=Path, help="clips whose captions are not read")
    parser.add_argument("--model", default="mulan-small")
    parser.add_argument("--segments", type=int, help="of MONO, default all")
    parser.add_argument("--pieces", type=int, default=10, help="composed pieces of each genre that are heard")
    parser.add_argument("--pieces-per-genre", type=int, default=60, help="composed pieces whose captions are read")
    parser.add_argument("--seed", type=int, default=7, help="of the composer")
    given = parser.parse_args()
    table = pd.read_csv(given.mono / "manifest.tsv", sep="\t")
    files = [given.mono / name for name in table["file"][: given.segments]]
    pieces = [ComposedPiece(given.seed, genre, each) for each in range(given.pieces_per_genre) for genre in GENRES]
    heard = [
        hear(files, read_audio, given.heard / "recorded"),
        hear(pieces[: given.pieces * len(GENRES)], render, given.heard / "composed"),
    ]
    embedder, network = MuLanEmbedder(find(given.model), WINDOW_S, STEP_S), load_network("msd", package_folder())[0]
    moved = [move_to_tagged_music(each["features"], network) for each in heard]
    sounds = np.concatenate([embedder.embed_features(each) for each in moved])
    posteriors = np.concatenate(
        [
            np.concatenate([tags_of_features(features, network), each["mtt"], each["yamnet"][:, MUSIC]], axis=1)
            for features, each in zip(moved, heard, strict=True)
        ]
    )
    kinds = np.repeat(np.arange(len(moved)), [len(each) for each in moved])
    names = [*tag_names(), *get_embedder("yamnet").class_names[MUSIC]]
    texts, sentences = written_texts(given.captions, given.without), sentence_encoder().sentences
    captions = [piece.caption() for piece in pieces]
    embedder.model.tag_map = TagMap.fit(names, sounds, posteriors, kinds, texts, captions, sentences)
    embedder.model.save_pretrained(given.out)
    print(f"windows={np.bincount(kinds)}\ntexts={len(texts)}\ncaptions={len(captions)}\nmodel={given.out}")


def hear(sources: Sequence, read: Callable, folder: Path) -> Heard:
    """Features of the windows of all sources, and probabilities of both taggers' tags and YAMNet's classes."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = []
    for first in range(0, len(sources), PER_PART):
        file = folder / f"{first:05d}.npz"
        if not file.is_file():
            heard = [hear_one(*read(source)) for source in sources[first : first + PER_PART]]
            with (temporary := file.with_suffix(".part")).open("wb") as stream:
                np.savez(stream, **{name: np.concatenate([each[name] for each in heard]) for name in heard[0]})
            temporary.replace(file)
        with np.load(file, allow_pickle=False) as part:
            parts.append(dict(part))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def hear_one(wave: np.ndarray, rate: int) -> Heard:
    """Features and probabilities of the windows of a sound."""
    extractor = FeatureExtractor(WINDOW_S, STEP_S)
    prepared = extractor.prepare(wave, rate)
    features, _ = extractor.forward(prepared, extractor.musicnn.network)
    _, mtt = extractor.forward(prepared, load_network("mtt", package_folder())[0])
    starts = [round(STEP_S * rate * row) for row in range(len(features))]
    yamnet = get_embedder("yamnet")
    classes = [yamnet.classes(wave[start : start + round(WINDOW_S * rate)], rate) for start in starts]
    return {"features": features, "mtt": mtt, "yamnet": np.stack(classes)}


def render(piece: ComposedPiece) -> tuple[np.ndarray, int]:
    """The sound of a composed piece."""
    return render_piece(piece.piece(), SAMPLE_RATE), SAMPLE_RATE


def written_texts(file: Path, without: Path | None) -> list[str]:
    """The captions of a table, without those of the clips in a folder."""
    table = pd.read_csv(file, encoding="utf-8-sig")
    left_out = {path.stem for path in without.iterdir()} if without else set()
    return list(table["DescEN"][~table["ID"].str.removesuffix("_15s").isin(left_out)])


if __name__ == "__main__":
    main()
