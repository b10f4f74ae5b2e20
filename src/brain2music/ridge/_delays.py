"""Features at several delays, so that a linear map can learn the shape of the haemodynamic response."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Shaped


def delayed(
    X: Shaped[np.ndarray, "rows features"],
    delays: Sequence[int],
    groups: Sequence[object] | Shaped[np.ndarray, " rows"] | None = None,
) -> Shaped[np.ndarray, "rows delayed"]:
    """Copies of X, each moved by so many rows, side by side: (rows, features * delays), the delay slowest.

    A row shows what was ``delay`` rows earlier in its own group (run); where that lies before the group's first row
    (or, for a negative delay, after its last), zeros. Rows of a group need not be adjacent; their order is the time.

    Raises ValueError when no delay is given, or not one group label a row.
    """
    if len(delays) == 0:
        raise ValueError("delays is empty: give at least one, such as [2, 3, 4, 5]")
    labels = np.zeros(len(X), dtype=np.int64) if groups is None else np.asarray(groups)
    if labels.shape != (len(X),):
        raise ValueError(f"groups has shape {labels.shape}: give one label for each of the {len(X)} rows")
    out = np.zeros((len(X), len(delays), X.shape[1]), dtype=X.dtype)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        for i, delay in enumerate(delays):
            kept = max(len(rows) - abs(delay), 0)
            later, earlier = rows[len(rows) - kept :], rows[:kept]
            out[later if delay > 0 else earlier, i] = X[earlier if delay > 0 else later]
    return out.reshape(len(X), -1)
