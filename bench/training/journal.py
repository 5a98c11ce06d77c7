"""The log of a run as JSON lines, and what is drawn and tabled from it."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from bench.training.scores import Summary

LOG: Final = "log.jsonl"
CURVE: Final = "curve.svg"
_CURVES: Final = (
    ("sdri", "SDRi", "o-"),
    ("half", "SDRi of half the mixture", "x--"),
    ("sdrg", "SDRg", "s-"),
    ("wrong", "SDRi, wrong class", "^-"),
)
_TAGGER_CURVES: Final = (
    ("map", "mAP", "o-"),
    ("accuracy", "accuracy", "x--"),
    ("map_of_two", "mAP, two at once", "s-"),
)


class Journal:
    """Appends records to ``log.jsonl``; each has its ``step`` and its ``kind``."""

    def __init__(self, out: Path, *, done: int) -> None:
        """Open the log of the run in ``out`` after ``done`` steps; what a run noted beyond them is dropped."""
        self._path = out / LOG
        kept = [record for record in self.records() if record["step"] <= done] if done else []
        self._path.write_text("".join(json.dumps(record) + "\n" for record in kept), encoding="utf-8")
        self._since = time.monotonic(), time.process_time()

    def write(self, step: int, kind: str, **fields: Any) -> None:
        """Add one record.

        Raises:
            ValueError: a figure is not finite, which JSON has no word for.
        """
        line = json.dumps({"step": step, "kind": kind, **fields}, allow_nan=False)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def write_time(self, step: int) -> None:
        """Note what was spent since this was last called, or since the log was opened: wall and processor seconds."""
        now = time.monotonic(), time.process_time()
        wall, cpu = (round(after - before, 2) for after, before in zip(now, self._since, strict=True))
        self.write(step, "time", wall_seconds=wall, cpu_seconds=cpu)
        self._since = now

    def records(self) -> list[dict[str, Any]]:
        """All records so far."""
        return read(self._path)


def read(path: Path) -> list[dict[str, Any]]:
    """The records of a log, none where there is no file; a line that was cut off is passed over."""
    if not path.is_file():
        return []
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


def draw(records: Sequence[dict[str, Any]], path: Path) -> None:
    """Draw loss and validation over the steps as an SVG."""
    from matplotlib.figure import Figure

    losses = [record for record in records if record["kind"] == "loss"]
    checks = [record for record in records if record["kind"] == "validation"]
    figure = Figure(figsize=(8, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.plot([record["step"] for record in losses], [record["loss"] for record in losses], linewidth=1)
    left.set(xlabel="step", ylabel="loss", title="Training", yscale="log")
    tagger = any("map" in record for record in checks)
    for key, label, style in _TAGGER_CURVES if tagger else _CURVES:
        points = [(record["step"], record[key]) for record in checks if record.get(key) is not None]
        if points:
            right.plot(*zip(*points, strict=True), style, markersize=4, linewidth=1, label=label)
    right.axhline(0, linewidth=0.8, color="0.5")
    right.set(xlabel="step", ylabel="share" if tagger else "dB, median over pairs", title="Validation")
    if right.get_legend_handles_labels()[0]:
        right.legend(frameon=False)
    figure.savefig(path, format="svg")


def table(summary: Summary) -> str:
    """Scores by class as lines of text, the whole set last; beside SDRi, what half the mixture earns as it is."""
    rows = [("class", "pairs", "SDRi", "of half", "SDRg", "wrong class")]
    for line in (*summary.classes, summary.whole):
        figures = ("-" if value is None else f"{value:.2f}" for value in (line.sdri, line.half, line.sdrg, line.wrong))
        rows.append((line.label, str(line.pairs), *figures))  # type: ignore[arg-type]
    wide = max(len(row[0]) for row in rows)
    return "\n".join(f"{row[0]:<{wide}}" + "".join(f"  {cell:>11}" for cell in row[1:]) for row in rows)
