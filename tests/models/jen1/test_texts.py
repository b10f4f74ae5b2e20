"""Texts of JEN-1: token states of MiniLM and of encoders of the hub, whose tiny checkpoints are made here."""

import json
from pathlib import Path

import pytest
import torch

from brain2music._utils.errors import InputError
from brain2music.models.jen1.texts import MAX_TOKENS, HubTokens, get_text_tokens, pad_tokens

transformers = pytest.importorskip("transformers")
WORDS = ["<pad>", "</s>", "<unk>", *"abcdefghijklmnopqrstuvwxyz "]


@pytest.fixture(scope="module")
def flan_t5(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A T5 with encoder and decoder, saved as the hub has FLAN-T5: 12 dimensions and letters as tokens."""
    folder = tmp_path_factory.mktemp("flan-t5")
    torch.manual_seed(0)
    config = transformers.T5Config(
        vocab_size=len(WORDS), d_model=12, d_kv=6, d_ff=16, num_layers=2, num_heads=2, pad_token_id=0, eos_token_id=1
    )
    transformers.T5ForConditionalGeneration(config).save_pretrained(folder)
    save_tokenizer(folder)
    return folder


def save_tokenizer(folder: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    letters = Tokenizer(models.WordLevel({word: index for index, word in enumerate(WORDS)}, unk_token="<unk>"))
    letters.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    letters.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=letters, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    ).save_pretrained(folder)


def test_states_are_those_of_the_encoder_of_transformers(flan_t5: Path) -> None:
    tokens = get_text_tokens(str(flan_t5))
    states, words = tokens(["calm piano", "drums"])
    assert (tokens.dims, states.shape, words.sum(1).tolist()) == (12, (2, 11, 12), [11, 6])
    model = transformers.T5ForConditionalGeneration.from_pretrained(flan_t5).eval()
    ids = torch.tensor([[WORDS.index(letter) for letter in "drums"] + [1]])
    expected = model.encoder(ids).last_hidden_state
    torch.testing.assert_close(states[1:, :6], expected, atol=1e-5, rtol=1e-4)


def test_padding_beside_a_longer_text_changes_nothing(flan_t5: Path) -> None:
    tokens = HubTokens(str(flan_t5))
    alone, _ = tokens(["drums"])
    beside, _ = tokens(["drums", "a much longer text about calm pianos"])
    torch.testing.assert_close(alone[0], beside[0, : alone.shape[1]], atol=1e-5, rtol=1e-4)


def test_long_texts_are_cut_to_what_the_network_reads(flan_t5: Path) -> None:
    states, words = HubTokens(str(flan_t5))(["piano " * 100])
    assert states.shape[1] == MAX_TOKENS
    assert pad_tokens(states, words)[0].shape[1] == MAX_TOKENS


def test_other_families_are_read_by_their_own_class(tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=len(WORDS), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16
    )
    transformers.BertModel(config).save_pretrained(tmp_path)
    save_tokenizer(tmp_path)
    assert HubTokens(str(tmp_path))(["piano"])[0].shape == (1, 6, 16)


def test_an_encoder_that_is_not_here_is_refused_with_the_command_that_fetches_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BRAIN2MUSIC_MODELS", str(tmp_path))
    with pytest.raises(InputError, match="google/flan-t5-nowhere is not here") as refused:
        HubTokens("google/flan-t5-nowhere")
    assert "hf download google/flan-t5-nowhere" in str(refused.value.hint)


def test_a_pickle_is_refused(flan_t5: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text((flan_t5 / "config.json").read_text())
    (tmp_path / "pytorch_model.bin").write_bytes(b"anything")
    with pytest.raises(InputError, match="a pickle, which is never read"):
        HubTokens(str(tmp_path))


def test_a_checkpoint_that_lacks_weights_is_refused(flan_t5: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    for file in flan_t5.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    weights = load_file(flan_t5 / "model.safetensors")
    gone = next(name for name in weights if name.startswith("encoder.block.1"))
    save_file({name: each for name, each in weights.items() if name != gone}, tmp_path / "model.safetensors")
    assert json.loads((tmp_path / "config.json").read_text())["model_type"] == "t5"
    with pytest.raises(InputError, match="lack"):
        HubTokens(str(tmp_path))
