"""Speech in noise: VoiceBank-DEMAND's test pairs, with Speech as the query."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from bench.audio import Mono, Resampled
from bench.datasets.voicebank_demand import VoicebankDemand
from bench.scene import Scene
from bench.shipped.clips import Clip
from bench.shipped.figures import DRAWS, drawn_figure, with_plain_row
from bench.shipped.harness import SEPARATOR, Models, Ran, finished
from bench.shipped.hearing import hear, open_ear
from ontology import Ontology
from reports.aggregate import weighted_mean
from reports.bootstrap import Resampler
from taggers.mini.network import SAMPLE_RATE
from taggers.mini.tagger import WEIGHTS

NOISY: Final = "mixture"
"""Gives back what it is given: its scores are those of the noisy input."""
METRICS: Final = ("ssnr@1", "si_sdri@1", "sdri@1", "sdrg@1")
_SPEECH: Final = "/m/09x0r"
_SOUNDS: Final = 0.5
"""Probability from which a class counts as heard."""


def speech(root: Path, models: Models) -> dict[str, Any]:
    """Means over utterances of what ``mini-uss`` makes of the noisy input and of that input, and their difference.

    ``heard`` says in how many of them ``mini-tagger`` hears Speech, in noise and clean, and what else on average.

    Raises:
        ShippedError: the data or weights are not there, or something failed.
    """
    names = (SEPARATOR, NOISY)
    with finished(models, names=names, data={"voicebank_demand": root}, separators=names, metrics=METRICS) as ran:
        utterances = sorted(ran.recordings)
        resampler = Resampler.of(
            [ran.recordings[name] for name in utterances], names=("voicebank_demand", *utterances), draws=DRAWS
        )
        return {
            "utterances": len(utterances),
            "speakers": sorted({name.partition("_")[0] for name in utterances}),
            "heard": _heard(VoicebankDemand(root).scenes(), models),
        } | {metric: _compared(ran, metric, utterances, resampler) for metric in METRICS}


def _heard(scenes: Iterable[Scene], models: Models) -> dict[str, dict[str, float]]:
    ear = open_ear(models.tagger or WEIGHTS)
    place = ear.classes.index(Ontology.audioset()[_SPEECH].mid)
    found = {}
    sides = [(scene, {"noisy": scene.mixture, "clean": scene.sources[0].signal}) for scene in scenes]
    for side in ("noisy", "clean"):
        clips = [
            Clip(scene.id, (_SPEECH,), tuple(scene.recordings), Resampled(Mono(signals[side]), SAMPLE_RATE).read()[0])
            for scene, signals in sides
        ]
        sounds = hear(ear, clips).probabilities >= _SOUNDS
        others = int(sounds.sum() - sounds[:, place].sum())
        found[side] = {"speech": int(sounds[:, place].sum()), "other_classes_per_utterance": others / len(clips)}
    return found


def _compared(ran: Ran, metric: str, utterances: list[str], resampler: Resampler) -> dict[str, Any]:
    rows = ran.board.outcomes.filter((pl.col("metric") == metric) & pl.col("value").is_not_null())
    table = rows.pivot("separator", index="scene", values="value").drop_nulls().sort("scene")
    places = np.array([utterances.index(name) for name in table["scene"]], dtype=np.int64)
    weights = with_plain_row(resampler)[:, places]
    ours, noisy = (table[name].to_numpy() for name in (SEPARATOR, NOISY))
    sides = {SEPARATOR: ours, "noisy": noisy, "difference": ours - noisy}
    return {name: drawn_figure(weighted_mean(values, weights), resampler, places) for name, values in sides.items()}
