from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.metrics.base import Metric
from bench.metrics.bss_eval import SDR_BSSEVAL_V4, sdr_bsseval_v4
from bench.metrics.energy import LEAKAGE, SDR, SDR_SDX, SDRG, SDRI, SI_SDR, SI_SDRI, sdr, sdri
from bench.metrics.score import ScoreRow, score_cell
from bench.metrics.segmental import SSNR

RATE = 8_000
PRESENT = [SDR, SDRI, SDRG, SI_SDR, SI_SDRI, SDR_SDX, SSNR, SDR_BSSEVAL_V4]
ALL = [*PRESENT, LEAKAGE]


def noise(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def score(
    metrics: list[Metric], estimates: torch.Tensor, references: torch.Tensor, mixture: torch.Tensor | None = None
) -> dict[tuple[int, str], ScoreRow]:
    mixture = references.sum(0) if mixture is None else mixture
    rows = score_cell(metrics, estimates=estimates, references=references, mixture=mixture, sample_rate=RATE)
    assert len({(row.index, row.metric) for row in rows}) == len(rows)
    for row in rows:
        assert (row.status == "ok") == (row.value is not None)
        assert row.status == "ok" or row.reason
    return {(row.index, row.metric): row for row in rows}


def metric(function: Callable[..., torch.Tensor], *needs: str, **changes: object) -> Metric:
    return replace(SDR, name="own", function=function, needs=needs, **changes)


def test_each_target_has_each_metric_in_order_and_its_value() -> None:
    s = noise(1, 3, 2, RATE)
    e = s + 0.3 * noise(2, 3, 2, RATE)
    rows = score_cell([SDRI, SDR], estimates=e, references=s, mixture=s.sum(0), sample_rate=RATE)
    assert [(row.index, row.metric) for row in rows] == [(i, m) for i in range(3) for m in ("sdri@1", "sdr@1")]
    assert [row.value for row in rows[::2]] == sdri(e, s, s.sum(0)).tolist()
    assert [row.value for row in rows[1::2]] == sdr(e, s).tolist()


def test_all_metrics_score_an_ordinary_scene() -> None:
    s = noise(3, 2, 1, 2 * RATE)
    rows = score(ALL, s + 0.3 * noise(4, 2, 1, 2 * RATE), s)
    assert {row.status for row in rows.values()} == {"ok"}
    assert {m for _, m in rows} == {m.id for m in PRESENT}  # nothing is absent: leakage has no row


def test_numpy_arrays_are_scored_like_tensors() -> None:
    s = noise(5, 2, 1, 2 * RATE)
    e = 0.5 * s + 0.1
    as_arrays = score_cell(ALL, estimates=e.numpy(), references=s.numpy(), mixture=s.sum(0).numpy(), sample_rate=RATE)
    assert as_arrays == list(score(ALL, e, s).values())


@pytest.mark.parametrize(("level_db", "absent"), [(-59.999, False), (-60.001, True), (-400.0, True)])
def test_a_reference_more_than_60_db_under_the_mixture_is_absent(level_db: float, absent: bool) -> None:
    x = noise(6, 1, RATE)
    quiet = (10 ** (level_db / 20) * x).double()
    rows = score([SDR, LEAKAGE], 0.1 * x[None], quiet[None], x)
    row = rows[0, "sdr@1"]
    if absent:
        assert row == ScoreRow(0, "sdr@1", None, "skip", "absent: the reference lies 60 dB or more under the mixture")
        assert rows[0, "leakage@1"].value == pytest.approx(-20.0, abs=1e-4)
    else:
        assert row.status == "ok"
        assert (0, "leakage@1") not in rows


def test_a_silent_reference_is_skipped_by_every_metric_but_leakage() -> None:
    s = noise(7, 3, 1, 2 * RATE)
    s[1] = 0
    rows = score(ALL, s + 0.1 * noise(8, 3, 1, 2 * RATE), s)
    assert {m for i, m in rows if i == 1} == {m.id for m in ALL}
    assert {rows[1, m.id].status for m in PRESENT} == {"skip"}
    assert rows[1, "leakage@1"].status == "ok"
    assert {row.status for (i, _), row in rows.items() if i != 1} == {"ok"}


def test_a_silent_estimate_of_an_absent_target_has_a_finite_leakage() -> None:
    s = noise(9, 2, 1, RATE)
    s[1] = 0
    assert score([LEAKAGE], s, s)[1, "leakage@1"].value == -100.0


def test_an_entirely_silent_scene_is_absent_and_its_leakage_undefined() -> None:
    silence = torch.zeros(1, 1, RATE)
    rows = score(ALL, silence, silence)
    assert {rows[0, m.id].status for m in PRESENT} == {"skip"}
    assert rows[0, "leakage@1"] == ScoreRow(0, "leakage@1", None, "nan", LEAKAGE.undefined)


@pytest.mark.parametrize(("input_db", "trivial"), [(29.999, False), (30.001, True)])
def test_a_target_that_the_mixture_already_is_counts_as_trivial(input_db: float, trivial: bool) -> None:
    s, n = noise(10, 2, 1, RATE).double()
    n *= s.norm() / n.norm() * 10 ** (-input_db / 20)
    row = score([SDRI], s[None], s[None], s + n)[0, "sdri@1"]
    if trivial:
        assert row == ScoreRow(0, "sdri@1", None, "skip", "trivial: the SDR of the mixture itself is above 30 dB")
    else:
        assert row.status == "nan"  # the estimate is exact


def test_a_mixture_that_equals_the_reference_is_trivial() -> None:
    s = noise(11, 1, 1, 2 * RATE)
    rows = score(ALL, 0.5 * s, s)
    assert {row.status for row in rows.values()} == {"skip"}
    assert {str(row.reason).partition(":")[0] for row in rows.values()} == {"trivial"}


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
def test_an_estimate_that_is_not_finite_is_nan_in_all_its_rows_and_spoils_no_other(value: float) -> None:
    s = noise(12, 3, 2, 2 * RATE)
    e = s + 0.3 * noise(13, 3, 2, 2 * RATE)
    sound = score(ALL, e, s)
    e[1, 0, [5, 6, 9000]] = value
    rows = score(ALL, e, s)
    for m in PRESENT:
        assert rows[1, m.id] == ScoreRow(1, m.id, None, "nan", "the estimate has 3 samples that are NaN or infinite")
    assert {key: row for key, row in rows.items() if key[0] != 1} == {
        key: row for key, row in sound.items() if key[0] != 1
    }


def test_an_estimate_that_is_not_finite_is_nan_for_an_absent_target_too() -> None:
    s = noise(14, 2, 1, RATE)
    s[0] = 0
    e = s.clone()
    e[0, 0, 0] = torch.nan
    assert score([SDR, LEAKAGE], e, s)[0, "leakage@1"].status == "nan"


def test_an_exact_estimate_is_no_number_and_says_why() -> None:
    s = noise(15, 2, 1, RATE)
    row = score([SDR], s, s)[0, "sdr@1"]
    assert row == ScoreRow(0, "sdr@1", None, "nan", "infinite: the value is +inf dB, which no average can hold")


def test_a_silent_estimate_gets_the_reason_its_metric_gives() -> None:
    s = noise(16, 2, 1, 2 * RATE)
    rows = score(ALL, torch.zeros_like(s), s)
    assert rows[0, "sdr@1"].value == 0.0
    assert rows[0, "si_sdr@1"].reason == SI_SDR.undefined
    assert rows[0, "sdr_bsseval_v4@1"].reason == SDR_BSSEVAL_V4.undefined


def test_scene_metrics_see_present_targets_only() -> None:
    s = noise(17, 4, 1, 3 * RATE)
    e = s + 0.3 * noise(18, 4, 1, 3 * RATE)
    s[1] = 0  # absent: would silence every frame of the scene
    s[2, :, :RATE] = 0  # present: silences one
    kept = [0, 2, 3]
    rows = score([SDR_BSSEVAL_V4], e, s)
    expected = sdr_bsseval_v4(e[kept], s[kept], sample_rate=RATE).tolist()
    assert [rows[i, "sdr_bsseval_v4@1"].value for i in kept] == expected
    assert rows[1, "sdr_bsseval_v4@1"].status == "skip"


def test_scene_metrics_are_called_with_the_scenes_targets_whatever_the_separator_did() -> None:
    seen: list[tuple[int, ...]] = []

    def watch(*, references: torch.Tensor) -> torch.Tensor:
        seen.append(tuple(references.shape))
        return references.square().sum((1, 2))

    s = noise(19, 3, 1, RATE)
    s[0] = 0
    e = s.clone()
    e[1] = torch.nan
    score([metric(watch, "references", scope="scene")], e, s)
    score([metric(watch, "references", scope="target")], e, s)
    assert seen == [(2, 1, RATE), (1, 1, RATE)]


def test_metrics_get_float64_and_share_one_set_of_energies() -> None:
    given_: list[object] = []

    def watch(**signals: torch.Tensor) -> torch.Tensor:
        given_.append(signals)
        return torch.zeros(2, dtype=torch.float64)

    s = noise(20, 2, 1, RATE)
    m = metric(watch, "estimates", "references", "mixture", "sample_rate", "energies")
    score([m, replace(m, version=2)], 0.5 * s, s)
    first, second = given_
    assert isinstance(first, dict)
    assert isinstance(second, dict)
    assert {first[name].dtype for name in ("estimates", "references", "mixture")} == {torch.float64}
    assert first["sample_rate"] == RATE
    assert first["energies"] is second["energies"]


def test_metrics_record_no_gradients_not_even_of_estimates_that_ask_for_them() -> None:
    s = noise(21, 2, 1, RATE)
    recorded: list[bool] = []

    def watch(*, estimates: torch.Tensor) -> torch.Tensor:
        weights = torch.ones(2, requires_grad=True)  # as a metric with a model of its own would have
        values = weights * estimates.square().sum((1, 2))
        recorded.append(values.requires_grad)
        return values

    score([metric(watch, "estimates")], s.clone().requires_grad_(), s)
    assert recorded == [False]


def test_a_metric_that_returns_the_wrong_shape_is_an_error_that_says_so() -> None:
    s = noise(22, 2, 1, RATE)
    row = score([metric(lambda estimates: estimates, "estimates")], s, s)[0, "own@1"]
    assert row.status == "error"
    assert "own@1 returned shape (2, 1, 8000) and 2 reasons for 2 targets" in str(row.reason)


@pytest.mark.parametrize("name", ["references", "mixture"])
def test_a_scene_that_is_not_finite_is_refused(name: str) -> None:
    s = noise(23, 2, 1, RATE)
    signals = {"estimates": s, "references": s.clone(), "mixture": s.sum(0)}
    signals[name][..., 3] = torch.nan
    with pytest.raises(ValueError, match=f"{name}: . samples are NaN or infinite"):
        score_cell([SDR], sample_rate=RATE, **signals)


@pytest.mark.parametrize(
    ("estimates", "references", "mixture"),
    [
        ((2, 1, 90), (2, 1, 91), (1, 90)),
        ((2, 1, 90), (3, 1, 90), (1, 90)),
        ((2, 2, 90), (2, 1, 90), (1, 90)),
        ((2, 1, 90), (2, 1, 90), (2, 90)),
        ((1, 90), (1, 90), (1, 90)),
    ],
)
def test_shapes_that_do_not_fit_are_named(
    estimates: tuple[int, ...], references: tuple[int, ...], mixture: tuple[int, ...]
) -> None:
    with pytest.raises(ValueError) as caught:
        score_cell(
            [SDR],
            estimates=np.ones(estimates),
            references=np.ones(references),
            mixture=np.ones(mixture),
            sample_rate=RATE,
        )
    for shape in (estimates, references, mixture):
        assert str(shape) in str(caught.value)


def test_no_targets_give_no_rows() -> None:
    nothing = torch.zeros(0, 1, RATE)
    assert score(ALL, nothing, nothing, noise(24, 1, RATE)) == {}


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32 - 1), st.permutations(range(4)))
def test_targets_in_another_order_have_the_same_rows(seed: int, order: list[int]) -> None:
    s = noise(seed, 4, 1, 2 * RATE)
    s[0] = 0
    s[1, :, :RATE] = 0
    e = s + 0.2 * noise(seed + 1, 4, 1, 2 * RATE)
    x = s.sum(0)
    straight, shuffled = score(ALL, e, s, x), score(ALL, e[order], s[order], x)
    assert len(straight) == len(shuffled)
    for place, index in enumerate(order):
        for m in ALL:
            if (index, m.id) in straight:
                assert shuffled[place, m.id] == replace(straight[index, m.id], index=place)


def test_no_value_depends_on_the_number_of_threads() -> None:
    s = noise(25, 2, 2, 10 * RATE)
    e = s + 0.3 * noise(26, 2, 2, 10 * RATE)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        alone = score(ALL, e, s)
        torch.set_num_threads(3)
        assert score(ALL, e, s) == alone
    finally:
        torch.set_num_threads(before)
