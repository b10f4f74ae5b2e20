"""Fit the map of texts by tags that mulan-small has beside its text tower, in closed form, and write it to a folder.

    python recipes/mulan_tag_map.py MONO CAPTIONS.csv OUT [--model mulan-small] [--pieces-per-genre 60]

``MONO`` is a set of recorded segments as recipes/training_data.py writes it, of the packages that shipped models are
trained on; both musicnn models tag them. ``CAPTIONS.csv`` (ID, DescEN) are texts that people wrote on music, read as
texts only. ``OUT`` gets the whole model with the map. Hearing takes about ten minutes of a processor.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from brain2music.audio.io import read_audio
from brain2music.models.mulan.feature_extractor import FeatureExtractor
from brain2music.models.mulan.minilm import sentence_encoder
from brain2music.models.mulan.mulan_embedder import MuLanEmbedder
from brain2music.models.mulan.tag_map import TagMap
from brain2music.models.mulan.training_data import ComposedPiece
from brain2music.models.mulan.training_texts import tag_names
from brain2music.models.musicnn.musicnn_embedder import MusicnnEmbedder
from brain2music.simulation.music.genres import GENRES
from brain2music.weights import find


def main() -> None:
    """Read the arguments, hear, fit, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mono", type=Path)
    parser.add_argument("captions", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--model", default="mulan-small")
    parser.add_argument("--pieces-per-genre", type=int, default=60, help="composed pieces whose captions are read")
    parser.add_argument("--seed", type=int, default=7, help="of the composer")
    parser.add_argument("--heard", type=Path, help="keep features and tags here (npz), and use them again")
    given = parser.parse_args()
    embedder = MuLanEmbedder(find(given.model), 10.0, 5.0)
    features, posteriors = hear(given.mono, given.heard)
    texts = list(pd.read_csv(given.captions, encoding="utf-8-sig")["DescEN"])
    pieces = [ComposedPiece(given.seed, genre, each) for each in range(given.pieces_per_genre) for genre in GENRES]
    captions = [piece.caption() for piece in pieces]
    sounds = embedder.embed_features(features)
    sentences = sentence_encoder().sentences
    embedder.model.tag_map = TagMap.fit(tag_names(), sounds, posteriors, texts, captions, sentences)
    embedder.model.save_pretrained(given.out)
    print(f"windows={len(sounds)}\ntexts={len(texts)}\ncaptions={len(captions)}\nmodel={given.out}")


def hear(folder: Path, kept: Path | None) -> tuple[np.ndarray, np.ndarray]:
    """Features of the windows of all segments, and the probabilities of the tags of both taggers."""
    if kept is not None and kept.is_file():
        with np.load(kept, allow_pickle=False) as heard:
            return heard["features"], np.concatenate([heard["msd"], heard["mtt"]], axis=1)
    extractor, other = FeatureExtractor(10.0, 5.0), MusicnnEmbedder("mtt", 10.0, 5.0)
    features, msd, mtt = [], [], []
    for name in pd.read_csv(folder / "manifest.tsv", sep="\t")["file"]:
        wave, rate = read_audio(folder / name)
        heard, tags = extractor.forward(extractor.prepare(wave, rate), extractor.musicnn.network)
        features.append(heard)
        msd.append(tags)
        mtt.append(other.tags(wave, rate))
    if kept is not None:
        np.savez(kept, features=np.concatenate(features), msd=np.concatenate(msd), mtt=np.concatenate(mtt))
    return np.concatenate(features), np.concatenate([np.concatenate(msd), np.concatenate(mtt)], axis=1)


if __name__ == "__main__":
    main()
