"""Does what a generator makes follow what it was asked for? Judged by an embedding that never conditioned it.

    python benchmarks/adherence.py --generator musiclm-small [--clips 60] [--draws 3] [--seconds 15]
    python benchmarks/adherence.py --generator jen1 [--steps 20]                          the same of a JEN-1
    python benchmarks/adherence.py --generator musiclm-small --run OUT --subject 001      from a (simulated) brain
    python benchmarks/adherence.py --generator musiclm-small --frechet --shards FOLDER    and distances, memorisation

Held-out music is made again from its own embedding, and identified among all clips (two-way, Brain2Music Eq. 2) by
musicnn-MTT's mean-pooled features (``--judge`` names others, or several), standardised over the clips: composed pieces
of a seed that no training used, and the shared recordings of packages that no training used. Every clip counts with
the mean over its draws; none is chosen. The oracle is the clip itself through the codec. With ``--run``, embeddings
are those that a run decoded; then ``information_kept`` is the part of the decoded identification above chance that is
left in the sound.

Scores named ``pooled`` standardise over clips and draws together, as the paper's published music was scored.
"""

import argparse
import os
from copy import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from _results import Results

from brain2music.audio.find import find_audio
from brain2music.audio.io import read_audio
from brain2music.embeddings.protocols import Embedder
from brain2music.metrics.audio import frechet_distance
from brain2music.metrics.ranking import identification_by_clip, one_per_group, similarity, within_group
from brain2music.metrics.uncertainty import bootstrap_interval
from brain2music.models.embedders import get_embedder
from brain2music.models.embedding_input import EmbeddingInput
from brain2music.models.generator_parts.prompts import Waveform, embed_sounds
from brain2music.models.generators import Generator, generate_from_embeddings, get_generator
from brain2music.models.jen1.model import JEN1
from brain2music.models.musiclm.model import MusicLM
from brain2music.pipeline.outputs import Outputs
from brain2music.simulation.music.compose import compose_piece
from brain2music.simulation.music.genres import GENRES
from brain2music.simulation.music.render import render_piece

RESULTS = Results("adherence")
BARS = {
    "identification_rendered": "≥ 0.85",
    "identification_recorded": "≥ 0.7",
    "identification_brain": "≥ 0.75",
    "identification_brain_per_genre": "≥ 0.82",
}
SAID = {
    "rendered": "composed pieces",
    "recorded": "recorded clips",
    "brain": "from a brain",
    "per_genre": "one clip per genre",
    "within_genre": "within genre",
    "within_package": "within package",
    "pooled": "standardised with the samples",
    "top_1": "first",
    "yamnet": "judged by YAMNet",
}
"""What parts of the names of figures are called in results."""
Model = MusicLM | JEN1

REAL_DATA = Path(os.environ.get("BRAIN2MUSIC_REAL_DATA", Path(__file__).parents[1] / "../shared/data"))
NAMES = {"musiclm": "musiclm-small", "jen1": "jen1-small"}
PROMPT, CONTINUED = 50, 125  # semantic tokens (MusicLM, section 5: memorisation)
ALIKE = 0.85


