"""A symmetric matrix reduced to block tridiagonal form by an orthogonal similarity, and the products ridge needs of it.

A = U B Uᵀ, where B has half-width b, needs products of matrices only, unlike an eigendecomposition, and takes about a
fifth of its time. The Cholesky factor of B + αI, its inverse, and their products with k columns take O(n b k)
operations for every new α. Reduction by blocks of Householder reflectors: Bischof, Lang & Sun (2000), ACM TOMS 26, 581;
compact WY form: Schreiber & Van Loan (1989).
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float

from ._linalg import Square, product

BLOCK = 96
"""Rows of a block."""
Columns = Float[torch.Tensor, "n k"]


@dataclass(frozen=True)
class BlockTridiagonal:
    """``A = rotation @ B @ rotation.T``, B block tridiagonal.

    Attributes
    ----------
    rotation : (n, n) orthogonal U.
    diagonal : the symmetric blocks B_ii.
    below : the blocks B_{i+1,i}.
    """

    rotation: Square
    diagonal: tuple[torch.Tensor, ...]
    below: tuple[torch.Tensor, ...]

    @property
    def starts(self) -> list[int]:
        """The first index of every block, and n."""
        sizes = [len(block) for block in self.diagonal]
        return [sum(sizes[:i]) for i in range(len(sizes) + 1)]

    def times(self, Z: Columns, shift: float = 0.0) -> Columns:
        """(B - shift I) Z."""
        out, starts = torch.empty_like(Z), self.starts
        for i, block in enumerate(self.diagonal):
            rows = slice(starts[i], starts[i + 1])
            torch.mm(block, Z[rows], out=out[rows])
            out[rows].sub_(Z[rows], alpha=shift)
            if i:
                out[rows].addmm_(self.below[i - 1], Z[starts[i - 1] : starts[i]])
            if i < len(self.below):
                out[rows].addmm_(self.below[i].T, Z[starts[i + 1] : starts[i + 2]])
        return out

    def times_rows(self, Z: Float[torch.Tensor, "k n"], shift: float = 0.0) -> Float[torch.Tensor, "k n"]:
        """Z (B - shift I)."""
        out, starts = torch.empty_like(Z), self.starts
        for i, block in enumerate(self.diagonal):
            last = min(i + 2, len(self.diagonal))
            near = Z[:, starts[max(i - 1, 0)] : starts[last]]
            column = [block - shift * torch.eye(len(block)).to(block)]
            column = ([self.below[i - 1].T] if i else []) + column + ([self.below[i]] if i < len(self.below) else [])
            out[:, starts[i] : starts[i + 1]] = product(near, torch.cat(column))
        return out

    def factor(self, alpha: float) -> "BlockCholesky":
        """Cholesky factor of B + αI.

        Raises
        ------
        FloatingPointError
            When B + αI is not positive definite in this precision.
        """
        inverses: list[torch.Tensor] = []
        couplings: list[torch.Tensor] = []
        for i, block in enumerate(self.diagonal):
            shifted = block.clone()
            shifted.diagonal().add_(alpha)
            if i:
                lower = self.below[i - 1] @ inverses[-1].T
                shifted.addmm_(lower, lower.T, alpha=-1)
            root, info = torch.linalg.cholesky_ex(shifted)
            if bool(info.any()):
                raise FloatingPointError(f"B + {alpha:g} I is not positive definite in {block.dtype}")
            eye = torch.eye(len(block), dtype=block.dtype, device=block.device)
            inverses.append(torch.linalg.solve_triangular(root, eye, upper=False))
            if i:
                couplings.append(inverses[-1] @ lower)
        return BlockCholesky(tuple(inverses), tuple(couplings), tuple(self.starts))

    def condition(self, alpha: float) -> float:
        """Condition number of B + αI, right to about a tenth; infinite when it has no Cholesky factor."""
        try:
            factor = self.factor(alpha)
        except FloatingPointError:
            return float("inf")
        start = torch.randn(len(self.rotation), 4, generator=torch.Generator().manual_seed(0)).to(self.rotation)
        return _greatest(lambda Z: self.times(Z, -alpha), start) * _greatest(factor.solve, start)


@dataclass(frozen=True)
class BlockCholesky:
    """Cholesky factor L of B + αI: ``inverses`` are L_ii⁻¹, ``couplings`` L_ii⁻¹ L_{i,i-1} (from i = 1)."""

    inverses: tuple[torch.Tensor, ...]
    couplings: tuple[torch.Tensor, ...]
    starts: tuple[int, ...]

    def forward(self, Z: Columns) -> Columns:
        """L⁻¹ Z."""
        out, rows = torch.empty_like(Z, memory_format=torch.contiguous_format), self._rows()
        for i, inverse in enumerate(self.inverses):
            torch.mm(inverse, Z[rows[i]], out=out[rows[i]])
            if i:
                out[rows[i]].addmm_(self.couplings[i - 1], out[rows[i - 1]], alpha=-1)
        return out

    def backward_(self, Z: Columns) -> Columns:
        """L⁻ᵀ Z, in place."""
        rows = self._rows()
        for i in range(len(self.inverses) - 1, -1, -1):
            if i:
                Z[rows[i - 1]].addmm_(self.couplings[i - 1].T, Z[rows[i]], alpha=-1)
            Z[rows[i]] = self.inverses[i].T @ Z[rows[i]]
        return Z

    def forward_rows(self, Z: Float[torch.Tensor, "k n"]) -> Float[torch.Tensor, "k n"]:
        """(L⁻¹ Zᵀ)ᵀ."""
        out, rows = torch.empty_like(Z), self._rows()
        for i, inverse in enumerate(self.inverses):
            if i:
                both = torch.cat([Z[:, rows[i]], out[:, rows[i - 1]]], 1)
                out[:, rows[i]] = product(both, torch.cat([inverse, -self.couplings[i - 1]], 1).T)
            else:
                out[:, rows[i]] = product(Z[:, rows[i]], inverse.T)
        return out

    def backward_rows_(self, Z: Float[torch.Tensor, "k n"]) -> Float[torch.Tensor, "k n"]:
        """(L⁻ᵀ Zᵀ)ᵀ, in place."""
        rows = self._rows()
        for i in range(len(self.inverses) - 1, -1, -1):
            both = torch.cat([self.couplings[i - 1], self.inverses[i]], 1) if i else self.inverses[i]
            moved = product(Z[:, rows[i]], both)
            if i:
                Z[:, rows[i - 1]] -= moved[:, : -len(self.inverses[i])]
            Z[:, rows[i]] = moved[:, -len(self.inverses[i]) :]
        return Z

    def solve(self, Z: Columns) -> Columns:
        """(B + αI)⁻¹ Z."""
        return self.backward_(self.forward(Z))

    def _rows(self) -> list[slice]:
        return [slice(a, b) for a, b in pairwise(self.starts)]


def reduce_to_block_tridiagonal(A: Square, width: int = BLOCK) -> BlockTridiagonal:
    """Reduce a symmetric matrix, which is overwritten."""
    n, reflectors = len(A), []
    for low in range(width, n, width):
        panel, rest = A[low:, low - width : low], A[low:, low:]
        V, VT, R = _householder(panel)
        panel.zero_()
        panel[: len(R)] = R
        W = product(rest, VT)
        W = W - 0.5 * V @ (VT.T @ W)
        rest -= product(torch.cat([V, W], 1), torch.cat([W, V], 1).T)
        reflectors.append((low, V, VT))
    edges = [*range(0, n, width), n]
    diagonal = tuple(_symmetric(A[a:b, a:b]) for a, b in pairwise(edges))
    below = tuple(A[b:c, a:b].clone() for a, b, c in zip(edges[:-2], edges[1:-1], edges[2:], strict=True))
    return BlockTridiagonal(_rotation(A, reflectors), diagonal, below)


def _rotation(A: Square, reflectors: list[tuple[int, torch.Tensor, torch.Tensor]]) -> Square:
    """Product of the reflectors, written over ``A``."""
    A.zero_().diagonal().fill_(1)
    while reflectors:
        low, V, VT = reflectors.pop()
        rest = A[low:, low:]
        rest -= product(product(rest, V), VT.T)
    return A.T.contiguous()


def _householder(panel: Float[torch.Tensor, "m b"]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """QR decomposition in compact WY form: V, V T and R with (I - V T Vᵀ) [R; 0] = panel."""
    packed, tau = torch.geqrf(panel.contiguous())
    R = packed[: len(tau)].triu()
    V = packed[:, : len(tau)].tril(-1)
    V.diagonal().fill_(1)
    unit = tau[:, None] * (V.T @ V).triu(1)
    T = torch.linalg.solve_triangular(unit, torch.diag(tau), upper=True, unitriangular=True)
    return V, V @ T, R


def _symmetric(block: Square) -> Square:
    return (block + block.T) / 2


def _greatest(multiply: Callable[[Columns], Columns], Z: Columns, steps: int = 20) -> float:
    """Greatest eigenvalue of a positive matrix, by power iteration."""
    for _ in range(steps):
        Z = multiply(Z / Z.norm(dim=0).clamp_min(torch.finfo(Z.dtype).tiny))
    return float(Z.norm(dim=0).max())
