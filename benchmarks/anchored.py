"""Does music made from what was retrieved keep more of what a brain said? A simulated study, end to end.

    python benchmarks/anchored.py --generator MODEL [--folder FOLDER] [--clips 20] [--strength 0.6] [--reranked 4]

A study is simulated (``quick`` design, composed music), its mulan-small embeddings are decoded from the brain, and the
final sound of every test clip is identified among ten by musicnn-MTT, standardised over the clips as presented. The
gallery is music composed with another seed: no clip is in it. All brains are simulated.

* ``retrieval_10way``: the sound is the track that is nearest to the decoded embedding.
* ``anchored_10way``: a variation of that track towards the embedding, begun at its latents with noise
  (``--strength``).
* ``direct_10way``: generated from the decoded embedding alone.
* ``reranked_10way``: of ``--reranked`` anchored samples the one under which the measured response is likeliest by an
  encoding model of the training clips.
* ``nearest_similarity``: mean cosine in mulan-small of the anchored sound and its anchor, and the same of other tracks.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from _results import Results

import brain2music as b2m
from brain2music.gallery.anchors import anchors_from
from brain2music.gallery.build import build_gallery
from brain2music.metrics.ranking import n_way, similarity
from brain2music.models.anchored import AnchoredGenerator, choose, encoding_likelihood
from brain2music.models.embedders import get_embedder
from brain2music.models.generators import get_generator
from brain2music.models.jen1.model import JEN1
from brain2music.simulation.music.render import write_corpus

RESULTS = Results("anchored")
SECONDS, EMBEDDING, SEED = 15.0, "mulan-small", 990_002


def main() -> None:
    """Read the arguments, decode, make music, judge it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--generator", default="jen1-small")
    parser.add_argument("--folder", type=Path, help="keep the study and the gallery here, and use them again")
    parser.add_argument("--clips", type=int, default=20)
    parser.add_argument("--pieces-per-genre", type=int, default=24, help="tracks of the gallery")
    parser.add_argument("--strength", type=float, nargs="*", default=[0.4, 0.6, 0.8])
    parser.add_argument("--reranked", type=int, default=0, help="anchored samples to choose among; 0: leave it out")
    given = parser.parse_args()
    model = get_generator(given.generator)
    if not isinstance(model, JEN1):
        parser.error(f"{given.generator} varies no tracks")
    with tempfile.TemporaryDirectory() as temporary:
        judge_all(model, given.folder or Path(temporary), given)


def judge_all(model: JEN1, folder: Path, given: argparse.Namespace) -> None:
    """Make every kind of final sound, and print how well each is identified."""
    study = b2m.load_study(folder / "study") if (folder / "study").is_dir() else b2m.simulate_study(folder / "study")
    bold, music = study.responses(study.subjects[0], lag_tr=3), study.embed(EMBEDDING)
    decoded = b2m.Decoder("selected+whitened").fit(bold.train, music).predict(bold.test)
    decoded = decoded[: given.clips]
    if not (folder / "music").is_dir():
        write_corpus(folder / "music", given.pieces_per_genre, SEED, SECONDS, n_jobs=1)
    gallery = build_gallery(folder / "music", folder / "gallery", get_embedder(EMBEDDING))
    judge = get_embedder("musicnn-mtt")
    true = np.stack([judge.embed(*study.source.stimuli.waveform(clip)).mean(axis=0) for clip in decoded.clips])
    vectors, retrieve = decoded.mean, anchors_from(gallery, 1, centre=decoded.train_mean.mean(axis=0))
    anchors = [found[0] for found in retrieve(vectors)]
    _report("retrieval_10way", [each.sound(SECONDS) for each in anchors], true, judge)
    direct = model.generate(vectors[:, None], seconds=SECONDS)
    _report("direct_10way", [(each.waveform[0], each.sample_rate) for each in direct], true, judge)
    for strength in given.strength:
        anchored = AnchoredGenerator(model, retrieve, "vary", strength)
        made = anchored.generate(vectors[:, None], seconds=SECONDS)
        name = f"anchored_10way_at_{strength:g}"
        _report(name, [(each.waveform[0], each.sample_rate) for each in made], true, judge)
        near = float(np.mean([each.source["anchor_similarity"] for each in made]))
        copied = float(np.mean([each.source["anchor_correlation"] for each in made]))
        print(f"nearest_similarity_at_{strength:g}: {near:.4f}  (waveforms correlate {copied:.3f})")
        note = f"simulated; waveforms correlate {copied:.3f}"
        RESULTS.add(f"nearest similarity at {strength:g}", near, n=len(made), note=note)
    if given.reranked:
        strength = given.strength[len(given.strength) // 2]
        chosen = reranked(AnchoredGenerator(model, retrieve, "vary", strength), bold, music, vectors, given.reranked)
        _report("reranked_10way", chosen, true, judge)


def reranked(generator: AnchoredGenerator, bold: object, music: object, vectors: np.ndarray, count: int) -> list:
    """Of several samples per clip the one under which its response is likeliest, by an encoding model of training."""
    embedder = get_embedder(EMBEDDING)
    train, test = bold.train, bold.test
    features = music.of([clip.name for clip in train.clips]).mean
    responses = np.asarray(train.data).mean(axis=1)
    encoder = b2m.Encoder().fit(features, responses)
    noise = np.sqrt(np.mean((responses - encoder.predict(responses, features)[:, 0]) ** 2, axis=0))
    best = np.argsort(encoder.cv_scores_)[-500:]

    def predict(rows: np.ndarray) -> np.ndarray:
        return encoder.predict(np.zeros((len(rows), responses.shape[1]), np.float32), rows)[:, 0][:, best]

    samples = generator.generate(vectors[:, None], seconds=SECONDS, n_samples=count)
    measured, found = np.asarray(test.data).mean(axis=1)[:, best], []
    for row in range(len(vectors)):
        own = samples[row * count : (row + 1) * count]
        piece, _ = choose(own, encoding_likelihood(predict, embedder, measured[row], noise[best]))
        found.append((piece.waveform[0], piece.sample_rate))
    return found


def _report(name: str, sounds: list, true: np.ndarray, judge: object) -> None:
    heard = np.stack([judge.embed(*sound).mean(axis=0) for sound in sounds])
    mean, scale = true.mean(axis=0), true.std(axis=0) + 1e-6
    alike = similarity((heard - mean) / scale, (true - mean) / scale)
    value = float(n_way(alike, min(10, len(alike))).mean())
    print(f"{name}: {value:.4f}", flush=True)
    RESULTS.add(name.replace("_", " "), value, n=len(alike), note="simulated brain; chance 0.1")


if __name__ == "__main__":
    main()
