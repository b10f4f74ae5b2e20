"""Does what a generator makes of a text sound like the text? Judged by taggers that neither trained nor conditioned it.

musicnn-mtt stands beside those, the two VGG: it did teach mulan-small's map of texts.

    python benchmarks/text_adherence.py --generator musiclm [--draws 3] [--seconds 10] [--judge musicnn-mtt-vgg ...]
    python benchmarks/text_adherence.py --kept FOLDER      may be killed, or run by several at once

Texts are 40 prompts, ten genres in four registers, that no training used, and the captions of the validation clips of
GTZAN, whose clips no training used.

* ``tags_agree``: share of pieces that have one of the tags asked for (a genre or an instrument) among the judge's five
  strongest; ``tags_chance`` is the same of the pieces of other prompts. Tags are strongest by how far they exceed their
  mean over all pieces of the run, in deviations, as taggers give some tags to everything; ``tags_agree_plain`` takes
  the probabilities as they are.
* ``caption_identification``: two-way identification of each caption's own clip among those of all captions, from what
  the caption made, in the judge's features; ``clip_by_caption`` is the same for the generator's own embedding of the
  caption, which is what it was given.
* ``near_silent``: share of pieces below -50 dB (RMS of full scale); ``loudness_db`` and ``peak`` are medians.
"""

import argparse
import os
from pathlib import Path

import numpy as np
import pandas as pd
from _gtzan import validation_clips
from _results import Results, in_words
from adherence import REAL_DATA, heard_by, open_generator

from brain2music.metrics import bootstrap_interval, identification_by_clip, similarity
from brain2music.models.embedding_input import EmbeddingInput
from brain2music.models.generator_parts.prompts import embed_sounds, embed_texts
from brain2music.models.jen1.model import JEN1
from brain2music.models.musicnn.musicnn_embedder import MusicnnEmbedder

PROMPTS = Path(__file__).with_name("text_prompts.tsv")
"""Prompts of ten genres, from a plain phrase to three words, with the tags of the judges that fit them."""
SAID = {
    "near_silent": "pieces that are nearly silent",
    "tags_agree": "what was asked for is among the five strongest tags, standardised over pieces",
    "tags_agree_plain": "what was asked for is among the five strongest tags",
    "caption_identification": "music of a caption identified with the caption's clip",
    "clip_by_caption": "caption identified with its clip, without music",
}
BARS = {"tags_agree": "≥ 0.6", "tags_agree_plain": "≥ 0.6", "caption_identification": "≥ 0.7", "near_silent": "≤ 0.01"}
SILENT_DB, TOP = -50.0, 5
AT_ONCE = 4


