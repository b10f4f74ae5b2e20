"""MuQ without its package: the conformer against transformers', the mel against librosa, the checkpoint's layout."""

import librosa
import numpy as np
import pytest
import torch

from brain2music._utils.errors import InputError
from brain2music.models.adapters.muq import MelDecibels, htk_filters
from brain2music.models.embedders import get_embedder
from brain2music.models.w2v_bert.conformer import Conformer, ConformerSize

from . import tiny_hub


@pytest.mark.parametrize(("theirs", "ours"), [("swish", "silu"), ("gelu", "gelu")])
def test_the_conformer_is_that_of_transformers(theirs, ours):
    torch.manual_seed(0)
    theirs = tiny_hub.conformer(theirs)
    ours = Conformer(ConformerSize(16, 4, 2, 32, 5, ours, norm="batch")).eval()
    state = {name: value for name, value in theirs.state_dict().items() if not name.startswith(("pos_", "embed_"))}
    ours.load_state_dict(state)
    states = torch.randn(2, 30, 16)
    between: list[torch.Tensor] = []
    for layer in theirs.layers:
        layer.register_forward_hook(
            lambda _module, _given, out: between.append(out if torch.is_tensor(out) else out[0])
        )
    with torch.no_grad():
        last = theirs(states).last_hidden_state
        hidden = ours(states)
    assert len(hidden) == 5
    torch.testing.assert_close(hidden[0], states)
    for index in (1, 2, 3):
        torch.testing.assert_close(hidden[index], between[index - 1], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(hidden[-1], last, atol=1e-5, rtol=1e-4)


def test_the_mel_is_librosas_in_decibels(rng):
    sound = rng.standard_normal(24000).astype(np.float32) / 10
    theirs = librosa.feature.melspectrogram(
        y=sound, sr=24000, n_fft=2048, hop_length=240, n_mels=128, htk=True, norm=None, pad_mode="reflect"
    )
    ours = MelDecibels(128, 240)(torch.from_numpy(sound)[None])[0]
    np.testing.assert_allclose(ours, librosa.power_to_db(theirs, ref=1.0, amin=1e-10, top_db=None), atol=2e-3)
    filters = librosa.filters.mel(sr=24000, n_fft=2048, n_mels=128, htk=True, norm=None)
    np.testing.assert_allclose(htk_filters(24000, 2048, 128).T, filters, atol=1e-5)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("BRAIN2MUSIC_MODELS", str(tmp_path))
    return tmp_path / "muq-avg"


def test_the_mel_filters_of_the_checkpoint_are_used(folder, rng):
    sound = rng.standard_normal(24000).astype(np.float32)
    state = tiny_hub.muq_state()
    tiny_hub.save(folder, tiny_hub.MUQ, state)
    once = get_embedder("muq-avg").embed(sound, 24000)
    state["model.preprocessor_melspec_2048.mel_stft.mel_scale.fb"] *= 2
    tiny_hub.save(folder, tiny_hub.MUQ, state)
    assert not np.allclose(get_embedder("muq-avg").embed(sound, 24000), once)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("model.conformer.layers.3.ffn1.output_dense.weight", "lack model.conformer.layers.3"),
        ("model.conv.conv.0.conv3.weight", "lack model.conv.conv.0"),
    ],
)
def test_a_missing_tensor_is_named(folder, name, said):
    state = tiny_hub.muq_state()
    del state[name]
    tiny_hub.save(folder, tiny_hub.MUQ, state)
    with pytest.raises(InputError, match=said):
        get_embedder("muq-avg")


def test_a_tensor_of_another_shape_is_named(folder):
    tiny_hub.save(folder, tiny_hub.MUQ, tiny_hub.muq_state() | {"model.conv.linear.bias": torch.zeros(3)})
    with pytest.raises(InputError, match=r"conv\.linear\.bias"):
        get_embedder("muq-avg")


@pytest.mark.parametrize("change", [{"stat": {}}, {"label_rate": 50}, {"w2v2_config": {}}])
def test_another_configuration_is_refused(folder, change):
    tiny_hub.save(folder, tiny_hub.MUQ | change, tiny_hub.muq_state())
    with pytest.raises(InputError, match="MuQ"):
        get_embedder("muq-avg")
