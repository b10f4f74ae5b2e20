"""How well do sound and text meet in mulan-small? Composed pieces of a seed never trained on, and recorded music.

    python benchmarks/mulan.py [--model FOLDER] [--cache DIR] [--workers 2]

* ``recall_at_10``: each of 1,000 held-out composed pieces is looked for among all by one caption of the composer;
  ``caption_ceiling`` is what an oracle reaches that knows the truth of every piece, and nothing but the caption.
* ``genre_zero_shot``: the genre whose prompts lie nearest to the piece, of ten.
* ``zero_shot_auc``: recorded clips ranked by a prompt of each tag, against musicnn-MTT's strongest tag of each clip;
  the mean over tags with at least 20 positives. ``zero_shot_auc_top3`` counts its three strongest tags.
* ``genre_zero_shot_real``, ``caption_two_way_real``: real clips of GTZAN, for validation only: the genre whose one
  plain prompt ("jazz music") lies nearest to the clip's first 15 s, of ten; and how often a caption that people wrote
  is nearer to its own clip than to another's.
* ``checkpoint_mb``: the model's folder.

``--only`` measures some of them: ``--only real`` takes a minute.

The features of the held-out pieces (composed, rendered, heard) are kept in ``--cache``; making them takes half an
hour on two cores. Every figure has its 95 % interval, chance and n.
"""

import argparse
import os
import re
from pathlib import Path

import numpy as np
import torch
from _gtzan import validation_clips
from _results import Results

from brain2music.audio.find import find_audio
from brain2music.audio.io import read_audio
from brain2music.models.mulan.mulan_embedder import MuLanEmbedder
from brain2music.models.mulan.training_data import (
    ComposedPiece,
    piece_from_row,
    read_feature_shards,
    write_feature_shards,
)
from brain2music.models.musicnn.musicnn_embedder import MusicnnEmbedder
from brain2music.simulation.music.caption import pace_words
from brain2music.simulation.music.genres import GENRES, MOODS
from brain2music.simulation.music.instruments import INSTRUMENTS, KITS
from brain2music.simulation.music.piece import Piece
from brain2music.weights import find

RESULTS = Results("mulan")
BARS = {
    "recall_at_10": "≥ 0.78",
    "genre_zero_shot": "≥ 0.97",
    "genre_zero_shot_real": "≥ 0.65",
    "caption_two_way_real": "≥ 0.85",
}
QUESTIONS = {
    "recall_at_10": "composed pieces found by their captions, among the first ten",
    "recall_at_1": "composed pieces found by their captions, first",
    "caption_ceiling": "composed pieces that captions let anybody find among the first ten",
    "genre_zero_shot": "genre of composed pieces by text prompt",
    "zero_shot_auc": "area under ROC of tags of recorded music by text prompt, the strongest tag",
    "genre_zero_shot_real": "genre of real clips by one plain prompt each",
    "caption_two_way_real": "captions of real clips nearer to their own than to another",
    "zero_shot_auc_top3": "area under ROC of tags of recorded music by text prompt, the three strongest tags",
}

REAL_DATA = Path(os.environ.get("BRAIN2MUSIC_REAL_DATA", Path(__file__).parents[1] / "../shared/data"))
SEED = 20_231_107  # of the held-out pieces: no training used it
PER_GENRE = 100
LEAST_POSITIVES = 20
TAG_PROMPTS = ("{}", "{} music", "a recording with {}")
GENRE_PROMPTS = ("{}", "{} music", "a piece of {} music", "this is {}")
PARTS = ("real", "composed", "recorded")
_PACES = sorted({word for tempo in range(40, 260) for word in pace_words(tempo)}, key=len, reverse=True)


