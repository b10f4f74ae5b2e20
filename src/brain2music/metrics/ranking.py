"""Identification: is a prediction closer to its own clip than to the others? (Brain2Music, Eqs. 2-3.)

Everything here is a function of one matrix, ``C[i, j]``: how similar prediction ``i`` is to candidate ``j``, with the
right candidates on the diagonal. Comparisons are strict throughout: a candidate that ties with the right one never
counts as beaten. (Counting ``>=`` over all candidates also counts the right one against itself, and adds exactly
``1 / (n - 1)`` to every score.)

The ``…_payoff`` functions give for every candidate ``j`` the score of clip ``i`` if ``j`` were the right one. Their
diagonal is the score; with columns re-ordered they are the permutation test (see :mod:`.uncertainty`).
"""

from collections.abc import Hashable, Sequence

import numpy as np
from jaxtyping import Float, Int
from scipy.special import gammaln
from scipy.stats import rankdata

_DECIMALS = 12  # equal rows must tie in whatever order the linear algebra library adds up


def similarity(predicted: Float[np.ndarray, "n d"], true: Float[np.ndarray, "m d"]) -> Float[np.ndarray, "n m"]:
    """Correlate every prediction with every candidate, over dimensions.

    Parameters
    ----------
    predicted : ndarray of shape (n, dims)
        One vector per prediction.
    true : ndarray of shape (m, dims)
        One vector per candidate.

    Returns
    -------
    ndarray of shape (n, m)
        Pearson correlations, in double precision.

    Raises
    ------
    ValueError
        A row is constant or not finite: its correlation is not defined.

    See Also
    --------
    identification_by_clip : Identification from this matrix.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.metrics import similarity
    >>> predicted = np.array([[1.0, 2.0, 3.0], [3.0, 1.0, 2.0]])
    >>> similarity(predicted, predicted)
    array([[ 1. , -0.5],
           [-0.5,  1. ]])
    """
    return np.round(_standardised(predicted, "predicted") @ _standardised(true, "true").T, _DECIMALS)


def identification_by_clip(c: Float[np.ndarray, "n n"]) -> Float[np.ndarray, " n"]:
    """Compute for every clip the share of the other candidates that the right one beats (Brain2Music [1]_, Eq. 2).

    Parameters
    ----------
    c : ndarray of shape (clips, clips)
        Similarity of predictions (rows) to candidates (columns), the right ones on the diagonal.

    Returns
    -------
    ndarray of shape (clips,)
        Shares from 0 to 1; chance is 0.5. A candidate that ties with the right one does not count as beaten.

    Raises
    ------
    ValueError
        There is a single candidate, or a similarity is not finite.

    References
    ----------
    .. [1] Denk, Takagi et al., "Brain2Music: Reconstructing music from human brain activity", arXiv 2307.11078.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.metrics import identification_by_clip
    >>> c = np.array([[0.9, 0.1, 0.2], [0.8, 0.5, 0.1], [0.7, 0.6, 0.2]])
    >>> identification_by_clip(c)
    array([1. , 0.5, 0. ])
    """
    return np.diagonal(identification_payoff(c)).copy()


def identification_accuracy(c: Float[np.ndarray, "n n"]) -> float:
    """Average two-way identification over clips (Brain2Music [1]_, Eq. 3).

    Parameters
    ----------
    c : ndarray of shape (clips, clips)
        Similarity of predictions (rows) to candidates (columns), the right ones on the diagonal.

    Returns
    -------
    float
        Accuracy from 0 to 1; chance is 0.5.

    Raises
    ------
    ValueError
        There is a single candidate, or a similarity is not finite.

    See Also
    --------
    brain2music.metrics.identification : The score of decoded embeddings, with its interval and p.

    References
    ----------
    .. [1] Denk, Takagi et al., "Brain2Music: Reconstructing music from human brain activity", arXiv 2307.11078.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.metrics import identification_accuracy
    >>> identification_accuracy(np.array([[0.9, 0.1, 0.2], [0.8, 0.5, 0.1], [0.7, 0.6, 0.2]]))
    0.5
    """
    return float(np.diagonal(identification_payoff(c)).mean())


