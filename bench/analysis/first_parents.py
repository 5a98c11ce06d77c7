"""The scores that the public USS code judges classes by, in the tree that it makes of the ontology."""

from __future__ import annotations

import numpy as np

from ontology import Ontology
from ontology.first_parents import labelled_below
from taggers.timeline import Timeline


def scores(timeline: Timeline) -> np.ndarray:
    """Highest clipwise probability at or below each class of the tree, ``(segments, 632)``.

    Classes that the tagger does not tell play no part; NaN where none at or below is labelled and told.

    Raises:
        ValueError: the timeline has no clipwise output.
    """
    if timeline.clipwise is None:
        raise ValueError(
            "the rules of uss go by a tagger's probabilities of AudioSet's 527 labelled classes, and this tagger gives "
            "none; take panns, or the rules of stemtree"
        )
    clipwise = timeline.clipwise.numpy()
    onto = Ontology.audioset()
    rows = {node.index: node.row for node in onto if node.index is not None}
    highest = np.full((len(clipwise), len(onto)), np.nan, dtype=np.float32)
    for node in onto:
        indices = [index for index in labelled_below()[node.mid] if timeline.known[rows[index]]]
        if indices:
            highest[:, node.row] = clipwise[:, indices].max(axis=1)
    return highest
