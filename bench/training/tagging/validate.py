"""Validation and test of a tagger: on single clips, and on mixtures of two."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from bench.training.clips import TrainingClip
from bench.training.store import ClipStore
from bench.training.tagging.figures import Figures, figures
from bench.training.tagging.listening import listen, pairs, singles
from bench.training.tagging.training import TaggerTraining


@dataclass(frozen=True)
class Outcome:
    """Figures on single clips and on mixtures of two at 0 dB."""

    single: Figures
    pair: Figures

    def plain(self) -> dict[str, Any]:
        """JSON-ready: the means, then all figures of both."""
        means = {
            "map": self.single.mean_average_precision,
            "accuracy": self.single.accuracy,
            "map_of_two": self.pair.mean_average_precision,
        }
        return {**means, "single": self.single.plain(), "pair": self.pair.plain()}

    def line(self) -> str:
        """The means, in one line."""
        named = (
            ("mAP", self.single.mean_average_precision),
            ("accuracy", self.single.accuracy),
            ("mAP of two at once", self.pair.mean_average_precision),
        )
        told = ", ".join(f"{name} {value:.3f}" for name, value in named if value is not None)
        return f"{told or 'nothing is defined'} ({self.single.items} clips, {self.pair.items} mixtures)"

    def table(self) -> str:
        """Average precision by class as lines of text, the whole set last."""
        rows: list[tuple[str, ...]] = [("class", "alone", "two at once")]
        for name in sorted(self.single.classes.keys() | self.pair.classes.keys()):
            rows.append((name, *(_told(each.classes.get(name)) for each in (self.single, self.pair))))
        rows.append(("all", *(_told(each.mean_average_precision) for each in (self.single, self.pair))))
        rows.append(("95 % interval", *(_bounds(each) for each in (self.single, self.pair))))
        rows.append(("accuracy", _told(self.single.accuracy), "-"))
        wide = max(len(row[0]) for row in rows)
        return "\n".join(f"{row[0]:<{wide}}" + "".join(f"  {cell:>16}" for cell in row[1:]) for row in rows)


def _told(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _bounds(made: Figures) -> str:
    interval = made.interval
    return "-" if interval is None or interval.low is None else f"{interval.low:.3f} to {interval.high:.3f}"


class TagValidation:
    """Clips to judge a tagger on."""

    def __init__(
        self, clips: Sequence[TrainingClip], *, sample_rate: int, memory_bytes: float, limit: int | None
    ) -> None:
        """Take every n-th of ``clips``, so that at most ``limit`` are left."""
        self._clips = clips[:: -(-len(clips) // limit)] if limit and clips else clips
        self._store = ClipStore(self._clips, sample_rate=sample_rate, memory_bytes=memory_bytes)

    @property
    def unreadable(self) -> list[str]:
        """Why clips met so far cannot be used."""
        return list(self._store.broken.values())

    def __len__(self) -> int:
        return len(self._clips)

    def check(
        self, trainable: TaggerTraining, *, intervals: bool = False, tell: Callable[[str], None] | None = None
    ) -> Outcome:
        """Listen to all clips and mixtures."""
        return Outcome(
            *(
                figures(listen(trainable, items, tell=tell), intervals=intervals)
                for items in (singles(self._clips, self._store), pairs(self._clips, self._store))
            )
        )