def ranks(c: Float[np.ndarray, "n n"]) -> Int[np.ndarray, " n"]:
    """Rank the right candidate of every clip among all candidates.

    Parameters
    ----------
    c : ndarray of shape (clips, clips)
        Similarity of predictions (rows) to candidates (columns), the right ones on the diagonal.

    Returns
    -------
    ndarray of int of shape (clips,)
        Ranks from 1, the best; the right candidate ranks behind every candidate that ties with it.

    Raises
    ------
    ValueError
        There is a single candidate, or a similarity is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.metrics import ranks
    >>> ranks(np.array([[0.9, 0.1, 0.2], [0.8, 0.5, 0.1], [0.7, 0.6, 0.2]]))
    array([1, 2, 3])
    """
    return len(c) - np.diagonal(_beaten(c))


def top_k(c: Float[np.ndarray, "n n"], k: int) -> Float[np.ndarray, " n"]:
    """Tell for every clip whether the right candidate is among the k most similar ones.

    Parameters
    ----------
    c : ndarray of shape (clips, clips)
        Similarity of predictions (rows) to candidates (columns), the right ones on the diagonal.
    k : int
        Number of most similar candidates.

    Returns
    -------
    ndarray of shape (clips,)
        1.0 or 0.0; chance is ``k`` over the number of clips.

    Raises
    ------
    ValueError
        ``k`` is not between 1 and the number of candidates.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.metrics import top_k
    >>> top_k(np.array([[0.9, 0.1, 0.2], [0.8, 0.5, 0.1], [0.7, 0.6, 0.2]]), k=2)
    array([1., 1., 0.])
    """
    return np.diagonal(top_k_payoff(c, k)).copy()


def n_way(c: Float[np.ndarray, "n n"], n: int) -> Float[np.ndarray, " n"]:
    """Compute the probability that the right candidate beats ``n - 1`` others sampled without replacement.

    This is the exact expectation over all samples, computed from ranks; with ``n = 2`` it is two-way identification.

    Parameters
    ----------
    c : ndarray of shape (clips, clips)
        Similarity of predictions (rows) to candidates (columns), the right ones on the diagonal.
    n : int
        Candidates to choose among, including the right one.

    Returns
    -------
    ndarray of shape (clips,)
        Probabilities; chance is ``1 / n``.

    Raises
    ------
    ValueError
        ``n`` is not between 2 and the number of candidates.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.metrics import n_way
    >>> c = np.array([[0.9, 0.1, 0.2], [0.8, 0.5, 0.1], [0.7, 0.6, 0.2]])
    >>> n_way(c, n=2).round(2), n_way(c, n=3).round(2)
    (array([1. , 0.5, 0. ]), array([1., 0., 0.]))
    """
    return np.diagonal(n_way_payoff(c, n)).copy()


def within_group(c: Float[np.ndarray, "n n"], labels: Sequence[Hashable]) -> Float[np.ndarray, " n"]:
    """Compute identification among candidates of the clip's own group, such as its genre.

    Genre alone gives a high score among all clips, and a score at chance here.

    Parameters
    ----------
    c : ndarray of shape (clips, clips)
        Similarity of predictions (rows) to candidates (columns), the right ones on the diagonal.
    labels : sequence of hashable
        Group of each clip.

    Returns
    -------
    ndarray of shape (clips,)
        Shares of candidates beaten; chance is 0.5, and a clip alone in its group has NaN.

    Raises
    ------
    ValueError
        Labels do not fit the clips, or a similarity is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> from brain2music.metrics import within_group
    >>> c = np.array([[0.9, 0.1, 0.2], [0.8, 0.5, 0.1], [0.7, 0.6, 0.2]])
    >>> within_group(c, ["jazz", "jazz", "rock"])
    array([ 1.,  0., nan])
    """
    return np.diagonal(within_group_payoff(c, labels)).copy()


