"""The engine: every path against the plain model, shared work, merging, memory, cancelling, errors."""

from __future__ import annotations

import functools
import importlib.util
import itertools
import math
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from separators.uss.backends import Backend
from separators.uss.engine import Engine, Precision, best_dtype
from separators.uss.fused import FusedNetwork
from separators.uss.model import ResUNet30
from taggers.base import Unavailable

SIZE, SAMPLES, SEGMENTS = 5, 6_400, 3
OPENVINO = pytest.param(
    "openvino",
    marks=pytest.mark.skipif(importlib.util.find_spec("openvino") is None, reason="openvino is not installed"),
)


def unrest(model: ResUNet30) -> ResUNet30:
    """Put the normalisations and biases of a model where training might; some weights are negative, one is zero."""
    draw = torch.Generator().manual_seed(0)
    for name, value in model.state_dict().items():
        if name.endswith("running_var"):
            value.uniform_(0.5, 2, generator=draw)
        elif name.endswith(("bias", "running_mean")):
            value.normal_(0, 0.3, generator=draw)
        elif "bn" in name and name.endswith("weight"):
            value.normal_(1, 0.5, generator=draw)[0] = 0
    return model.eval()


@pytest.fixture(scope="module")
def model() -> ResUNet30:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return unrest(ResUNet30(SIZE, channels=(8, 8, 12, 16, 20, 24, 24), window=512, hop=80))


