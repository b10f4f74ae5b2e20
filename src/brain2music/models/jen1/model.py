"""JEN-1 as a generator: music from an embedding, a text or a recording, gaps filled, and recordings continued.

Li et al. 2023 (arXiv 2308.04729). A diffusion model samples whitened latents in one of its modes; a codec decodes
them::

    text, embedding ─► cross-attention ─┐
    noise, known latents, mask ─────────┴► U-Net, step after step ─► latents ─► waveform
"""

import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from ... import __version__
from ..._utils.errors import Brain2MusicWarning
from ..._utils.progress import StepCounter, part_of
from ...audio.sound import Reconstruction, scale_peak
from ...embeddings.embeddings import EmbeddingSpace
from ..abilities import Abilities
from ..base_editor import BaseEditor, EditRequest
from ..base_generator import PieceRequest
from ..generator_parts.inputs import AudioInput
from ..generator_parts.metronome import Metronome, described
from ..generator_parts.pace import Pace
from ..generator_parts.prompts import check_duration, seeded_generator
from ..own_generators import jen1_abilities
from .beats import clock_of
from .calibration import Calibration
from .conditioner import DiffusionConditioner
from .diffusion import DiffusionConfig, DiffusionSampler
from .editing import Editing, continue_sound, fill_regions
from .folder import JEN1Parts, read_model, write_model
from .latents import LatentCodec, MelLatents, describe_latents
from .unet import OmniUNet

_BATCH = 8


