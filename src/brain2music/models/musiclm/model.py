"""MusicLM: music from an embedding, a text or a recording.

Agostinelli et al., "MusicLM: generating music from text" (2023, arXiv 2301.11325). Brain2Music conditions it on the
embedding decoded from the brain. Three stages predict tokens, one after the other, and a codec decodes them (a model of
a single stage predicts the acoustic tokens at once, and may do so for a codec of any frame rate)::

    embedding ─► semantic tokens ─► coarse acoustic tokens ─► fine acoustic tokens ─► waveform
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64, Int
from torch import Tensor

from ..._utils.progress import Advance, StepCounter
from ...audio.sound import Reconstruction, scale_peak
from ...embeddings.embeddings import EmbeddingSpace
from ..abilities import Abilities
from ..base_editor import BaseEditor, EditRequest
from ..base_generator import PieceRequest
from ..codec_parts.codes import Codes, TokenCodec
from ..generator_parts.clock import CLOCK, echoed_clock
from ..generator_parts.inputs import AudioInput
from ..generator_parts.metronome import Metronome, described
from ..generator_parts.pace import Pace
from ..generator_parts.prompts import (
    Prompts,
    check_duration,
    check_guidance,
    check_texts,
    embed_texts,
    prompts_from_audio,
    prompts_from_embeddings,
    prompts_from_texts,
    seeded_generator,
)
from ..generator_parts.windows import SECTION_S
from ..mel_tokens.model import MelTokenCodec
from ..own_generators import musiclm_abilities
from .condition import Condition, Conditioner
from .continuation import continue_recording
from .folder import read_parts, write_parts
from .origin import origin
from .post_net import MelPostNet
from .postfilter import Postfilter
from .sampling import Randomness, Sampling
from .semantic import MusicnnFrames, SemanticTokenizer
from .stage import MusicLMStage
from .stage_config import StageName
from .writer import Prompt, Writer

BATCH = 16
"""Pieces per batch; larger batches take more memory and little less time per piece."""


class MusicLM(BaseEditor):
    """Generator of music from an embedding, a text or a recording.

    Stages predict semantic and acoustic tokens one after the other, conditioned on the embedding, and a codec decodes
    the acoustic tokens. A trained model is loaded by :meth:`from_pretrained` or :func:`brain2music.get_generator`.

    Parameters
    ----------
    stages : dict of str to MusicLMStage
        Stages by name: the three of the paper, or "acoustic" alone.
    conditioner : Conditioner
        Makes conditions of embeddings.
    semantic : SemanticTokenizer or None
        Tokenizer of recordings, for continuing them; None for a single stage.
    codec : TokenCodec
        Codec on whose codes the stages were trained.
    sampling : dict of str to Sampling, optional
        Sampling parameters by stage; default those of the stages.
    post_net : MelPostNet, optional
        Network that corrects the spectrograms of sampled tokens, where the codec is of mel tokens.
    postfilter : Postfilter, optional
        Filter of these spectrograms, applied after the post-net.
    pace : Pace, optional
        Predictor of the tempo at which the beat clock runs, where the stage was trained with a clock.
    name : str, default "musiclm"
        Name of the model in the origin of its outputs.
    sha256 : str, default "none"
        Digest of all that decides its outputs; "none" before the model is saved.

    References
    ----------
    Agostinelli et al., "MusicLM: generating music from text" (2023, arXiv 2301.11325). Denk et al., "Brain2Music"
    (2023, arXiv 2307.11078) conditions it on the embedding decoded from the brain.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.models.musiclm import MusicLM
    >>> model = MusicLM.from_pretrained("musiclm-small")
    >>> vector = np.random.default_rng(0).normal(size=128)  # a random direction of the embedding space
    >>> (piece,) = model.generate(vector, seconds=1.0, seed=3)
    >>> piece.waveform.shape, piece.sample_rate
    ((1, 22050), 22050)
    """

    def __init__(
        self,
        stages: dict[StageName, MusicLMStage],
        conditioner: Conditioner,
        semantic: SemanticTokenizer | None,
        codec: TokenCodec,
        sampling: dict[StageName, Sampling] | None = None,
        post_net: MelPostNet | None = None,
        postfilter: Postfilter | None = None,
        pace: Pace | None = None,
        name: str = "musiclm",
        sha256: str = "none",
    ) -> None:
        self.stages, self.conditioner, self.semantic, self.codec = stages, conditioner, semantic, codec
        configs = {name: stage.config for name, stage in stages.items()}
        defaults = {name: Sampling(config.temperature, guidance=config.guidance) for name, config in configs.items()}
        self.sampling: dict[StageName, Sampling] = {**defaults, **(sampling or {})}
        self.post_net, self.postfilter, self.pace = post_net, postfilter, pace
        self.name, self.sha256 = name, sha256
        config = configs.get("acoustic")
        clock_rate = config.frame_rate if config is not None and config.upstream == CLOCK else None
        self.metronome = Metronome(clock_rate, pace, partial(echoed_clock, frame_rate=clock_rate or 0.0))
        self.writer = Writer(stages, self.sampling, codec.sample_rate, codec.hop_length)
        for stage in stages.values():
            stage.eval()

    @property
    def sample_rate(self) -> int:
        """Sample rate of the generated sound in Hz."""
        return self.codec.sample_rate

    @property
    def space(self) -> EmbeddingSpace:
        """Space of the embeddings that condition it."""
        return self.conditioner.space

    @property
    def abilities(self) -> Abilities:
        """What it takes and makes."""
        return musiclm_abilities(self.sample_rate, *self.conditioner.spaces)

    @property
    def device(self) -> torch.device:
        """Device of the stages."""
        return next(iter(self.stages.values())).heads.device

    def _pieces(self, request: PieceRequest) -> Iterator[Reconstruction]:
        self.metronome.check(request.tempo)
        prompts = self._prompts(request)
        tempi = self.metronome.tempi(self.conditioner(prompts.vectors).vector, request.tempo)
        asked = request.seconds, request.seed, request.n_samples, request.guidance, request.first_item, request.progress
        waves = self.waves([prompts.vectors], *asked, tempo=request.tempo)

        def each() -> Iterator[Reconstruction]:
            for number, wave in enumerate(waves):
                item, sample = divmod(number, request.n_samples)
                more = {"item": request.first_item + item, "draw": sample}
                more |= {**prompts.origins[item], **described(tempi, item)}
                yield self.piece(wave, "generate", request.seed, request.guidance, more)

        return each()

    def story(
        self,
        texts: str | Sequence[str],
        seconds: float | None = None,
        seed: int = 0,
        guidance: float | None = None,
        progress: Advance | None = None,
    ) -> Reconstruction:
        """Generate one piece whose prompt changes every 15 s, each part continuing the one before.

        Parameters
        ----------
        texts : str or sequence of str
            Descriptions of the parts.
        seconds : float, optional
            Duration of the piece in seconds; default 15 s per text.
        seed : int, default 0
            Seed of the random numbers.
        guidance : float, optional
            Weight of classifier-free guidance, 0 to 100; default that of the model.
        progress : callable, optional
            Called with (windows done, windows to do).

        Returns
        -------
        Reconstruction
            The piece.

        Raises
        ------
        InputError
            There is no text, one is too long, or the embedding space has no text.

        References
        ----------
        MusicLM (arXiv 2301.11325), section 5, "story mode".
        """
        texts = check_texts(texts)
        seconds = SECTION_S * len(texts) if seconds is None else seconds
        check_duration(seconds)
        check_guidance(guidance)
        vectors = embed_texts(texts, self.conditioner)
        waves = self.waves([row[None] for row in vectors], seconds, seed, 1, guidance, 0, progress)
        return self.piece(next(waves), "story", seed, guidance, {"item": 0, "draw": 0, "story": texts})

    def _extend(self, sound: AudioInput, seconds: float, request: EditRequest) -> Reconstruction:
        return continue_recording(self, sound, seconds, request)

    def tokens(
        self,
        conditions: Sequence[Condition],
        seconds: float,
        generator: Randomness,
        guidance: float | None = None,
        prompt: Prompt | None = None,
        advance: Callable[[], None] | None = None,
        clock: Int[Tensor, "batch rows frames"] | None = None,
    ) -> Int[Tensor, "batch quantizers frames"]:
        """Sample acoustic codes of all quantizers; see :meth:`.writer.Writer.tokens`."""
        return self.writer.tokens(conditions, seconds, generator, guidance, prompt, advance, clock)

    def save_pretrained(self, folder: str | Path, codec: str, provenance: dict[str, Any] | None = None) -> Path:
        """Save the model as a folder.

        Each stage has a folder of its own, in half precision; the codec is named, not copied.

        Parameters
        ----------
        folder : str or Path
            Folder to write.
        codec : str
            Name or folder of the codec.
        provenance : dict, optional
            Facts about the training, as JSON types.

        Returns
        -------
        Path
            The folder.
        """
        write_parts(self, Path(folder), codec, provenance or {})
        return Path(folder)

    @classmethod
    def from_pretrained(
        cls,
        name: str | Path,
        device: str | torch.device = "cpu",
        codec: str | Path | None = None,
        vocoder: str | None = None,
    ) -> "MusicLM":
        """Load a shipped model, or one from a folder.

        Parameters
        ----------
        name : str or Path
            Name of a shipped model, or a folder.
        device : str or torch.device, default "cpu"
            Device of the stages.
        codec : str or Path, optional
            Folder of the codec, if it is not a shipped model.
        vocoder : {"griffin-lim", "hifigan"}, optional
            Vocoder of mel tokens; default that of the model.

        Returns
        -------
        MusicLM
            The model.

        Raises
        ------
        InputError
            There is no such model, it is incomplete, or its codec is not the one with which it was trained.
        """
        return cls(**read_parts(name, device, codec, vocoder))

    def _prompts(self, request: PieceRequest) -> Prompts:
        kind = self.abilities.check_condition(self.name, request.embedding, request.text, request.like)
        if kind == "text":
            return prompts_from_texts(request.text, self.conditioner)
        if kind == "sound":
            return prompts_from_audio(request.like, self.conditioner)
        return prompts_from_embeddings(request.embedding, self.conditioner, request.rows)

    def waves(
        self,
        sections: Sequence[Float[Tensor, "items dims"]],
        seconds: float,
        seed: int,
        n_samples: int,
        guidance: float | None,
        first_item: int = 0,
        progress: Advance | None = None,
        prompt: Prompt | None = None,
        tempo: float | None = None,
        beats: Float64[np.ndarray, " beats"] | None = None,
    ) -> Iterator[Float32[np.ndarray, " samples"]]:
        """Generate waveforms of every item and sample, batch by batch, each with randomness of its own."""
        if isinstance(self.codec, MelTokenCodec):
            self.codec.vocoder  # noqa: B018 (that it is not here is said before the work)
        items, length = len(sections[0]), round(seconds * self.sample_rate)
        pieces = [(item, sample) for item in range(items) for sample in range(n_samples)]
        conditions = [Condition.stack([self.conditioner(row[None]) for row in part]) for part in sections]
        counted = StepCounter(progress, self.writer.steps(seconds, prompt, len(sections)) * -(-len(pieces) // BATCH))
        for first in range(0, len(pieces), BATCH):
            batch = pieces[first : first + BATCH]
            rows = [item for item, _ in batch]
            part = [Condition(*(each[rows] for each in condition)).to(self.device) for condition in conditions]
            cpu = torch.device("cpu")  # the same numbers on every device
            generators = [seeded_generator(seed, first_item + item, cpu, sample) for item, sample in batch]
            frames = self.writer.frames(seconds)
            clock = self.metronome.follow(beats, frames, len(rows))
            if clock is None:
                clock = self.metronome.clock([condition.vector for condition in part], frames, tempo)
            clock = None if clock is None else clock.to(self.device)
            for codes in self.tokens(part, seconds, generators, guidance, prompt, counted, clock):
                wave = self.decode_codes(codes)[:length]
                yield np.pad(wave, (0, length - len(wave)))

    def encode_audio(self, sound: Float32[np.ndarray, " samples"]) -> Int[Tensor, "quantizers frames"]:
        """Encode mono sound to acoustic codes.

        Parameters
        ----------
        sound : ndarray of float32, of shape (samples,)
            Sound at :attr:`sample_rate`.

        Returns
        -------
        Tensor of int, of shape (quantizers, frames)
            Acoustic codes.
        """
        return torch.from_numpy(self.codec.encode(sound[None], self.sample_rate).values.T.astype(np.int64))

    def decode_codes(
        self, codes: Int[Tensor, "quantizers frames"], sampled: bool = True
    ) -> Float32[np.ndarray, " samples"]:
        """Decode acoustic codes to mono sound.

        Parameters
        ----------
        codes : Tensor of int, of shape (quantizers, frames)
            Acoustic codes.
        sampled : bool, default True
            Whether the codes are sampled, so that post-net and postfilter are applied where there are any.

        Returns
        -------
        ndarray of float32, of shape (samples,)
            Sound at :attr:`sample_rate`.
        """
        coded = self.as_codes(codes)
        if not sampled or not isinstance(self.codec, MelTokenCodec):
            return self.codec.decode(coded)[0]
        mel = self.apply_post_net(self.codec.spectrogram(coded))
        return self.codec.vocode(mel if self.postfilter is None else self.postfilter(mel), coded.samples)[0]

    def apply_post_net(self, mel: Float32[np.ndarray, "frames 80"]) -> Float32[np.ndarray, "frames 80"]:
        """Apply the post-net, where there is one, to a spectrogram of sampled codes."""
        return mel if self.post_net is None else self.post_net.apply_to(mel)

    def as_codes(self, codes: Int[Tensor, "quantizers frames"]) -> Codes:
        """Acoustic codes in the form that the codec takes."""
        values = codes.T.cpu().numpy().astype(np.int16)
        return Codes(self.codec.name, values, len(values) * self.codec.hop_length)

    def prompt(self, end: Float32[np.ndarray, " samples"]) -> Prompt:
        """Semantic (where there is such a stage) and acoustic codes of a recording's end, to continue from."""
        acoustic = self.encode_audio(end)[None].to(self.device)
        if self.semantic is None:
            return None, acoustic
        semantic = self.semantic.encode(end, self.sample_rate, MusicnnFrames(self.device))[: acoustic.shape[2] // 2]
        return semantic[None, None], acoustic

    def piece(
        self, wave: Float32[np.ndarray, "*channels samples"], command: str, seed: int, guidance: float | None, more: Any
    ) -> Reconstruction:
        """A generated waveform with its origin."""
        waveform, gain = scale_peak(np.atleast_2d(wave))
        return Reconstruction(
            waveform, self.sample_rate, {**origin(self, command, seed, guidance), "gain": gain, **more}
        )
