"""Conditions made of labels alone: 1 for each labelled class at or below the one asked for, 0 for all others.

They mark what a query by classes leaves of a tagger's clip probabilities (``taggers.query_nets.class_mask``), without
the probabilities, so that a separator can be trained and asked where no tagger is at hand.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch

from ontology import Ontology
from taggers.query_nets import class_mask


def label_condition(mids: Iterable[str], *, trained: Iterable[str] | None = None) -> torch.Tensor:
    """The condition that asks for the classes ``mids``: float32 ``(527,)`` of zeros and ones.

    Args:
        mids: classes by mid or name.
        trained: classes that the separator was trained on (``Description.classes``): only what lies at or below one of
            them is marked, as the weights of all other classes were never learnt. None marks everything.

    Raises:
        KeyError: the ontology has no such class; the message has the nearest names.
        ValueError: nothing would be marked, so that the classes cannot be asked for; the message names them.
    """
    asked = list(mids)
    mask = class_mask(asked)
    if trained is not None:
        mask &= class_mask(trained)
    if not mask.any():
        ontology = Ontology.audioset()
        names = ", ".join(ontology[mid].name for mid in asked) or "no class"
        why = "has no label in AudioSet" if trained is None else "was not among the classes of its training"
        raise ValueError(f"{names} {why}: labels cannot ask for it")
    return mask.float()
