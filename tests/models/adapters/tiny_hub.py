"""Tiny checkpoints with random weights, saved as the hub has them."""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file

WORDS = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", *"abcdefghijklmnopqrstuvwxyz ,.", "Ġ"]


def clap(folder: Path, fused: bool = False) -> None:
    """A CLAP with its tokenizer and feature extractor."""
    from transformers import ClapAudioConfig, ClapConfig, ClapModel, ClapTextConfig

    torch.manual_seed(0)
    audio = ClapAudioConfig(
        window_size=4, num_mel_bins=16, spec_size=64, hidden_size=16, patch_size=4, patch_stride=[4, 4],
        patch_embeds_hidden_size=8, depths=[1, 1], num_attention_heads=[2, 2], projection_dim=24,
        enable_fusion=fused, hidden_act="gelu",
    )  # fmt: skip
    text = ClapTextConfig(
        vocab_size=len(WORDS), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        projection_dim=24, max_position_embeddings=82,
    )  # fmt: skip
    ClapModel(ClapConfig(text_config=text.to_dict(), audio_config=audio.to_dict(), projection_dim=24)).save_pretrained(
        folder
    )
    tokenizer(folder)
    clap_extractor(folder, fused)


def clap_extractor(folder: Path, fused: bool = False) -> None:
    from transformers import ClapFeatureExtractor

    ClapFeatureExtractor(
        feature_size=16, sampling_rate=8000, hop_length=400, max_length_s=10, fft_window_size=512,
        truncation="fusion" if fused else "rand_trunc", padding="repeatpad",
    ).save_pretrained(folder)  # fmt: skip


