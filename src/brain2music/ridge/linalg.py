"""Dense symmetric kernels, each by the routine that was measured fastest where the array lies.

Where a CPU that is not Intel's has AVX-512, single-precision products go through oneDNN, which torch reaches by a
convolution: MKL and OpenBLAS leave it unused there (AMD EPYC of 2024: 430 GFLOP/s on two cores against 195 and 200).
Elsewhere torch's own product is as fast, and two to three times as fast on flat matrices (Xeon of 2024, 300 × 4,800 by
4,800 × 2,048: 195 against 71; both ways 240 and 210 on large squares). The
eigendecomposition is scipy's ``syevd`` (divide and conquer: a seventh of its default). All else, and everything on a
GPU, is torch's own: OpenBLAS between steps of torch has two sets of threads wait for one another.
"""

import platform
from pathlib import Path

import scipy.linalg
import torch
from jaxtyping import Float
from torch.nn.functional import conv2d

Square = Float[torch.Tensor, "n n"]
TRIANGLE = 8
"""Strips a symmetric product is cut into: 9/16 of the square is worked out."""
SMALL = 1e8
"""Operations below which setting up a convolution costs more than it saves."""


def _made_by_intel() -> bool:
    about = Path("/proc/cpuinfo")
    return "GenuineIntel" in (about.read_text() if about.is_file() else platform.processor())


CONVOLVES = torch.backends.cpu.get_cpu_capability().startswith("AVX512") and not _made_by_intel()
"""Whether products gain by being convolutions."""


def product(A: Float[torch.Tensor, "m k"], B: Float[torch.Tensor, "k n"]) -> Float[torch.Tensor, "m n"]:
    """``A @ B``; ``A`` should be the larger and lie by rows, ``B`` is best a transpose of rows."""
    (m, k), n = A.shape, B.shape[1]
    if not CONVOLVES or A.device.type != "cpu" or A.dtype != torch.float32 or 2.0 * m * n * k < SMALL:
        return A @ B
    pixels = A.contiguous().view(1, 1, m, k).permute(0, 3, 1, 2)
    kernels = B.T.contiguous().view(n, 1, 1, k).permute(0, 3, 1, 2)
    return conv2d(pixels, kernels)[0, :, 0].T


def add_gram(total: Square, rows: Float[torch.Tensor, "n k"]) -> None:
    """``total += rows @ rows.T``; only the *lower* triangle of ``total`` is kept (see ``mirror``)."""
    n = len(rows)
    step = n if rows.device.type != "cpu" else max(-(-n // TRIANGLE), 96)
    for start in range(0, n, step):
        total[start:, start : start + step] += product(rows[start:], rows[start : start + step].T)


def mirror(total: Square) -> None:
    """Copy the lower triangle onto the upper one, in place and in blocks."""
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