def main() -> None:
    """Measure the three, and the size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="a folder of train mulan; default mulan-small")
    parser.add_argument("--cache", type=Path, default=Path("out/mulan-held-out"))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--only", nargs="*", choices=PARTS, default=PARTS)
    given = parser.parse_args()
    folder = find(given.model or "mulan-small")
    embedder = MuLanEmbedder(folder, 10.0, 1.5)

    if "real" in given.only:
        real_clips(embedder, REAL_DATA / "gtzan")
    if "composed" in given.only:
        composed_pieces(embedder, given.cache, given.workers)
    if "recorded" in given.only:
        vectors, tags, names = recorded(embedder, REAL_DATA / "recorded")
        for name, top in (("zero_shot_auc", 1), ("zero_shot_auc_top3", 3)):
            show_tags(name, embedder, vectors, strongest(tags, top), names)
    size = sum(file.stat().st_size for file in folder.iterdir()) / 1e6
    print(f"checkpoint_mb: {size:.2f}")
    RESULTS.add("size of mulan-small", size, "MB", bar="≤ 15")


def composed_pieces(embedder: MuLanEmbedder, cache: Path, workers: int) -> None:
    """Held-out composed pieces by their captions and by prompts of their genres."""
    sources = [ComposedPiece(SEED, genre, number) for number in range(PER_GENRE) for genre in GENRES]
    captions = [source.caption() for source in sources]
    texts = embedder.embed_text(captions)
    sounds, pieces = held_out(embedder, sources, cache, workers)
    show("recall_at_10", found_among(sounds, texts, 10), 10 / len(sounds))
    show("recall_at_1", found_among(sounds, texts, 1), 1 / len(sounds))
    show("caption_ceiling", oracle(captions, pieces, 10), 10 / len(sounds))
    right = nearest_genre(embedder, sounds) == np.array([list(GENRES).index(piece.genre) for piece in pieces])
    show("genre_zero_shot", right, 1 / len(GENRES))


def real_clips(embedder: MuLanEmbedder, folder: Path) -> None:
    """Genre by prompt, and captions, of the validation clips of GTZAN."""
    genres, clips, captions = validation_clips(folder)
    sounds = np.stack([embedder.average(embedder.embed(*clip)) for clip in clips])
    names = sorted(set(genres))
    plain = embedder.embed_text([f"{name.replace('hiphop', 'hip-hop')} music" for name in names])
    show("genre_zero_shot_real", (sounds @ plain.T).argmax(axis=1) == [names.index(genre) for genre in genres], 0.1)
    own = list(captions)
    alike = embedder.embed_text(list(captions.values())) @ sounds[own].T
    nearer = (np.diag(alike)[:, None] > alike).sum(axis=1) / (len(own) - 1)
    show("caption_two_way_real", nearer, 0.5)


def held_out(
    embedder: MuLanEmbedder, sources: list[ComposedPiece], cache: Path, workers: int
) -> tuple[np.ndarray, list[Piece]]:
    """Vectors of the held-out pieces, and their truth."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    write_feature_shards(sources, cache, f"rendered-{SEED}", 50, workers, device)
    vectors, pieces = [], []
    for shard in read_feature_shards(cache):
        heard = embedder.embed_features(shard.features)
        for row, truth in enumerate(shard.rows):
            assert truth["seed"] == SEED
            vectors.append(embedder.average(heard[shard.piece == row]))
            pieces.append(piece_from_row(truth))
    return np.stack(vectors), pieces


def found_among(sounds: np.ndarray, texts: np.ndarray, k: int) -> np.ndarray:
    """Whether each text's own sound is among its k nearest."""
    similarities = texts @ sounds.T
    return (similarities > np.diag(similarities)[:, None]).sum(axis=1) < k


def oracle(captions: list[str], pieces: list[Piece], k: int) -> np.ndarray:
    """The chance of each caption's piece to be among k drawn from all pieces that the caption is true of.

    It reads genre, mood, pace, tempo, key and instruments, but not how they play: the true ceiling is a little higher.
    A caption is true of its own piece, whatever the oracle reads.
    """
    facts = [facts_of(caption) for caption in captions]
    fitting = [
        sum(is_true(fact, piece) or piece is own for piece in pieces) for fact, own in zip(facts, pieces, strict=True)
    ]
    return np.array([min(1.0, k / count) for count in fitting])


def facts_of(caption: str) -> dict[str, object]:
    """What a caption says: genre, mood, pace, tempo, key, and who plays how."""
    text = caption.lower().replace("there are no drums", "")
    instruments, rest = [], text
    for name in sorted([*INSTRUMENTS, *KITS], key=len, reverse=True):
        if re.search(rf"\b{name.lower()}\b", rest):
            instruments.append(name)
            rest = re.sub(rf"\b{name.lower()}\b", "", rest)
    return {
        "genre": next(
            genre for genre in GENRES if re.search(rf"\b{genre.replace('hiphop', 'hip-hop')}\b(?! guitar)", text)
        ),
        "mood": next((mood for mood in MOODS if re.search(rf"\b{mood}\b", text)), None),
        "pace": next(
            (pace for pace in _PACES if re.search(rf"\b{pace}(, played|, \w+ \S+ track| \S+ (piece|song))", text)), None
        ),
        "tempo": next(map(int, re.findall(r"(?:about|around) (\d+)", text)), None),
        "key": next(iter(re.findall(r"\bin ([A-G][b#]? (?:major|minor))", caption)), None),
        "instruments": instruments,
    }


