"""A made-up scene of 10 s in which about a quarter of the classes down to depth 3 are active.

No tagger is run, so that the work to be done is the same everywhere. Two labels are loud below each of 24 classes of
depth 2, in 2 s segments of their own choice; these and the classes above them are the active ones: 6 of 7, 24 of 41 and
48 of 251 at depths 1 to 3 of the public code's tree, in 28, 103 and 201 segments. That is how many the public code
found in 10 s with a tagger of random weights whose few classes reach its threshold of 0.2.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import torch

RATE: Final = 32_000
SEGMENT: Final = 2 * RATE
LABELLED: Final = 527
THRESHOLD: Final = 0.2
DEPTHS: Final = (1, 2, 3)

LOUD: Final = ("Cheering", "Happy music", "Ratchet, pawl", "Hammer", "Bang", "Scratch", "Rub", "Crushing",
               "Crumpling, crinkling")  # fmt: skip
"""Labels that are loud in all segments."""
LOUD_BUT_IN: Final = (
    ("Speech", "Wail, moan", "Crowd", "Plucked string instrument", "Harmonica", "Telephone",
     "Smoke detector, smoke alarm"),
    ("Run", "Shuffle", "Dog", "Cat", "Horse", "Goat", "Roaring cats (lions, tigers)", "Insect", "Background music",
     "Lullaby", "Tender music", "Boat, Water vehicle", "Rail transport"),
    ("Finger snapping", "Clapping", "Door", "Hair dryer", "Mechanical fan"),
    ("Breathing", "Sneeze", "Pop music", "Classical music", "Rustling leaves", "Wind noise (microphone)", "Rain",
     "Ocean", "Filing (rasp)"),
    ("Chewing, mastication", "Stomach rumble", "Light engine (high frequency)", "Engine knocking", "Breaking"),
)  # fmt: skip
"""Labels that are loud in all segments but the first, the second, and so on, of every five."""

_GOLDEN: Final = (5**0.5 - 1) / 2


def probabilities(segments: int) -> torch.Tensor:
    """What a tagger might say, float32 ``(segments, 527)``: 0.25 to 0.85 for what is loud, else up to 0.011."""
    from ontology import Ontology

    spread = np.arange(segments * LABELLED).reshape(segments, LABELLED) * _GOLDEN % 1
    heard = 0.001 + 0.01 * spread
    for number in range(segments):
        away = number % len(LOUD_BUT_IN)
        names = [*LOUD, *(name for turn, some in enumerate(LOUD_BUT_IN) if turn != away for name in some)]
        loud = [index for name in names if (index := Ontology.audioset()[name].index) is not None]
        heard[number, loud] = 0.25 + 0.6 * spread[number, loud]
    return torch.from_numpy(heard).float()


def jobs(
    segments: int, *, active: int | None = None, asked: int | None = None
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, int]:
    """The work of separating classes at depths 1 to 3.

    Args:
        segments: of 2 s.
        active: how many of the active classes are asked for, from the top of the tree; all unless told.
        asked: how many classes are asked for, after the active ones such that are not; none of these where only
            ``active`` is told, all where neither is.

    Returns:
        The row of the class among the active ones and the segment of each job, int64 ``(jobs,)``; its condition,
        float32 ``(jobs, 527)``; and how many classes were asked for.
    """
    from ontology import Ontology
    from ontology.first_parents import labelled_below, levels

    heard = probabilities(segments)
    nodes = [node for depth in DEPTHS for node in Ontology.audioset() if levels()[node.mid] == depth]
    below = [list(found) for node in nodes if (found := labelled_below()[node.mid])]
    loud = [labels for labels in below if (heard[:, labels] >= THRESHOLD).any()][:active]
    quiet = [labels for labels in below if not (heard[:, labels] >= THRESHOLD).any()]
    chosen = loud if active is not None and asked is None else (loud + quiet)[:asked]
    masks = torch.zeros(len(chosen), LABELLED, dtype=torch.bool)
    for row, labels in enumerate(chosen):
        masks[row, labels] = True
    present = torch.where(masks[:, None], heard, -1.0).amax(dim=-1) >= THRESHOLD
    masks, present = masks[present.any(dim=1)], present[present.any(dim=1)]
    class_of, segment_of = present.nonzero().unbind(1)
    return class_of, segment_of, torch.where(masks[class_of], heard[segment_of], 0.0), len(chosen)


def audio(segments: int) -> torch.Tensor:
    """Noise of a pink tilt under tones that rise: float32 ``(segments, 64000)``, -20 dBFS or so."""
    samples = segments * SEGMENT
    spectrum = np.fft.rfft(np.random.default_rng(7).standard_normal(samples))
    noise = np.fft.irfft(spectrum / np.sqrt(1 + np.arange(len(spectrum))), n=samples)
    t = np.arange(samples) / RATE
    tones = sum(np.sin(2 * np.pi * pitch * t * (1 + t / 40)) / order for order, pitch in enumerate((110, 440, 1700), 1))
    return torch.from_numpy(0.1 * noise / noise.std() + 0.05 * tones).float().reshape(segments, SEGMENT)
