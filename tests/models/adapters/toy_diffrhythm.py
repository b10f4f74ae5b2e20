"""DiffRhythm with random weights of the names and kinds of the published checkpoint, and its autoencoder."""

import json
from pathlib import Path

import numpy as np
import torch
from torch import nn

from brain2music._utils.files import digest_file
from brain2music.models.diffrhythm.decoder import TRUST_VARIABLE
from brain2music.models.diffrhythm.transformer import DiffusionTransformer, TransformerSizes

from . import tiny_hub

LATENT, FRAMES, STEPS = 4, 144, 6
SIZES = TransformerSizes(width=64, depth=2, hidden=64, latent=LATENT, tokens=8, text=16, text_blocks=1, timed=False)


class Autoencoder(nn.Module):
    """What the published archive exports: 2048 samples a frame, a mean and a scale of every latent."""

    def __init__(self) -> None:
        super().__init__()
        shape = torch.hann_window(2048, periodic=False) + 0.2
        tones = torch.stack([torch.sin(torch.arange(2048) * (number + 1) / 30) for number in range(LATENT)])
        both = torch.stack([tones, tones.roll(1, 0)], dim=1) * shape / LATENT
        self.register_buffer("tones", both)

    @torch.jit.export
    def decode_export(self, z: torch.Tensor) -> torch.Tensor:
        return torch.einsum("blf,lcs->bcfs", z, self.tones).flatten(2)

    @torch.jit.export
    def encode_export(self, x: torch.Tensor) -> torch.Tensor:
        frames = x.unflatten(2, (-1, 2048))
        mean = torch.einsum("bcfs,lcs->blf", frames, self.tones) / 100
        return torch.cat([mean, torch.full_like(mean, -6.0)], dim=1)

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return self.decode_export(z)


def write(folder: Path, timed: bool = False) -> Path:
    """Checkpoint, style to keep away from, autoencoder and MuQ-MuLan, as ``$BRAIN2MUSIC_MODELS`` has them."""
    tiny_hub.muq_mulan(folder, dims=512)
    own = folder / ("diffrhythm-full" if timed else "diffrhythm")
    own.mkdir()
    network = DiffusionTransformer(TransformerSizes(**{**SIZES.__dict__, "timed": timed}))
    redraw(network)
    state = {f"transformer.{name}": value.half() for name, value in network.state_dict().items()}
    torch.save({"model_state_dict": state}, own / "cfm_model.pt")
    vocal = np.random.default_rng(1).normal(size=(1, 512)).astype(np.float32)
    np.save(own / "vocal.npy", vocal / np.linalg.norm(vocal))
    (own / "config.json").write_text(json.dumps({"max_frames": FRAMES, "steps": STEPS}))
    (folder / "diffrhythm-vae").mkdir()
    torch.jit.script(Autoencoder()).save(str(folder / "diffrhythm-vae" / "vae_model.pt"))
    return folder


def trust(folder: Path) -> tuple[str, str]:
    """The variable that lets the autoencoder run, and its value."""
    return TRUST_VARIABLE, digest_file(folder / "diffrhythm-vae" / "vae_model.pt")


def redraw(module: nn.Module, seed: int = 0) -> None:
    """Redraw all weights, those too that begin at 0, so that no condition is without effect."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in module.named_parameters():
            fan = weight[0].numel() if weight.ndim > 1 else 0
            if "norm" in name and "linear" not in name and weight.ndim == 1:
                continue
            weight.copy_(torch.randn(weight.shape, generator=generator) * (2 / fan**0.5 if fan else 0.1))