def main() -> None:
    """Read the arguments, make music of texts, judge it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--generator", default="musiclm")
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--guidance", type=float, help="default the model's own")
    parser.add_argument("--steps", type=int, help="of a JEN-1's sampler, default the model's own")
    parser.add_argument("--judge", nargs="+", default=["musicnn-mtt-vgg", "musicnn-msd-vgg", "musicnn-mtt"])
    parser.add_argument("--kept", type=Path, help="folder that keeps what was made; one for these settings only")
    parser.add_argument("--gtzan", type=Path, default=REAL_DATA / "gtzan")
    given = parser.parse_args()
    model = open_generator(given.generator, given.steps)
    results = Results("text_adherence" if not isinstance(model, JEN1) else "text_adherence_jen1")
    judges = {name: MusicnnEmbedder(name.removeprefix("musicnn-"), 3.0, 3.0) for name in given.judge}

    prompts = pd.read_csv(PROMPTS, sep="\t")
    texts, wanted = list(prompts["text"]), [set(tags.split(",")) for tags in prompts["tags"]]
    _, sounds, captioned = validation_clips(given.gtzan)
    captions, clips = list(captioned.values()), [sounds[row] for row in captioned]
    made = pieces_of(model, [*texts, *captions], given)
    sound_levels(results, made)
    for name, judge in judges.items():
        heard = np.stack([[judge.tags(*piece).mean(axis=0) for piece in pieces] for pieces in made])
        tags_agree(results, name, heard[: len(texts)], wanted, [tag.lower() for tag in judge.tag_names])
        own = np.stack([heard_by(judge, pieces) for pieces in made[len(texts) :]])
        captions_identified(results, name, own, heard_by(judge, clips))
    conditioner = EmbeddingInput(model.space)
    given_by, of_clips = embed_texts(captions, conditioner).numpy(), embed_sounds(clips, conditioner).numpy()
    scores = identification_by_clip(similarity(given_by - given_by.mean(0), of_clips - of_clips.mean(0)))
    show(results, "clip_by_caption", scores)


def pieces_of(model: object, texts: list[str], given: argparse.Namespace) -> list[list[tuple[np.ndarray, int]]]:
    """``--draws`` pieces of each text, a few texts at a time; with ``--kept``, each process begins elsewhere."""
    firsts = range(0, len(texts), AT_ONCE)
    if given.kept is not None:
        given.kept.mkdir(parents=True, exist_ok=True)
        for first in np.roll(firsts, os.getpid()):
            make(model, texts, int(first), given)
    return [draws for first in firsts for draws in make(model, texts, first, given)]


def make(model: object, texts: list[str], first: int, given: argparse.Namespace) -> list[list[tuple[np.ndarray, int]]]:
    """Make the pieces of the texts from the ``first`` on, or read them where they are kept."""
    file = None if given.kept is None else given.kept / f"{first:03d}.npz"
    if file is not None and file.is_file():
        with np.load(file, allow_pickle=False) as kept:
            waves, rate = kept["waves"], int(kept["rate"])
    else:
        options = {} if given.guidance is None else {"guidance": given.guidance}
        asked = texts[first : first + AT_ONCE]
        made = model.generate(
            text=asked, seconds=given.seconds, n_samples=given.draws, seed=0, first_item=first, **options
        )
        waves, rate = np.stack([piece.waveform.mean(axis=0) for piece in made]), made[0].sample_rate
        if file is not None:
            with (temporary := file.with_suffix(".part")).open("wb") as stream:
                np.savez(stream, waves=waves, rate=rate)
            temporary.replace(file)
    return [[(wave, rate) for wave in waves[row : row + given.draws]] for row in range(0, len(waves), given.draws)]


def sound_levels(results: Results, made: list[list[tuple[np.ndarray, int]]]) -> None:
    """Near silence, loudness and peak of all pieces."""
    pieces = [wave for draws in made for wave, _ in draws]
    levels = np.array([10 * np.log10(np.mean(wave.astype(float) ** 2) + 1e-12) for wave in pieces])
    show(results, "near_silent", (levels < SILENT_DB).astype(float))
    print(f"loudness_db: {np.median(levels):.1f}\npeak: {np.median([np.abs(wave).max() for wave in pieces]):.3f}")
    results.add("loudness", float(np.median(levels)), "dB", n=len(pieces))


def tags_agree(results: Results, name: str, heard: np.ndarray, wanted: list[set[str]], tags: list[str]) -> None:
    """How often what was asked for is among the strongest tags, heard of shape (prompts, draws, tags)."""
    logits = np.log(heard + 1e-6) - np.log1p(-heard + 1e-6)
    standard = (logits - logits.mean(axis=(0, 1))) / (logits.std(axis=(0, 1)) + 1e-6)
    asked = np.array([[tag in each for tag in tags] for each in wanted])
    can = asked.any(axis=1)  # the judge has such a tag
    for how, values in (("", standard), ("_plain", heard)):
        strongest = np.zeros(values.shape, bool)
        np.put_along_axis(strongest, np.argsort(-values, axis=2)[:, :, :TOP], True, axis=2)
        hits = np.einsum("pdt,qt->pqd", strongest, asked) > 0  # pieces of p, by what q asked for
        hits = hits[np.ix_(can, can)]
        own = hits[np.arange(len(hits)), np.arange(len(hits))].mean(axis=1)
        others = hits[~np.eye(len(hits), dtype=bool)].mean()
        show(results, f"tags_agree{how}_{name}", own, note=f"chance {others:.3f}")


def captions_identified(results: Results, name: str, made: np.ndarray, clips: np.ndarray) -> None:
    """Two-way identification of captions' own clips, made of shape (captions, draws, dims), clips (captions, dims)."""
    mean, scale = clips.mean(axis=0), clips.std(axis=0) + 1e-6
    of_made, spread = made.mean(axis=(0, 1)), made.std(axis=(0, 1)) + 1e-6
    draws = [
        identification_by_clip(similarity((draw - of_made) / spread, (clips - mean) / scale))
        for draw in made.transpose(1, 0, 2)
    ]
    show(results, f"caption_identification_{name}", np.mean(draws, axis=0))


def show(results: Results, name: str, scores: np.ndarray, note: str = "") -> None:
    """Print a mean with its 95 % interval and add it to the results."""
    low, high = bootstrap_interval(scores, np.random.default_rng(0))
    print(f"{name}: {scores.mean():.4f}  [{low:.4f}, {high:.4f}], n = {len(scores)}" + (f", {note}" if note else ""))
    bar = BARS.get(name.partition("_musicnn")[0], "")
    results.add(in_words(name, SAID), float(scores.mean()), low=low, high=high, n=len(scores), bar=bar, note=note)


if __name__ == "__main__":
    main()
