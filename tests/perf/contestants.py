"""Who runs: each contestant makes its input and gives back the work to be timed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Final

import numpy as np
import torch

RATE: Final = 44_100

Work = Callable[[], Any]


@dataclass(frozen=True)
class Contestant:
    """``make(seconds, sources)`` prepares the input and returns the work; ``distribution`` names the package."""

    make: Callable[[float, int], Work]
    distribution: str = "stemtree"
    sources: int = 4
    warm_seconds: float = 0.1
    """Length of the clip, with one source, on which it runs once before the clock starts."""


def stems(seconds: float, sources: int, channels: int) -> tuple[np.ndarray, np.ndarray]:
    """References and estimates ``(sources, channels, samples)``: noise of a pink tilt, leaking into each other."""
    draw = np.random.default_rng(7)
    samples = int(seconds * RATE)
    tilt = 1 / np.sqrt(1 + np.arange(samples // 2 + 1))
    white = draw.standard_normal((sources, channels, samples))
    references = np.fft.irfft(np.fft.rfft(white) * tilt, n=samples)
    references /= references.std()
    mixture = references.sum(axis=0)
    return references, 0.9 * references + 0.1 * mixture + 0.1 * draw.standard_normal(references.shape)


def _v4(seconds: float, sources: int) -> Work:
    from bench.metrics.bss_eval import bss_eval_v4

    references, estimates = (torch.from_numpy(x) for x in stems(seconds, sources, 2))
    return lambda: bss_eval_v4(estimates, references, window=RATE)


def _sdr(seconds: float, sources: int) -> Work:
    from bench.metrics.bss_eval import framewise_sdr

    references, estimates = (torch.from_numpy(x) for x in stems(seconds, sources, 2))
    return lambda: framewise_sdr(estimates, references, sample_rate=RATE)


def _museval(seconds: float, sources: int) -> Work:
    try:
        import musdb  # noqa: F401
    except Exception:  # it wants ffmpeg at import, and museval wants it only to read data sets
        sys.modules["musdb"] = ModuleType("musdb")
    from museval.metrics import bss_eval

    references, estimates = (np.ascontiguousarray(x.swapaxes(1, 2)) for x in stems(seconds, sources, 2))
    return lambda: bss_eval(references, estimates, window=RATE, hop=RATE)


def _v3(seconds: float, sources: int) -> Work:
    from bench.metrics.bss_eval import bss_eval_v3

    references, estimates = (torch.from_numpy(x) for x in stems(seconds, sources, 1))
    return lambda: bss_eval_v3(estimates, references, criteria="sources", permutation="mean-sir")


def _mir_eval(seconds: float, sources: int) -> Work:
    from mir_eval.separation import bss_eval_sources

    references, estimates = (x[:, 0] for x in stems(seconds, sources, 1))
    return lambda: bss_eval_sources(references, estimates)


def _fast_bss_eval(seconds: float, sources: int) -> Work:
    import fast_bss_eval  # type: ignore[import-untyped]

    references, estimates = (torch.from_numpy(x[:, 0]) for x in stems(seconds, sources, 1))
    ordered = sources > 1  # it cannot put a single source in order
    return lambda: fast_bss_eval.bss_eval_sources(references, estimates, compute_permutation=ordered)


def _cell(seconds: float, sources: int, *more: str) -> Work:
    from bench import plugins
    from bench.datasets.musdb18 import Musdb18
    from bench.metrics.score import score_cell

    metrics = [plugins.load("metrics", name) for name in dict.fromkeys((*Musdb18.metrics, *more))]
    references, estimates = (torch.from_numpy(x).float() for x in stems(seconds, sources, 2))
    mixture = references.sum(dim=0) + 0.01  # one source alone would be trivial
    signals = {"estimates": estimates, "references": references, "mixture": mixture}
    return lambda: score_cell(metrics, sample_rate=RATE, **signals)


def _cell_with_filters(seconds: float, sources: int) -> Work:
    return _cell(seconds, sources, "isr_bsseval_v4@1", "sir_bsseval_v4@1", "sar_bsseval_v4@1")


def _separator(name: str) -> Callable[[float, int], Work]:
    def make(seconds: float, sources: int) -> Work:
        from bench import plugins
        from separators.base import Context

        separator = plugins.load("separators", name)()
        mixture = torch.from_numpy(stems(seconds, sources, 2)[0].sum(axis=0)).float()
        context = Context(seed=0, device=torch.device("cpu"), sample_rate=RATE)
        return lambda: separator.split(mixture, context=context)

    return make


def mini_classes() -> tuple[str, ...]:
    """Mids of three classes and of all above them: what a hierarchical separation of a busy street may find."""
    from ontology import Ontology

    ontology = Ontology.audioset()
    return tuple(
        dict.fromkeys(
            node.mid for name in ("Speech", "Bark", "Rain") for node in ontology.ancestors(name, include_self=True)
        )
    )


def _mini_tagger(seconds: float, sources: int) -> Work:
    from taggers.mini.tagger import MiniTagger
    from taggers.timeline import tag_recording

    tagger = MiniTagger()
    mono = torch.from_numpy(stems(seconds, sources, 1)[0].sum(axis=0)).float()
    return lambda: tag_recording(
        tagger, lambda start, stop: mono[:, start:stop], sample_rate=RATE, samples=mono.shape[1]
    )


def _mini_uss(seconds: float, sources: int) -> Work:
    import tempfile

    import soundfile

    from bench.analysis.analyze import analyze
    from bench.analysis.dispatch import Named
    from bench.analysis.settings import AnalysisSettings
    from separators.uss.mini import MiniUss

    named, settings = Named("mini-uss", MiniUss()), AnalysisSettings(classes=mini_classes())
    mono = 0.1 * stems(seconds, sources, 1)[0].sum(axis=0)[0]

    def work() -> None:
        with tempfile.TemporaryDirectory() as folder:
            soundfile.write(f"{folder}/clip.wav", mono, RATE, subtype="FLOAT")
            analyze(f"{folder}/clip.wav", out=f"{folder}/out", separators=(named,), settings=settings)

    return work


PRIMITIVES: Final = ("hpss", "repet", "repet-sim", "ft2d")

CONTESTANTS: Final[dict[str, Contestant]] = {
    "bss_eval_v4": Contestant(_v4),
    "framewise_sdr": Contestant(_sdr),
    "museval": Contestant(_museval, "museval"),
    "bss_eval_v3": Contestant(_v3),
    "mir_eval": Contestant(_mir_eval, "mir_eval"),
    "fast_bss_eval": Contestant(_fast_bss_eval, "fast-bss-eval"),
    "cell": Contestant(_cell),
    "cell with filters": Contestant(_cell_with_filters),
    "mini-tagger": Contestant(_mini_tagger, warm_seconds=5),
    "mini-uss": Contestant(_mini_uss, warm_seconds=5),
    **{name: Contestant(_separator(name), sources=1, warm_seconds=5) for name in PRIMITIVES},
    **{f"nussl-{name}": Contestant(_separator(f"nussl-{name}"), "nussl", 1, 5) for name in PRIMITIVES},
}
