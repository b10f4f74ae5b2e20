"""Dense symmetric kernels, each by the routine that was measured fastest where the array lies.

On the CPU the symmetric product is ``ssyrk`` (twice torch's general product), the eigendecomposition LAPACK's
``syevd`` (divide and conquer: a seventh of scipy's default), the Cholesky factor ``potrf``. On a GPU torch's own.
"""

import numpy as np
import scipy.linalg
import torch
from jaxtyping import Float

Square = Float[torch.Tensor, "n n"]


def add_gram(total: Square, block: Float[torch.Tensor, "n k"]) -> None:
    """``total += block @ block.T``; on the CPU only the *upper* triangle of ``total`` is kept (see ``mirror``)."""
    if total.device.type == "cpu":
        syrk = scipy.linalg.blas.get_blas_funcs("syrk", dtype=total.numpy().dtype)
        syrk(1.0, block.numpy().T, beta=1.0, c=total.numpy().T, trans=1, lower=1, overwrite_c=1)
    else:
        total.addmm_(block, block.T)


def mirror(total: Square) -> None:
    """Copy the upper triangle onto the lower one, in place and in blocks."""
    n, step = len(total), 512
    for start in range(0, n, step):
        stop = min(start + step, n)
        corner = total[start:stop, start:stop]
        corner.copy_(corner.triu() + corner.triu(1).T)
        total[stop:, start:stop] = total[start:stop, stop:].T


def gram(A: Float[torch.Tensor, "k n"]) -> Square:
    """``A.T @ A``, symmetric to the last bit; ``A`` may be a slice of columns."""
    if A.device.type != "cpu":
        return A.T @ A
    columns = A.numpy()
    return torch.from_numpy(np.matmul(columns.T, columns))


def eigh(A: Square) -> tuple[Float[torch.Tensor, " n"], Square]:
    """Ascending eigenvalues and eigenvectors (columns) of a symmetric matrix, which is overwritten."""
    if A.device.type != "cpu":
        return torch.linalg.eigh(A)
    values, vectors = scipy.linalg.eigh(A.numpy().T, driver="evd", overwrite_a=True, check_finite=False)
    return torch.from_numpy(values), torch.from_numpy(vectors)


def solve_spd(A: Square, B: Float[torch.Tensor, "n k"]) -> Float[torch.Tensor, "n k"]:
    """``A⁻¹ B`` for a symmetric positive definite ``A``, which is overwritten.

    Raises ``FloatingPointError`` when ``A`` is not positive definite in its own precision.
    """
    if A.device.type != "cpu":
        factor, info = torch.linalg.cholesky_ex(A)
        if info.any():
            raise FloatingPointError("not positive definite")
        return torch.cholesky_solve(B, factor)
    potrf, potrs = scipy.linalg.lapack.get_lapack_funcs(("potrf", "potrs"), dtype=A.numpy().dtype)
    factor, info = potrf(A.numpy().T, lower=True, overwrite_a=True, clean=False)
    if info:
        raise FloatingPointError("not positive definite")
    solution, _ = potrs(factor, B.numpy(), lower=True)
    return torch.from_numpy(solution)
