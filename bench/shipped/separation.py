"""How well ``mini-uss`` extracts what it is asked for, beside oracles and baselines, and what a wrong query gives."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
import torch

from bench.data import construct
from bench.estimates import estimates_folder, load
from bench.metrics.energy import sdrg, sdri
from bench.scene import Scene
from bench.shipped.clips import TEST_FOLD
from bench.shipped.figures import DRAWS, drawn_figure, with_plain_row
from bench.shipped.harness import SEPARATOR, Models, Ran, finished
from reports.aggregate import AGGREGATIONS
from reports.bootstrap import Resampler
from reports.results import Results

BETTER_PART: Final = "bench.shipped.parts:BetterPart"
OTHERS: Final = ("irm", "gain-oracle", "half", "nmf", "hpss", BETTER_PART, "mixture")
_SHOWN: Final = {BETTER_PART: "hpss, better part"}
COLUMNS: Final = {"sdri": "sdri@1/class-median-mean", "sdrg": "sdrg@1/class-median-mean"}
_RULE: Final = AGGREGATIONS["class-median-mean"]
_METRICS: Final = {"sdri": sdri, "sdrg": sdrg}


def separation(root: Path, models: Models) -> dict[str, Any]:
    """Figures on mixtures of two clips of ESC's fold 4 at 0 dB.

    ``separators`` have SDRi and SDRg: the median within a class, mean over classes, with intervals; ``wrong_query`` the
    same of what ``mini-uss`` gives where the other class of the mixture is asked for, how far it lies below the right
    query, and how many mixtures were ``left_out`` as ``mini-uss`` does not take both of their classes.

    Raises:
        ShippedError: the data or the weights are not there, or something failed.
    """
    names = (SEPARATOR, *OTHERS)
    split = {"split": TEST_FOLD}
    with finished(
        models, names=names, data={"esc50": root}, separators=names, options={"esc50": split}, estimates="keep"
    ) as ran:
        scenes = {scene.id: scene for scene in construct("esc50", root, split).scenes()}
        return {
            "scenes": len(ran.board.scenes),
            "recordings": ran.board.recordings,
            "separators": {_SHOWN.get(name, name): _figures(ran, name) for name in names},
            "wrong_query": _wrong_query(ran, scenes),
        }


def _figures(ran: Ran, name: str) -> dict[str, Any]:
    """Both metrics in all and by class, or why there is nothing to tell."""
    found: dict[str, Any] = {}
    classes: dict[str, dict[str, Any]] = {}
    for metric, column in COLUMNS.items():
        of_it = (pl.col("separator") == name) & (pl.col("column") == column) & pl.col("value").is_not_null()
        for row in ran.board.overall.filter(of_it).to_dicts():
            found[metric] = _told(row)
        for row in ran.board.by_target.filter(of_it).to_dicts():
            classes.setdefault(row["target"], {})[metric] = _told(row)
    if not found:
        said = ran.board.outcomes.filter((pl.col("separator") == name) & pl.col("reason").is_not_null())["reason"]
        return {"note": str(said[0])}
    return found | {"classes": classes}


def _told(row: dict[str, Any]) -> dict[str, Any]:
    kept = {key: row[key] for key in ("value", "low", "high", "note", "measured", "skipped", "imputed", "dropped")}
    return {key: value for key, value in kept.items() if value not in (None, 0) or key in ("value", "low", "high")}


def _wrong_query(ran: Ran, scenes: dict[str, Scene]) -> dict[str, Any]:
    """Each estimate held against the other source of its scene; a scene with a class that was refused is left out."""
    keys = ran.board.cells.filter(pl.col("separator") == SEPARATOR).select("scene", "key")
    crossed = [_crossed(scenes[id], ran.results, key) for id, key in sorted(keys.iter_rows())]
    found = crossed_figures([row for rows in crossed for row in rows], ran.recordings)
    return found | {"left_out": sum(not rows for rows in crossed)}


def _crossed(scene: Scene, results: Results, key: str) -> list[dict[str, Any]]:
    places = tuple(range(len(scene.targets)))
    estimates = load(estimates_folder(results.folder, key), places)
    if estimates is None:
        return []
    references = [scene.reference(target) for target in scene.targets]
    return crossed_rows(
        scene.id, [target.target.label for target in scene.targets], estimates, references, scene.mixture.read()
    )


def crossed_rows(
    scene: str,
    labels: Sequence[str],
    estimates: torch.Tensor,
    references: Sequence[torch.Tensor],
    mixture: torch.Tensor,
) -> list[dict[str, Any]]:
    """SDRi and SDRg of each target of a scene: of its own estimate, and of the estimate of the next target.

    ``estimates`` are ``(targets, channels, samples)``, references and mixture ``(channels, samples)``.
    """
    return [
        {"scene": scene, "label": label}
        | {
            f"{metric}_{query}": float(rule(estimates[(place + step) % len(labels)], references[place], mixture))
            for metric, rule in _METRICS.items()
            for query, step in (("right", 0), ("wrong", 1))
        }
        for place, label in enumerate(labels)
    ]


def crossed_figures(rows: Sequence[dict[str, Any]], recordings: dict[str, list[str]]) -> dict[str, Any]:
    """Of both metrics the figure of a wrong query, and how far that of the right one lies above, by class and in all.

    Only targets of which both queries have a value count; intervals of a difference draw both sides alike.
    """
    scenes = list(dict.fromkeys(row["scene"] for row in rows))
    resampler = Resampler.of([recordings[scene] for scene in scenes], names=("wrong query", *scenes), draws=DRAWS)
    weights = with_plain_row(resampler)
    found: dict[str, Any] = {"classes": {label: {} for label in sorted({row["label"] for row in rows})}}
    labels = list(found["classes"])
    for metric in _METRICS:
        values = np.array([[row[f"{metric}_{query}"] for query in ("right", "wrong")] for row in rows]).reshape(-1, 2)
        defined = np.isfinite(values).all(axis=1)
        codes = np.array([labels.index(row["label"]) for row in rows])
        places = np.array([scenes.index(row["scene"]) for row in rows])
        for label, kept in [(None, defined), *((one, defined & (codes == code)) for code, one in enumerate(labels))]:
            if not kept.any():
                continue
            right, wrong = (_RULE(values[kept, side], codes[kept], weights[:, places[kept]]) for side in (0, 1))
            where = found if label is None else found["classes"][label]
            where[metric] = drawn_figure(wrong, resampler, places[kept])
            where[f"{metric}_right_over_wrong"] = drawn_figure(right - wrong, resampler, places[kept])
    return found
