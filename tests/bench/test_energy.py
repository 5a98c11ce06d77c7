from __future__ import annotations

import doctest
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.metrics import energy, tensors
from bench.metrics.energy import (
    LEAKAGE,
    SDR,
    SDR_SDX,
    SDRG,
    SDRI,
    SI_SDR,
    SI_SDRI,
    Energies,
    gain_sdr,
    leakage,
    sdr,
    sdr_sdx,
    sdrg,
    sdri,
    si_sdr,
    si_sdri,
)

few = settings(max_examples=25, deadline=None)
seeds = st.integers(0, 2**32 - 1)
shapes = st.tuples(st.integers(1, 3), st.integers(2, 400))
PAIRWISE: list[Callable[..., torch.Tensor]] = [sdr, si_sdr, sdr_sdx]
OVER_MIXTURE: list[Callable[..., torch.Tensor]] = [sdri, sdrg, si_sdri]


def noise(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def scene(seed: int, channels: int = 2, samples: int = 500) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Estimate, reference and mixture of one target."""
    s, n, d = noise(seed, 3, channels, samples)
    return s + 0.3 * n + 0.1 * d, s, s + n


def orthogonal_pair(seed: int, samples: int = 64) -> tuple[torch.Tensor, torch.Tensor]:
    """Two signals of equal energy whose product sums to exactly 0: the same samples, never at the same time."""
    once = noise(seed, 1, samples)
    return torch.cat([once, 0 * once], dim=-1), torch.cat([0 * once, once], dim=-1)


def test_the_examples_in_the_documentation_hold() -> None:
    for module, least in ((energy, 8), (tensors, 0)):
        outcome = doctest.testmod(module)
        assert outcome.failed == 0
        assert outcome.attempted >= least


def by_hand(estimate: np.ndarray, reference: np.ndarray, scale: float) -> float:
    """10 log10 of |scale s|^2 / |e - scale s|^2, sample by sample."""
    signal = error = 0.0
    for e_row, s_row in zip(estimate, reference, strict=True):
        for e, s in zip(e_row, s_row, strict=True):
            signal += (scale * s) ** 2
            error += (e - scale * s) ** 2
    return 10 * math.log10(signal / error)


@few
@given(seeds, shapes)
def test_sdr_and_si_sdr_equal_a_slow_loop(seed: int, shape: tuple[int, int]) -> None:
    e, s, _ = (x.numpy() for x in scene(seed, *shape))
    scale = float((e * s).sum() / (s * s).sum())
    assert float(sdr(e, s)) == pytest.approx(by_hand(e, s, 1.0), abs=1e-9)
    assert float(si_sdr(e, s)) == pytest.approx(by_hand(e, s, scale), abs=1e-9)


def test_one_scale_and_one_energy_serve_all_channels() -> None:
    s = torch.tensor([[1.0, -1.0], [3.0, -3.0]])
    swapped = s * torch.tensor([[2.0], [1.0]])
    assert float(sdr(swapped, s)) == pytest.approx(10.0)  # 20 / 2, not the mean of 0 dB and infinity
    assert math.isfinite(float(si_sdr(swapped, s)))  # a scale per channel would fit exactly


@few
@given(seeds, st.floats(1e-3, 1e3), st.booleans())
def test_si_sdr_ignores_scale_and_sign_of_the_estimate_and_sdr_does_not(seed: int, scale: float, flip: bool) -> None:
    e, s, _ = scene(seed)
    factor = -scale if flip else scale
    assert float(si_sdr(factor * e, s)) == pytest.approx(float(si_sdr(e, s)), abs=1e-9)
    if abs(factor - 1) > 0.5:
        assert abs(float(sdr(factor * e, s)) - float(sdr(e, s))) > 0.01


@few
@given(seeds, st.floats(1e-6, 1e6))
def test_no_ratio_depends_on_a_common_level(seed: int, level: float) -> None:
    e, s, x = scene(seed)
    for function in (sdr, si_sdr):
        assert float(function(level * e, level * s)) == pytest.approx(float(function(e, s)), abs=1e-9)
    for function in OVER_MIXTURE:
        assert float(function(level * e, level * s, level * x)) == pytest.approx(float(function(e, s, x)), abs=1e-9)
    assert float(leakage(level * e, level * x)) == pytest.approx(float(leakage(e, x)), abs=1e-9)


def test_usdr_takes_the_sum_of_energies_and_adds_1e7_to_both() -> None:
    s = torch.full((2, 50), 1e-4)
    assert float(sdr_sdx(torch.zeros(2, 50), s)) == pytest.approx(0.0, abs=1e-12)
    assert float(sdr_sdx(s, s)) == pytest.approx(10 * math.log10((100 * 1e-8 + 1e-7) / 1e-7), abs=1e-6)
    assert float(sdr_sdx(torch.zeros(2, 50), torch.zeros(2, 50))) == 0.0
    loud = noise(3, 2, 1000)
    assert float(sdr_sdx(0.5 * loud, loud)) == pytest.approx(float(sdr(0.5 * loud, loud)), abs=1e-6)


@few
@given(seeds, shapes)
def test_the_mixture_improves_on_itself_by_exactly_nothing(seed: int, shape: tuple[int, int]) -> None:
    _, s, x = scene(seed, *shape)
    x32, s32 = x.float(), s.float()
    assert float(sdri(x32, s32, x32)) == 0.0
    assert float(si_sdri(x32, s32, x32)) == 0.0
    several = torch.stack([x32, x32, x32])
    assert sdri(several, torch.stack([s32, -s32, 2 * s32]), x32).tolist() == [0.0, 0.0, 0.0]


@few
@given(seeds, st.floats(-20, 28))
def test_the_best_gain_gains_nothing_over_itself(seed: int, input_db: float) -> None:
    s, n = noise(seed, 2, 2, 4000)
    x = (s + 10 ** (-input_db / 20) * n).float()
    s = s.float()
    gain = (x * s).sum() / x.square().sum()
    assert float(sdrg(gain * x, s, x)) == pytest.approx(0.0, abs=1e-6)


@few
@given(seeds, st.floats(-2, 2))
def test_no_gain_beats_the_best_gain(seed: int, gain: float) -> None:
    _, s, x = scene(seed)
    assert float(sdrg(gain * x, s, x)) <= 1e-9


@few
@given(seeds, shapes)
def test_the_best_gain_scores_what_the_correlation_says(seed: int, shape: tuple[int, int]) -> None:
    _, s, x = scene(seed, *shape)
    rho2 = float((x * s).sum() ** 2 / (x.square().sum() * s.square().sum()))
    assert float(gain_sdr(x, s)) == pytest.approx(-10 * math.log10(1 - rho2), abs=1e-6)


def test_a_nearly_clean_mixture_keeps_its_digits() -> None:
    s, n = orthogonal_pair(1)
    x = s + 1e-9 * n  # 1 - rho^2 is 1e-18: lost in float64 if it is computed as written
    assert float(gain_sdr(x, s)) == pytest.approx(180.0, abs=1e-6)


@few
@given(seeds)
def test_half_the_mixture_earns_three_decibels_on_orthogonal_pairs_at_0_db(seed: int) -> None:
    s, n = orthogonal_pair(seed)
    x = s + n
    assert float(sdr(x, s)) == pytest.approx(0.0, abs=1e-12)
    assert float(sdri(0.5 * x, s, x)) == pytest.approx(10 * math.log10(2), abs=1e-9)
    assert float(sdrg(0.5 * x, s, x)) == pytest.approx(0.0, abs=1e-9)


@few
@given(seeds, st.permutations(range(4)))
def test_targets_in_another_order_give_the_same_values_in_that_order(seed: int, order: list[int]) -> None:
    s, d = noise(seed, 2, 4, 2, 100)
    e, x = s + d, s.sum(0)
    for function in PAIRWISE:
        assert torch.equal(function(e[order], s[order]), function(e, s)[order])
    for function in OVER_MIXTURE:
        assert torch.equal(function(e[order], s[order], x), function(e, s, x)[order])


@few
@given(seeds, st.lists(st.integers(0, 3), max_size=2))
def test_a_batch_equals_a_loop(seed: int, batch: list[int]) -> None:
    s, d = noise(seed, 2, *batch, 2, 40)
    x = noise(seed + 1, 2, 40)
    for function, rest in [(f, ()) for f in PAIRWISE] + [(f, (x,)) for f in OVER_MIXTURE]:
        together = function(s + d, s, *rest)
        assert together.shape == tuple(batch)
        assert together.dtype == torch.float64
        for index in np.ndindex(*batch):
            assert torch.equal(together[index], function((s + d)[index], s[index], *rest))


@few
@given(seeds)
def test_float32_input_is_taken_at_its_own_value_and_numpy_too(seed: int) -> None:
    e, s, x = (v.float() for v in scene(seed))
    for function in OVER_MIXTURE:
        exact = function(e.double(), s.double(), x.double())
        assert torch.equal(function(e, s, x), exact)
        assert torch.equal(function(e.numpy(), s.numpy(), x.numpy()), exact)


def test_numpy_arrays_that_are_read_only_or_run_backwards_or_hold_integers_are_taken() -> None:
    s = np.arange(1, 9, dtype=np.int16).reshape(1, 8)
    s.flags.writeable = False
    e = np.array(s[:, ::-1])[:, ::-1] * 0.9
    assert float(sdr(e, s)) == pytest.approx(20.0)


@few
@given(seeds, st.integers(1, 3000))
def test_silence_at_the_end_changes_nothing(seed: int, length: int) -> None:
    e, s, x = scene(seed)
    longer = [torch.nn.functional.pad(v, (0, length)) for v in (e, s, x)]
    for function in OVER_MIXTURE:
        assert float(function(*longer)) == pytest.approx(float(function(e, s, x)), abs=1e-9)


def test_signals_longer_than_a_block_are_summed_whole() -> None:
    e, s, _ = scene(5, 2, 200_001)
    error = float((s - e).square().sum())
    assert float(sdr(e, s)) == pytest.approx(10 * math.log10(float(s.square().sum()) / error), abs=1e-9)
    last = s.clone()
    last[1, -1] += 1
    assert float(Energies(last, s).error) == pytest.approx(1.0)


def test_an_exact_estimate_is_infinite_and_a_silent_reference_undefined() -> None:
    _, s, x = scene(7)
    silence = torch.zeros_like(s)
    assert float(sdr(s, s)) == math.inf
    assert float(sdri(s, s, x)) == math.inf
    assert float(sdrg(s, s, x)) == math.inf
    assert float(si_sdr(s, s)) == math.inf
    assert float(sdr(silence, s)) == 0.0
    for function in (sdr, si_sdr):
        assert math.isnan(float(function(s, silence)))
        assert math.isnan(float(function(silence, silence)))
    for function in OVER_MIXTURE:
        assert math.isnan(float(function(s, silence, x)))


def test_nothing_can_improve_on_a_mixture_that_is_the_reference() -> None:
    e, s, _ = scene(8)
    for function in OVER_MIXTURE:
        assert math.isnan(float(function(s, s, s)))
        assert math.isnan(float(function(e, s, s)))


@pytest.mark.parametrize("level", [2.0, 3.0, -0.7, 1e-5])
def test_a_copy_at_another_level_is_exact_but_for_its_level(level: float) -> None:
    e, s, _ = scene(9, 2, 20_000)
    assert float(si_sdr(level * s, s)) == math.inf
    assert float(gain_sdr(level * s, s)) == math.inf
    assert math.isnan(float(sdrg(e, s, level * s)))


def test_silence_has_no_direction_and_an_orthogonal_estimate_none_of_the_reference() -> None:
    s, n = orthogonal_pair(10)
    assert math.isnan(float(si_sdr(torch.zeros_like(s), s)))
    assert float(si_sdr(n, s)) == -math.inf
    t = torch.arange(4800, dtype=torch.float64) * 2 * torch.pi / 48
    assert float(si_sdr(torch.cos(t)[None], torch.sin(t)[None])) == -math.inf  # the product sums to rounding, not to 0
    assert math.isnan(float(si_sdri(s, s, n)))


def test_a_silent_mixture_leaves_the_volume_knob_at_0_db() -> None:
    e, s, _ = scene(11)
    silence = torch.zeros_like(s)
    assert float(gain_sdr(silence, s)) == 0.0
    assert float(sdrg(e, s, silence)) == float(sdr(e, s))


def test_leakage_is_relative_to_the_mixture_and_has_a_floor() -> None:
    x = noise(12, 2, 100)
    assert float(leakage(x, x)) == 0.0
    assert float(leakage(0.01 * x, x)) == pytest.approx(-40.0)
    assert float(leakage(1e-7 * x, x)) == -100.0
    assert float(leakage(0 * x, x)) == -100.0
    assert math.isnan(float(leakage(x, 0 * x)))


def test_a_nan_sample_makes_its_own_item_nan_and_no_other() -> None:
    s = noise(13, 3, 2, 50)
    e = s + 0.1
    e[1, 0, 7] = torch.nan
    assert sdr(e, s).isnan().tolist() == [False, True, False]


@pytest.mark.parametrize("function", PAIRWISE)
@pytest.mark.parametrize("samples", [0, 1])
def test_the_shortest_clips_are_defined(function: Callable[..., torch.Tensor], samples: int) -> None:
    value = float(function(torch.full((1, samples), 0.9), torch.ones(1, samples)))
    assert not math.isnan(value) if samples or function is sdr_sdx else math.isnan(value)


@pytest.mark.parametrize(
    ("estimate", "reference"),
    [((2, 10), (2, 11)), ((1, 10), (2, 10)), ((2, 2, 10), (3, 2, 10)), ((10,), (10,)), ((10,), (1, 10))],
)
def test_shapes_that_do_not_fit_are_named(estimate: tuple[int, ...], reference: tuple[int, ...]) -> None:
    with pytest.raises(ValueError) as caught:
        sdr(torch.ones(estimate), torch.ones(reference))
    assert str(estimate) in str(caught.value)
    if len(estimate) > 1:
        assert str(reference) in str(caught.value)


def test_a_mixture_of_another_shape_is_named() -> None:
    with pytest.raises(ValueError, match=r"mixture \(1, 10\)"):
        sdri(torch.ones(2, 10), torch.ones(2, 10), torch.ones(1, 10))


def test_complex_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="complex"):
        sdr(torch.ones(1, 4, dtype=torch.complex64), torch.ones(1, 4))
    with pytest.raises(ValueError, match="complex"):
        sdr(np.ones((1, 4)), np.ones((1, 4), dtype=np.complex128))


def test_declared_metrics_compute_what_the_functions_do() -> None:
    s, d = noise(14, 2, 3, 2, 200)
    e, x = s + 0.2 * d, s.sum(0)
    shared = Energies(e, s, x)
    expected = {
        SDR: sdr(e, s),
        SDRI: sdri(e, s, x),
        SDRG: sdrg(e, s, x),
        SI_SDR: si_sdr(e, s),
        SI_SDRI: si_sdri(e, s, x),
        SDR_SDX: sdr_sdx(e, s),
        LEAKAGE: leakage(e, x),
    }
    for metric, values in expected.items():
        assert metric.needs == ("energies",)
        assert torch.equal(metric.function(energies=shared), values), metric.id
        assert metric.better == ("lower" if metric is LEAKAGE else "higher")
        assert metric.applies_to == ("absent" if metric is LEAKAGE else "present")


def test_si_sdr_equals_fast_bss_eval() -> None:
    reference = pytest.importorskip("fast_bss_eval")
    e, s, _ = scene(15, 1, 8000)
    assert float(si_sdr(e, s)) == pytest.approx(float(reference.si_sdr(s, e)), abs=1e-6)
