"""A few figures that any machine can measure anew within seconds, to tell that a checkpoint is the one it should be."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from bench.datasets import rendered
from bench.datasets.base import DatasetError
from bench.shipped.clips import Clip, fold_clips, levelled, table_clips
from bench.shipped.detection import detection
from bench.shipped.figures import ShippedError
from bench.shipped.hearing import Ear, hear
from bench.shipped.separation import crossed_rows
from ontology import Ontology, Target
from separators.adapt import extract
from separators.base import Context, Query, Separator
from taggers.mini.network import SAMPLE_RATE

SHARE: Final = 0.05
"""Of the rendered clips: the first ones of each recipe."""
TABLES: Final = ("held_out", "songs")
PAIRS: Final = 4


def make_clips(folder: Path) -> dict[str, list[Clip]]:
    """The clips of :data:`TABLES` among the first :data:`SHARE` of the rendered ones, made in ``folder``.

    Raises:
        ShippedError: they cannot be made here; the message is the remedy.
    """
    try:
        made = rendered.make(folder, share=SHARE)
    except DatasetError as error:
        raise ShippedError(str(error)) from error
    return {table: table_clips(made, table) for table in TABLES}


def spot_tagger(ear: Ear, clips: dict[str, list[Clip]]) -> dict[str, Any]:
    """By table mAP and mean F1, and the mean probabilities of what sounds and of what does not."""
    found = {}
    for table, these in clips.items():
        heard = hear(ear, these)
        judged = detection([heard], name=f"spot {table}")
        found[table] = {
            "clips": len(these),
            "map": judged["map"]["value"],
            "f1": judged["f1"]["value"],
            "where_it_sounds": float(heard.probabilities[heard.truth == 1].mean()),
            "where_it_does_not": float(heard.probabilities[heard.truth == 0].mean()),
        }
    return found


def spot_separator(separator: Separator, pairs: Sequence[tuple[Clip, Clip]]) -> dict[str, Any]:
    """Mean SDRi and SDRg over both sources of mixtures of two clips at 0 dB, rightly and wrongly asked for.

    Meant for a separator that computes in float32: bfloat16 rounds differently from machine to machine.
    """
    rows = [row for pair in pairs for row in _scored(separator, pair)]
    names = [name for name in rows[0] if name not in ("scene", "label")]
    return {"mixtures": len(pairs)} | {name: float(np.mean([row[name] for row in rows])) for name in names}


def held_out_pairs(clips: dict[str, list[Clip]]) -> list[tuple[Clip, Clip]]:
    """The first held-out clip of each class with that of the next one, each in one pair only."""
    single = {clip.mids[0]: clip for clip in reversed(clips["held_out"]) if len(clip.mids) == 1}
    ordered = [single[mid] for mid in sorted(single)]
    return list(zip(ordered[0::2], ordered[1::2], strict=False))[:PAIRS]


def fold_pairs(root: Path) -> list[tuple[Clip, Clip]]:
    """The first pairs of ESC's fold 4, as its data set makes them.

    Raises:
        ShippedError: the fold is not there.
    """
    clips = fold_clips(root)
    return list(zip(clips[0::2], clips[1::2], strict=True))[:PAIRS]


def _scored(separator: Separator, pair: tuple[Clip, Clip]) -> list[dict[str, Any]]:
    samples = min(len(clip.audio) for clip in pair)
    sources = [levelled(clip.audio[:samples])[None] for clip in pair]
    mixture = sources[0] + sources[1]
    targets = [Target(Ontology.audioset()[clip.mids[0]].name, clip.mids) for clip in pair]
    queries = tuple(Query(target) for target in targets)
    with torch.inference_mode():
        estimates = extract(separator, mixture, SAMPLE_RATE, queries, context=Context()).audio
    labels = [target.label for target in targets]
    return crossed_rows("+".join(labels), labels, estimates, sources, mixture)
