"""Does music made from what was retrieved keep more of what a brain said? A simulated study, end to end.

    python benchmarks/anchored.py [--generator MODEL] [--folder FOLDER] [--clips 60] [--strength 0.2 0.4] [--reranked 4]

A study is simulated (composed music; ``--folder`` may hold one of another design), its mulan-small embeddings are
decoded from the brain, and the final sound of every test clip is identified among ten by musicnn-MTT, standardised over
the clips as presented. The gallery is music composed with another seed: no clip is in it. All brains are simulated.
Retrieval seeks the decoded embedding; music is made of the denoised one, as in a run.

* ``retrieval_10way``: the sound is the track that is nearest.
* ``denoised_10way``: that which is nearest to the denoised embedding.
* ``codec_10way``: the first track through the generator's latents and back, the most that a variation can keep.
* ``direct_10way``: generated from the decoded embedding alone.
* ``anchored_10way_vary_S``: a variation of the track, begun at its latents with noise (``--strength``).
* ``anchored_10way_inpaint``, ``_continue``: the middle half of the track is made anew; what follows it is made, alone.
* ``reranked_10way``: of ``--reranked`` variations the one under which the measured response is likeliest by an
  encoding model of the training clips.
* ``nearest_similarity``: mean cosine in mulan-small of what was made and its anchor, and how far waveforms correlate.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from _results import Results, in_words
from adherence import correlations, heard_by, through_codec

import brain2music as b2m
from brain2music.audio.sound import Reconstruction
from brain2music.embeddings.protocols import Embedder
from brain2music.gallery.anchors import anchors_from
from brain2music.gallery.build import build_gallery
from brain2music.metrics.ranking import n_way
from brain2music.metrics.uncertainty import bootstrap_interval
from brain2music.models.anchored import AnchoredGenerator, choose, encoding_likelihood
from brain2music.models.embedders import get_embedder
from brain2music.models.generator_parts.inputs import Waveform
from brain2music.models.generators import Generator, get_generator
from brain2music.models.jen1.model import JEN1
from brain2music.simulation.music.render import write_corpus

RESULTS = Results("anchored")
SECONDS, EMBEDDING, SEED = 15.0, "mulan-small", 990_002
SAID = {
    "retrieval_10way": "ten-way identification of the track retrieved",
    "denoised_10way": "ten-way identification of the track retrieved by the denoised embedding",
    "codec_10way": "ten-way identification of the track retrieved, through the codec",
    "direct_10way": "ten-way identification of music made of the embedding alone",
    "anchored_10way": "ten-way identification of music made of the track",
    "reranked_10way": "ten-way identification of the variation that the response makes likeliest",
    "nearest_similarity": "similarity to the track",
}
WAYS = ("vary", "inpaint", "continue")
NEARNESS = ("similarity", "correlation")


def main() -> None:
    """Read the arguments, decode, make music, judge it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--generator", default="jen1-small")
    parser.add_argument("--folder", type=Path, help="keep the study and the gallery here, and use them again")
    parser.add_argument("--clips", type=int, default=60, help="of the test set, at most")
    parser.add_argument("--pieces-per-genre", type=int, default=24, help="tracks of the gallery")
    parser.add_argument("--ways", nargs="*", choices=WAYS, default=WAYS, help="a MusicLM's: continue")
    parser.add_argument("--strength", type=float, nargs="*", default=[0.2, 0.4, 0.6])
    parser.add_argument("--reranked", type=int, default=0, help="anchored samples to choose among; 0: leave it out")
    given = parser.parse_args()
    model = get_generator(given.generator)
    if not isinstance(model, JEN1):
        RESULTS.file = RESULTS.file.with_name("anchored_musiclm.json")
    with tempfile.TemporaryDirectory() as temporary:
        judge_all(model, given.folder or Path(temporary), given)


def judge_all(model: Generator, folder: Path, given: argparse.Namespace) -> None:
    """Make every kind of final sound, and print how well each is identified."""
    study = b2m.load_study(folder / "study") if (folder / "study").is_dir() else b2m.simulate_study(folder / "study")
    bold, music = study.responses(study.subjects[0], lag_tr=3), study.embed(EMBEDDING)
    decoder = b2m.Decoder("selected+whitened").fit(bold.train, music)
    decoded = decoder.predict(bold.test)[: given.clips]
    if not (folder / "music").is_dir():
        write_corpus(folder / "music", given.pieces_per_genre, SEED, SECONDS, n_jobs=1)
    gallery = build_gallery(folder / "music", folder / "gallery", get_embedder(EMBEDDING))
    judge = get_embedder("musicnn-mtt")
    true = heard_by(judge, [study.source.stimuli.waveform(clip) for clip in decoded.clips])
    by_decoded = anchors_from(gallery, 1, centre=decoded.train_mean.mean(axis=0))(decoded.mean)
    vectors = decoder.predict(bold.test, "denoised")[: given.clips].mean
    by_denoised = anchors_from(gallery)(vectors)
    found, as_run = ([each[0].sound(SECONDS) for each in anchors] for anchors in (by_decoded, by_denoised))
    _report("retrieval_10way", found, true, judge)
    _report("denoised_10way", as_run, true, judge)
    _report("codec_10way", [through_codec(model, each) for each in found], true, judge)
    _report("direct_10way", _sounds(model.generate(vectors[:, None], seconds=SECONDS)), true, judge)
    varied = [("vary", strength) for strength in given.strength if "vary" in given.ways]
    for way, strength in varied + [(way, 1.0) for way in given.ways if way != "vary"]:
        anchored = AnchoredGenerator(model, lambda _: by_decoded, way, strength)
        made = anchored.generate(vectors[:, None], seconds=SECONDS)
        name = f"{way}_{strength:g}" if way == "vary" else way
        _report(f"anchored_10way_{name}", _sounds(made), true, judge)
        near, copied = (float(np.mean([each.source[f"anchor_{key}"] for each in made])) for key in NEARNESS)
        print(f"nearest_similarity_{name}: {near:.4f}  (waveforms correlate {copied:.3f})")
        note = f"simulated; waveforms correlate {copied:.3f}"
        RESULTS.add(in_words(f"nearest_similarity_{name}", SAID), near, n=len(made), note=note)
    if given.reranked:
        strength = given.strength[len(given.strength) // 2]
        anchored = AnchoredGenerator(model, lambda _: by_decoded, "vary", strength)
        chosen = reranked(anchored, bold, music, vectors, given.reranked)
        _report("reranked_10way", chosen, true, judge)


def reranked(
    generator: AnchoredGenerator, bold: object, music: object, vectors: np.ndarray, count: int
) -> list[Waveform]:
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
        found.append(piece)
    return _sounds(found)


def _sounds(pieces: list[Reconstruction]) -> list[Waveform]:
    return [(piece.waveform[0], piece.sample_rate) for piece in pieces]


def _report(name: str, sounds: list[Waveform], true: np.ndarray, judge: Embedder) -> None:
    scores = n_way(correlations(heard_by(judge, sounds), true), 10)
    low, high = bootstrap_interval(scores, np.random.default_rng(0))
    print(f"{name}: {scores.mean():.4f}  [{low:.4f}, {high:.4f}]", flush=True)
    note = "simulated brain; chance 0.1"
    RESULTS.add(in_words(name, SAID), scores.mean(), n=len(scores), low=low, high=high, note=note)


if __name__ == "__main__":
    main()
