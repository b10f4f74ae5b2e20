"""Checkpoints are read whole or refused: against a writer of ours, a plain CRC, and damage of every kind."""

from pathlib import Path

import numpy as np
import pytest

from brain2music._utils.errors import InputError
from brain2music.models.musicnn.tf_checkpoint import crc32c, read_checkpoint

from .bundle import plain_crc32c, write_bundle


@pytest.fixture
def variables(rng) -> dict[str, np.ndarray]:
    return {
        "conv/bias": rng.standard_normal(3).astype(np.float32),
        "conv/kernel": rng.standard_normal((2, 5, 3)).astype(np.float32),
        "conv/kernel/Adam": np.zeros((2, 5, 3), np.float32),
        "steps": np.array(7, np.int64),
    }


@pytest.fixture
def bundle(tmp_path, variables) -> tuple[Path, Path]:
    return write_bundle(tmp_path, variables)


@pytest.mark.parametrize(
    ("data", "crc"),
    [(b"", 0), (b"123456789", 0xE3069283), (bytes(32), 0x8A9136AA), (b"\xff" * 32, 0x62A8AB43)],
)
def test_crc32c_of_published_vectors(data, crc):
    assert crc32c(data) == crc
    assert plain_crc32c(data) == crc


@pytest.mark.parametrize("length", [1, 1023, 1024, 1025, 3 * 1024, 7001])
def test_crc32c_equals_the_plain_one(rng, length):
    data = rng.bytes(length)
    assert crc32c(data) == plain_crc32c(data)


def test_variables_come_back(bundle, variables):
    found = read_checkpoint(*bundle)
    assert found.keys() == variables.keys()
    for name, array in variables.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype


def test_skipped_variables_are_left_out(bundle):
    assert set(read_checkpoint(*bundle, skip=("Adam",))) == {"conv/bias", "conv/kernel", "steps"}


def test_every_flipped_byte_of_the_index_is_noticed_or_harmless(bundle, variables):
    index, data = bundle
    whole = index.read_bytes()
    unread = 13 + 48 - 8  # the empty metaindex block, its handle and the footer's padding, at most
    harmless = 0
    for place in range(len(whole)):
        index.write_bytes(whole[:place] + bytes([whole[place] ^ 0x5A]) + whole[place + 1 :])
        try:
            np.testing.assert_equal(read_checkpoint(index, data), variables)
            harmless += 1
        except InputError:
            continue
    assert harmless <= unread


def test_every_truncation_of_the_index_is_refused(bundle):
    index, data = bundle
    whole = index.read_bytes()
    for length in range(len(whole)):
        index.write_bytes(whole[:length])
        with pytest.raises(InputError, match="not a whole checkpoint index"):
            read_checkpoint(index, data)


def test_every_flipped_byte_of_the_data_is_refused(bundle):
    index, data = bundle
    whole = data.read_bytes()
    for place in range(0, len(whole), 7):
        data.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(InputError, match="checksum of variable"):
            read_checkpoint(index, data)


def test_truncated_data_is_refused_even_where_skipped(bundle):
    index, data = bundle
    data.write_bytes(data.read_bytes()[:-1])
    with pytest.raises(InputError, match="of its 260 bytes"):
        read_checkpoint(index, data, skip=("steps",))


def test_missing_files_are_named(bundle):
    index, data = bundle
    data.unlink()
    with pytest.raises(InputError, match=str(data.name)) as caught:
        read_checkpoint(index, data)
    assert caught.value.file == data
