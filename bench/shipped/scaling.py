"""Data and model size against what was reached: runs of ``stemtree train``, side by side."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean, median
from typing import Any, Final

import yaml

from bench.shipped.figures import ShippedError
from bench.training.card import CARD
from bench.training.journal import LOG, read
from bench.training.tagging.run import TEST

_SETS: Final = {"single": "single clips", "pair": "two at 0 dB"}
_GAINS: Final = {"sdri": "SDRi", "sdrg": "SDRg"}


def scaling(runs: Sequence[Path]) -> list[dict[str, Any]]:
    """One row per run: family, clips, parameters, steps and figures of its test, fewest clips and parameters first.

    Of a tagger these are mAP on single clips and on mixtures, of a separator the means over classes of the median SDRi
    and SDRg. They are those of the run's own test, whose queries are heard in clips of its training, and not in the
    mixture as ``mini-uss`` does.

    Raises:
        ShippedError: a folder holds no run that was trained and tested to its end.
    """
    rows = [_row(folder) for folder in runs]
    return sorted(rows, key=lambda row: (row["family"], row["clips"], row["parameters"], row["run"]))


def _row(folder: Path) -> dict[str, Any]:
    try:
        card = yaml.safe_load((folder / CARD).read_text(encoding="utf-8"))
        test = _tagger(folder / TEST) if (folder / TEST).is_file() else _separator(folder / LOG)
        row = {
            "run": folder.name,
            "family": card["card"]["family"],
            "clips": sum(len(source["clips"]) for source in card["sources"]),
            "parameters": card["card"]["parameters"],
            "steps": card["settings"]["steps"],
            "test": test,
        }
    except OSError as error:
        raise ShippedError(f"{folder}: holds no run of `stemtree train` ({error.filename} is not there)") from error
    except (KeyError, TypeError, ValueError, yaml.YAMLError) as error:
        raise ShippedError(f"{folder}: its card, test or log cannot be read ({error}); train it anew") from error
    if not test:
        raise ShippedError(f"{folder}: was not tested; train it to its end, on data with a test split")
    return row


def _tagger(path: Path) -> dict[str, Any]:
    tests = json.loads(path.read_text(encoding="utf-8"))
    return {
        f"{name}: mAP, {title}": {"value": one["mean_average_precision"], **_bounds(one.get("interval"))}
        for name, outcome in tests.items()
        for part, title in _SETS.items()
        for one in (outcome[part],)
    }


def _bounds(interval: Mapping[str, Any] | None) -> dict[str, Any]:
    return {side: interval[side] if interval else None for side in ("low", "high")}


def _separator(path: Path) -> dict[str, Any]:
    tested = [record for record in read(path) if record["kind"] == "test"]
    if not tested:
        return {}
    last = tested[-1]
    return {
        f"{last['split']}: {title}": {"value": fmean(medians), "low": None, "high": None}
        for name, title in _GAINS.items()
        if (medians := _medians(last["scores"], name))
    }


def _medians(scores: Sequence[Mapping[str, Any]], name: str) -> list[float]:
    found: dict[str, list[float]] = {}
    for score in scores:
        if score[name] is not None:
            found.setdefault(score["label"], []).append(score[name])
    return [median(values) for values in found.values()]
