"""Follow a run through its loop: take up what is there, keep its log and card, and stop cleanly."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import torch

from bench.provenance import provenance
from bench.training import loop
from bench.training.card import CARD, write_card
from bench.training.clips import TrainingData
from bench.training.errors import TrainError
from bench.training.journal import Journal
from bench.training.settings import TrainConfig

Of = TypeVar("Of", bound=loop.Parts)


def follow(
    config: TrainConfig,
    parts: Of,
    sources: Sequence[TrainingData],
    *,
    resume: bool,
    tell: Callable[[str], None],
    say: Callable[[str], None],
) -> tuple[Of, int]:
    """Run the loop; returns the parts with their log, where this is the first process, and the steps that are done.

    Raises:
        TrainError: there is nothing to resume, or training cannot go on.
    """
    try:
        done = parts.checkpoints.restore(parts.trainable, parts.optimiser) if resume else 0
        if parts.launch.rank == 0:
            config.out.mkdir(parents=True, exist_ok=True)
            log = Journal(config.out, done=done)
            log.write(done, "machine", **_machine(config))
            parts = replace(parts, journal=log)
            write_card(config.out / CARD, config, parts.trainable, sources, settings=parts.checkpoints.settings)
        done = loop.run(config, parts, done=done, tell=tell, say=say)
    except ValueError as error:
        raise error if isinstance(error, TrainError) else TrainError(str(error)) from error
    finally:
        parts.batches.close()
    return parts, done


def _machine(config: TrainConfig) -> dict[str, Any]:
    made = provenance()
    facts = {name: made[name] for name in ("cpu", "cores", "python", "commit")}
    gpu = made["gpu"] if config.device.startswith("cuda") else None
    return {**facts, "gpu": gpu, "threads": torch.get_num_threads(), "torch": torch.__version__}