@pytest.fixture(scope="module")
def segments() -> torch.Tensor:
    return 0.2 * torch.randn(SEGMENTS, SAMPLES, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def conditions() -> torch.Tensor:
    return torch.rand(8, SIZE, generator=torch.Generator().manual_seed(2))


SEGMENT_OF = torch.tensor([2, 0, 0, 2, 0, 2, 2, 0])


def plain(model: ResUNet30, segments: torch.Tensor, segment_of: torch.Tensor, conditions: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        return model(segments[segment_of], conditions)


def collected(
    engine: Engine, segments: torch.Tensor, segment_of: torch.Tensor, conditions: torch.Tensor
) -> torch.Tensor:
    """Estimates in the order of the jobs."""
    found = torch.full((len(segment_of), segments.shape[1]), math.nan)
    for jobs, estimate in engine.separate(segments, segment_of, conditions):
        assert found[jobs].isnan().all(), "a job came twice"
        found[jobs] = estimate
    return found


def snr_db(signal: torch.Tensor, other: torch.Tensor) -> float:
    signal, other = signal.double(), other.double()
    return float(10 * torch.log10(signal.square().sum() / (signal - other).square().sum()))


@pytest.mark.parametrize(("dtype", "floor"), [("float32", 100), ("bfloat16", 35)])
@pytest.mark.parametrize("backend", ["torch", OPENVINO])
def test_every_path_gives_the_plain_models_estimates(
    model: ResUNet30,
    segments: torch.Tensor,
    conditions: torch.Tensor,
    backend: Backend,
    dtype: Precision,
    floor: float,
) -> None:
    jobs = slice(0, 2 if backend == "openvino" else None)
    found = collected(Engine(model, dtype=dtype, backend=backend), segments, SEGMENT_OF[jobs], conditions[jobs])
    assert found.dtype == torch.float32
    assert snr_db(plain(model, segments, SEGMENT_OF[jobs], conditions[jobs]), found) > floor


def test_the_compiler_is_given_one_graph_that_gives_the_plain_models_estimates(
    model: ResUNet30, segments: torch.Tensor, conditions: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    # To turn the graph into machine code takes minutes; here it is run as it is.
    monkeypatch.setenv("CXX", sys.executable)
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend="aot_eager", fullgraph=True))
    engine = Engine(model, dtype="float32", backend="compile")
    found = collected(engine, segments, SEGMENT_OF[:2], conditions[:2])
    assert snr_db(plain(model, segments, SEGMENT_OF[:2], conditions[:2]), found) > 100


@pytest.mark.parametrize(
    "channels", [(3, 3, 4, 5, 6, 7, 8), (2, 3, 4, 5, 6, 7, 8)], ids=["as published", "wider first"]
)
@pytest.mark.parametrize("samples", [1_100, 3_200, 10_240], ids=["hardly padded", "padded", "padded by one"])
def test_folding_is_exact_at_any_width_and_length(channels: tuple[int, ...], samples: int) -> None:
    model = unrest(ResUNet30(SIZE, channels=channels, window=256, hop=80))
    waveform = torch.randn(3, samples, generator=torch.Generator().manual_seed(3))
    condition = torch.rand(3, SIZE, generator=torch.Generator().manual_seed(4))
    network = FusedNetwork(model, dtype=torch.float32, device="cpu").eval()
    with torch.inference_mode():
        mixture = model.analyse(waveform)
        wanted = model.network(mixture.magnitude, model.film(condition))
        stem, biases = network.stem(mixture.magnitude), network.biases(condition)
        before = stem.clone()
        together = network(stem, biases, mixture.frames)
        alone = torch.cat([network(stem[n : n + 1], biases[n : n + 1], mixture.frames) for n in range(3)])
    assert torch.equal(stem, before), "what the conditions share was overwritten"
    for found in (together, alone):
        assert found.shape == wanted.shape
        # By frame: what is wrong with the last frames only would not show in all.
        assert min(snr_db(wanted[:, :, frame], found[:, :, frame]) for frame in range(mixture.frames)) > 100


def test_the_published_network_in_bfloat16_stays_near(conditions: torch.Tensor) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = ResUNet30(527).eval()
    waveform = 0.2 * torch.randn(1, 16_000, generator=torch.Generator().manual_seed(5))
    condition = torch.rand(1, 527, generator=torch.Generator().manual_seed(6))
    wanted = plain(model, waveform, torch.tensor([0]), condition)
    for dtype, floor in (("float32", 100), ("bfloat16", 35)):
        found = collected(Engine(model, dtype=dtype), waveform, torch.tensor([0]), condition)
        assert snr_db(wanted, found) > floor


@settings(max_examples=5, deadline=None)
@given(order=st.permutations(range(8)), tolerance=st.sampled_from([0.0, 0.05, 0.3]))
def test_the_order_of_the_jobs_does_not_matter(
    model: ResUNet30, segments: torch.Tensor, conditions: torch.Tensor, order: list[int], tolerance: float
) -> None:
    engine = Engine(model, dtype="float32", merge_tolerance=tolerance)
    wanted = collected(engine, segments, SEGMENT_OF, conditions)
    report = engine.report
    found = collected(engine, segments, SEGMENT_OF[order], conditions[order])
    assert torch.equal(found, wanted[order])
    assert engine.report == report


def test_equal_conditions_of_a_segment_are_computed_once_and_those_of_others_are_not(
    model: ResUNet30, segments: torch.Tensor, conditions: torch.Tensor
) -> None:
    which = torch.tensor([0, 1, 0, 0, 1, 0])
    segment_of = torch.tensor([0, 0, 0, 1, 0, 0])
    engine = Engine(model, dtype="float32")
    found = [jobs for jobs, _ in engine.separate(segments, segment_of, conditions[which])]
    assert sorted(found) == [[0, 2, 5], [1, 4], [3]]
    assert engine.report is not None
    assert (engine.report.jobs, engine.report.distinct) == (6, 3)
    assert engine.report.merging_snr_db is None


def test_at_no_tolerance_the_nearest_float_is_another_condition(
    model: ResUNet30, segments: torch.Tensor, conditions: torch.Tensor
) -> None:
    near = torch.stack([conditions[0], conditions[0].nextafter(torch.tensor(2.0))])
    engine = Engine(model, dtype="float32")
    assert len(list(engine.separate(segments, torch.tensor([0, 0]), near))) == 2
    engine = Engine(model, dtype="float32", merge_tolerance=1e-3)
    assert len(list(engine.separate(segments, torch.tensor([0, 0]), near))) == 1


def test_merged_conditions_are_no_farther_than_the_tolerance_from_the_most_probable(
    model: ResUNet30, segments: torch.Tensor
) -> None:
    base = torch.tensor([0.5, 0.2, 0.0, 0.0, 0.0])
    step = torch.tensor([0.0, 0.0, 0.1, 0.0, 0.0])
    chain = torch.stack([base + count * step for count in range(4)])
    with torch.no_grad():
        effects = torch.cat(list(model.film(chain).values()), dim=1)
        used = [part.weight for name, part in model.base.named_modules() if isinstance(part, torch.nn.BatchNorm2d)]
        unused = [getattr(model.base, f"decoder_block{number}").bn2.weight for number in range(1, 7)]
        unit = math.sqrt(sum(float(w.square().sum()) for w in used) - sum(float(w.square().sum()) for w in unused))
    between = float((effects[1] - effects[0]).norm()) / unit
    engine = Engine(model, dtype="float32", merge_tolerance=1.5 * between)
    found = {
        tuple(sorted(jobs)): estimate for jobs, estimate in engine.separate(segments, torch.zeros(4).long(), chain)
    }
    # Had 1 joined 2 because 2 joined 3, the tolerance would be exceeded.
    assert set(found) == {(2, 3), (0, 1)}
    wanted = plain(model, segments, torch.zeros(4).long(), chain)
    assert snr_db(wanted[3], found[2, 3]) > 100
    assert engine.report is not None
    assert engine.report.distance == pytest.approx(between, rel=1e-4)
    assert engine.report.merging_snr_db is not None
    measured = [snr_db(wanted[2], wanted[3]), snr_db(wanted[0], wanted[1])]
    assert any(engine.report.merging_snr_db == pytest.approx(one, abs=0.01) for one in measured)


def test_a_spectrogram_is_made_once_for_each_segment_in_use(
    model: ResUNet30, segments: torch.Tensor, conditions: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    analyse = model.analyse
    monkeypatch.setattr(model, "analyse", lambda waveform: seen.append(waveform) or analyse(waveform))
    list(Engine(model).separate(segments, SEGMENT_OF, conditions))
    assert len(seen) == 2
    assert torch.equal(torch.cat(seen), segments[[0, 2]])


def test_closing_the_iterator_ends_the_work(
    model: ResUNet30, segments: torch.Tensor, conditions: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes = []
    synthesise = model.synthesise
    monkeypatch.setattr(model, "synthesise", lambda *given: passes.append(1) or synthesise(*given))
    estimates = Engine(model).separate(segments, SEGMENT_OF, conditions)
    assert not passes, "work began before anything was asked for"
    list(itertools.islice(estimates, 2))
    estimates.close()
    assert len(passes) == 2


def test_progress_counts_jobs_and_estimates_are_ordinary_tensors(
    model: ResUNet30, segments: torch.Tensor, conditions: torch.Tensor
) -> None:
    told: list[tuple[int, int]] = []
    conditions = conditions[[0, 1, 1, 0, 1, 0, 0, 0]]
    estimates = Engine(model).separate(segments, SEGMENT_OF, conditions, progress=lambda *now: told.append(now))
    done = 0
    for jobs, estimate in estimates:
        done += len(jobs)
        assert told[-1] == (done, 8)
        assert not torch.is_inference_mode_enabled()
        estimate.requires_grad_()
    assert told[-1] == (8, 8)


def test_no_jobs_are_no_work(model: ResUNet30, segments: torch.Tensor) -> None:
    assert list(Engine(model).separate(segments, torch.zeros(0).long(), torch.zeros(0, SIZE))) == []


def test_jobs_in_flight_fit_the_memory(
    model: ResUNet30, segments: torch.Tensor, conditions: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules["separators.uss.engine"].__dict__["_MOST_AT_ONCE"], "cpu", 4)
    together: list[int] = []
    wide = Engine(model, dtype="float32", memory_mb=1_000)
    run = wide._run
    monkeypatch.setattr(wide, "_run", lambda stem, *given: together.append(len(stem)) or run(stem, *given))
    found = collected(wide, segments, SEGMENT_OF, conditions)
    assert together == [4, 4]
    assert snr_db(plain(model, segments, SEGMENT_OF, conditions), found) > 100
    one = FusedNetwork(model, dtype=torch.float32, device="cpu").bytes_per_job(SAMPLES // 80 + 1)
    with torch.profiler.profile(profile_memory=True) as profile:
        list(Engine(model, dtype="float32").separate(segments, SEGMENT_OF[:1], conditions[:1]))
    held = peak = 0
    for event in profile.profiler.kineto_results.events():
        if event.name() == "[memory]":
            held += event.nbytes()
            peak = max(peak, held)
    assert 0.3 * one < peak < 1.3 * one
    with pytest.raises(ValueError, match=r"memory_mb=0 has no room for one segment of 81 frames, .* raise it"):
        list(Engine(model, memory_mb=0).separate(segments, SEGMENT_OF, conditions))


def test_the_type_is_chosen_by_the_processor(model: ResUNet30, monkeypatch: pytest.MonkeyPatch) -> None:
    for avx, amx in itertools.product((False, True), repeat=2):
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda able=avx: able)
        monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda able=amx: able)
        assert best_dtype(torch.device("cpu")) == (torch.bfloat16 if avx or amx else torch.float32)
        assert Engine(model).dtype == best_dtype(torch.device("cpu"))
    assert Engine(model, dtype="float32").dtype == torch.float32


def test_what_cannot_be_is_said_in_a_line(
    model: ResUNet30, segments: torch.Tensor, conditions: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError, match="dtype is auto or float32 or bfloat16, not 'int8'"):
        Engine(model, dtype="int8")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="backend is torch, compile, openvino, not 'onnx'"):
        Engine(model, backend="onnx")  # type: ignore[arg-type]
    for tolerance in (-0.1, math.nan, math.inf):
        with pytest.raises(ValueError, match="merge_tolerance is a distance of at least 0"):
            Engine(model, merge_tolerance=tolerance)
    engine = Engine(model)
    with pytest.raises(ValueError, match=r"\(jobs, 5\) are wanted, not .* and \(8, 4\)"):
        engine.separate(segments, SEGMENT_OF, conditions[:, :4])
    with pytest.raises(ValueError, match="segment_of goes from 0 to 3, but there are 3 segments"):
        engine.separate(segments, SEGMENT_OF.clamp(max=1) * 3, conditions)
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(Unavailable, match=r"pip install 'stemtree\[openvino\]'"):
        Engine(model, backend="openvino")
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(Unavailable, match="needs a C\\+\\+ compiler, and there is no no-such-compiler"):
        Engine(model, backend="compile")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
@pytest.mark.parametrize(("dtype", "floor"), [("float32", 60), ("bfloat16", 35)])  # float32 convolutions may use TF32
def test_a_gpu_gives_the_plain_models_estimates(
    model: ResUNet30, segments: torch.Tensor, conditions: torch.Tensor, dtype: Precision, floor: float
) -> None:
    wanted = plain(model, segments, SEGMENT_OF, conditions)
    on_gpu = Engine(model.cuda(), dtype=dtype, device="cuda")
    found = collected(on_gpu, segments, SEGMENT_OF, conditions)
    model.cpu()
    assert snr_db(wanted, found) > floor
