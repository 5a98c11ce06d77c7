"""One contestant of the comparison in a process of its own: ``python -m tests.perf.uss_worker CONTESTANT WEIGHTS``.

It does one order for each line it reads, a JSON list of rows of the scene's jobs and the path for its estimates (or
null), and answers with a line of JSON.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Final

import torch

from separators.uss.engine import Engine
from separators.uss.model import ResUNet30
from taggers.panns import RANDOM, load_cnn14
from tests.perf.uss_scene import LABELLED, audio, jobs

SEGMENTS: Final = 5
REFERENCE: Final = "reference"
TAGGER: Final = "tagger"
"""Cnn14 on the segments of the jobs: both ways of working need its probabilities once."""
TOLERANCE: Final = 0.05
"""Of the contestant that merges: features may be shifted by 5 % of their spread."""
ENGINES: Final[dict[str, dict[str, Any]]] = {
    "torch float32": {"dtype": "float32"},
    "torch bfloat16": {"dtype": "bfloat16"},
    "compile float32": {"dtype": "float32", "backend": "compile"},
    "compile bfloat16": {"dtype": "bfloat16", "backend": "compile"},
    "openvino float32": {"dtype": "float32", "backend": "openvino"},
    "openvino bfloat16": {"dtype": "bfloat16", "backend": "openvino"},
    "torch bfloat16, merged": {"dtype": "bfloat16", "merge_tolerance": TOLERANCE},
}

Work = Callable[[list[int]], tuple[torch.Tensor, int]]
"""Rows of jobs to their estimates, in that order, and the passes through the network that they took."""


@dataclass(frozen=True)
class Done:
    """What an order cost."""

    cpu_seconds: float
    passes: int
    peak_mb: float | None
    """Highest resident memory of the process so far, in 2**20 bytes, where it is known."""


def fixed_model(weights: str) -> ResUNet30:
    """The network of published size, with the weights of the tests' fixed rule, or as the public code starts it."""
    torch.manual_seed(0)
    model = ResUNet30(LABELLED)
    if weights == "rule":
        from tests.separators.uss_float64 import fixed_weights

        model.load_state_dict(fixed_weights(LABELLED))
    return model.eval()


def work_of(contestant: str, weights: str) -> Work:
    """Get a contestant ready."""
    segments = audio(SEGMENTS)
    _, segment_of, conditions, _ = jobs(SEGMENTS)
    if contestant == TAGGER:
        hear = load_cnn14(RANDOM).module
        return lambda rows: (torch.no_grad()(hear)(segments[segment_of[rows].unique()])["clipwise_output"], 0)
    model = fixed_model(weights)
    if contestant == REFERENCE:
        from tests.perf.uss_reference import Reference

        reference = Reference(model, load_cnn14(RANDOM).module)
        return lambda rows: (reference.separate(segments[segment_of[rows]], conditions[rows]), len(rows))
    engine = Engine(model, **ENGINES[contestant])
    del model

    def separate(rows: list[int]) -> tuple[torch.Tensor, int]:
        found = torch.empty(len(rows), segments.shape[1])
        for some, estimate in engine.separate(segments, segment_of[rows], conditions[rows]):
            found[some] = estimate
        return found, engine.report.distinct  # type: ignore[union-attr]

    return separate


def _main() -> None:
    torch.set_num_threads(1)
    answers, sys.stdout = sys.stdout, sys.stderr  # what libraries print is no answer
    work = work_of(*sys.argv[1:])
    for line in sys.stdin:
        rows, path = json.loads(line)
        start = time.process_time()
        found, passes = work(rows)
        spent = time.process_time() - start
        if path:
            torch.save(found, path)
        answers.write(json.dumps(asdict(Done(spent, passes, _peak_mb()))) + "\n")
        answers.flush()


def _peak_mb() -> float | None:
    try:
        import resource
    except ModuleNotFoundError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


if __name__ == "__main__":
    _main()
