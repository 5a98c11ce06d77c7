"""Figures of others: whole, with their sources, and under names that no measured figure has."""

from __future__ import annotations

from importlib.metadata import entry_points

from reports.published import published, published_on


def test_each_figure_stands_once_and_names_a_source_on_the_web() -> None:
    places = [(f.separator, f.dataset, f.target, f.metric, f.aggregation) for f in published()]
    assert len(places) == len(set(places)) > 0
    assert all(figure.url.startswith("https://") for figure in published())


def test_no_figure_takes_the_name_of_a_metric_that_is_measured_here() -> None:
    measured = {point.name for point in entry_points(group="stemtree.metrics")}
    assert not {figure.metric for figure in published()} & {*measured, *(name.partition("@")[0] for name in measured)}


def test_the_figures_of_universal_source_separation_are_those_of_its_abstract() -> None:
    own = {figure.dataset: figure.value for figure in published() if figure.separator == "USS"}
    assert own == {
        "audioset": 5.57, "dcase2018": 10.57, "musdb18": 8.12, "slakh2100": 7.28, "voicebank_demand": 9.00
    }  # fmt: skip


def test_figures_are_found_by_data_set() -> None:
    assert {figure.separator for figure in published_on("esc50")} == {"AudioSep"}
    assert published_on("musdb18-hq") == published_on("musdb18") != ()
    assert published_on("nothing") == ()
