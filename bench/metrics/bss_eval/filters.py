"""Least-squares filters from correlations: the distortion that BSS Eval allows an estimate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import torch
from scipy.linalg import lapack

_ROUNDING: Final = 1e-3
"""Share of a projection's energy up to which rounding is borne with, as museval and mir_eval bear with any."""
_SPANNED: Final = 1e-8
"""Share of the greatest energy under which what is left of a delayed signal counts as nothing: high enough over
float64's 2e-16 times a few thousand rows, and 80 dB down."""


def independent(lags: torch.Tensor) -> list[int]:
    """Which of the signals are neither silent nor a copy of one before them; together they span what all of them span.

    Args:
        lags: correlations among the signals, ``(A, A, L)``.
    """
    energies = lags[..., 0].diagonal()
    kept: list[int] = []
    for index in range(len(lags)):
        silent = bool(energies[index] == 0)
        # The correlations with a copy are the same to the last bit, because they are made of the same operations.
        if not silent and not any(torch.equal(lags[index], lags[other]) for other in kept):
            kept.append(index)
    return kept


def project(lags: torch.Tensor, rows: Sequence[int], columns: Sequence[int], *, ridge: float) -> torch.Tensor:
    """Filters h that bring the sum of h_a * s_a over the signals ``rows`` nearest to each signal of ``columns``.

    Solved by Cholesky factorisation, and where that breaks down by LU as in museval and mir_eval. Where LU finds the
    system singular too, or its result does not solve it, so that theirs is rounding noise, the filters are zero on
    those delayed signals that the others span already, to 80 dB under the loudest.

    Args:
        lags: correlations ``(A, A + B, L)`` as :func:`bench.metrics.bss_eval.correlations.correlations` gives them.
        rows: which signals of the first axis to filter.
        columns: which signals of the second axis to come near.
        ridge: added to the diagonal of the system.

    Returns:
        float64 ``(len(rows), L, len(columns))``; NaN in columns that are not finite.
    """
    chosen = list(rows)
    among, wanted = lags[chosen][:, chosen], lags[chosen][:, list(columns)].transpose(1, 2)
    right = wanted.reshape(-1, len(columns))
    sound = right.isfinite().all(dim=0)  # a broken estimate has no filters, and must not decide on how to solve
    right = right.where(sound, 0.0)
    solution = _by_cholesky(_toeplitz(among, ridge, lower=False), right)
    if solution is None:
        solution = _by_elimination(among, ridge, right)
    if solution is None:
        solution = _by_independent_rows(_toeplitz(among, 0.0), right)
    return solution.where(sound, torch.nan).reshape(wanted.shape)


def _toeplitz(lags: torch.Tensor, ridge: float, *, lower: bool = True) -> torch.Tensor:
    """Inner products of all delayed signals, ``(A L, A L)``; the blocks under the diagonal only where ``lower``."""
    count, _, length = lags.shape
    both = torch.cat([lags.transpose(0, 1)[..., 1:].flip(-1), lags], dim=-1)  # lags 1 - L to L - 1
    matrix = torch.empty((count * length, count * length), dtype=torch.float64, device=lags.device)
    blocks = matrix.view(count, length, count, length)
    for row in range(count):
        for column in range(0 if lower else row, count):
            # Delays i of the one and j of the other are i - j apart.
            blocks[row, :, column] = both[row, column].flip(-1).unfold(-1, length, 1).flip(0)
    matrix.diagonal().add_(ridge)
    return matrix


def _by_cholesky(matrix: torch.Tensor, right: torch.Tensor) -> torch.Tensor | None:
    """The solution, None where the matrix is not positive definite in float64; reads and overwrites its upper half."""
    if matrix.is_cuda:
        factor, info = torch.linalg.cholesky_ex(matrix, upper=True)
        return None if info else torch.cholesky_solve(right, factor, upper=True)
    # LAPACK works in place and by columns: there the upper half of our rows is the lower one.
    found, info = lapack.dpotrf(matrix.numpy().T, lower=1, overwrite_a=1, clean=0)
    if info:
        return None
    return torch.from_numpy(lapack.dpotrs(found, right.numpy(), lower=1)[0].copy(order="C"))


def _by_elimination(lags: torch.Tensor, ridge: float, right: torch.Tensor) -> torch.Tensor | None:
    """The solution by LU, None where the matrix is singular or what comes out is no solution."""
    matrix = _toeplitz(lags, ridge)
    *_, found, info = lapack.dgesv(matrix.cpu().numpy(), right.cpu().numpy())
    if info:
        return None
    solution = torch.from_numpy(found).to(right.device)
    # The projection's energy is x.G x = x.b. Near to singular x grows until rounding parts the two, and what is
    # filtered with it has nothing to do with the projection.
    energy, rounding = (solution * right).sum(0), (solution * (matrix @ solution - right)).sum(0)
    return solution if bool((rounding.abs() <= _ROUNDING * energy.abs()).all()) else None


def _by_independent_rows(matrix: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """A solution in the sense of least squares, by Cholesky factorisation with pivots as long as they are large."""
    least = _SPANNED * float(matrix.diagonal().max())
    factor, pivots, rank, _ = lapack.dpstrf(matrix.cpu().numpy().T, lower=1, tol=least)
    rows = torch.from_numpy(pivots[:rank].astype("int64") - 1)
    found = lapack.dpotrs(factor[:rank, :rank], right.cpu()[rows].numpy(), lower=1)[0]
    solution = torch.zeros(right.shape, dtype=torch.float64)
    solution[rows] = torch.from_numpy(found)
    return solution.to(right.device)
