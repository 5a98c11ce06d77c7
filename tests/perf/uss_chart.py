"""How the cost of universal source separation grows: ``python -m tests.perf.uss_chart SVG`` measures and draws it."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Final

import torch

from separators.uss.engine import Engine
from tests.perf.uss_scene import SEGMENT, audio, jobs
from tests.perf.uss_worker import fixed_model

RATE: Final = 32_000
CLASSES: Final = 2
"""Active classes, where another quantity is varied."""
SECONDS: Final = (2, 4, 10, 20, 40, 60)
ACTIVE: Final = (1, 2, 5, 10, 20, 40, 60)
ASKED: Final = (2, 20, 80, 160, 299)

Points = list[tuple[float, float]]
"""A quantity, and CPU seconds."""


def measure() -> dict[str, Points]:
    """CPU seconds of one thread, from the tagger's probabilities to the last estimate, best of two."""
    torch.set_num_threads(1)
    engine = Engine(fixed_model("rule"))
    _cost(engine, 1, active=1, asked=1)
    return {
        f"length in s ({CLASSES} classes active)": [
            (seconds, _cost(engine, seconds * RATE // SEGMENT, active=CLASSES)) for seconds in SECONDS
        ],
        "active classes (2 s)": [(active, _cost(engine, 1, active=active)) for active in ACTIVE],
        f"classes asked for (2 s, {CLASSES} active)": [
            (asked, _cost(engine, 1, active=CLASSES, asked=asked)) for asked in ASKED
        ],
    }


def draw(curves: dict[str, Points], path: Path) -> None:
    """One panel a quantity; the straight line is the least-squares fit through the points."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot as plt

    figure, panels = plt.subplots(1, len(curves), figsize=(4 * len(curves), 3.2), layout="constrained")
    for panel, (quantity, points) in zip(panels, curves.items(), strict=True):
        x, y = torch.tensor(points, dtype=torch.float64).unbind(1)
        slope, start = torch.linalg.lstsq(torch.stack((x, torch.ones_like(x)), dim=1), y[:, None]).solution[:, 0]
        panel.plot(x, slope * x + start, color="0.7", zorder=1)
        panel.scatter(x, y, zorder=2)
        panel.set(xlabel=quantity, ylim=(0, float(y.max()) * 1.15), xlim=(0, None))
        panel.set_title(f"{round(float(slope), 3) + 0.0:g} CPU s for each", fontsize="medium")
    panels[0].set_ylabel("CPU s, one thread")
    figure.savefig(path, metadata={"Date": None})


def _cost(engine: Engine, segments: int, *, active: int, asked: int | None = None) -> float:
    waveforms, spent = audio(segments), []
    for _ in range(2):
        start = time.process_time()
        _, segment_of, conditions, _ = jobs(segments, active=active, asked=asked)
        for _found in engine.separate(waveforms, segment_of, conditions):
            pass
        spent.append(time.process_time() - start)
    return min(spent)


if __name__ == "__main__":
    draw(measure(), Path(sys.argv[1]))
