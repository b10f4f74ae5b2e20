"""How fast MusicLM writes tokens, beside MusicGen of transformers with as many layers of the same width.

Run: python benchmarks/sampler.py [--threads 1] [--layers 6] [--width 256] [--heads 8] [--steps 500] [--batch 1 2 4]

Both write the same thing: 4 levels of 1,024 codes in the delay pattern, sampled at temperature 1 without guidance,
with random weights and a cache; MusicGen's text encoder runs once and is not counted, though its decoder looks at
(four positions of) it in every layer, as its architecture has it. Both write once before the clock starts, and
each figure is the better of ``--repeats`` alternating runs. ``seconds_for_15s`` is all of the shipped default, from an
embedding to a waveform, guidance included. Measure on a quiet machine.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import torch
from _results import Results

from brain2music.models.musiclm.config import StageConfig
from brain2music.models.musiclm.model import MusicLM
from brain2music.models.musiclm.sampling import Sampling
from brain2music.models.musiclm.stage import Condition, MusicLMStage

RESULTS = Results("sampler")

LEVELS, CODES, RATE = 4, 1024, 50.0


def main() -> None:
    """Measure both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--heads", type=int, default=8)
    parser.add_argument("--steps", type=int, default=500, help="frames")
    parser.add_argument("--batch", type=int, nargs="+", default=[1], help="first: the figures; further: scaling")
    parser.add_argument("--lengths", type=int, nargs="*", default=[], help="further numbers of frames, at batch one")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--figure", type=Path, help="draw the scaling with batch and length here")
    parser.add_argument("--generator", default="musiclm-small")
    parser.add_argument("--vocoder", help="of mel tokens, default the model's own")
    given = parser.parse_args()

    torch.set_num_threads(given.threads)
    torch.manual_seed(0)
    speeds: dict[tuple[int, int], tuple[float, float]] = {}
    for number, (batch, steps) in enumerate(
        [(batch, given.steps) for batch in given.batch] + [(1, steps) for steps in given.lengths]
    ):
        ours, peer = _ours(given, batch, steps), _peer(given, batch, steps)
        seconds = [(_timed(ours), _timed(peer)) for _ in range(given.repeats)]
        mine, theirs = (min(column) for column in zip(*seconds, strict=True))
        speeds[batch, steps] = batch * steps * LEVELS / mine, batch * steps * LEVELS / theirs
        tokens, suffix = batch * steps * LEVELS, "" if number == 0 else f"_batch{batch}_frames{steps}"
        print(f"tokens_per_s{suffix}: {tokens / mine:.0f}")
        print(f"peer_tokens_per_s{suffix}: {tokens / theirs:.0f}")
        print(f"speedup{suffix}: {theirs / mine:.2f}")
        question = f"speed of the sampler, batch {batch}, {steps} frames, ours over MusicGen's of the same size"
        rates = {"peer": tokens / theirs, "ratio": theirs / mine, "bar": "" if number else "≥ 1.5"}
        RESULTS.add(question, tokens / mine, "tokens/s", **rates)
    if given.figure is not None:
        draw(speeds, given.steps, given.figure)
    seconds_for_15s = _fifteen_seconds(given)
    print(f"seconds_for_15s: {seconds_for_15s:.1f}")
    RESULTS.add(f"time to generate 15 s of music, {given.generator}", seconds_for_15s, "s", bar="≤ 45")


def draw(speeds: dict[tuple[int, int], tuple[float, float]], steps: int, path: Path) -> None:
    """Tokens a second of both by batch, at one length, and by length, at batch one."""
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(8, 3.2), sharey=False, layout="constrained")
    batches = sorted(batch for batch, frames in speeds if frames == steps)
    lengths = sorted(frames for batch, frames in speeds if batch == 1)
    for axis, keys, places, what in (
        (axes[0], [(batch, steps) for batch in batches], batches, f"pieces at once, {steps} frames each"),
        (axes[1], [(1, frames) for frames in lengths], lengths, "frames of one piece (50 a second)"),
    ):
        for column, name in enumerate(("brain2music", "MusicGen (transformers)")):
            axis.plot(places, [speeds[key][column] for key in keys], marker="o", label=name)
        axis.set_xscale("log", base=2)
        axis.set_xticks(places, [str(place) for place in places])
        axis.set_ylim(bottom=0)
        axis.set_xlabel(what)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("tokens a second")
    axes[0].legend(frameon=False)
    figure.savefig(path, dpi=150)


def _ours(given: argparse.Namespace, batch: int, frames: int) -> Callable[[], object]:
    config = StageConfig(
        "acoustic", "acoustic", 0, LEVELS, RATE, frames / RATE, frames / RATE, 1.0,
        given.layers, given.heads, given.width, 4 * given.width, given.width,
        pattern="delay", dropout=0.0, codes=CODES, condition=("vector",),
    )  # fmt: skip
    stage, condition = MusicLMStage(config).eval(), _condition(batch)
    stage.sample(condition, None, 20, Sampling(), torch.Generator())
    return lambda: stage.sample(condition, None, frames, Sampling(), torch.Generator().manual_seed(0))


def _peer(given: argparse.Namespace, batch: int, frames: int) -> Callable[[], object]:
    from transformers import EncodecConfig, MusicgenConfig, MusicgenDecoderConfig, T5Config
    from transformers import MusicgenForConditionalGeneration as MusicGen

    decoder = MusicgenDecoderConfig(
        vocab_size=CODES, num_codebooks=LEVELS, num_hidden_layers=given.layers, ffn_dim=4 * given.width,
        num_attention_heads=given.heads, hidden_size=given.width, max_position_embeddings=2048,
        pad_token_id=CODES, bos_token_id=CODES,
    )  # fmt: skip
    text = T5Config(vocab_size=64, d_model=32, d_kv=8, d_ff=32, num_layers=1, num_heads=2)
    codec = EncodecConfig(num_filters=2, hidden_size=8, codebook_size=CODES, codebook_dim=8)
    config = MusicgenConfig(text_encoder=text, audio_encoder=codec, decoder=decoder)
    model = MusicGen(config).eval()
    prompt = torch.ones(batch, 4, dtype=torch.long)
    model.audio_encoder.decode = lambda *_, **__: argparse.Namespace(audio_values=torch.zeros(1))

    @torch.inference_mode()
    def run(new: int = frames + LEVELS - 1) -> object:
        return model.generate(input_ids=prompt, do_sample=True, top_k=0, guidance_scale=1.0, max_new_tokens=new)

    run(20)
    return run


def _fifteen_seconds(given: argparse.Namespace) -> float:
    """The better of several, the model in memory."""
    model = MusicLM.from_pretrained(given.generator, vocoder=given.vocoder)
    vector = torch.randn(model.space.dims, generator=torch.Generator().manual_seed(0)).numpy()
    return min(_timed(lambda: model.generate(embedding=vector, seconds=15.0)) for _ in range(given.repeats))


def _condition(batch: int) -> Condition:
    shown = torch.ones(batch, 2, dtype=torch.bool)
    return Condition(torch.zeros(batch, 12, dtype=torch.long), torch.randn(batch, 128), shown)


def _timed(run: Callable[[], object]) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
