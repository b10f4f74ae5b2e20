"""Chunks of any length give what the whole gives."""

from dataclasses import replace

import pytest
import torch

from brain2music.models.autoencoder.model import Autoencoder, AutoencoderConfig
from brain2music.models.codec_parts.stream import ChunkedNetwork, receptive_field
from brain2music.models.soundstream.model import SoundStream, SoundStreamConfig

_CHUNKS = [(1, 479, 480, 481, 3000), (5000,), (7,) * 60, (2400, 2400)]


@pytest.mark.parametrize("chunks", _CHUNKS)
@pytest.mark.parametrize("n_quantizers", [None, 2])
def test_a_stream_equals_the_whole(soundstream: SoundStream, chunks: tuple[int, ...], n_quantizers: int | None) -> None:
    wave = torch.randn(1, 1, sum(chunks))
    stream = soundstream.stream(n_quantizers)
    given = [stream.push(chunk) for chunk in wave.split(chunks, dim=-1)]
    assert sum(part.shape[-1] for part in given) == wave.shape[-1] - wave.shape[-1] % 480
    streamed = torch.cat([*given, stream.finish()], dim=-1)
    whole = soundstream.decode(soundstream.encode(wave, n_quantizers))[..., : wave.shape[-1]]
    torch.testing.assert_close(streamed, whole, atol=1e-5, rtol=0)


@pytest.mark.parametrize("patch", [1, 3])
def test_streams_remember_through_every_kind_of_layer(patch: int) -> None:
    torch.manual_seed(0)
    strides = (4, 5, 8, 3)[: 4 if patch == 1 else 3]
    widths = (8, 8, 8, 8, 16)[-len(strides) - 1 :]
    config = replace(
        SoundStreamConfig.size("tiny"),
        patch=patch, strides=strides, encoder_channels=widths, decoder_channels=widths, activation="snake",
    )  # fmt: skip
    model = SoundStream(config).eval()
    wave, memory = torch.randn(2, 1, 4800), {}
    with torch.no_grad():
        whole = model.latents(wave)
        parts = [model.latents(chunk, memory=memory) for chunk in wave.split((480, 2880, 1440), dim=-1)]
        torch.testing.assert_close(torch.cat(parts, dim=-1), whole, atol=1e-5, rtol=0)
        memory = {}
        decoded = [model.decoder(part, memory) for part in whole.split((1, 3, 6), dim=-1)]
        torch.testing.assert_close(torch.cat(decoded, dim=-1), model.decoder(whole), atol=1e-5, rtol=0)


def test_a_stream_keeps_no_more_than_its_layers_look_back(soundstream: SoundStream) -> None:
    stream = soundstream.stream()
    sizes = []
    for samples in (480, 48000):
        stream.push(torch.randn(1, 1, samples))
        memories = (*stream._encoder_memory.values(), *stream._decoder_memory.values())
        sizes.append(sum(memory.untyped_storage().nbytes() for memory in memories))
    assert sizes[0] == sizes[1]


def test_an_empty_stream_has_nothing_to_finish(soundstream: SoundStream) -> None:
    with pytest.raises(ValueError, match="nothing was pushed"):
        soundstream.stream().finish()


@pytest.mark.parametrize("causal", [True, False])
def test_the_autoencoder_in_chunks_equals_the_whole(causal: bool) -> None:
    torch.manual_seed(0)
    model = Autoencoder(replace(AutoencoderConfig.size("tiny"), causal=causal)).eval()
    wave = torch.randn(1, 2, 384 * 130)
    whole = model.encode(wave)
    encoder = ChunkedNetwork(model.encode, 384, 1, -(-receptive_field(model.encoder) // 384))
    decoder = ChunkedNetwork(model.decode, 1, 384, receptive_field(model.decoder))
    sizes = (5000, 1, 20000, 384 * 130 - 25001)
    latents = [encoder.push(chunk, last=i == 3) for i, chunk in enumerate(wave.split(sizes, dim=-1))]
    latents = torch.cat([part for part in latents if part.shape[-1]], dim=-1)
    torch.testing.assert_close(latents, whole, atol=1e-5, rtol=0)
    decoded = [decoder.push(chunk, last=i == 2) for i, chunk in enumerate(whole.split((50, 50, 30), dim=-1))]
    torch.testing.assert_close(torch.cat(decoded, dim=-1), model.decode(whole), atol=1e-5, rtol=0)


def test_the_stated_context_covers_what_the_networks_see(autoencoder: Autoencoder) -> None:
    for network, inputs, length in ((autoencoder.encoder, 2, 38400), (autoencoder.decoder, 8, 100)):
        x = torch.randn(1, inputs, length, requires_grad=True)
        output = network(x)
        output[..., output.shape[-1] // 2].sum().backward()
        seen = x.grad[0].abs().amax(0).nonzero()
        centre = length // 2
        reach = max(centre - seen.min().item(), seen.max().item() - centre)
        assert reach <= receptive_field(network) + length // output.shape[-1]
