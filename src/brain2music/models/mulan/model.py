"""The model: an audio tower and a text tower that meet on the unit sphere, its sizes, and its folder on disk.

MuLan (Huang et al. 2022, arXiv 2208.12415): ResNet-50 on 64 mel bands or AST on 128, and BERT; both end on unit
vectors of 128 dims, compared at a trainable temperature that begins at 0.1. Here the text tower is a frozen sentence
encoder (:mod:`.minilm`) with a trained head, and the small default reads frozen features (:mod:`.feature_extractor`).
"""

from dataclasses import asdict, dataclass
from math import log
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float32
from torch import Tensor, nn
from torch.nn import functional

from ..._utils.errors import InputError
from ..._utils.files import atomic_path, read_json, write_json
from .feature_extractor import DIMS, VERSION
from .minilm import POOLED
from .spectrogram import FRAMES
from .tag_map import TagMap
from .towers import AudioSpectrogramTransformer, Head, ResNet, Standardise

Tower = Literal["musicnn", "resnet50", "ast"]
Size = Literal["tiny", "small", "paper"]
WEIGHTS, CONFIG = "model.safetensors", "config.json"
_MIN_TEMPERATURE = 0.01


@dataclass(frozen=True)
class MuLanConfig:
    """Configuration of a MuLan.

    Attributes
    ----------
    audio : {"musicnn", "resnet50", "ast"}
        Audio tower: a head on frozen features of musicnn, or a network on log-mel windows.
    width : int
        Width of the audio tower (of ResNet: channels of its first stage).
    layers : int
        Layers of the audio tower (of ResNet: blocks of its longest stage).
    heads : int
        Attention heads of AST.
    mels : int
        Mel bands of the networks on log-mel windows.
    text_width : int
        Width of the text head; 0 for a linear projection.
    text_layers : int
        Layers of the text head.
    dims : int
        Dimensions of the joint space.
    dropout : float
        Dropout of both heads.
    temperature : float
        Initial temperature of the contrastive loss.
    renormalise : bool
        Whether averages over windows are scaled back to length 1.
    features : str
        Version of the frozen features.

    Examples
    --------
    >>> from brain2music.models.mulan import MuLanConfig
    >>> MuLanConfig("ast", width=32, layers=2, heads=2, mels=128, text_width=64).dims
    128
    """

    audio: Tower = "musicnn"
    width: int = 768
    layers: int = 1
    heads: int = 0
    mels: int = 0
    text_width: int = 768
    text_layers: int = 1
    dims: int = 128
    dropout: float = 0.2
    temperature: float = 0.1
    renormalise: bool = True
    features: str = VERSION


SIZES: dict[tuple[Tower, Size], MuLanConfig] = {
    ("musicnn", "tiny"): MuLanConfig(width=64, layers=1, text_width=64),
    ("musicnn", "small"): MuLanConfig(),
    ("musicnn", "paper"): MuLanConfig(width=2048, layers=4, text_width=2048),
    ("resnet50", "tiny"): MuLanConfig("resnet50", 4, 1, mels=64, text_width=64),
    ("resnet50", "small"): MuLanConfig("resnet50", 24, 6, mels=64),
    ("resnet50", "paper"): MuLanConfig("resnet50", 64, 6, mels=64, text_width=0),
    ("ast", "tiny"): MuLanConfig("ast", 32, 2, 2, mels=128, text_width=64),
    ("ast", "small"): MuLanConfig("ast", 192, 12, 3, mels=128),
    ("ast", "paper"): MuLanConfig("ast", 768, 12, 12, mels=128, text_width=0),
}
_BLOCKS = {1: (1, 1, 1, 1), 6: (3, 4, 6, 3)}


