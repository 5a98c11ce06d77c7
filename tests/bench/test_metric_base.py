from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from bench.metrics.base import Metric, Scored, Shared
from bench.metrics.energy import SDR
from bench.metrics.joint_declared import CAPI_SDRI
from bench.metrics.score import ScoreRow, score_cell

RATE = 8_000


def own(function: object, *needs: str | Shared, **changes: object) -> Metric:
    return replace(SDR, name="own", function=function, needs=needs, **changes)


def score(metrics: list[Metric], estimates: torch.Tensor, references: torch.Tensor) -> list[ScoreRow]:
    mixture = references.sum(0)
    return score_cell(metrics, estimates=estimates, references=references, mixture=mixture, sample_rate=RATE)


@pytest.fixture
def references() -> torch.Tensor:
    return torch.randn(3, 1, RATE, generator=torch.Generator().manual_seed(1))


def test_a_shared_computation_is_done_once_for_each_set_of_targets_and_never_unasked(references: torch.Tensor) -> None:
    calls: list[tuple[str, int]] = []

    def first(estimates: torch.Tensor) -> torch.Tensor:
        calls.append(("first", len(estimates)))
        return estimates.square().sum((1, 2))

    def second(*, powers: torch.Tensor, sample_rate: int) -> torch.Tensor:
        calls.append(("second", len(powers)))
        return powers / sample_rate

    powers = Shared("powers", first, ("estimates",))
    same = Shared("powers", first, ("estimates",))
    mean = Shared("mean", second, (powers, "sample_rate"))
    metrics = [
        own(lambda powers: powers, powers),
        own(lambda powers: 2 * powers, same, version=2),
        own(lambda mean: mean, mean, version=3),
        own(lambda powers: 3 * powers, powers, version=4, scope="scene"),
    ]
    broken = references.clone()
    broken[0, 0, 0] = torch.nan
    rows = {(row.index, row.metric): row for row in score(metrics, broken, references)}
    assert calls == [("first", 2), ("second", 2), ("first", 3)]
    energy = float(references[1].double().square().sum())
    for version, factor in ((1, 1), (2, 2), (3, 1 / RATE), (4, 3)):
        assert rows[1, f"own@{version}"].value == pytest.approx(factor * energy, rel=1e-12)
    calls.clear()
    score([SDR], references, references)
    assert calls == []


def test_computations_of_one_name_are_not_confused(references: torch.Tensor) -> None:
    one, two = (Shared("level", lambda estimates, level=level: level, ("estimates",)) for level in (1.0, 2.0))

    def tell(level: float) -> torch.Tensor:
        return torch.full((3,), level)

    rows = score([own(tell, one), own(tell, two, version=2)], references, references)
    assert [row.value for row in rows[:2]] == [1.0, 2.0]


def test_a_metric_that_raises_costs_its_own_rows_only(references: torch.Tensor) -> None:
    attempts: list[int] = []

    def burst(estimates: torch.Tensor) -> torch.Tensor:
        attempts.append(1)
        raise ValueError("the solver gave up")

    shared = Shared("burst", burst, ("estimates",))
    references = references.clone()
    references[2] = 0
    alone = score([SDR], 0.5 * references, references)
    metrics = [own(burst, "estimates"), SDR, *(own(max, shared, version=version) for version in (2, 3))]
    rows = score(metrics, 0.5 * references, references)
    assert len(attempts) == 2, "the shared computation failed once for both of its metrics"
    assert [row for row in rows if row.metric == "sdr@1"] == alone
    for row in rows:
        if row.metric != "sdr@1" and row.index < 2:
            assert row == ScoreRow(row.index, row.metric, None, "error", "ValueError: the solver gave up")
        if row.index == 2:
            assert row.status == "skip", "absence is known without the metric"


@pytest.mark.parametrize("error", [MemoryError, torch.OutOfMemoryError])
@pytest.mark.parametrize("through_shared", [False, True])
def test_running_out_of_memory_is_the_cells_affair(
    references: torch.Tensor, error: type[Exception], through_shared: bool
) -> None:
    def burst(estimates: torch.Tensor) -> torch.Tensor:
        raise error("too large")

    needs = Shared("burst", burst, ("estimates",)) if through_shared else "estimates"
    with pytest.raises(error, match="too large"):
        score([own(burst, needs)], references, references)


def test_a_metric_may_give_each_target_a_reason_of_its_own(references: torch.Tensor) -> None:
    values = torch.tensor([torch.nan, torch.inf, 3.0], dtype=torch.float64)
    metric = own(lambda estimates: Scored(values, ("too short", "too good", "one frame left out")), "estimates")
    assert score([metric], references, references) == [
        ScoreRow(0, "own@1", None, "nan", "too short"),
        ScoreRow(1, "own@1", None, "nan", "too good"),
        ScoreRow(2, "own@1", 3.0, "ok", "one frame left out"),
    ]
    silent = own(lambda estimates: Scored(values, (None, None, None)), "estimates")
    rows = score([silent], references, references)
    assert rows[0].reason == SDR.undefined
    assert str(rows[1].reason).startswith("infinite")
    assert rows[2].reason is None


def test_reasons_that_do_not_fit_the_targets_are_an_error(references: torch.Tensor) -> None:
    metric = own(lambda estimates: Scored(torch.zeros(3), ("one",)), "estimates")
    row = score([metric], references, references)[0]
    assert row.status == "error"
    assert "1 reasons for 3 targets" in str(row.reason)


def test_a_metric_over_a_set_of_clips_has_no_value_for_one_and_is_not_called(references: torch.Tensor) -> None:
    def never(**_: object) -> torch.Tensor:
        raise AssertionError

    row = score([own(never, "estimates", scope="set")], references, references)[0]
    assert row == ScoreRow(0, "own@1", None, "skip", "a value over a whole set of clips: one clip has none")


def test_other_weights_make_another_metric() -> None:
    one, two = (replace(SDR, name="learnt", weights_sha256=digit * 64) for digit in "ab")
    assert (one.id, two.id) == ("learnt@1+aaaaaaaa", "learnt@1+bbbbbbbb")
    assert SDR.id == "sdr@1"


def test_a_metric_of_blind_scenes_is_skipped_where_the_classes_are_given(references: torch.Tensor) -> None:
    row = score([CAPI_SDRI], references, references)[0]
    assert (row.metric, row.status, row.value) == ("capi_sdri@dcase2026", "skip", None)
    assert row.reason is not None
    assert "protocol=scene" in row.reason
