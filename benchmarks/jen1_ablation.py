"""What does each part of JEN-1 bring? The rows of the paper's ablation (Li et al. 2023, table 2), at a small size.

    python benchmarks/jen1_ablation.py LATENTS OUT [--size small] [--steps 1500] [--clips 60] [--rows baseline ...]

Every row trains a model of its own for the same number of steps with the same seed, beginning from nothing, and writes
it to ``OUT/ROW``; a row that was interrupted goes on, and one that is trained is only judged again. Rows add up, as in
the paper: normalised latents, the causal mode, the inpainting task, the continuation task. The paper's row of the
noise-robust autoencoder has no counterpart, as all rows have the latents that were encoded.

Judged by music made of the embeddings of held-out composed pieces and recordings:

* ``frechet``: distance of musicnn-MTT's features from those of the clips (Ledoit-Wolf), with its floor;
* ``adherence``: two-way identification of each clip from its own embedding's music;
* ``loss``: of held-out training data at fixed noise, text to music; that of latents that are not normalised has
  another scale.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from _results import Results
from adherence import REAL_DATA, composed, correlations, heard_by, recordings

from brain2music.metrics import bootstrap_interval, frechet_distance, identification_by_clip
from brain2music.models.embedders import get_embedder
from brain2music.models.embedding_input import EmbeddingInput
from brain2music.models.generator_parts.prompts import embed_sounds
from brain2music.models.generators import generate_from_embeddings, get_generator
from brain2music.models.jen1.hyperparameters import Ablation
from brain2music.models.jen1.training import JEN1Task
from brain2music.training.arguments import TrainingArguments
from brain2music.training.loop import fit

RESULTS = Results("jen1_ablation")
ROWS: dict[str, set[Ablation]] = {
    "baseline": {"normalisation", "causal", "inpainting", "continuation"},
    "normalised": {"causal", "inpainting", "continuation"},
    "causal": {"inpainting", "continuation"},
    "inpainting": {"continuation"},
    "continuation": set(),
}
"""What each row leaves out, in the order in which the paper adds it."""


def main() -> None:
    """Read the arguments, train the rows, judge them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("latents", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--size", choices=("tiny", "small", "paper"), default="small")
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--shrink", type=float, default=2.0, help="divides the batch")
    parser.add_argument("--precision", choices=("no", "bf16"), default="bf16")
    parser.add_argument("--channels", type=int, help="of the latents, default the size's own")
    parser.add_argument("--rows", nargs="*", choices=tuple(ROWS), default=tuple(ROWS))
    parser.add_argument("--clips", type=int, default=60)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--seed", type=int, default=990_001, help="of the composer: one that no training used")
    given = parser.parse_args()
    for row in given.rows:
        folder = train(row, given)
        judge(row, folder, given)


def train(row: str, given: argparse.Namespace) -> Path:
    """The model of a row, trained as far as it goes."""
    out = given.out / row
    task = JEN1Task(given.latents, given.size, 0, ROWS[row], given.shrink, channels=given.channels)
    arguments = TrainingArguments(
        steps=given.steps, precision=given.precision, device="cpu", validate_every=250, checkpoint_every=250
    )
    return Path(fit(task, arguments, out, resume=out.is_dir()))


def judge(row: str, folder: Path, given: argparse.Namespace) -> None:
    """Print how near the music of a row's model is to the clips it was to be like."""
    model, embedder = get_generator(folder), get_embedder("musicnn-mtt")
    losses = [json.loads(line) for line in (given.out / row / "log.jsonl").read_text().splitlines()]
    loss = next((line["val_text_to_music"] for line in reversed(losses) if "val_text_to_music" in line), float("nan"))
    print(f"{row}_loss: {loss:.4f}")
    scale = "; of latents at another scale" if "normalisation" in ROWS[row] else ""
    RESULTS.add(f"{row}, loss of text to music", loss, note=f"{given.steps} steps{scale}")
    sets = {
        "composed pieces": composed(given.clips, given.seed, given.seconds)[0],
        "recorded clips": recordings(REAL_DATA / "recorded", given.clips, given.seconds)[0],
    }
    for name, sounds in sets.items():
        vectors = embed_sounds(sounds, EmbeddingInput(model.space)).numpy()
        made = [draws[0] for draws in generate_from_embeddings(model, vectors, given.seconds, 1, seed=0)]
        true = heard_by(embedder, sounds)
        ours = heard_by(embedder, [(piece.waveform[0], piece.sample_rate) for piece in made])
        scores = identification_by_clip(correlations(ours, true))
        distance = frechet_distance(true, ours, np.random.default_rng(0), shrinkage="ledoit-wolf")
        low, high = bootstrap_interval(scores, np.random.default_rng(0))
        print(f"{row}, {name}: adherence {scores.mean():.4f} [{low:.4f}, {high:.4f}], Fréchet {distance.value:.3f}")
        note = f"{given.steps} steps, {given.size}"
        RESULTS.add(f"{row}, adherence, {name}", scores.mean(), low=low, high=high, n=len(scores), note=note)
        floor = f"{note}, floor {distance.floor:.3f}"
        RESULTS.add(f"{row}, Fréchet distance, {name}", distance.value, n=len(scores), note=floor)


if __name__ == "__main__":
    main()