class MuLan(nn.Module):
    """Joint embedding of music and text: an audio tower and a text tower.

    Both towers give unit vectors, which are compared at a trained temperature. :class:`MuLanEmbedder` embeds waveforms
    and texts with a trained model.

    Parameters
    ----------
    config : MuLanConfig
        Towers and sizes.

    Attributes
    ----------
    reads_features : bool
        Whether the audio tower reads frozen features; otherwise log-mel windows.
    tag_map : TagMap or None
        Map of texts by tags, which embedders of text add to the text tower's vectors; None for none.

    References
    ----------
    Huang et al., "MuLan: a joint embedding of music audio and natural language" (2022, arXiv 2208.12415). Here the text
    tower is a frozen sentence encoder with a trained head.

    Examples
    --------
    >>> import torch
    >>> from brain2music.models.mulan import MuLan, MuLanConfig
    >>> model = MuLan(MuLanConfig(width=64, text_width=64)).eval()
    >>> sounds = model.audio(torch.randn(4, 2130))  # windows, frozen features
    >>> texts = model.text(torch.randn(3, 1152))  # texts, pooled states of the sentence encoder
    >>> tuple((sounds @ texts.T).shape)
    (4, 3)
    """

    def __init__(self, config: MuLanConfig) -> None:
        super().__init__()
        self.config = config
        self.reads_features = config.audio == "musicnn"
        self.tag_map: TagMap | None = None
        self.audio_tower = _audio_tower(config)
        self.audio_out = nn.Linear(self.audio_tower.width, config.dims)
        self.text_tower = _text_tower(config)
        self.text_out = nn.Linear(self.text_tower.width, config.dims)
        self.log_temperature = nn.Parameter(torch.tensor(log(config.temperature)))

    @property
    def temperature(self) -> Float32[Tensor, ""]:
        """τ, at least 0.01."""
        return self.log_temperature.exp().clamp_min(_MIN_TEMPERATURE)

    def audio(self, windows: Float32[Tensor, "batch *window"]) -> Float32[Tensor, "batch dims"]:
        """Embed windows as unit vectors, from features (batch, 2130) or log-mel (batch, 1000, mels)."""
        return functional.normalize(self.audio_out(self.audio_tower(windows)), dim=-1)

    def text(self, pooled: Float32[Tensor, "batch 1152"]) -> Float32[Tensor, "batch dims"]:
        """Embed texts as unit vectors, from the output of :meth:`.minilm.SentenceEncoder.pooled`."""
        return functional.normalize(self.text_out(self.text_tower(pooled)), dim=-1)

    def average(self, vectors: Float32[Tensor, "*batch windows dims"]) -> Float32[Tensor, "*batch dims"]:
        """Average the vectors of a sound's windows; the mean is brought back to length 1 if ``config.renormalise``.

        MusicLM averages windows of 10 s every 1 s; whether it re-normalises is not published.
        """
        mean = vectors.mean(dim=-2)
        return functional.normalize(mean, dim=-1) if self.config.renormalise else mean

    def standardise(self, pooled: Tensor, features: Tensor | None = None) -> None:
        """Fit the standardisation of frozen inputs to the training set: pooled texts, and features where used."""
        standard = self.text_tower.standard if isinstance(self.text_tower, Head) else self.text_tower
        standard.fit(pooled)
        if isinstance(self.audio_tower, Head) and features is not None:
            self.audio_tower.standard.fit(features)

    def forward(
        self, windows: Float32[Tensor, "batch views *window"], pooled: Float32[Tensor, "batch 1152"]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Embed a training batch, several windows per sound: vectors of sounds, of texts, and the temperature."""
        vectors = self.audio(windows.flatten(0, 1)).unflatten(0, windows.shape[:2])
        return self.average(vectors), self.text(pooled), self.temperature

    def save_pretrained(self, folder: Path) -> None:
        """Save the model as ``config.json`` and ``model.safetensors`` (half precision).

        Parameters
        ----------
        folder : Path
            Folder to write, created if necessary.
        """
        from safetensors.torch import save_file

        folder.mkdir(parents=True, exist_ok=True)
        state = {name: _compact(tensor) for name, tensor in self.state_dict().items()}
        with atomic_path(folder / WEIGHTS) as temporary:
            save_file(state, temporary)
        if self.tag_map is not None:
            self.tag_map.save(folder)
        write_json(folder / CONFIG, {"model": "mulan", **asdict(self.config)})

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> "MuLan":
        """Load a model from a folder, in single precision and evaluation mode.

        Parameters
        ----------
        folder : str or Path
            Folder that :meth:`save_pretrained` wrote.

        Returns
        -------
        MuLan
            The model.

        Raises
        ------
        InputError
            The folder holds no MuLan, or one of another version.
        """
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        folder = Path(folder)
        settings: dict[str, Any] = read_json(folder / CONFIG)
        if settings.pop("model", None) != "mulan":
            raise InputError(
                "this is not the configuration of a MuLan", folder / CONFIG, "give a folder of train mulan"
            )
        if settings.get("features", VERSION) != VERSION:
            raise InputError(f"it reads features of version {settings['features']}", folder, "train it again")
        try:
            model = cls(MuLanConfig(**settings))
            model.load_state_dict({name: tensor.float() for name, tensor in load_file(folder / WEIGHTS).items()})
            model.tag_map = TagMap.load(folder)
        except (OSError, SafetensorError, RuntimeError, TypeError) as error:
            reason = str(error).splitlines()[0]
            raise InputError(f"the model cannot be read ({reason})", folder, "train or fetch it again") from None
        return model.eval().requires_grad_(False)


def _audio_tower(config: MuLanConfig) -> ResNet | AudioSpectrogramTransformer | Head:
    if config.audio == "musicnn":
        return Head(DIMS, config.width, config.layers, config.dropout)
    if config.audio == "resnet50":
        return ResNet(_BLOCKS[config.layers], config.width)
    return AudioSpectrogramTransformer(config.width, config.layers, config.heads, config.mels, FRAMES)


def _text_tower(config: MuLanConfig) -> Head | Standardise:
    if not config.text_width:
        return Standardise(POOLED)
    return Head(POOLED, config.text_width, config.text_layers, config.dropout)


def _compact(tensor: Tensor) -> Tensor:
    """Half precision for matrices of floating-point numbers; other tensors as they are."""
    return tensor.half().contiguous() if tensor.is_floating_point() and tensor.ndim > 1 else tensor.contiguous()
