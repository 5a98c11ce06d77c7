"""Least-squares filters from correlations: the distortion that BSS Eval allows an estimate."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from scipy.linalg import lapack


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

    Solved by Cholesky factorisation, where that breaks down by LU, and where that finds the system singular in the
    sense of least squares and least norm. Without the first step this is what museval and mir_eval do.

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
        solution, info = torch.linalg.solve_ex(_toeplitz(among, ridge), right)
        if info or not solution.isfinite().all():
            solution = _by_eigenvalues(_toeplitz(among, 0.0), right)
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


def _by_eigenvalues(matrix: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """The solution of least norm in the sense of least squares, with numpy's cut-off for what counts as zero."""
    values, vectors = torch.linalg.eigh(matrix)
    least = torch.finfo(torch.float64).eps * len(matrix) * values.abs().max()
    weights = torch.where(values.abs() > least, 1 / values, 0.0)
    return vectors @ (weights[:, None] * (vectors.T @ right))
