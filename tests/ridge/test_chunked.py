"""Arrays read in chunks of columns give what they give as one piece."""

import numpy as np
import pytest
import torch

from brain2music.ridge._chunked import (
    Moments,
    Targets,
    apply_weights,
    centre_,
    centred_gram,
    column_chunks,
    list_columns,
    to_tensor,
)


@pytest.mark.parametrize("width", [1, 7, 50, 64])
def test_chunks_are_the_columns_in_order(width, rng) -> None:
    X = rng.standard_normal((9, 50))
    columns, chunks = zip(*column_chunks(X, torch.float64, width), strict=True)
    assert [each.start for each in columns] == list(range(0, 50, width))
    np.testing.assert_array_equal(torch.cat(chunks, 1), X)
    chunks[0].zero_()
    assert X.all()


@pytest.mark.parametrize("centre", [True, False])
@pytest.mark.parametrize("width", [7, 64])
def test_gram_matrix_and_moments_do_not_depend_on_the_chunks(width, centre, rng) -> None:
    X = rng.standard_normal((30, 50)) + 1000
    X[:, 4] = 7.0
    G, moments = centred_gram(X, torch.float64, width, centre)
    expected = X - X.mean(0) if centre else X
    np.testing.assert_allclose(G, expected @ expected.T, rtol=1e-9)
    np.testing.assert_allclose(moments.mean, X.mean(0) if centre else 0, rtol=1e-12)
    assert moments.constant.nonzero().ravel().tolist() == ([4] if centre else [])


def test_single_precision_keeps_the_digits_of_a_column_far_from_zero(rng) -> None:
    exact = rng.standard_normal((100, 3)) + 4e4
    chunk = to_tensor(exact, torch.float32)
    rounded = chunk.double().numpy()
    moments = centre_(chunk, "X")
    np.testing.assert_allclose(moments.mean, rounded.mean(0), rtol=1e-9)
    np.testing.assert_allclose(chunk, rounded - rounded.mean(0), atol=1e-5)


def test_moments_of_chunks_join(rng) -> None:
    X = torch.from_numpy(rng.standard_normal((20, 6)))
    parts = [centre_(X[:, :4].clone(), "X"), centre_(X[:, 4:].clone(), "X")]
    torch.testing.assert_close(Moments.join(parts).mean, X.mean(0))


@pytest.mark.parametrize(("n", "text"), [(1, "0"), (10, "0, 1, 2, 3, 4, 5, 6, 7, 8, 9"), (12, "7, 8, 9 and 2 more")])
def test_at_most_ten_columns_are_listed(n, text) -> None:
    assert list_columns(torch.arange(n)).endswith(text)


@pytest.mark.parametrize("width", [3, 100])
def test_weights_are_applied_in_chunks(width, rng) -> None:
    X, coef = rng.standard_normal((8, 20)), torch.from_numpy(rng.standard_normal((20, 3)))
    mean = torch.from_numpy(X.mean(0))
    found = apply_weights(X, mean, coef, width)
    np.testing.assert_allclose(found, (X - X.mean(0)) @ coef.numpy(), atol=1e-12)


@pytest.mark.parametrize("kind", ["array", "read-only", "tensor", "integers"])
def test_arrays_become_contiguous_tensors(kind, rng) -> None:
    array = rng.integers(0, 9, (5, 8)).astype(np.float64)[:, ::2]
    if kind == "read-only":
        array = np.ascontiguousarray(array)
        array.flags.writeable = False
    source = array.astype(np.int32) if kind == "integers" else array
    found = to_tensor(torch.from_numpy(source) if kind == "tensor" else source, torch.float32)
    assert found.is_contiguous()
    np.testing.assert_array_equal(found, array)
    found.zero_()
    assert array.any()


def test_targets_are_selected_by_index_in_any_set(rng) -> None:
    Y, order = rng.standard_normal((30, 50)), torch.from_numpy(rng.permutation(30))
    indices = torch.tensor([3, 4, 20, 49])
    sets = [Y[:, :20].astype(np.float32), torch.from_numpy(Y[:, 20:21]), Y[:, 21:]]
    targets = Targets.from_sets(sets, order, centre=True)
    expected = (Y - Y.mean(0))[order][:, indices]
    np.testing.assert_allclose(targets.select(indices, torch.float64), expected, atol=1e-6)
    np.testing.assert_allclose(targets.select(indices[1:2], torch.float64), expected[:, 1:2], atol=1e-6)


@pytest.mark.parametrize("width", [8, 25, 100])
def test_batches_of_targets_cross_the_edges_of_sets(width, rng) -> None:
    Y, order = rng.standard_normal((30, 50)), torch.from_numpy(rng.permutation(30))
    targets = Targets.from_sets([Y[:, :20], Y[:, 20:21], Y[:, 21:]], order, centre=False)
    assert not targets.is_sorted
    assert targets.set_of_target.tolist() == [0] * 20 + [1] + [2] * 29
    columns, batches = zip(*targets.batches(width, torch.float64), strict=True)
    assert [each.stop for each in columns] == [*range(width, 50, width), 50]
    np.testing.assert_allclose(torch.cat(batches, 1), Y[order])
