"""Matrix products and factorisations, each computed by the routine that is fastest on the array's device.

On a CPU, large single-precision products use torch's own routine or oneDNN's, which torch calls for convolutions;
symmetric ones use strips of these or OpenBLAS's ``syrk``. Which is faster differs between processors by up to a factor
of two, and so is measured (``_routines.py``). Small products are torch's: with OpenBLAS between steps of torch, two
sets of threads wait for each other. The eigendecomposition is scipy's ``syevd`` (divide and conquer: a seventh of the
time of its default). Everything on a GPU is torch's own.
"""

from collections.abc import Iterator
from functools import cache

import scipy.linalg
import scipy.linalg.blas
import torch
from jaxtyping import Float
from torch.nn.functional import conv2d

from ._routines import fastest

Square = Float[torch.Tensor, "n n"]
TRIANGLE = 8
"""Strips that a symmetric product is cut into: 9/16 of the square is computed."""
SMALL = 1e8
"""Operations below which setting up a convolution costs more than it saves."""
LARGE = 2e10
"""Operations of a symmetric product from which a second set of threads is worth starting: a tenth of a second."""
THIN = 256
"""A product with a side shorter than this is thin: libraries differ more there than where all sides are long."""


def product(A: Float[torch.Tensor, "m k"], B: Float[torch.Tensor, "k n"]) -> Float[torch.Tensor, "m n"]:
    """``A @ B``, fastest when ``A`` is the larger and contiguous and ``B`` the transpose of a contiguous matrix."""
    (m, k), n = A.shape, B.shape[1]
    if A.device.type != "cpu" or A.dtype != torch.float32 or 2.0 * m * n * k < SMALL:
        return A @ B
    return _convolved(A, B) if _convolves(min(m, k, n) < THIN, torch.get_num_threads()) else A @ B


def add_gram(total: Square, rows: Float[torch.Tensor, "n k"]) -> None:
    """``total += rows @ rows.T``; only the *lower* triangle of ``total`` is right afterwards (see ``mirror``)."""
    n, k = rows.shape
    if rows.device.type != "cpu":
        total += rows @ rows.T
    elif 2.0 * n * n * k >= LARGE and _by_syrk(rows.dtype, torch.get_num_threads()):
        _add_by_syrk(total, rows)
    else:
        _add_by_strips(total, rows)


def _convolved(A: Float[torch.Tensor, "m k"], B: Float[torch.Tensor, "k n"]) -> Float[torch.Tensor, "m n"]:
    (m, k), n = A.shape, B.shape[1]
    pixels = A.contiguous().view(1, 1, m, k).permute(0, 3, 1, 2)
    kernels = B.T.contiguous().view(n, 1, 1, k).permute(0, 3, 1, 2)
    return conv2d(pixels, kernels)[0, :, 0].T


def _add_by_strips(total: Square, rows: Float[torch.Tensor, "n k"]) -> None:
    for strip in _strips(len(rows)):
        total[strip.start :, strip] += product(rows[strip.start :], rows[strip].T)


def _add_by_syrk(total: Square, rows: Float[torch.Tensor, "n k"]) -> None:
    """With BLAS, for which rows are columns and the lower triangle is the upper one."""
    syrk = scipy.linalg.blas.ssyrk if rows.dtype == torch.float32 else scipy.linalg.blas.dsyrk
    found = torch.from_numpy(syrk(1.0, rows.contiguous().numpy().T, trans=1).T)
    for strip in _strips(len(rows)):
        total[strip.start :, strip] += found[strip.start :, strip]


def _strips(n: int) -> Iterator[slice]:
    step = max(-(-n // TRIANGLE), 96)
    return (slice(start, min(start + step, n)) for start in range(0, n, step))


@cache
def _convolves(thin: bool, threads: int) -> bool:
    """Whether products of this shape are faster as convolutions, on this number of threads."""
    if not torch.backends.mkldnn.is_available():
        return False
    side, inner = (2048, 192) if thin else (1024, 1536)
    A, B = torch.ones(side, inner), torch.ones(side, inner).T
    routines = {"torch": lambda: A @ B, "convolution": lambda: _convolved(A, B)}
    return fastest("thin product" if thin else "product", routines) == "convolution"


@cache
def _by_syrk(dtype: torch.dtype, threads: int) -> bool:
    """Whether symmetric products are faster with ``syrk`` than in strips, on this number of threads."""
    rows = torch.ones(1536, 2048, dtype=dtype)
    total = torch.zeros(len(rows), len(rows), dtype=dtype)
    routines = {"strips": lambda: _add_by_strips(total, rows), "syrk": lambda: _add_by_syrk(total, rows)}
    return fastest(f"symmetric product in {str(dtype).removeprefix('torch.')}", routines) == "syrk"


def mirror(total: Square) -> None:
    """Copy the lower triangle to the upper one, in place and in blocks."""
    n, step = len(total), 512
    for start in range(0, n, step):
        stop = min(start + step, n)
        corner = total[start:stop, start:stop]
        corner.copy_(corner.tril() + corner.tril(-1).T)
        total[start:stop, stop:] = total[stop:, start:stop].T


def gram(rows: Float[torch.Tensor, "n k"]) -> Square:
    """``rows @ rows.T``, symmetric to the last bit."""
    total = rows.new_zeros(len(rows), len(rows))
    add_gram(total, rows.contiguous())
    mirror(total)
    return total


def eigh(A: Square) -> tuple[Float[torch.Tensor, " n"], Square]:
    """Ascending eigenvalues and eigenvectors (columns) of a symmetric matrix, which is overwritten."""
    if A.device.type != "cpu":
        return torch.linalg.eigh(A)
    values, vectors = scipy.linalg.eigh(A.numpy().T, driver="evd", overwrite_a=True, check_finite=False)
    return torch.from_numpy(values), torch.from_numpy(vectors)


def solve_spd(A: Square, B: Float[torch.Tensor, "n k"]) -> Float[torch.Tensor, "n k"]:
    """``A⁻¹ B`` for a symmetric positive definite ``A``.

    Raises ``FloatingPointError`` when ``A`` is not positive definite in its own precision.
    """
    factor, info = torch.linalg.cholesky_ex(A)
    if info.any():
        raise FloatingPointError("not positive definite")
    return torch.cholesky_solve(B, factor)
