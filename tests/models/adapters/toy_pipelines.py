"""Tiny pipelines of diffusers and models of transformers, saved as the hub has them, all zeros redrawn.

Fresh weights hide faults: projections that begin at zero ignore their condition, and codecs without codes are silent.
"""

import json
from pathlib import Path

import torch
from torch import nn

from . import tiny_hub
from .tiny_hub import WORDS

STEPS = 3


def redraw(module: nn.Module, seed: int = 0) -> nn.Module:
    """Redraw what is all zeros, and every matrix, so that nothing is without effect."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in module.parameters():
            if weight.ndim > 1:
                scale = 1.5 / weight[0].numel() ** 0.5
                weight.copy_(torch.randn(weight.shape, generator=generator) * scale)
            elif not weight.any():
                weight.copy_(torch.randn(weight.shape, generator=generator) * 0.05)
    return module.eval()


def _mel_diffusion():
    """UNet, autoencoder, vocoder and scheduler of MusicLDM and AudioLDM, for CLAP vectors of 24 numbers."""
    from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
    from transformers import SpeechT5HifiGan, SpeechT5HifiGanConfig

    torch.manual_seed(0)
    unet = UNet2DConditionModel(
        block_out_channels=(8, 16), layers_per_block=1, norm_num_groups=8, sample_size=32, in_channels=4,
        out_channels=4, down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"), cross_attention_dim=(8, 16), attention_head_dim=4,
        class_embed_type="simple_projection", projection_class_embeddings_input_dim=24, class_embeddings_concat=True,
    )  # fmt: skip
    vae = AutoencoderKL(
        block_out_channels=[8, 16], in_channels=1, out_channels=1, norm_num_groups=8, latent_channels=4,
        down_block_types=["DownEncoderBlock2D"] * 2, up_block_types=["UpDecoderBlock2D"] * 2,
    )  # fmt: skip
    vocoder = SpeechT5HifiGan(
        SpeechT5HifiGanConfig(
            model_in_dim=8, sampling_rate=16000, upsample_initial_channel=16, upsample_rates=[8, 10],
            upsample_kernel_sizes=[16, 20], resblock_kernel_sizes=[3], resblock_dilation_sizes=[[1]],
            normalize_before=False,
        )
    )  # fmt: skip
    scheduler = DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False, set_alpha_to_one=False
    )
    return [redraw(each) for each in (unet, vae, vocoder)], scheduler


def musicldm(folder: Path) -> None:
    """MusicLDM with its CLAP, in one folder."""
    from diffusers import MusicLDMPipeline
    from transformers import AutoTokenizer, ClapFeatureExtractor, ClapModel

    tiny_hub.clap(folder / "parts")
    clap = redraw(ClapModel.from_pretrained(folder / "parts"))
    tokenizer = AutoTokenizer.from_pretrained(folder / "parts", model_max_length=77)
    extractor = ClapFeatureExtractor.from_pretrained(folder / "parts")
    (unet, vae, vocoder), scheduler = _mel_diffusion()
    MusicLDMPipeline(vae, clap, tokenizer, extractor, unet, scheduler, vocoder).save_pretrained(folder)
    _finish(folder)


def audioldm(folder: Path, clap_folder: Path) -> None:
    """AudioLDM, and the CLAP beside it whose text side it has."""
    from diffusers import AudioLDMPipeline
    from transformers import AutoTokenizer, ClapModel, ClapTextModelWithProjection

    tiny_hub.clap(clap_folder)
    clap = redraw(ClapModel.from_pretrained(clap_folder))
    clap.save_pretrained(clap_folder)
    text = ClapTextModelWithProjection(clap.config.text_config).eval()
    text.text_model.load_state_dict(clap.text_model.state_dict())
    text.text_projection.load_state_dict(clap.text_projection.state_dict())
    tokenizer = AutoTokenizer.from_pretrained(clap_folder, model_max_length=77)
    (unet, vae, vocoder), scheduler = _mel_diffusion()
    AudioLDMPipeline(vae, text, tokenizer, unet, scheduler, vocoder).save_pretrained(folder)
    _finish(folder)


def stable_audio_3(folder: Path) -> None:
    """Stable Audio 3: autoencoder of 4096 samples a frame, text encoder and transformer."""
    from diffusers import (
        AutoencoderSAME,
        FlowMatchEulerDiscreteScheduler,
        StableAudio3DiTModel,
        StableAudio3DurationEmbedder,
        StableAudio3Pipeline,
    )
    from transformers import GemmaTokenizer, T5GemmaConfig, T5GemmaEncoderModel

    torch.manual_seed(0)
    side = {
        "vocab_size": 40, "hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
        "num_key_value_heads": 1, "head_dim": 4, "layer_types": ["full_attention"], "pad_token_id": 0,
        "query_pre_attn_scalar": 4, "sliding_window": 16,
    }  # fmt: skip
    text = T5GemmaEncoderModel(T5GemmaConfig(encoder=side, decoder=side, is_encoder_decoder=False, vocab_size=40))
    vocab = {word: index for index, word in enumerate(["<pad>", "<eos>", "<bos>", "<unk>", "▁", *WORDS[5:-1]])}
    tokenizer = GemmaTokenizer(vocab=vocab, merges=[])
    vae = AutoencoderSAME(
        patch_size=1024, encoder_channels=8, encoder_c_mults=[2], encoder_strides=[4],
        encoder_transformer_depths=[1], latent_dim=8, dim_heads=4, ff_mult=1,
    )  # fmt: skip
    transformer = StableAudio3DiTModel(
        io_channels=8, embed_dim=16, depth=1, num_heads=2, cond_token_dim=8, global_cond_dim=8, local_add_cond_dim=9,
        timestep_features_dim=8, num_memory_tokens=2,
    )  # fmt: skip
    duration = StableAudio3DurationEmbedder(8, 8)
    for part in (text, vae, transformer, duration):
        redraw(part)
    _smooth(vae.decoder.blocks[0].mapping)
    StableAudio3Pipeline(
        vae=vae, text_encoder=text, tokenizer=tokenizer, transformer=transformer, duration_embedder=duration,
        scheduler=FlowMatchEulerDiscreteScheduler(stochastic_sampling=True),
    ).save_pretrained(folder)  # fmt: skip
    _finish(folder)


def _smooth(mapping: nn.Module) -> None:
    """Let a frame of sound be of slow waves that begin and end at zero, where random rows are noise full of steps."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        rows, inputs = mapping.weight_v.shape[:2]
        time = torch.arange(rows)[:, None] % 1024 / 1024
        rates = torch.randint(1, 12, (1, inputs), generator=generator)
        waves = torch.sin(2 * torch.pi * time * rates) * torch.sin(torch.pi * time) ** 2
        mapping.weight_v.copy_((waves + 1e-6)[..., None])
        mapping.weight_g.copy_(mapping.weight_v.flatten(1).norm(dim=1)[:, None, None])
        mapping.bias.zero_()


