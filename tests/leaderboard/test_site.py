from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from bench.imports import import_results
from bench.reported import Reading
from leaderboard import SiteError, build
from leaderboard.statuses import status_words
from page_kit import Page
from reports.outcomes import EMPTY, NOT_RUN
from reports.results import Results, ResultsError
from reports.schema import STATUSES, Problem


@pytest.fixture(scope="module")
def site(results_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(results_folder, tmp_path_factory.mktemp("site") / "out").parent


def pages(site: Path) -> dict[str, Page]:
    return {path.relative_to(site).as_posix(): Page(path) for path in sorted(site.rglob("*.html"))}


def files(site: Path) -> dict[str, bytes]:
    return {path.relative_to(site).as_posix(): path.read_bytes() for path in site.rglob("*") if path.is_file()}


def text_of(site: Path, path: str) -> str:
    return Page(site / path).text


def test_every_page_is_well_formed_and_every_link_leads_somewhere(site: Path) -> None:
    found = pages(site)
    for path, page in found.items():
        assert len(page.ids) == len(set(page.ids)), f"{path}: an id stands twice"
        for link in page.links + page.fetched:
            if link.startswith(("https://", "http://")):
                continue
            address, _, anchor = link.partition("#")
            address = address.partition("?")[0]  # what a page is asked to show
            target = ((site / path).parent / address).resolve() if address else site / path
            assert target.is_file(), f"{path}: {link}"
            if anchor:
                assert anchor in found[target.relative_to(site.resolve() if address else site).as_posix()].ids, link


def test_nothing_is_fetched_from_outside(site: Path) -> None:
    for path, page in pages(site).items():
        assert not [link for link in page.fetched if "//" in link or link.startswith("data:")], path
    assert not re.search(rb"https?:|@import|url\(", (site / "static/site.css").read_bytes())
    for script in (site / "static").glob("*.js"):
        assert not re.search(rb"https?:|fetch\(|import\(", script.read_bytes()), script.name


def test_every_page_can_be_reached_from_the_first(site: Path) -> None:
    found, reached, waiting = pages(site), set(), ["index.html"]
    while waiting:
        path = waiting.pop()
        if path in reached:
            continue
        reached.add(path)
        for link in found[path].links:
            address = link.partition("#")[0].partition("?")[0]
            if address.endswith(".html") and "//" not in address:
                waiting.append(((site / path).parent / address).resolve().relative_to(site.resolve()).as_posix())
    assert reached == set(found)


def test_the_tables_stand_in_the_html_without_javascript(site: Path) -> None:
    text = text_of(site, "index.html")
    for separator in ("irm", "gain-oracle", "mixture", "silence", "hpss", "crashing", "absent-tool"):
        assert separator in text
    assert re.search(r"\[\d+\.\d\d, \d+\.\d\d\]", text)
    for path in ("index.html", "datasets/musdb18.html"):
        (overall, *_) = tables_of(site, path)
        assert overall.count("Oracles, which know the answer") == 1
        assert overall.count("Baselines, which do next to nothing") == 1


def test_problems_of_the_run_stand_on_top(site: Path) -> None:
    text = text_of(site, "index.html")
    assert text.index("voicebank_demand : no folder /data/vbd") < text.index("MUSDB18")


def test_a_single_recording_says_that_it_has_no_interval(site: Path) -> None:
    text = text_of(site, "datasets/slakh2100.html")
    assert "One recording: no interval, and nothing can be ranked." in text
    assert not re.search(r"\[\N{MINUS SIGN}?\d+\.\d\d, ", text)


def test_imputed_failures_are_counted_in_the_row_and_listed_with_reason_and_trace(site: Path) -> None:
    assert "4 of 35 imputed" in text_of(site, "datasets/musdb18.html")
    text = text_of(site, "separators/crashing.html")
    assert "ValueError: kernel <31> is even" in text
    assert 'File "model.py", line 3' in text
    assert "the run has not come to this cell" in text


def test_partial_coverage_stands_apart_and_is_compared_on_shared_targets(site: Path) -> None:
    text = text_of(site, "datasets/musdb18.html")
    assert "On the targets they cover only" in text
    assert "2 of 4" in text
    shared = text[text.rindex("On shared targets") : text.rindex("What the columns are")]
    assert "drums, vocals" in shared
    assert "other, vocals" in shared
    assert re.search(r"no component stands for the target \d+ bass, other ", text_of(site, "separators/hpss.html"))


def test_what_is_left_out_is_counted_and_said_in_its_scene(site: Path) -> None:
    assert "1 absent target" in text_of(site, "datasets/musdb18.html")
    assert "1 trivial target" in text_of(site, "datasets/esc50.html")
    (scene,) = (site / "scenes/musdb18").glob("artist-song-4-*.html")
    assert "Absent: the reference lies 60 dB or more under the mixture" in Page(scene).text


def test_what_is_counted_in_a_scene_stands_without_decimals(tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text("separator,scene,target,value\na,one,x,2\nb,one,x,0\na,two,x,1\nb,two,x,0.5\n", encoding="utf-8")
    reading = Reading(constants={"dataset": "set", "unit": "", "better": "lower", "metric": "extra@1", "split": "test"})
    import_results(table, format="csv", results=tmp_path / "r", reading=reading, oracles=[], run="a")
    site = build(tmp_path / "r", tmp_path / "site").parent
    pages = ((site / f"scenes/set/{scene}.html").read_text(encoding="utf-8") for scene in ("one", "two"))
    assert [re.findall(r">([\d.]+)</td>", page) for page in pages] == [["0", "2"], ["0.500", "1.000"]]


def test_every_missing_number_says_why(site: Path) -> None:
    for path in site.rglob("*.html"):
        source = path.read_text(encoding="utf-8")
        dashes = re.findall(r"<td[^>]*>\s*\N{EN DASH}\s*</td>", source)
        assert not dashes, f"{path.name}: a bare dash"
        assert "nan</" not in source
        assert "None" not in re.sub(r"None(:| is| alone)", "", Page(path).text), path


def test_statuses_are_said_in_words_and_kept_as_they_are_in_files(site: Path) -> None:
    assert "70 done, 9 skipped, 3 ended in an error" in text_of(site, "runs/night-1.html")
    tags = set()
    for path in site.rglob("*.html"):
        source = path.read_text(encoding="utf-8")
        tags |= set(re.findall(r'<span class="tag">([^<]*)</span>', source))
        assert not re.search(r'title="(ok|skip|error|timeout|oom|nan):', source), path
    assert not tags & set(STATUSES)
    assert {"skipped", "ended in an error", "without a finite value"} <= tags


def test_every_status_has_words_of_its_own() -> None:
    told = [status_words(status) for status in (*STATUSES, *NOT_RUN, EMPTY)]
    assert len(set(told)) == len(told)
    assert not set(told) & set(STATUSES)
    assert status_words("<b>great</b>") == "<b>great</b>"


def test_the_caveat_and_the_definitions_are_shown(site: Path) -> None:
    text = text_of(site, "datasets/esc50.html")
    assert "Two clips of one recording may stand in different pairs." in text
    assert "what is gained over the best volume knob" in text
    assert "CC BY-NC 4.0" in text
    assert "median in a class, mean over classes" in text_of(site, "metrics.html")


def test_the_run_page_shows_provenance_and_configuration(site: Path) -> None:
    text = text_of(site, "runs/night-1.html")
    for fact in ("0123abc", "options.hpss.kernel 31", "packages.torch 2.6.0", "dirty no", "70 done"):
        assert fact in text


def test_the_figure_takes_the_colours_of_the_page_and_has_a_text_alternative(site: Path) -> None:
    source = (site / "datasets/esc50.html").read_text(encoding="utf-8")
    figures = re.findall(r'<svg class="figure".*?</svg>', source, flags=re.DOTALL)
    assert len(figures) > 1
    for figure in figures:
        assert "var(--accent)" in figure
        assert "var(--ink)" in figure
        assert not re.findall(r"(?:fill|stroke): #(?!000000)\w+", figure)
    assert re.search(r"<desc[^>]*>SDRi in dB: irm \d+\.\d\d \[", figures[0])


def test_the_index_links_to_a_recording_analysed_into_the_site_which_every_build_keeps(
    results_folder: Path, tmp_path: Path
) -> None:
    page = tmp_path / "site" / "scene" / "index.html"
    page.parent.mkdir(parents=True)
    page.write_text("<!doctype html>")
    for _ in range(2):
        assert "scene/index.html" in Page(build(results_folder, tmp_path / "site")).links
        assert page.read_text() == "<!doctype html>"
    shutil.rmtree(page.parent)
    assert "scene/index.html" not in Page(build(results_folder, tmp_path / "site")).links


def test_equal_results_give_equal_bytes(results_folder: Path, site: Path, tmp_path: Path) -> None:
    again = build(results_folder, tmp_path / "again").parent
    assert files(again) == files(site)


def test_merging_the_parts_of_a_folder_changes_no_byte(results_folder: Path, site: Path, tmp_path: Path) -> None:
    shutil.copytree(results_folder, tmp_path / "copy")
    before, after = Results(tmp_path / "copy").compact()
    assert after < before
    merged, whole = files(build(tmp_path / "copy", tmp_path / "site").parent), files(site)
    for marker in (merged, whole):
        marker.pop(".stemtree-site.json")  # it tells which files were read
    assert merged == whole


def test_two_splits_of_a_data_set_have_a_table_and_a_page_each(make_writer: Callable[..., Any], tmp_path: Path) -> None:
    for run in ("train", "test"):
        writer = make_writer(tmp_path / "results", separators={"mixture": ("baseline", 0.0)})
        writer.dataset("set", {f"{run}-scene": (("x",), ("r",))}, title="Set", split=run)
        writer.finish(run=run)
    site = build(tmp_path / "results", tmp_path / "site").parent
    assert "Set (test, query)" in text_of(site, "index.html")
    assert "Set (train, query)" in text_of(site, "index.html")
    titles = {Page(path).text.count("train-scene") > 0 for path in (site / "datasets").iterdir()}
    assert titles == {True, False}


def test_a_problem_stands_until_a_later_run_repeats_or_mends_it(
    make_writer: Callable[..., Any], tmp_path: Path
) -> None:
    for run, problems in (("1", ("other", "standing", "set")), ("2", ("standing",))):
        writer = make_writer(tmp_path / "results", separators={"mixture": ("baseline", 0.0)})
        if run == "2":
            writer.dataset("set", {"one": (("x",), ("r",))}, title="Set")
        writer.finish(run=run, problems=tuple(Problem(subject=name, message=f"m-{run}-{name}") for name in problems))
    text = text_of(build(tmp_path / "results", tmp_path / "site").parent, "index.html")
    assert "m-2-standing" in text
    assert "m-1-other" in text  # no later run has it, so nobody knows that it is mended
    assert "m-1-standing" not in text
    assert "m-1-set" not in text


@pytest.mark.parametrize(("state", "said"), [("running", "had not ended"), ("interrupted", "was interrupted")])
def test_a_run_that_was_cut_short_says_so(
    make_writer: Callable[..., Any], tmp_path: Path, state: str, said: str
) -> None:
    writer = make_writer(tmp_path / "results", separators={"mixture": ("baseline", 0.0)})
    writer.dataset("set", {"one": (("x",), ("r",))}, title="Set")
    assert f"night-1 {said}" in Page(build(writer.finish(state=state), tmp_path / "site")).text


def test_a_second_build_drops_stale_pages_and_leaves_the_files_of_others(
    make_writer: Callable[..., Any], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    for number, separators in enumerate(
        ({"mixture": ("baseline", 0.0), "old": ("f", 1.0)}, {"mixture": ("baseline", 0.0)})
    ):
        writer = make_writer(tmp_path / f"results-{number}", separators=separators)
        writer.dataset("set", {"one": (("x",), ("r",))}, title="Set")
        build(writer.finish(), out)
        if not number:
            assert (out / "separators/old.html").is_file()
            (out / "CNAME").write_text("example.org", encoding="utf-8")
    assert not (out / "separators/old.html").exists()
    assert (out / "separators/mixture.html").is_file()
    assert (out / "CNAME").read_text(encoding="utf-8") == "example.org"
    assert not list(out.rglob("*.partial"))


def test_a_folder_that_is_no_site_is_left_alone(results_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work", encoding="utf-8")
    with pytest.raises(SiteError, match="no stemtree site; name a new or empty folder"):
        build(results_folder, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_forged_marker_deletes_nothing_outside_the_site(results_folder: Path, tmp_path: Path) -> None:
    precious, out = tmp_path / "precious.txt", tmp_path / "out"
    precious.write_text("keep", encoding="utf-8")
    out.mkdir()
    (out / ".stemtree-site.json").write_text(
        f'{{"files": ["../precious.txt", "{precious.as_posix()}"]}}', encoding="utf-8"
    )
    build(results_folder, out)
    assert precious.read_text(encoding="utf-8") == "keep"


def test_hostile_names_are_shown_harmlessly(make_writer: Callable[..., Any], tmp_path: Path) -> None:
    hostile = "<script>alert(1)</script>"
    names = (
        "../../escape",
        hostile,
        "con",
        "Ünïcode \N{EN DASH} Ωμέγα",
        "a" * 300,
        "x",
        "X",
        "$\\frac{1}{2}$",
        '" onload="x',
    )
    separators = {"mixture": ("baseline", 0.0), hostile: (hostile, 2.0), "../up": ("f", 1.0), "$a_b$": ("f", 1.0)}
    writer = make_writer(tmp_path / "results", separators=separators)
    scenes = {name: ((hostile, "{{ 7*7 }}"), (f"r{n}", hostile)) for n, name in enumerate(names)}
    writer.dataset("../set", scenes, title=hostile, caveat=hostile)
    writer.datasets["../set"] = writer.datasets["../set"].model_copy(update={"url": "javascript:alert(1)"})
    folder = writer.finish(problems=(Problem(subject=hostile, message=hostile),))
    site = build(folder, tmp_path / "out" / "site").parent
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["site"]
    assert len(list((site / "scenes").rglob("*.html"))) == len(names)
    lower = [path.as_posix().lower() for path in site.rglob("*.html")]
    assert len(lower) == len(set(lower)), "two pages differ in case alone"
    for path, page in pages(site).items():
        assert "<script>alert" not in page.source, path
        assert not page.handlers, path
        assert not [link for link in page.links if link.startswith("javascript:")], path
        assert all(re.fullmatch(r"[a-z0-9_-]{1,75}", part) for part in path.removesuffix(".html").split("/"))
    assert hostile in text_of(site, "index.html")
    assert "49" not in [*text_of(site, "index.html").split()]


def test_a_run_without_cells_and_an_unknown_metric_still_build(make_writer: Callable[..., Any], tmp_path: Path) -> None:
    empty = make_writer(tmp_path / "empty").finish()
    assert "nothing to compare" in Page(build(empty, tmp_path / "a")).text
    writer = make_writer(tmp_path / "unknown", separators={"mixture": ("baseline", 0.0)})
    writer.dataset("set", {"one": (("x",), ("r",))}, title="Set")
    folder = writer.finish()
    for definition in (folder / "metrics").iterdir():
        definition.unlink()
    site = build(folder, tmp_path / "b").parent
    assert "does not define the metric" in text_of(site, "metrics.html")


def test_a_scene_that_nobody_described_is_shown(make_writer: Callable[..., Any], tmp_path: Path) -> None:
    writer = make_writer(tmp_path / "results", separators={"mixture": ("baseline", 0.0)})
    writer.dataset("set", {"one": (("x",), ("r",))}, title="Set")
    folder = writer.finish()
    for part in (folder / "scenes").iterdir():
        part.unlink()
    text = text_of(build(folder, tmp_path / "site").parent, "scenes/set/one.html")
    assert "the scene was not described by the run" in text


def test_missing_results_and_runs_are_named(results_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="no results folder"):
        build(tmp_path / "nowhere", tmp_path / "out")
    with pytest.raises(ResultsError, match="no run 'x'; it has night-1"):
        build(results_folder, tmp_path / "out", run="x")
    assert not (tmp_path / "out").exists()


def test_one_run_may_be_shown_alone(make_writer: Callable[..., Any], tmp_path: Path) -> None:
    for run, separator in (("first", "early"), ("second", "late")):
        writer = make_writer(tmp_path / "results", separators={"mixture": ("baseline", 0.0), separator: ("f", 1.0)})
        writer.dataset("set", {"one": (("x",), ("r",))}, title="Set")
        writer.finish(run=run)
    both = build(tmp_path / "results", tmp_path / "both").parent
    alone = build(tmp_path / "results", tmp_path / "alone", run="first").parent
    assert {path.stem for path in (both / "separators").iterdir()} == {"mixture", "early", "late"}
    assert {path.stem for path in (alone / "separators").iterdir()} == {"mixture", "early"}
    assert {path.stem for path in (alone / "runs").iterdir()} == {"first"}


def test_a_site_is_built_where_torch_cannot_be_imported(results_folder: Path, tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from pathlib import Path\n"
        "from leaderboard import build\n"
        f"build(Path({str(results_folder)!r}), Path({str(tmp_path / 'site')!r}))\n"
        "assert not [name for name in sys.modules if name.split('.')[0] in ('bench', 'separators', 'taggers')]\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "site/index.html").is_file()


def test_pages_grow_with_the_scenes_and_not_with_their_square(make_writer: Callable[..., Any], tmp_path: Path) -> None:
    writer = make_writer(tmp_path / "results", separators={"mixture": ("baseline", 0.0), "a": ("f", 1.0)})
    writer.dataset("set", {f"s{n:03d}": (("x",), (f"r{n}",)) for n in range(40)}, title="Set")
    folder = writer.finish()
    assert Results(folder).compact()[1] == 2
    site = build(folder, tmp_path / "site").parent
    sizes = pl.Series([path.stat().st_size for path in (site / "scenes/set").iterdir()])
    assert len(sizes) == 40
    assert int(sizes.max()) < 8_000  # type: ignore[arg-type]


def tables_of(site: Path, path: str) -> list[str]:
    return re.findall(r"<table.*?</table>", (site / path).read_text(encoding="utf-8"), flags=re.DOTALL)


def row_of(table: str, separator: str) -> str:
    (row,) = [row for row in re.findall(r"<tr.*?</tr>", table, flags=re.DOTALL) if f">{separator}</a>" in row]
    return " ".join(re.sub(r"<[^>]+>", " ", row).split())


def test_what_never_ran_stands_apart_and_is_no_failure(site: Path) -> None:
    overall = tables_of(site, "datasets/musdb18.html")[0]
    hasty = row_of(overall, "hasty")
    assert "8 of 39" in hasty
    assert "31 not run" in hasty
    assert "failed" not in hasty
    assert "imputed" not in hasty
    assert overall.index("On 2 of 10 scenes: not to be compared with the rows above") < overall.index(">hasty</a>")
    assert "On 9 of 10 scenes" in overall  # one cell of ``crashing`` is still to come
    assert "it ran on 2 of 10 scenes" in overall
    text = text_of(site, "separators/hasty.html")
    assert "this scene was not in the separator's run" in text
    assert "None: every score that was due was measured." in text


def test_separators_on_a_part_of_the_scenes_are_compared_on_that_part(site: Path) -> None:
    page = (site / "datasets/musdb18.html").read_text(encoding="utf-8")
    shared = page[page.index('id="shared"') : page.index('id="scenes"')]
    after = shared[shared.index("all targets, on 2 of 10 scenes") :]
    table = re.findall(r"<table.*?</table>", after, flags=re.DOTALL)[0]
    for separator in ("hasty", "crashing", "mixture", "irm"):
        assert row_of(table, separator)


def test_a_scene_names_who_did_not_run_there_in_one_line(site: Path) -> None:
    (scene,) = (site / "scenes/musdb18").glob("artist-song-3-*.html")
    assert Page(scene).text.count("Not run: crashing , hasty") == 4
    assert not [table for table in tables_of(site, f"scenes/musdb18/{scene.name}") if "hasty" in table]


def test_a_metric_that_raised_is_shown_as_a_failure_of_its_column_with_its_reason(site: Path) -> None:
    row = row_of(tables_of(site, "datasets/musdb18.html")[0], "crashing")
    assert row.count("4 of 35 imputed") == 2
    assert row.count("8 of 35 imputed") == 1
    assert "LinAlgError: SVD did not converge 4 bass, drums, other, vocals SDRg" in text_of(
        site, "separators/crashing.html"
    )


def test_oracles_and_baselines_frame_the_systems_in_groups_of_their_own(site: Path) -> None:
    bodies = re.findall(r'<tbody class="(\w+)">(.*?)</tbody>', tables_of(site, "datasets/esc50.html")[0], re.DOTALL)
    assert [look for look, _ in bodies][:3] == ["reference", "systems", "reference"]
    for body, names in zip(
        (rows for _, rows in bodies), (("irm", "ibm"), ("hpss", "repet"), ("mixture",)), strict=False
    ):
        assert all(row_of(body, name) for name in names)


def test_a_note_that_holds_for_a_whole_table_stands_once_above_it(
    make_writer: Callable[..., Any], tmp_path: Path
) -> None:
    writer = make_writer(tmp_path / "results", separators={"mixture": ("baseline", 0.0), "a": ("f", 1.0)})
    writer.dataset("set", {str(n): (("x",), (f"r{n}",)) for n in range(4)}, title="Set")
    site = build(writer.finish(), tmp_path / "site").parent
    source = (site / "datasets/set.html").read_text(encoding="utf-8")
    overall = source[source.index('id="overall"') : source.index("</table>", source.index('id="overall"'))]
    assert overall.count("4 recordings: too few to lean on the interval") == 1
    assert "4 recordings" not in overall[overall.index("<table") :]
    assert text_of(site, "index.html").count("4 recordings: too few to lean on the interval") == 1


def test_rows_whose_intervals_differ_from_the_rest_say_so_in_their_own_group(site: Path) -> None:
    page = text_of(site, "datasets/musdb18.html")
    overall = tables_of(site, "datasets/musdb18.html")[0]
    assert "not to be compared with the rows above; 2 recordings: too few to lean on the interval" in overall
    assert overall.count("too few") == 1
    assert "too few" not in page[: page.index("Oracles, which know")]


def test_the_page_of_a_separator_says_of_its_intervals_what_its_group_said(site: Path) -> None:
    source = (site / "separators/hasty.html").read_text(encoding="utf-8")
    results = source[source.index('id="results"') : source.index('id="failures"')]
    musdb = results[results.index("MUSDB18") : results.index("Slakh2100")]
    assert musdb.count("2 recordings: too few to lean on the interval") == 1


def test_a_column_without_any_value_keeps_no_note_from_being_said_once(
    make_writer: Callable[..., Any], tmp_path: Path
) -> None:
    writer = make_writer(tmp_path / "results", separators={"silence": ("baseline", 4.9)})
    writer.dataset("set", {"one": (("x",), ("r",))}, title="Set")
    site = build(writer.finish(), tmp_path / "site").parent
    (overall,) = tables_of(site, "index.html")
    assert overall[: overall.index("<tbody")].count("one recording: no interval") == 1
    assert 'class="remark">one recording' not in overall
    for page in ("datasets/set.html", "separators/silence.html"):
        assert "One recording: no interval, and nothing can be ranked." in text_of(site, page)
        assert not re.search(r'class="(words|remark)">one recording', tables_of(site, page)[0])


def test_data_sets_of_one_title_are_told_apart_by_their_names(make_writer: Callable[..., Any], tmp_path: Path) -> None:
    writer = make_writer(tmp_path / "results", separators={"mixture": ("baseline", 0.0)})
    for name in ("musdb18", "musdb18-hq"):
        writer.dataset(name, {"one": (("x",), ("r",))}, title="MUSDB18")
    site = build(writer.finish(), tmp_path / "site").parent
    assert "<h1>MUSDB18</h1>" in (site / "datasets/musdb18.html").read_text(encoding="utf-8")
    assert "<h1>MUSDB18 · musdb18-hq</h1>" in (site / "datasets/musdb18-hq.html").read_text(encoding="utf-8")


def test_a_separator_that_only_fails_shows_its_failures_first_and_no_empty_table(site: Path) -> None:
    source = (site / "separators/broken.html").read_text(encoding="utf-8")
    assert source.index('id="failures"') < source.index('id="results"')
    assert "<td" not in source[source.index('id="results"') : source.index('id="ran"')]
    assert "<pre>RuntimeError: shapes differ\n  expected (2, 44100)\n  got (1, 44100)</pre>" in source


def test_noise_in_speed_and_memory_is_not_spelled_out(site: Path) -> None:
    row = row_of(tables_of(site, "index.html")[0], "mixture")
    assert "&lt;0.001" in row
    assert "&lt;1 MB" in row


def test_a_scene_page_says_only_what_is_particular(site: Path) -> None:
    (plain,) = (site / "scenes/musdb18").glob("artist-song-6-*.html")
    (noted,) = (site / "scenes/musdb18").glob("artist-song-2-*.html")
    text = Page(plain).text
    assert "Notes" not in text
    assert "measured" not in text
    assert "12 samples short, padded" in Page(noted).text


def test_reasons_stand_under_the_name_where_the_screen_is_narrow(site: Path) -> None:
    (scene,) = (site / "scenes/musdb18").glob("artist-song-1-*.html")
    rows = re.findall(r"<tr.*?</tr>", tables_of(site, f"scenes/musdb18/{scene.name}")[0], flags=re.DOTALL)
    (failed,) = [row for row in rows if ">crashing</a>" in row]
    head = failed[: failed.index("</th>")]
    assert re.search(r'class="said narrow">.*ValueError: kernel &lt;31&gt; is even', head, flags=re.DOTALL)
    (row,) = [row for row in re.findall(r"<tr.*?</tr>", tables_of(site, "index.html")[0], flags=re.DOTALL)
              if ">broken</a>" in row]  # fmt: skip
    assert re.search(r'<th.*class="said narrow">RuntimeError: shapes differ<.*</th>', row)


def test_options_code_and_weights_of_a_separator_are_shown(site: Path) -> None:
    text = text_of(site, "separators/hpss.html")
    assert "separators.some:Hpss , hash c0dec0dec0de" in text
    assert "kernel=31 , mask.power=2" in text
    assert f"sha256 {'feed' * 16}" in text
    assert "hpss separators.some:Hpss c0dec0dec0de kernel=31 , mask.power=2 feedfeedfeed" in text_of(
        site, "runs/night-1.html"
    )


@pytest.mark.parametrize("damage", ["", "[1]", '{"weights": "all of them", "parameters": "many"}'])
def test_a_damaged_card_costs_its_own_text_and_nothing_else(
    make_writer: Callable[..., Any], tmp_path: Path, damage: str
) -> None:
    writer = make_writer(tmp_path / "results", separators={"mixture": ("baseline", 0.0)})
    writer.dataset("set", {"one": (("x",), ("r",))}, title="Set")
    folder = writer.finish()
    (folder / "cards/mixture.json").write_text(damage, encoding="utf-8")
    site = build(folder, tmp_path / "site").parent
    assert "no model card that can be read" in text_of(site, "separators/mixture.html")


def test_a_damaged_manifest_leaves_the_other_runs_shown(make_writer: Callable[..., Any], tmp_path: Path) -> None:
    for run, separator in (("first", "early"), ("second", "late")):
        writer = make_writer(tmp_path / "results", separators={"mixture": ("baseline", 0.0), separator: ("f", 1.0)})
        writer.dataset("set", {"one": (("x",), ("r",))}, title="Set")
        folder = writer.finish(run=run)
    (folder / "runs/second.json").write_text('{"run": ', encoding="utf-8")
    site = build(folder, tmp_path / "site").parent
    assert {path.stem for path in (site / "separators").iterdir()} == {"mixture", "early"}


def test_a_site_is_the_same_where_the_locale_knows_ascii_alone(make_writer: Callable[..., Any], tmp_path: Path) -> None:
    writer = make_writer(tmp_path / "results", separators={"mixture": ("baseline", 0.0)})
    writer.dataset("set", {"Ünïcode Ωμέγα": (("χ",), ("r",))}, title="Sét")
    folder = writer.finish()
    here = build(folder, tmp_path / "here").parent
    code = (
        "from pathlib import Path\n"
        "from leaderboard import build\n"
        f"build(Path({str(folder)!r}), Path({str(tmp_path / 'there')!r}))\n"
    )
    environment = os.environ | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=120, check=False, env=environment)
    assert done.returncode == 0, done.stderr.decode("utf-8", "replace")
    assert files(here) == files(tmp_path / "there")


def test_reported_figures_stand_beside_the_measured_ones_and_take_no_rank(site: Path) -> None:
    page = (site / "datasets" / "musdb18.html").read_text()
    ranked, _, reported = page.partition('id="reported"')
    assert "Primitive clustering" in reported
    assert "arXiv:2305.07447" in reported
    assert "Primitive clustering" not in ranked
    everything = (site / "reported.html").read_text()
    assert everything.count('<span class="tag">reported</span>') == everything.count('<tr><th scope="row">')
    assert "5.57" in everything
