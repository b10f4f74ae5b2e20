"""Kernel ridge, against scikit-learn's."""

import numpy as np
from sklearn.kernel_ridge import KernelRidge

from brain2music.decoding.nonlinear import WIDTHS

from .fitting import predict


def test_nonlinear_is_kernel_ridge_at_one_of_its_widths(rng):
    X, test_X = rng.standard_normal((50, 3)), rng.standard_normal((6, 3))
    Y = np.stack([X[:, 0] * X[:, 1], X[:, 2] ** 2], axis=1)
    found = predict("nonlinear", X, Y, test_X, alphas=[1.0])
    Z, test_Z = ((each - X.mean(0)) / X.std(0) for each in (X, test_X))
    squared = ((Z[:, None] - Z) ** 2).sum(-1)
    gaps = []
    for width in WIDTHS:
        gamma = 1 / (width * np.median(squared[np.triu_indices(50, 1)]))
        K, test_K = (np.exp(-gamma * ((each[:, None] - Z) ** 2).sum(-1)) for each in (Z, test_Z))
        centred = K - K.mean(0) - K.mean(1)[:, None] + K.mean()
        asked = test_K - K.mean(0) - test_K.mean(1)[:, None] + K.mean()
        kernel = KernelRidge(alpha=1 / 50, kernel="precomputed").fit(centred, Y - Y.mean(0))
        gaps.append(np.abs(kernel.predict(asked) + Y.mean(0) - found).max())
    assert min(gaps) < 1e-3


def test_nonlinear_decodes_what_no_line_can(rng):
    X = rng.standard_normal((200, 3))
    Y = np.stack([X[:, 0] * X[:, 1], X[:, 2] ** 2], axis=1)
    found = predict("nonlinear", X[:150], Y[:150], X[150:])
    assert np.corrcoef(found[:, 0], Y[150:, 0])[0, 1] > 0.8