class JEN1(BaseEditor):
    """JEN-1: an omnidirectional diffusion model and a codec of its latents.

    Parameters
    ----------
    network : OmniUNet
        Trained, in evaluation mode.
    diffusion : DiffusionConfig
        Target and defaults of sampling.
    latents : LatentCodec
        Sound to latents and back.
    space : EmbeddingSpace
        Of the embeddings that condition it.
    text_encoder : str or None
        Name of the encoder of texts (:func:`.texts.get_text_tokens`); None where it takes no texts.
    name : str
        Of the model, in the origin of its outputs.
    sha256 : str
        Digest of all that decides its outputs, "none" before the model is saved.
    pace : Pace, optional
        Predictor of the tempo at which the beat clock runs, where the network was trained with a clock.
    calibration : Calibration, optional
        Correction of what the network estimates.

    Examples
    --------
    An untrained network makes noise; `brain2music train jen1` trains one, and :meth:`from_pretrained` loads it.

    >>> import numpy as np
    >>> from brain2music.embeddings.embeddings import EmbeddingSpace
    >>> from brain2music.models.jen1 import JEN1, DiffusionConfig, OmniUNet, UNetConfig
    >>> from brain2music.models.jen1.latents import open_latents
    >>> space = EmbeddingSpace("any", "1", "none", 128, 10.0, 1.0, 24000)
    >>> network = OmniUNet(UNetConfig.size("tiny", latent_dim=128))
    >>> model = JEN1(network, DiffusionConfig(), open_latents("jen1-autoencoder-small", None), space, None)
    >>> model.generate(np.ones(128), seconds=1.0, steps=2)[0].waveform.shape
    (2, 48000)
    """

    def __init__(
        self,
        network: OmniUNet,
        diffusion: DiffusionConfig,
        latents: LatentCodec,
        space: EmbeddingSpace,
        text_encoder: str | None,
        name: str = "jen1",
        sha256: str = "none",
        pace: Pace | None = None,
        calibration: Calibration | None = None,
    ) -> None:
        self.network, self.diffusion, self.latents = network.eval(), diffusion, latents
        self.conditioner = DiffusionConditioner(space, text_encoder, network.config.text_dim, name)
        self.name, self.sha256, self.pace, self.calibration = name, sha256, pace, calibration
        self.metronome = Metronome(self.frame_rate if network.config.clock_dim else None, pace, clock_of)

    @property
    def sample_rate(self) -> int:
        """Sample rate of the generated sound in Hz."""
        return self.latents.sample_rate

    @property
    def channels(self) -> int:
        """Channels of the generated sound."""
        return self.latents.channels

    @property
    def space(self) -> EmbeddingSpace:
        """Space of the embeddings that condition it."""
        return self.conditioner.space

    @property
    def text_encoder(self) -> str | None:
        """Name of the encoder of texts; None where it takes no texts."""
        return self.conditioner.text_encoder

    @property
    def abilities(self) -> Abilities:
        """What it takes and makes; a text may come with an embedding or a sound, too."""
        has_text = self.text_encoder is not None
        return jen1_abilities(self.sample_rate, self.channels, self.frame_rate, has_text, self.space.name)

    @property
    def frame_rate(self) -> float:
        """Latent frames per second."""
        return self.latents.sample_rate / self.latents.hop_length

    @property
    def device(self) -> torch.device:
        """Device of the network."""
        return self.network.last.weight.device

    @property
    def sampler(self) -> DiffusionSampler:
        """Sampler of latents."""
        return DiffusionSampler(self.network, self.diffusion, self.calibration)

    def _pieces(self, request: PieceRequest) -> Iterator[Reconstruction]:
        self.metronome.check(request.tempo)
        asked = self.conditioner.asked(request.embedding, request.text, request.like, request.rows)
        tempi = self.metronome.tempi(asked.condition.embedding, request.tempo)
        if request.tempo is None and tempi is not None and not asked.condition.shown[:, 1].all():
            what = f"no tempo can be told from a text in the space of {self.name} ({self.space.name} embeds no text)"
            warnings.warn(f"{what}: it keeps that of its training music, unless you give one", Brain2MusicWarning, 4)
        numbers = [(item, sample) for item in range(len(asked.origins)) for sample in range(request.n_samples)]
        frames = math.ceil(request.seconds * self.frame_rate)
        clock = self.metronome.clock([asked.condition.embedding], frames, request.tempo)
        clocked = replace(asked.condition, clock=clock)
        batches = [numbers[first : first + _BATCH] for first in range(0, len(numbers), _BATCH)]
        counted = StepCounter(request.progress, len(batches) * len(self.sampler.windows(frames, self.frame_rate)))
        seed, guidance, steps = request.seed, request.guidance, request.steps

        def each() -> Iterator[Reconstruction]:
            for batch in batches:
                condition = clocked[[item for item, _ in batch]]
                generators = [self.generator(seed, request.first_item + item, sample) for item, sample in batch]
                made = self.sampler.extend(
                    condition, frames, generators, self.frame_rate, None, guidance, steps, counted
                )
                for (item, sample), latents in zip(batch, made, strict=True):
                    more = {"item": request.first_item + item, "draw": sample, **asked.origins[item]}
                    more |= described(tempi, item)
                    yield self.piece(self.sound(latents, request.seconds), "generate", seed, guidance, steps, more)

        return each()

    def _fill(
        self, sound: AudioInput, regions: Sequence[tuple[float, float]], request: EditRequest
    ) -> list[Reconstruction]:
        return [fill_regions(self, sound, regions, each) for each in self._editings(request)]

    def _extend(self, sound: AudioInput, seconds: float, request: EditRequest) -> Reconstruction:
        check_duration(seconds)
        (editing,) = self._editings(request)
        return continue_sound(self, sound, seconds, editing)

    def _editings(self, request: EditRequest) -> Iterator[Editing]:
        """How a recording is edited for every sample of a request."""
        condition = self.conditioner.of_edit(request.embedding)
        sampling = request.guidance, request.steps
        for sample in range(request.n_samples):
            progress = part_of(request.progress, sample, request.n_samples)
            yield Editing(request.text, condition, request.seed, sample, *sampling, progress)

    def sound(
        self, latents: Float[Tensor, "dim frames"], seconds: float, level: float | None = None
    ) -> Float32[np.ndarray, "channels samples"]:
        """Decode latents to sound of a duration.

        Parameters
        ----------
        latents : (dim, frames)
            Whitened latents.
        seconds : float
            Duration; what is missing is silent.
        level : float, optional
            Of a recording, for latents that do not hold it.

        Returns
        -------
        (channels, samples)
            Sound.
        """
        length = round(seconds * self.sample_rate)
        wave = self.latents.decode(latents.cpu(), level)[:, :length]
        return np.pad(wave, ((0, 0), (0, length - wave.shape[1])))

    def piece(
        self,
        wave: Float32[np.ndarray, "channels samples"],
        command: str,
        seed: int,
        guidance: float | None,
        steps: int | None,
        more: dict[str, Any],
    ) -> Reconstruction:
        """A generated waveform with its origin.

        Parameters
        ----------
        wave : (channels, samples)
            Sound at :attr:`sample_rate`.
        command, seed, guidance, steps
            What made it.
        more : dict
            Further lines of its origin.

        Returns
        -------
        Reconstruction
            Scaled down where it would pass 1.
        """
        waveform, gain = scale_peak(np.atleast_2d(wave))
        sampling = {key: value for key, value in asdict(self.diffusion).items() if key != "schedule"}
        if guidance is not None:
            sampling["guidance"] = float(guidance)
        if steps is not None:
            sampling["sampling_steps"] = int(steps)
        origin = {
            **{"generator": "jen1", "checkpoint": self.name, "checkpoint_sha256": self.sha256, "command": command},
            **{"version": __version__, "device": self.device.type, "seed": int(seed), "sampling": sampling},
            "codec": self.latents.name,
            "vocoder": self.latents.codec.vocoder.name if isinstance(self.latents, MelLatents) else None,
            **self.abilities.terms.origin,
        }
        return Reconstruction(waveform, self.sample_rate, {**origin, "gain": gain, **more})

    def generator(self, seed: int, item: int, sample: int = 0) -> torch.Generator:
        """Random generator of one sample of an item, on the CPU: the same noise on every device.

        Parameters
        ----------
        seed, item, sample : int
            What it depends on.

        Returns
        -------
        torch.Generator
            Independent of those of others.
        """
        return seeded_generator(seed, item, torch.device("cpu"), sample)

    def save_pretrained(self, folder: str | Path, provenance: dict[str, Any] | None = None) -> Path:
        """Save the model as a folder, in half precision; the codec is named, not copied.

        Parameters
        ----------
        folder : str or Path
            Where to.
        provenance : dict, optional
            What it was trained on.

        Returns
        -------
        Path
            The folder.
        """
        text = None if self.text_encoder is None else {"name": self.text_encoder, "dims": self.network.config.text_dim}
        about = {**describe_latents(self.latents), "space": asdict(self.space), "text": text}
        level = getattr(self.latents, "usual_level", 1.0)
        return write_model(
            Path(folder),
            self.network,
            self.latents.whitening,
            self.diffusion,
            about,
            provenance or {},
            level,
            self.pace,
            self.calibration,
        )

    @classmethod
    def from_pretrained(
        cls,
        name: str | Path,
        device: str = "cpu",
        codec: str | Path | None = None,
        vocoder: str | None = None,
    ) -> "JEN1":
        """Load a model by its shipped name, or from a folder.

        Parameters
        ----------
        name : str or Path
            The model.
        device : str, default "cpu"
            Of the network.
        codec : str or Path, optional
            Folder of its codec, where that does not ship.
        vocoder : str, optional
            Of mel spectrograms, in place of the model's own.

        Returns
        -------
        JEN1
            The model.

        Raises
        ------
        InputError
            There is no such model, it is incomplete, or its codec is not the one that it was trained with.
        """
        parts: JEN1Parts = read_model(name, device, codec, vocoder)
        return cls(*parts)
