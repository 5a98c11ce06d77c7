"""Many conditions on many segments with ResUNet30: the same estimates as the plain model, for less work.

What one segment needs once is computed once (spectrogram, first normalisation and convolution), what is fixed is
folded into the weights, equal conditions of a segment share their estimate, and so may nearly equal ones.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Literal, get_args

import torch

from separators.uss import merge
from separators.uss.backends import Backend, runner
from separators.uss.fused import normalisations
from separators.uss.merge import Groups
from separators.uss.model import ResUNet30
from separators.uss.spectra import Spectra

Precision = Literal["auto", "float32", "bfloat16"]

_MB: Final = 2**20
_MOST_AT_ONCE: Final = {"cpu": 1, "cuda": 16}
"""Jobs in one pass. On a CPU a second one drives the first out of the cache: together they take longer."""


@dataclass(frozen=True)
class Report:
    """What a run asked for, and what it did."""

    jobs: int
    distinct: int
    """Passes through the network, but for the one that checks the merging."""
    distance: float
    """Largest distance between a condition and the one that it was computed as; guaranteed. See :class:`Engine`."""
    merging_snr_db: float | None
    """Estimate of the error of merging: energy of an estimate over that of its error, for the two conditions that are
    farthest apart. It is measured, once their segment is reached; other pairs can be worse, for a smaller step
    in the conditions can make a larger one in an estimate. None where only equal conditions were merged."""


class Engine:
    """Runs a model on jobs, each a segment and a condition.

    Conditions of one segment are merged within ``merge_tolerance``, a distance between what they add after the
    normalisations: the Euclidean norm of the difference, over all layers, relative to that of the normalisations'
    weights. A weight is the standard deviation of its normalised feature, so that 0.01 says that the features are
    shifted by 1 % of their spread, in the root of the mean square. At 0 only equal conditions are merged.
    """

    def __init__(
        self,
        model: ResUNet30,
        *,
        dtype: Precision = "auto",
        backend: Backend = "torch",
        merge_tolerance: float = 0.0,
        memory_mb: int = 1024,
        device: torch.device | str = "cpu",
    ) -> None:
        """Fold the weights of a model, which must not change afterwards.

        Args:
            model: in evaluation or training mode; running statistics are used in either case.
            dtype: of weights and features in the network. "auto" is bfloat16 where the processor computes in it
                (:func:`best_dtype`), else float32. Spectrograms are float32 in any case.
            backend: "torch"; "compile" (torch.compile, which needs a C++ compiler on a CPU) or "openvino".
            merge_tolerance: see above.
            memory_mb: room for the features of the jobs in flight, in 2**20 bytes; weights are not counted.
            device: where to compute.

        Raises:
            Unavailable: what the backend needs is not installed; the message is the remedy.
            ValueError: an argument is out of range.
        """
        if dtype not in get_args(Precision):
            raise ValueError(f"dtype is {' or '.join(get_args(Precision))}, not {dtype!r}")
        if not (math.isfinite(merge_tolerance) and merge_tolerance >= 0):
            raise ValueError(f"merge_tolerance is a distance of at least 0, not {merge_tolerance}")
        self.device = torch.device(device)
        self.dtype = best_dtype(self.device) if dtype == "auto" else getattr(torch, dtype)
        self.report: Report | None = None
        """Of the latest call of :meth:`separate`; complete once its iterator is used up."""
        self._model = model
        self._network, self._run = runner(model, backend, dtype=self.dtype, device=self.device)
        self._tolerance = merge_tolerance
        self._memory = memory_mb * _MB
        weights = torch.cat([norm.weight for _, norm in normalisations(model)]).detach()
        self._unit = float(weights.double().square().sum().sqrt())

    def separate(
        self,
        segments: torch.Tensor,
        segment_of: torch.Tensor,
        conditions: torch.Tensor,
        *,
        progress: Callable[[int, int], None] | None = None,
    ) -> Iterator[tuple[list[int], torch.Tensor]]:
        """Extract from each job's segment what its condition asks for, segment by segment.

        Nothing is computed ahead of what is taken from the iterator but the rest of a batch; closing it ends the work.

        Args:
            segments: float32 ``(segments, samples)``.
            segment_of: int64 ``(jobs,)``: each job's row of ``segments``.
            conditions: float32 ``(jobs, condition_size)``.
            progress: told the jobs done and all jobs whenever some are done.

        Returns:
            An iterator over the jobs that share an estimate, and the estimate: float32 ``(samples,)`` on the device of
            ``segments``. Each job comes once.

        Raises:
            ValueError: shapes do not fit, a job's segment is not there, or ``memory_mb`` has no room for one job.
        """
        self._check(segments, segment_of, conditions)
        step = self._at_once(segments.shape[1] // self._model.hop + 1)
        plan: dict[int, tuple[list[int], Groups]] = {}
        for segment in segment_of.unique().tolist():
            jobs = (segment_of == segment).nonzero()[:, 0].tolist()
            plan[segment] = jobs, self._groups(conditions[jobs])
        groups = [found for _, found in plan.values()]
        distance = max((found.distance for found in groups), default=0.0)
        report = Report(len(segment_of), sum(len(found.members) for found in groups), distance, None)
        self.report = report
        return self._separate(segments, conditions, plan, step, report, progress or (lambda done, jobs: None))

    def _separate(
        self,
        segments: torch.Tensor,
        conditions: torch.Tensor,
        plan: dict[int, tuple[list[int], Groups]],
        step: int,
        report: Report,
        progress: Callable[[int, int], None],
    ) -> Iterator[tuple[list[int], torch.Tensor]]:
        done = 0
        for segment, (jobs, groups) in plan.items():
            mixture, stem = self._analyse(segments[segment : segment + 1])
            biases = self._biases(conditions[[jobs[rows[0]] for rows in groups.members]])
            for start in range(0, len(biases), step):
                batch = groups.members[start : start + step]
                estimates = self._extract(mixture, stem, biases[start : start + step], segments.shape[1])
                for rows, estimate in zip(batch, estimates, strict=True):
                    done += len(rows)
                    progress(done, report.jobs)
                    # A copy, so that it is an ordinary tensor and keeps none of the batch's memory.
                    yield [jobs[row] for row in rows], estimate.to(segments.device).clone()
            if groups.farthest and groups.distance == report.distance and report.merging_snr_db is None:
                pair = self._biases(conditions[[jobs[row] for row in groups.farthest]])
                own, shared = (self._extract(mixture, stem, row[None], segments.shape[1])[0] for row in pair)
                report = dataclasses.replace(report, merging_snr_db=_snr_db(own, shared))
                self.report = report

    @torch.inference_mode()
    def _analyse(self, segment: torch.Tensor) -> tuple[Spectra, torch.Tensor]:
        """What all conditions of a segment share: its spectrogram, and what the network's first block sees of it."""
        mixture = self._model.analyse(segment.to(self.device, torch.float32))
        return mixture, self._network.stem(mixture.magnitude)

    @torch.inference_mode()
    def _biases(self, conditions: torch.Tensor) -> torch.Tensor:
        return self._network.biases(self._on_device(conditions))

    @torch.inference_mode()
    def _extract(self, mixture: Spectra, stem: torch.Tensor, biases: torch.Tensor, samples: int) -> torch.Tensor:
        maps = self._run(stem.expand(len(biases), -1, -1, -1), biases, mixture.frames)
        return self._model.synthesise(mixture, maps, samples)

    @torch.inference_mode()
    def _groups(self, conditions: torch.Tensor) -> Groups:
        if self._tolerance == 0:
            return merge.equal(conditions)
        effects = self._network.added(self._on_device(conditions)).cpu() / self._unit
        return merge.within(self._tolerance, conditions, effects)

    def _at_once(self, frames: int) -> int:
        """Jobs in one pass that there is room for."""
        one = self._network.bytes_per_job(frames)
        if one > self._memory:
            raise ValueError(
                f"memory_mb={self._memory // _MB} has no room for one segment of {frames} frames, which takes about "
                f"{math.ceil(one / _MB)}: raise it, or cut shorter segments"
            )
        return min(self._memory // one, _MOST_AT_ONCE.get(self.device.type, 1))

    def _on_device(self, conditions: torch.Tensor) -> torch.Tensor:
        return conditions.to(self.device, torch.float32)

    def _check(self, segments: torch.Tensor, segment_of: torch.Tensor, conditions: torch.Tensor) -> None:
        size = self._model.condition_size
        if segments.ndim != 2 or segment_of.ndim != 1 or conditions.shape != (len(segment_of), size):
            raise ValueError(
                f"(segments, samples), (jobs,) and (jobs, {size}) are wanted, not {tuple(segments.shape)}, "
                f"{tuple(segment_of.shape)} and {tuple(conditions.shape)}"
            )
        if len(segment_of) and not 0 <= int(segment_of.min()) <= int(segment_of.max()) < len(segments):
            raise ValueError(
                f"segment_of goes from {int(segment_of.min())} to {int(segment_of.max())}, "
                f"but there are {len(segments)} segments"
            )


def best_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 where the processor multiplies in it (AVX512-BF16, AMX, or a GPU that has it), else float32."""
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32
    if device.type != "cpu":
        return torch.float32
    able = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return torch.bfloat16 if able else torch.float32


def _snr_db(signal: torch.Tensor, other: torch.Tensor) -> float:
    """Energy of a signal over that of another's difference from it; infinite where they are equal."""
    error = float((signal.double() - other.double()).square().sum())
    return 10 * math.log10(float(signal.double().square().sum()) / error) if error else math.inf
