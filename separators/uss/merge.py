"""Which conditions of one segment need work of their own."""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Groups:
    """A partition of the conditions of one segment."""

    members: list[list[int]]
    """Rows of each group; the first is the one that all are computed as."""
    farthest: tuple[int, int] | None
    """Of all rows, the one that is farthest from the first of its group, and that first; None where all are equal."""
    distance: float
    """Between these two; 0 where all are equal."""


def equal(conditions: torch.Tensor) -> Groups:
    """Put together rows of ``(conditions, dimensions)`` that are equal in every bit of their values."""
    return Groups(_equal(conditions), None, 0.0)


def within(tolerance: float, conditions: torch.Tensor, effects: torch.Tensor) -> Groups:
    """Put together rows whose effects differ by no more than ``tolerance``.

    The rows are gone through by falling sum of the condition (for probabilities: the most probable first; equal sums by
    value), and each joins the nearest first of a group within reach or becomes the first of a new one. So the groups do
    not depend on the order of the rows, and no row is farther than ``tolerance`` from what it is computed as.

    Args:
        tolerance: largest Euclidean distance.
        conditions: ``(conditions, dimensions)``.
        effects: ``(conditions, features)``, equal for equal conditions.
    """
    alike = _equal(conditions)
    firsts = [rows[0] for rows in alike]
    distances = torch.cdist(
        effects[firsts].double(), effects[firsts].double(), compute_mode="donot_use_mm_for_euclid_dist"
    )
    order = conditions[firsts].double().sum(dim=1).argsort(descending=True, stable=True).tolist()
    centres: list[int] = []
    joined: dict[int, list[int]] = {}
    farthest, distance = None, 0.0
    for one in order:
        away = distances[one, centres]
        nearest = int(away.argmin()) if centres else None
        if nearest is None or away[nearest] > tolerance:
            centres.append(one)
            joined[one] = list(alike[one])
            continue
        centre = centres[nearest]
        joined[centre] += alike[one]
        if away[nearest] > distance:
            farthest, distance = (firsts[one], firsts[centre]), float(away[nearest])
    return Groups(list(joined.values()), farthest, distance)


def _equal(conditions: torch.Tensor) -> list[list[int]]:
    """Groups of equal rows, in the order of their values."""
    distinct, which = torch.unique(conditions, dim=0, return_inverse=True)
    groups: list[list[int]] = [[] for _ in range(len(distinct))]
    for row, group in enumerate(which.tolist()):
        groups[group].append(row)
    return groups
