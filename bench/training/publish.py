"""Weights of a finished run as they are shipped: in half precision, beside a card that says how they came to be."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import safetensors
import safetensors.torch
import torch
import yaml

import bench
from bench.training.card import CARD, GENERATED
from bench.training.checkpoints import MODEL
from bench.training.errors import TrainError
from bench.training.journal import LOG, read
from bench.training.scores import Score, summary
from bench.training.tagging.run import CALIBRATION, TEST
from taggers.card import ModelCard

_WRITTEN: Final = ("summary", "paper", "url", "licence", "notes")
"""What somebody may have written into an earlier card, which stays."""


def publish(run: Path, target: Path) -> Path:
    """Write the weights of ``run`` to ``target``, a ``.safetensors`` file, in half precision, and a card beside it.

    The card has the fields of a model card under ``card``, then ``training`` (command, time, machine, settings),
    ``classes``, ``limits``, ``figures`` of the run's own test, and ``sources`` with all clips and their credits.
    Where a card is there already, its limits and what somebody wrote into its ``card`` stay, and so do figures that
    were measured of the very same weights.

    Returns:
        The card's path.

    Raises:
        TrainError: the run left no model or card, or a weight is too large for half precision.
        OSError: a file cannot be written.
    """
    described = _card_of(run / CARD)
    content, classes, step = _halved(run / MODEL)
    before = _card_of(target.with_suffix(".yaml")) if target.with_suffix(".yaml").is_file() else {}
    facts = described["card"] | {"name": target.stem}
    facts |= _written(before.get("card", {}))
    earlier = before.get("card", {}).get("weights") or [{}]
    weights = {
        "url": _place(target),
        "size": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        # Often another than the code's, which stands in the card itself.
        "licence": _written(earlier[0]).get("licence", facts["licence"]),
    }
    same = [one.get("sha256") for one in earlier] == [weights["sha256"]]
    card = {
        "card": ModelCard.model_validate(facts | {"weights": [weights]}).model_dump(mode="json", exclude_none=True),
        "training": {
            "command": described["command"],
            "steps": step,
            "seeds": [described["settings"]["seed"]],
            **_spent(run),
            "machine": _machine(run),
            "settings": described["settings"],
        },
        "classes": classes,
        "limits": before.get("limits", []),
        "figures": ((before.get("figures") or {}) if same else {}) | _rounded(_figures(run)),
        "sources": [{**source, "clips": _grouped(source["clips"])} for source in described["sources"]],
    }
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
    path = target.with_suffix(".yaml")
    path.write_text(yaml.safe_dump(card, sort_keys=False, allow_unicode=True, width=120), encoding="utf-8")
    return path


def _card_of(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise TrainError(f"{path}: cannot be read as a card ({error})".splitlines()[0]) from error
    if not isinstance(content, dict) or not isinstance(content.get("card"), dict):
        raise TrainError(f"{path}: is no card of a model")
    return content


def _written(earlier: Mapping[str, Any]) -> dict[str, str]:
    """What somebody wrote into an earlier card."""
    texts = {name: str(text) for name in _WRITTEN if (text := earlier.get(name))}
    return {name: text for name, text in texts.items() if not text.startswith(GENERATED)}


def _halved(path: Path) -> tuple[bytes, list[str], int]:
    """The file of weights in half precision, the classes that it tells of, and the steps that it was trained for."""
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        described = json.loads(metadata["stemtree"])
    except (OSError, KeyError, ValueError, safetensors.SafetensorError) as error:
        raise TrainError(f"{path}: no weights that a run left ({error}); train first") from error
    for name, value in state.items():
        if value.is_floating_point():
            state[name] = value.half()
            if not torch.isfinite(state[name]).all():
                raise TrainError(f"{path}: {name} is too large for half precision, and cannot be published")
    return safetensors.torch.save(state, metadata), list(described["classes"]), int(described["step"])


def _place(target: Path) -> str:
    """Where the weights lie in the repository, or the bare name of a file elsewhere."""
    root, place = Path(bench.__file__).resolve().parents[1], target.resolve()
    return place.relative_to(root).as_posix() if place.is_relative_to(root) else target.name


def _spent(run: Path) -> dict[str, Any]:
    """Seconds of the run, and of its calibration where it had one."""
    calibration = read(run / CALIBRATION / LOG)
    return {
        "seconds": _seconds(read(run / LOG)),
        **({"calibration_seconds": _seconds(calibration)} if calibration else {}),
    }


def _machine(run: Path) -> dict[str, Any] | None:
    """Where it began, as whoever resumes a finished run trains nothing; None where its log does not say."""
    noted = [record for record in read(run / LOG) if record["kind"] == "machine"]
    return {name: value for name, value in noted[0].items() if name not in ("step", "kind")} if noted else None


def _seconds(records: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    spent = [record for record in records if record["kind"] == "time"]
    return {name: round(sum(one[f"{name}_seconds"] for one in spent), 1) for name in ("wall", "cpu")}


def _figures(run: Path) -> dict[str, Any]:
    """What the run's own test came to."""
    if (run / TEST).is_file():
        tests: dict[str, Any] = json.loads((run / TEST).read_text(encoding="utf-8"))
        return {"test": tests}
    tested = next((record for record in reversed(read(run / LOG)) if record["kind"] == "test"), None)
    if tested is None:
        return {}
    scores = [Score(**{name: _or_nan(value) for name, value in one.items()}) for one in tested["scores"]]
    return {"test": {tested["split"]: summary(scores).plain()}}


def _rounded(figures: dict[str, Any]) -> dict[str, Any]:
    """The same with four digits behind the point, in the plain types that YAML has words for."""
    plain: dict[str, Any] = json.loads(json.dumps(figures), parse_float=lambda text: round(float(text), 4))
    return plain


def _or_nan(value: Any) -> Any:
    return math.nan if value is None else tuple(value) if isinstance(value, list) else value


def _grouped(clips: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Clips of the same labels and credit together, as many are made alike."""
    groups: dict[tuple[Any, ...], list[str]] = {}
    for clip in clips:
        groups.setdefault((tuple(clip["labels"]), clip.get("credit")), []).append(clip["name"])
    return list(_told(groups))


def _told(groups: Mapping[tuple[Any, ...], list[str]]) -> Iterator[dict[str, Any]]:
    for (labels, credit), names in groups.items():
        yield {"labels": list(labels)} | ({"credit": credit} if credit else {}) | {"names": names}