def main() -> None:
    """Read the arguments, make music, judge it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--generator", default="musiclm")
    parser.add_argument("--codec", type=Path, help="folder of the generator's codec, if it did not ship")
    parser.add_argument("--clips", type=int, default=60)
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--guidance", type=float, help="default the model's own")
    parser.add_argument("--steps", type=int, help="of a JEN-1's sampler, default the model's own")
    parser.add_argument("--seed", type=int, default=990_001, help="of the composer: one that no training used")
    parser.add_argument("--judge", nargs="+", default=["musicnn-mtt"], help="several hear the same draws")
    parser.add_argument("--vocoder", help="of mel tokens, default the model's own")
    parser.add_argument("--sets", nargs="*", choices=("rendered", "recorded"), default=("rendered", "recorded"))
    parser.add_argument("--recorded", type=Path, default=REAL_DATA / "recorded")
    parser.add_argument("--run", type=Path, help="output folder of a run that decoded the generator's embedding")
    parser.add_argument("--subject", default="001")
    parser.add_argument("--frechet", action="store_true")
    parser.add_argument("--shards", type=Path, help="training tokens, for the memorisation probe")
    given = parser.parse_args()

    name = given.generator
    model = open_generator(name, given.steps, codec=given.codec, vocoder=given.vocoder)
    if not isinstance(model, Model) or (given.shards is not None and isinstance(model, JEN1)):
        parser.error(f"{name} cannot be judged so")
    if given.guidance is not None:
        model = _guided(model, given.guidance)
    if isinstance(model, JEN1):
        RESULTS.file = RESULTS.file.with_name("adherence_jen1.json")  # beside the rows of MusicLM
        BARS["identification_recorded"] = "≥ 0.8"
    judges = {"" if i == 0 else f"_{each}": get_embedder(each) for i, each in enumerate(given.judge)}
    makers = {
        "rendered": lambda: composed(given.clips, given.seed, given.seconds),
        "recorded": lambda: recordings(given.recorded, given.clips, given.seconds),
    }
    for name in given.sets:
        sounds, labels = makers[name]()
        vectors = embed_sounds(sounds, EmbeddingInput(model.space)).numpy()
        made, through = draws_of(model, vectors, given), [through_codec(model, sound) for sound in sounds]
        heard = {
            suffix: report(name, suffix, judge, sounds, made, labels, through)[0] for suffix, judge in judges.items()
        }
        if given.frechet:
            print_frechet(name, model, judges, sounds, heard, given)
    if given.run is not None:
        report_brain(model, judges, given)
    if given.shards is not None:
        print_memorisation(model, given.shards)


def open_generator(name: str, steps: int | None = None, **options: object) -> Generator:
    """A generator by its name here, the registry's or a folder; ``steps`` are a JEN-1's, of its sampler."""
    model = get_generator(NAMES.get(name, name), **options)
    if steps is not None and isinstance(model, JEN1):
        model.diffusion = replace(model.diffusion, sampling_steps=steps)
    return model


def composed(count: int, seed: int, seconds: float) -> tuple[list[Waveform], list[str]]:
    """Pieces of all genres in turn, and their genres."""
    genres = [list(GENRES)[i % len(GENRES)] for i in range(count)]
    rngs = (np.random.default_rng([seed, i]) for i in range(count))
    return [
        (render_piece(compose_piece(genre, rng, seconds), 24_000), 24_000)
        for genre, rng in zip(genres, rngs, strict=True)
    ], (genres)


def recordings(folder: Path, count: int, seconds: float) -> tuple[list[Waveform], list[str]]:
    """Recorded clips spread over the packages, and the package of each."""
    files = find_audio(folder)
    chosen = [files[round(i)] for i in np.linspace(0, len(files) - 1, min(count, len(files)))]
    return [read_audio(file, duration=seconds) for file in chosen], [file.name.split(".")[0] for file in chosen]


def draws_of(model: Model, vectors: np.ndarray, given: argparse.Namespace) -> list[list[Waveform]]:
    """``--draws`` times a piece of each embedding."""
    made = generate_from_embeddings(model, vectors, given.seconds, given.draws, seed=0)
    return [[(draw.waveform[0], draw.sample_rate) for draw in draws] for draws in zip(*made)]  # noqa: B905


def report(
    name: str,
    suffix: str,
    judge: Embedder,
    sounds: list[Waveform],
    made: list[list[Waveform]],
    labels: list[str],
    through: list[Waveform],
) -> tuple[np.ndarray, float]:
    """Print how well generated music is identified; the judge's vectors of it, (draws, clips, dims), and how well.

    ``suffix`` tells judges apart; ``through`` are the sounds coded and decoded, the oracle.
    """
    heard = np.stack([heard_by(judge, draws) for draws in made])  # (draws, clips, dims)
    true = heard_by(judge, sounds)
    scores = np.mean([identification_by_clip(correlations(draw, true)) for draw in heard], axis=0)
    _print(f"identification_{name}{suffix}", scores)
    if name == "brain":
        together = np.concatenate([true, *heard])  # as the music was scored of which 0.816 is known in pools of ten
        pooled = [correlations(draw, true, by=together) for draw in heard]
        _print(
            f"identification_brain_pooled{suffix}", np.mean([identification_by_clip(each) for each in pooled], axis=0)
        )
        for how, alike in (("", [correlations(draw, true) for draw in heard]), ("_pooled", pooled)):
            two_way, top_1 = np.mean([one_per_group(each, labels) for each in alike], axis=0)
            _print(f"identification_brain_per_genre{how}{suffix}", two_way)
            _print(f"ten_way_top_1_brain{how}{suffix}", top_1)
    else:
        _print(f"oracle_{name}{suffix}", identification_by_clip(correlations(heard_by(judge, through), true)))
        inside = np.mean([within_group(correlations(draw, true), labels) for draw in heard], axis=0)
        if np.isfinite(inside).any():
            within = "genre" if name == "rendered" else "package"
            print(f"identification_{name}_within_{within}{suffix}: {np.nanmean(inside):.4f}")
            RESULTS.add(question_of(f"identification_{name}_within_{within}{suffix}"), np.nanmean(inside))
    return heard, float(scores.mean())


def report_brain(model: Model, judges: dict[str, Embedder], given: argparse.Namespace) -> None:
    """The same from the embeddings that a run decoded, beside their own identification."""
    layout = Outputs(given.run)
    table = pd.read_parquet(layout.predictions(given.subject, model.space.name))
    clips = table.groupby("clip", sort=False)
    names, genres = list(clips.groups), list(clips["genre"].first())
    predicted, true = (
        np.stack([np.stack(list(clips.get_group(name)[side])).mean(axis=0) for name in names]).astype(np.float32)
        for side in ("predicted", "true")
    )
    centre = true.mean(axis=0)
    decoded = identification_by_clip(similarity(predicted - centre, true - centre)).mean()
    sounds = [read_audio(layout.stimulus(name), duration=given.seconds) for name in names]
    made = draws_of(model, predicted, given)
    print(f"identification_decoded: {decoded:.4f}")
    RESULTS.add("identification of the decoded embeddings that music was made of", decoded, n=len(names))
    for suffix, judge in judges.items():
        _, generated = report("brain", suffix, judge, sounds, made, genres, [])
        kept = (generated - 0.5) / (decoded - 0.5)
        print(f"information_kept{suffix}: {kept:.4f}")
        RESULTS.add(question_of(f"information_kept_brain{suffix}"), kept, n=len(names))


def print_frechet(
    name: str,
    model: Model,
    judges: dict[str, Embedder],
    sounds: list[Waveform],
    made: dict[str, np.ndarray],
    given: argparse.Namespace,
) -> None:
    """Distances of a judge's vectors from those of the clips: generated, unconditioned, and two kinds of nothing.

    ``made`` are each judge's vectors of what was generated, (draws, clips, dims). A draw is a set of as many pieces as
    there are clips; distances are means over draws, which are as many with and without a condition.
    """
    rng, count = np.random.default_rng(0), len(sounds)
    blank = np.ones((count, model.space.dims), np.float32)
    noise = [((0.1 * rng.standard_normal(len(sound))).astype(np.float32), sample_rate) for sound, sample_rate in sounds]
    others = {
        "unconditioned": draws_of(_guided(model, 0.0), blank, given),
        "shuffled_frames": [[through_codec(model, sound, rng) for sound in sounds]],
        "noise": [noise],
    }
    for suffix, judge in judges.items():
        true = heard_by(judge, sounds)
        heard = {what: np.stack([heard_by(judge, draw) for draw in draws]) for what, draws in others.items()}
        for what, vectors in ({"generated": made[suffix]} | heard).items():
            found = [frechet_distance(true, draw, rng, shrinkage="ledoit-wolf") for draw in vectors]
            values = [each.value for each in found]
            print(
                f"frechet_{name}_{what}{suffix}: {np.mean(values):.3f}  ({min(values):.3f} to {max(values):.3f} over "
                f"{len(values)} draws of {found[0].n_reference}, floor {np.mean([each.floor for each in found]):.3f})"
            )
            question = f"{question_of(f'Fréchet distance_{name}')}, {what.replace('_', ' ')}"
            RESULTS.add(question_of(question + suffix), np.mean(values), n=found[0].n_reference)


@torch.inference_mode()
def print_memorisation(model: MusicLM, shards: Path, pieces: int = 100) -> None:
    """Greedy continuations of training music, compared with how it went on: exactly, and by their histograms.

    Approximate matches have a cosine similarity of at least 0.85 between tokens' centres, on average over the optimal
    transport between both histograms (Sinkhorn). A single-stage model is probed by its first acoustic level.
    """
    from brain2music.models.musiclm.sampling import Sampling
    from brain2music.models.musiclm.token_shards import TokenData

    data, exact, alike = TokenData(shards), 0, 0
    semantic = "semantic" in model.stages
    stage = model.stages["semantic" if semantic else "acoustic"]
    centres = model.semantic.clusters.centres if model.semantic is not None else model.codec.codebooks[0]
    chosen = np.random.default_rng(0).choice(len(data), min(pieces, len(data)), replace=False)
    for piece in (data.piece(int(i)) for i in chosen):
        codes = (piece["semantic"][None] if semantic else piece["codes"])[None, :, : PROMPT + CONTINUED].long()
        condition = model.conditioner(piece["windows"].float().mean(0)[None])
        clock = piece["clock"][None, :, : PROMPT + CONTINUED].long() if stage.config.upstream == "clock" else None
        made = stage.sample(condition, clock, codes.shape[2], Sampling(0.0), torch.Generator(), codes[:, :, :PROMPT])
        ours, theirs = made[0, 0, PROMPT:], codes[0, 0, PROMPT:]
        exact += bool(torch.equal(ours, theirs))
        alike += _transported(ours, theirs, centres) >= ALIKE
    print(f"memorised_exactly: {exact / len(chosen):.4f}\nmemorised_approximately: {alike / len(chosen):.4f}")
    RESULTS.add("share of training pieces memorised exactly", exact / len(chosen), n=len(chosen))
    RESULTS.add("share of training pieces memorised approximately", alike / len(chosen), n=len(chosen))


def _transported(first: torch.Tensor, second: torch.Tensor, centres: torch.Tensor, sharpness: float = 20.0) -> float:
    """Mean cosine similarity of centres over the optimal transport of one token histogram onto another."""
    (a, mine), (b, theirs) = (torch.unique(each, return_counts=True) for each in (first, second))
    unit = torch.nn.functional.normalize(centres, dim=1)
    alike = unit[a] @ unit[b].T
    kernel, weights, goal = (sharpness * alike).exp(), mine / mine.sum(), theirs / theirs.sum()
    right = torch.ones_like(goal)
    for _ in range(200):
        left = weights / (kernel @ right)
        right = goal / (kernel.T @ left)
    return float((left[:, None] * kernel * right[None] * alike).sum())


def through_codec(model: Model, sound: Waveform, rng: np.random.Generator | None = None) -> Waveform:
    """The sound coded and decoded; with ``rng``, its frames in random order."""
    from brain2music.audio.io import resample

    at_model = resample(sound[0], sound[1], model.sample_rate)
    if isinstance(model, JEN1):
        encoded = model.latents.encode(np.repeat(at_model[None], model.channels, axis=0))
        latents = encoded.latents
        if rng is not None:
            latents = latents[:, torch.from_numpy(rng.permutation(latents.shape[1]))]
        return model.latents.decode(latents, encoded.level).mean(axis=0), model.sample_rate
    codes = model.encode_audio(at_model)
    if rng is not None:
        codes = codes[:, torch.from_numpy(rng.permutation(codes.shape[1]))]
    return model.decode_codes(codes, sampled=False), model.sample_rate


def heard_by(judge: Embedder, sounds: list[Waveform]) -> np.ndarray:
    return np.stack([judge.embed(*sound).mean(axis=0) for sound in sounds])


def correlations(made: np.ndarray, true: np.ndarray, by: np.ndarray | None = None) -> np.ndarray:
    """Correlations of features that are standardised by the mean and deviation of some rows, by default the true ones.

    By the true ones, what all draws have in common counts against them, the sound of the codec for example.
    """
    by = true if by is None else by
    mean, scale = by.mean(axis=0), by.std(axis=0) + 1e-6
    return similarity((made - mean) / scale, (true - mean) / scale)


def _guided(model: Model, guidance: float) -> Model:
    """The same model, otherwise guided."""
    other = copy(model)
    if isinstance(other, JEN1):
        other.diffusion = replace(other.diffusion, guidance=guidance)
    else:
        other.sampling = {name: replace(how, guidance=guidance) for name, how in other.sampling.items()}
    return other


def _print(name: str, scores: np.ndarray) -> None:
    low, high = bootstrap_interval(scores, np.random.default_rng(0))
    print(f"{name}: {scores.mean():.4f}  ({low:.3f} to {high:.3f}, {len(scores)} clips)", flush=True)
    RESULTS.add(question_of(name), scores.mean(), low=low, high=high, n=len(scores), bar=BARS.get(name, ""))


def question_of(name: str) -> str:
    """A figure's name in words, its parts divided by commas."""
    for part, said in SAID.items():
        name = name.replace(f"_{part}", f", {said}")
    return name.replace("_", " ")


if __name__ == "__main__":
    main()