def is_true(facts: dict[str, object], piece: Piece) -> bool:
    """Whether everything that a caption says is so."""
    return (
        facts["genre"] == piece.genre
        and facts["mood"] in (None, piece.mood)
        and facts["pace"] in (None, *pace_words(piece.tempo))
        and facts["tempo"] in (None, round(piece.tempo))
        and facts["key"] in (None, piece.key)
        and set(facts["instruments"]) <= set(piece.instruments)
    )


def nearest_genre(embedder: MuLanEmbedder, sounds: np.ndarray) -> np.ndarray:
    """The number of the genre whose prompts are nearest to each sound."""
    words = [genre.replace("hiphop", "hip-hop") for genre in GENRES]
    return (sounds @ prompts(embedder, GENRE_PROMPTS, words).T).argmax(axis=1)


def prompts(embedder: MuLanEmbedder, forms: tuple[str, ...], words: list[str]) -> np.ndarray:
    """One vector a word: the mean over its prompts."""
    texts = [form.format(word) for word in words for form in forms]
    return embedder.embed_text(texts).reshape(len(words), len(forms), -1).mean(axis=1)


def recorded(embedder: MuLanEmbedder, folder: Path) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Vectors of the recorded clips, what musicnn-MTT hears in them, and its tags."""
    judge = MusicnnEmbedder("mtt")
    vectors, tags = [], []
    for file in find_audio(folder):
        sound, sample_rate = read_audio(file)
        vectors.append(embedder.average(embedder.embed(sound, sample_rate)))
        tags.append(judge.tags(sound, sample_rate).mean(axis=0))
    return np.stack(vectors), np.stack(tags), list(judge.tag_names)


def strongest(tags: np.ndarray, top: int) -> np.ndarray:
    """Which tags are among the ``top`` strongest of each clip."""
    return tags.argsort(axis=1).argsort(axis=1) >= tags.shape[1] - top


def show_tags(name: str, embedder: MuLanEmbedder, vectors: np.ndarray, positive: np.ndarray, names: list[str]) -> None:
    """Print the mean area under the curve over the tags with enough positives, with a bootstrap over the clips."""
    used = np.flatnonzero(positive.sum(axis=0) >= LEAST_POSITIVES)
    scores = vectors @ prompts(embedder, TAG_PROMPTS, [names[tag] for tag in used]).T
    areas = [area(scores[:, column], positive[:, tag]) for column, tag in enumerate(used)]
    rng, draws = np.random.default_rng(0), []
    for _ in range(1000):
        rows = rng.integers(len(vectors), size=len(vectors))
        both = [(c, t) for c, t in enumerate(used) if 0 < positive[rows, t].sum() < len(rows)]
        draws.append(np.mean([area(scores[rows, c], positive[rows, t]) for c, t in both]))
    low, high = np.percentile(draws, [2.5, 97.5])
    each = ", ".join(f"{names[t]} {a:.3f} ({positive[:, t].sum()})" for t, a in zip(used, areas, strict=True))
    print(f"{name}: {np.mean(areas):.4f}  [{low:.4f}, {high:.4f}], chance 0.5, n = {len(vectors)}, {len(used)} tags")
    found = {"low": low, "high": high, "n": len(vectors), "note": f"tags with enough clips: {len(used)}"}
    RESULTS.add(QUESTIONS[name], np.mean(areas), bar="≥ 0.8" if name == "zero_shot_auc" else "", **found)
    print(f"  {each}")


def area(scores: np.ndarray, positive: np.ndarray) -> float:
    """Area under the ROC curve."""
    ranks = pd.Series(scores).rank().to_numpy()
    n = int(positive.sum())
    return float((ranks[positive].sum() - n * (n + 1) / 2) / (n * (len(scores) - n)))


def show(name: str, values: np.ndarray, chance: float) -> None:
    """Print a mean, with a bootstrap over the pieces."""
    rng = np.random.default_rng(0)
    means = [values[rng.integers(len(values), size=len(values))].mean() for _ in range(1000)]
    low, high = np.percentile(means, [2.5, 97.5])
    print(f"{name}: {values.mean():.4f}  [{low:.4f}, {high:.4f}], chance {chance:g}, n = {len(values)}")
    found = {"low": low, "high": high, "n": len(values), "note": f"chance: {chance:g}"}
    RESULTS.add(QUESTIONS[name], values.mean(), bar=BARS.get(name, ""), **found)


if __name__ == "__main__":
    main()
