"""The table of the models that come along."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import pytest

from ontology import Ontology


@pytest.fixture(scope="module")
def perf(perf_modules: Callable[..., SimpleNamespace]) -> SimpleNamespace:
    return perf_modules("contestants", "measure", "mini")


def test_a_row_has_medians_and_the_real_time_factor(perf: SimpleNamespace) -> None:
    results = [perf.measure.Measured(cpu, memory, "1") for cpu, memory in ((3.0, 5.0), (2.0, None), (7.0, 9.0))]
    found = perf.mini.row("mini-uss", 10.0, results)
    assert (found.cpu_seconds, found.real_time_factor, found.memory_mb, found.note) == (3.0, 0.3, 7.0, None)
    assert "| 10 s | 3.00 | 0.300 | 7 |" in perf.mini.markdown([found])


def test_weights_that_are_not_there_are_told_in_the_table(perf: SimpleNamespace) -> None:
    found = perf.mini.row("mini-tagger", 60.0, [perf.measure.Absent("no weights at x")])
    assert found.cpu_seconds is None
    assert "no weights at x" in perf.mini.markdown([found])


def test_the_classes_that_are_extracted_reach_up_to_the_roots(perf: SimpleNamespace) -> None:
    nodes = [Ontology.audioset()[mid] for mid in perf.contestants.mini_classes()]
    assert {node.depth for node in nodes} >= {1, 2, 3}
    assert len(nodes) == len({node.mid for node in nodes})


def test_every_task_has_its_contestant(perf: SimpleNamespace) -> None:
    assert {name for name, _ in perf.mini.TASKS} <= set(perf.contestants.CONTESTANTS)