def tokenizer(folder: Path) -> None:
    """RoBERTa's tokenizer, from the files that every version of transformers reads."""
    from transformers import RobertaTokenizerFast

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps({word: index for index, word in enumerate(WORDS)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    RobertaTokenizerFast.from_pretrained(folder).save_pretrained(folder)


def hubert(folder: Path, mert: bool = False) -> None:
    """A HuBERT; or the same as MERT is published, whose configuration asks for code of its own."""
    from transformers import HubertConfig, HubertModel, Wav2Vec2FeatureExtractor

    torch.manual_seed(1)
    config = HubertConfig(
        hidden_size=16, num_hidden_layers=4, num_attention_heads=2, intermediate_size=16, conv_dim=(8, 8),
        conv_kernel=(10, 8), conv_stride=(10, 8), num_conv_pos_embeddings=4, num_conv_pos_embedding_groups=2,
    )  # fmt: skip
    HubertModel(config).save_pretrained(folder)
    Wav2Vec2FeatureExtractor(sampling_rate=24000 if mert else 16000, do_normalize=True).save_pretrained(folder)
    if mert:
        published = json.loads((folder / "config.json").read_text())
        published |= {"model_type": "mert_model", "architectures": ["MERTModel"], "feature_extractor_cqt": False}
        published |= {"auto_map": {"AutoModel": "modeling_MERT.MERTModel"}, "deepnorm": False, "attention_relax": 32.0}
        (folder / "config.json").write_text(json.dumps(published))


def w2v_bert_2(folder: Path) -> None:
    from transformers import SeamlessM4TFeatureExtractor, Wav2Vec2BertConfig, Wav2Vec2BertModel

    torch.manual_seed(2)
    config = Wav2Vec2BertConfig(
        hidden_size=16, num_hidden_layers=4, num_attention_heads=2, intermediate_size=16,
        feature_projection_input_dim=16, conv_depthwise_kernel_size=5, add_adapter=False,
    )  # fmt: skip
    Wav2Vec2BertModel(config).save_pretrained(folder)
    SeamlessM4TFeatureExtractor(feature_size=8, num_mel_bins=8, sampling_rate=16000).save_pretrained(folder)


MUQ = {
    "conv_dim": 4,
    "encoder_dim": 16,
    "encoder_depth": 4,
    "n_mels": 16,
    "hop_length": 240,
    "label_rate": 25,
    "stat": {"melspec_2048_mean": 6.7, "melspec_2048_std": 18.4},
    "w2v2_config": {
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "conv_depthwise_kernel_size": 5,
        "position_embeddings_type": "rotary",
        "hidden_act": "swish",
    },
}


def conformer(activation: str = "swish"):
    """transformers' own conformer, the one that MuQ's package uses."""
    from transformers.models.wav2vec2_conformer.modeling_wav2vec2_conformer import (
        Wav2Vec2ConformerConfig,
        Wav2Vec2ConformerEncoder,
    )

    config = Wav2Vec2ConformerConfig(
        hidden_size=16, num_hidden_layers=4, position_embeddings_type="rotary", hidden_dropout=0.0, layerdrop=0.0,
        attention_dropout=0.0, num_conv_pos_embeddings=4, num_conv_pos_embedding_groups=2,
        num_attention_heads=2, intermediate_size=32, conv_depthwise_kernel_size=5, hidden_act=activation,
    )  # fmt: skip
    config._attn_implementation = "eager"
    return Wav2Vec2ConformerEncoder(config).eval()


def muq_state() -> dict[str, torch.Tensor]:
    """The tensors of a MuQ checkpoint, those of its training too."""
    torch.manual_seed(3)
    state = {f"model.conformer.{name}": value for name, value in conformer().state_dict().items()}
    for block, inputs in enumerate((1, 4)):
        for convolution, given in (("1", inputs), ("2", 4), ("3", inputs)):
            prefix = f"model.conv.conv.{block}."
            state |= {f"{prefix}conv{convolution}.weight": torch.randn(4, given, 3, 3) / 3}
            state |= {f"{prefix}conv{convolution}.bias": torch.randn(4) / 3}
            norm = torch.nn.BatchNorm2d(4).state_dict()
            state |= {f"{prefix}bn{convolution}.{name}": value for name, value in norm.items()}
    state |= {"model.conv.linear.weight": torch.randn(16, 16) / 4, "model.conv.linear.bias": torch.zeros(16)}
    state |= {"model.linear.weight": torch.randn(8, 16), "model.linear.bias": torch.zeros(8)}
    state |= {"model.cls_token": torch.randn(16), "model.rvq.quantizers.0.codebook.weight": torch.randn(4, 4)}
    mel = "model.preprocessor_melspec_2048.mel_stft."
    return state | {
        f"{mel}spectrogram.window": torch.hann_window(2048),
        f"{mel}mel_scale.fb": torch.rand(1025, 16) / 100,
    }


def save(folder: Path, config: dict, state: dict[str, torch.Tensor]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    save_file({name: value.contiguous().clone() for name, value in state.items()}, folder / "model.safetensors")


MULAN = {
    "mulan": {"sr": 24000, "clip_secs": 10, "dim_latent": 12},
    "audio_model": {"name": "OpenMuQ/MuQ-large-msd-iter", "model_dim": 16, "use_layer_idx": -1},
    "text_model": {"name": "xlm-roberta-base", "model_dim": 16, "use_layer_idx": -1},
    "audio_transformer": {"dim": 8, "tf_depth": 2, "heads": 2, "dim_head": 4, "ff_mult": 4},
    "text_transformer": {"dim": 8, "tf_depth": 1, "heads": 2, "dim_head": 4, "ff_mult": 4},
}


def muq_mulan(folder: Path, dims: int = 12) -> None:
    """MuQ-MuLan beside MuQ's and XLM-RoBERTa's folders."""
    from transformers import XLMRobertaConfig, XLMRobertaModel

    torch.manual_seed(4)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    roberta = XLMRobertaModel(XLMRobertaConfig(vocab_size=len(WORDS), max_position_embeddings=520, **sizes))
    roberta.config.save_pretrained(folder / "xlm-roberta-base")
    tokenizer(folder / "xlm-roberta-base")
    save(folder / "muq-avg", MUQ, {})
    state = {f"mulan.audio.model.{name}": value for name, value in muq_state().items()}
    state |= {f"mulan.text.model.{name}": value for name, value in roberta.state_dict().items()}
    for side, depth in (("audio", 2), ("text", 1)):
        state |= {f"mulan.{side}.proj.weight": torch.randn(8, 16) / 4, f"mulan.{side}.proj.bias": torch.zeros(8)}
        state |= {
            f"mulan.{side}_to_latents.weight": torch.randn(dims, 8),
            f"mulan.{side}_to_latents.bias": torch.zeros(dims),
        }
        for layer in range(depth):
            prefix = f"mulan.{side}.transformer.layers.{layer}."
            state |= {f"{prefix}0.norm.learned_gamma": torch.ones(8), f"{prefix}1.0.learned_gamma": torch.ones(8)}
            state |= {f"{prefix}0.to_q.weight": torch.randn(8, 8), f"{prefix}0.to_kv.weight": torch.randn(16, 8)}
            state |= {f"{prefix}0.q_scale": torch.ones(4), f"{prefix}0.k_scale": torch.ones(4)}
            state |= {f"{prefix}0.to_out.0.weight": torch.randn(8, 8)}
            state |= {f"{prefix}1.1.weight": torch.randn(42, 8), f"{prefix}1.4.weight": torch.randn(8, 21)}
    state |= {
        "mulan.audio.aggregator.weight": torch.randn(1, 25, 1),
        "mulan.contrast.temperatures": torch.ones(1, 1, 1),
    }
    save(folder / "muq-mulan", {**MULAN, "mulan": {**MULAN["mulan"], "dim_latent": dims}}, state)


def ast(folder: Path) -> None:
    """An AST whose classes are the first of the paper's groups, and some others."""
    from transformers import ASTConfig, ASTFeatureExtractor, ASTForAudioClassification

    from brain2music.metrics.classes import GROUPS

    torch.manual_seed(5)
    names = ["Speech", *(name for group in GROUPS for name in group.classes)]
    config = ASTConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, max_length=128,
        num_mel_bins=32, patch_size=16, frequency_stride=16, time_stride=16,
        id2label=dict(enumerate(names)), label2id={name: number for number, name in enumerate(names)},
    )  # fmt: skip
    ASTForAudioClassification(config).save_pretrained(folder)
    ASTFeatureExtractor(num_mel_bins=32, max_length=128, sampling_rate=16000).save_pretrained(folder)
