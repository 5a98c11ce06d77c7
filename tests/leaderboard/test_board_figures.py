"""Which separators the figures of a board show, and what their captions say of those that they do not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from leaderboard.context import Site, read
from leaderboard.figures import KINDS, Plate, View, plates_of, shown_kinds
from reports.figures import PAGE
from reports.outcomes import STATES
from reports.results import Results


@pytest.fixture(scope="module")
def site(results_folder: Path) -> Site:
    return read(Results(results_folder), run=None, title="t")


def view_of(site: Site, dataset: str, *only: str) -> View:
    return View(site, next(board for board in site.boards if board.dataset == dataset), only)


def plate(view: View, kind: str) -> Plate:
    plates = plates_of(view, kind)
    assert not isinstance(plates, str), plates
    return plates[0]


def test_who_ran_on_a_part_of_the_scenes_is_in_no_figure_and_who_covers_a_part_only_target_by_target(
    site: Site,
) -> None:
    view = view_of(site, "musdb18")
    overall, spread = plate(view, "intervals").drawing, plate(view, "box").drawing
    assert "hasty" not in view.everywhere | view.whole
    assert {"hpss", "repet"} <= view.everywhere - view.whole
    assert "irm" in overall.description
    assert "hpss" not in overall.description
    assert "bass: from" in spread.description


def test_a_figure_for_some_says_by_which_rule_they_were_chosen(site: Site) -> None:
    view = view_of(site, "musdb18")
    chosen = view.choose(view.everywhere, systems=1, references=1)
    kinds = [view.kind(name) for name in chosen.names]
    assert kinds == ["oracle", "system", "baseline"]
    assert chosen.names[0] == "irm"
    systems = [name for name in view.everywhere if view.kind(name) == "system"]
    assert f"the best of {len(systems)} systems" in chosen.words
    assert chosen.words.endswith("by the figure that ranks, those that cover all targets first.")
    assert view.choose(view.everywhere, systems=99, references=99).words == ""
    targets = view.choose_targets(2)
    assert targets.names == ("bass", "drums"), "vocals are absent from one song, and names decide between equals"
    assert targets.words == " Of 4 targets, the 2 that sound in the most scenes."


def test_the_front_has_no_oracle_and_who_was_never_timed_is_listed(results_folder: Path) -> None:
    site = read(Results(results_folder), run=None, title="t")
    view = view_of(site, "musdb18")
    costs = view.board.separators.filter(pl.col("separator").is_in(view.whole) & (pl.col("separator") != "half"))
    values = {name: view.overall[name]["value"] for name in costs["separator"]}
    rows = [
        (max(row["real_time_factor"], 0.001), -values[row["separator"]], row["separator"])
        for row in costs.iter_rows(named=True)
        if view.kind(row["separator"]) != "oracle"
    ]
    front, best = [], -float("inf")
    for _, value, name in sorted(rows):
        if -value > best:
            front.append(name)
            best = -value
    untimed = pl.when(pl.col("separator") != "half").then(pl.col("real_time_factor"))
    view.board.__dict__["separators"] = view.board.separators.with_columns(real_time_factor=untimed)
    shown = plate(view, "pareto")
    said = shown.caption[shown.caption.index("Real-time factor, on the front:") :].partition(").")[0]
    assert [name for name in values if f" {name} (" in said] == sorted(front)
    assert shown.notes[-1] == "Never timed, as their cells were not computed here: half."


@pytest.mark.parametrize("dataset", ["musdb18", "slakh2100", "esc50"])
def test_every_kind_is_drawn_or_says_why_not_before_anything_is_drawn(site: Site, dataset: str) -> None:
    view = view_of(site, dataset)
    assert set(shown_kinds(view)) <= set(KINDS)
    for kind in KINDS:
        reason = KINDS[kind].lacks(view)
        found = plates_of(view, kind)
        assert found == reason if reason else not isinstance(found, str) and found
    if dataset == "slakh2100":
        assert KINDS["box"].lacks(view) == "1 scene: a box sums up 5 or more"
        assert "without intervals" in plate(view, "intervals").caption


def with_failures(view: View, gone: pl.Expr, *, imputed: bool = True) -> View:
    """The same with failures; ``imputed`` with a score of 0, as the mixture has."""
    outcomes = view.board.outcomes.with_columns(
        state=pl.when(gone).then(pl.lit("failed", dtype=pl.Enum(STATES))).otherwise("state"),
        used=pl.when(gone).then(0.0 if imputed else None).otherwise("used"),
        value=pl.when(~gone).then(pl.col("value")),
    )
    return View(view.site, replace(view.board, outcomes=outcomes, kept={}), view.only)


ONE_SONG = (pl.col("separator") == "half") & (pl.col("scene") == "Artist - Song 7")


def test_every_kind_that_shows_failures_counts_them_and_marks_who_has_no_rank_for_them(site: Site) -> None:
    sound = view_of(site, "musdb18", "half", "irm", "mixture")
    view = with_failures(sound, ONE_SONG)
    for kind in ("intervals", "box", "classes", "heat", "pareto"):
        found = plate(view, kind)
        assert "Failed, and counted with the score of mixture: 4 of 117 scores." in found.caption, kind
        little = (
            "\N{DAGGER} Without a rank, as under 95\N{NO-BREAK SPACE}% of the scores were measured: half (35 of 39)."
        )
        assert little in found.caption, kind
        assert "\N{DAGGER} half".encode() in found.drawing.on(PAGE).svg, kind
        assert not any(word in plate(sound, kind).caption for word in ("Failed", "\N{DAGGER}")), kind


def test_what_has_no_score_to_stand_in_for_it_is_said_to_be_left_out(site: Site) -> None:
    view = with_failures(view_of(site, "musdb18", "half", "irm"), ONE_SONG, imputed=False)
    caption = plate(view, "intervals").caption
    assert "Failed, and left out: 4 of 78 scores." in caption
    assert "counted with" not in caption


def test_a_target_at_which_a_separator_failed_throughout_has_no_box_of_the_mixtures_scores(site: Site) -> None:
    view = view_of(site, "musdb18", "half", "irm", "mixture")
    gone = (pl.col("separator") == "half") & (pl.col("target") == "bass")
    description = plate(with_failures(view, gone), "box").drawing.description
    assert "bass: from 0.00 (mixture)" in description, "of equal medians that of half would be named first"