def one_per_group(
    c: Float[np.ndarray, "n n"], labels: Sequence[Hashable]
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """Identification, and the chance to rank first, in pools of the clip and one clip of every other group.

    These are exact expectations over all such pools, of which Brain2Music's page of examples (one clip per genre) is
    one.

    Parameters
    ----------
    c : (clips, clips) array
        As for :func:`identification_by_clip`.
    labels : sequence
        Group of each clip.

    Returns
    -------
    two_way, first : (clips,) arrays
        Chances are 0.5, and 1 in as many as there are groups; NaN where there is one group only.

    Raises
    ------
    ValueError
        Labels do not fit the clips, or a similarity is not finite.
    """
    if len(labels) != len(c):
        raise ValueError(f"{len(labels)} labels for {len(c)} clips")
    if not np.isfinite(c).all():
        raise ValueError("similarities are not finite")
    groups = members(labels)
    beaten = np.diagonal(c)[:, None] > c
    shares = np.stack([beaten[:, rows].mean(axis=1) for rows in groups.values()])  # (groups, clips)
    two_way, first = np.full(len(c), np.nan), np.full(len(c), np.nan)
    if len(groups) > 1:
        for number, rows in enumerate(groups.values()):
            others = np.delete(shares, number, axis=0)[:, rows]
            two_way[rows], first[rows] = others.mean(axis=0), others.prod(axis=0)
    return two_way, first


def per_group(values: Float[np.ndarray, " n"], labels: Sequence[Hashable]) -> dict[Hashable, float]:
    """Mean of a per-clip score in each group, in the order in which groups first appear."""
    if len(labels) != len(values):
        raise ValueError(f"{len(labels)} labels for {len(values)} scores")
    return {label: float(values[rows].mean()) for label, rows in members(labels).items()}


def identification_payoff(c: Float[np.ndarray, "n n"]) -> Float[np.ndarray, "n n"]:
    """Share of the other candidates that candidate ``j`` beats for prediction ``i``."""
    return _beaten(c) / (len(c) - 1)


def top_k_payoff(c: Float[np.ndarray, "n n"], k: int) -> Float[np.ndarray, "n n"]:
    """1.0 where candidate ``j`` is among the ``k`` most similar to prediction ``i``."""
    if not 1 <= k <= len(c):
        raise ValueError(f"top {k} of {len(c)} candidates")
    return (len(c) - _beaten(c) <= k).astype(np.float64)


def n_way_payoff(c: Float[np.ndarray, "n n"], n: int) -> Float[np.ndarray, "n n"]:
    """Probability that candidate ``j`` beats ``n - 1`` random others: hypergeometric in how many it beats."""
    if not 2 <= n <= len(c):
        raise ValueError(f"{n}-way among {len(c)} candidates")
    beaten = np.arange(len(c))
    possible = beaten >= n - 1
    chances = np.zeros(len(c))
    chances[possible] = np.exp(_log_choose(beaten[possible], n - 1) - _log_choose(len(c) - 1, n - 1))
    return chances[_beaten(c)]


def within_group_payoff(c: Float[np.ndarray, "n n"], labels: Sequence[Hashable]) -> Float[np.ndarray, "n n"]:
    """:func:`identification_payoff` inside each group; NaN between groups, and where :func:`several_alike` has none."""
    if len(labels) != len(c):
        raise ValueError(f"{len(labels)} labels for {len(c)} clips")
    payoff = np.full(c.shape, np.nan)
    for rows in several_alike(labels):
        payoff[np.ix_(rows, rows)] = identification_payoff(c[np.ix_(rows, rows)])
    return payoff


def several_alike(labels: Sequence[Hashable]) -> list[Int[np.ndarray, " rows"]]:
    """The rows of each group of several clips; not of the unlabelled (""), and none where all clips are one group."""
    groups = members(labels)
    known = [rows for label, rows in groups.items() if label != "" and len(rows) > 1]
    return known if len(groups) > 1 else []


def members(labels: Sequence[Hashable]) -> dict[Hashable, Int[np.ndarray, " rows"]]:
    """The rows that carry each label, labels in the order in which they first appear."""
    rows: dict[Hashable, list[int]] = {}
    for row, label in enumerate(labels):
        rows.setdefault(label, []).append(row)
    return {label: np.array(found) for label, found in rows.items()}


def _beaten(c: Float[np.ndarray, "n n"]) -> Int[np.ndarray, "n n"]:
    """How many candidates of row ``i`` are strictly less similar than candidate ``k``."""
    if len(c) < 2:
        raise ValueError(f"identification among {len(c)} candidates needs at least two")
    if not np.isfinite(c).all():
        raise ValueError("similarities are not finite")
    return rankdata(c, method="min", axis=1).astype(np.int64) - 1


def _standardised(rows: Float[np.ndarray, "n d"], side: str) -> Float[np.ndarray, "n d"]:
    """Rows with mean 0 and length 1, so that their products are Pearson correlations."""
    rows = rows.astype(np.float64)
    bad = ~np.isfinite(rows).all(axis=1)
    if not bad.any():
        bad = np.ptp(rows, axis=1) == 0
    if bad.any():
        first = int(bad.argmax())
        raise ValueError(f"{bad.sum()} of the {side} rows are constant or not finite (first: {first})")
    rows = rows - rows.mean(axis=1, keepdims=True)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def _log_choose(n: Int[np.ndarray, " a"] | int, k: int) -> Float[np.ndarray, " a"] | float:
    return gammaln(np.add(n, 1)) - gammaln(k + 1) - gammaln(np.subtract(n, k) + 1)
