"""The comparison of universal source separation by hierarchy: its scene, the other way of working, its figures."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import pytest
import torch

from separators.uss.model import ResUNet30


@pytest.fixture(scope="module")
def perf(perf_modules: Callable[..., SimpleNamespace]) -> SimpleNamespace:
    return perf_modules("uss", "uss_reference", "uss_scene")


def test_the_scene_has_the_classes_and_the_work_that_it_says(perf: SimpleNamespace) -> None:
    class_of, segment_of, conditions, asked = perf.uss_scene.jobs(5)
    assert asked == 7 + 41 + 251
    assert len(class_of) == 28 + 103 + 201
    assert len(class_of.unique()) == 6 + 24 + 48
    assert (conditions.amax(dim=1) >= perf.uss_scene.THRESHOLD).all()
    assert torch.stack((class_of, segment_of)).unique(dim=1).shape[1] == len(class_of)


def test_asking_for_more_classes_that_are_not_active_adds_no_work(perf: SimpleNamespace) -> None:
    few, many = (perf.uss_scene.jobs(3, active=4, asked=asked) for asked in (4, 299))
    assert (few[3], many[3]) == (4, 4 + 299 - 78)
    assert torch.equal(few[2], many[2])


def test_the_public_way_of_working_gives_the_plain_models_estimates(perf: SimpleNamespace) -> None:
    torch.manual_seed(0)
    model = ResUNet30(5, channels=(2, 2, 3, 4, 5, 6, 7), window=256, hop=80).eval()
    heard: list[int] = []
    reference = perf.uss_reference.Reference(model, lambda batch: heard.append(len(batch)))
    waveforms, conditions = 0.1 * torch.randn(10, 2_400), torch.rand(10, 5)
    found = reference.separate(waveforms, conditions)
    assert heard == [8, 2]
    with torch.no_grad():
        wanted = model(waveforms, conditions)
    assert perf.uss.worst_snr_db(wanted, found) > 100


def test_the_error_told_is_that_of_the_worst_job(perf: SimpleNamespace) -> None:
    signal = torch.ones(2, 4)
    assert perf.uss.worst_snr_db(signal, torch.tensor([[1.0, 1, 1, 1.01], [1, 1, 1, 1.2]])) == pytest.approx(
        20, abs=0.1
    )