def musicgen(folder: Path, melody: bool = False) -> None:
    """MusicGen at 32 kHz, 50 frames a second, with codes and heads redrawn."""
    from transformers import (
        EncodecConfig,
        EncodecFeatureExtractor,
        MusicgenConfig,
        MusicgenForConditionalGeneration,
        MusicgenMelodyConfig,
        MusicgenMelodyForConditionalGeneration,
        T5Config,
    )
    from transformers.models.musicgen.configuration_musicgen import MusicgenDecoderConfig
    from transformers.models.musicgen_melody.configuration_musicgen_melody import MusicgenMelodyDecoderConfig

    torch.manual_seed(0)
    t5 = T5Config(vocab_size=40, d_model=16, d_kv=4, d_ff=16, num_layers=1, num_heads=2)
    encodec = EncodecConfig(
        sampling_rate=32000, audio_channels=1, num_filters=4, hidden_size=16, codebook_size=2048, codebook_dim=16,
        upsampling_ratios=[8, 5, 4, 4], target_bandwidths=[2.2], num_residual_layers=1, num_lstm_layers=1,
    )  # fmt: skip
    sizes = {
        "vocab_size": 2048, "pad_token_id": 2048, "bos_token_id": 2048, "num_hidden_layers": 1, "hidden_size": 16,
        "num_attention_heads": 2, "num_codebooks": 4, "ffn_dim": 32,
    }  # fmt: skip
    kinds = (
        (MusicgenMelodyConfig, MusicgenMelodyForConditionalGeneration, MusicgenMelodyDecoderConfig)
        if melody
        else (MusicgenConfig, MusicgenForConditionalGeneration, MusicgenDecoderConfig)
    )
    more = {"num_chroma": 12, "chroma_length": 235} if melody else {}
    config = kinds[0](
        text_encoder=t5.to_dict(), audio_encoder=encodec.to_dict(), decoder=kinds[2](**sizes).to_dict(), **more
    )
    model = redraw(kinds[1](config))
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for name, buffer in model.named_buffers():
            if name.endswith("codebook.embed"):
                buffer.copy_(torch.randn(buffer.shape, generator=generator))
        for head in model.decoder.lm_heads:
            head.weight.mul_(4)
    model.generation_config.update(
        guidance_scale=3.0, do_sample=True, max_length=1500, decoder_start_token_id=2048, pad_token_id=2048,
        bos_token_id=2048,
    )  # fmt: skip
    model.save_pretrained(folder)
    _t5_tokenizer(folder)
    EncodecFeatureExtractor(feature_size=1, sampling_rate=32000).save_pretrained(folder)


def _t5_tokenizer(folder: Path) -> None:
    """T5's tokenizer, by the files that every version of transformers reads."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    words = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0), *((word, -3.0) for word in WORDS[5:-1])]
    tokenizer = Tokenizer(models.Unigram(words, unk_id=2, byte_fallback=False))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 1)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    named = {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "T5Tokenizer", "extra_ids": 0, "model_max_length": 512, **named})
    )


def _finish(folder: Path) -> None:
    """Few steps, as the settings beside a pipeline may say."""
    (folder / "config.json").write_text(json.dumps({"steps": STEPS}))
