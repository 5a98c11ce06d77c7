"""The overall table: every data set side by side, what may not be compared, and what a filter has to go by."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from leaderboard import rankings
from leaderboard.cards import UNDECLARED, Card, licences, training_data
from leaderboard.context import read
from leaderboard.lineage import seen_in_training
from leaderboard.overall_table import sections
from leaderboard.page import Studio
from leaderboard.pages import overview, separators
from reports.results import Results

BUDGET = 300_000
SEPARATORS = ("mixture", "silence", "half", "gain-oracle", "irm", "ibm", "hpss", "repet", "crashing", "absent-tool",
              "hasty", "broken")  # fmt: skip
MISSING = re.compile(r'<span class="missing" title="([^"]*)">')


def render(results: Path, out: Path) -> str:
    """The overall page alone: no other page is made."""
    (page,) = overview.pages(Studio(read(Results(results), run=None, title="Site"), out))
    assert page.path == "index.html"
    content = page.content()
    assert isinstance(content, str)
    return content


@pytest.fixture(scope="module")
def index(results_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    return render(results_folder, tmp_path_factory.mktemp("overview"))


def table_of(page: str) -> str:
    (table,) = re.findall(r"<table.*?</table>", page, flags=re.DOTALL)
    return str(table)


def row_of(page: str, separator: str) -> str:
    (row,) = [row for row in re.findall(r"<tr.*?</tr>", page, flags=re.DOTALL) if f">{separator}</a>" in row]
    return str(row)


def columns_of(page: str) -> dict[str, bool]:
    """Columns by name, and whether each is shown at first."""
    heads = re.findall(r'<th scope="col"[^>]*data-column="([^"]*)"([^>]*)>', page)
    return {name: not re.search(r"\bhidden\b", rest) for name, rest in heads}


def cells_of(row: str) -> list[str]:
    return re.findall(r"<t[dh]\b.*?</t[dh]>", row, flags=re.DOTALL)


def test_who_is_told_the_reference_is_an_oracle_whatever_the_family(
    make_writer: Callable[..., Any], tmp_path: Path
) -> None:
    families = {"half": "baseline", "told-half": "baseline", "net": "uss", "told-net": "uss", "irm": "oracle"}
    levels = {name: (family, 3.0 + place) for place, (name, family) in enumerate(families.items())}
    writer = make_writer(tmp_path / "results", separators=levels)
    writer.dataset("songs", {f"song {n}": (("x", "y"), (f"r{n}",)) for n in range(4)}, title="Songs")
    for entry in writer.entries:
        entry["oracle"] = entry["separator"].startswith("told")
    site = read(Results(writer.finish()), run=None, title="Site")
    assert {name: site.kind(name) for name in families} == {
        "half": "baseline", "told-half": "baseline", "net": "system", "told-net": "oracle", "irm": "oracle",
    }  # fmt: skip
    groups = rankings.overall(site, site.boards[0]).groups
    assert [{row.name for row in group.rows} for group in groups] == [
        {"told-net", "irm"}, {"net"}, {"half", "told-half"},
    ]  # fmt: skip


def test_each_separator_has_one_row_with_a_cell_under_every_column(index: str) -> None:
    table, columns = table_of(index), columns_of(index)
    rows = re.findall(r'<tr class="(?:system|oracle|baseline)".*?</tr>', table, flags=re.DOTALL)
    names = [re.findall(r'<th scope="row"><a[^>]*>([^<]*)<', row) for row in rows]
    assert sorted(name for (name,) in names) == sorted(SEPARATORS)
    hidden = [not shown for shown in columns.values()]
    for row in rows:
        cells = cells_of(row)
        assert [bool(re.match(r"<t[dh][^>]* hidden", cell)) for cell in cells] == hidden


def test_of_three_data_sets_two_figures_each_are_shown_and_the_others_wait_to_be_chosen(index: str) -> None:
    columns = columns_of(index)
    for name in ("esc50", "musdb18", "slakh2100"):
        assert [column for column, shown in columns.items() if shown and column.startswith(f"{name}:")] == [
            f"{name}:rank",
            f"{name}:sdri@1/class-median-mean",
            f"{name}:sdrg@1/class-median-mean",
        ]
        assert not columns[f"{name}:si_sdri@1/class-median-mean"]
    assert columns["rtf"]
    assert columns["memory"]


def test_heads_and_headings_span_what_is_shown_and_say_how_much_there_is(index: str) -> None:
    columns = columns_of(index)
    sets = re.findall(r'<th scope="colgroup" class="set" colspan="(\d+)"(?: data-span="(\d+)")?', index)
    assert [(int(shown), int(all_ or shown)) for shown, all_ in sets] == [(3, 4), (3, 4), (3, 4), (2, 2)]
    for shown, everything in re.findall(r'<th scope="rowgroup" colspan="(\d+)" data-span="(\d+)"', index):
        assert (int(shown), int(everything)) == (sum(columns.values()), len(columns))


def test_every_figure_has_its_interval_and_its_bar_or_says_why_not(index: str) -> None:
    cells = [cell for cell in cells_of(table_of(index)) if cell.startswith('<td class="figure-cell')]
    values = [cell for cell in cells if 'class="value"' in cell]
    assert values
    for cell in values:
        assert '<svg class="bar' in cell
    assert len([cell for cell in values if re.search(r"\[\S+, \S+\]", cell)]) > len(values) / 2
    for cell in cells:
        assert cell in values or MISSING.search(cell)


def test_figures_on_a_part_of_a_data_set_are_marked_and_the_others_are_not(index: str) -> None:
    ran_less, covers_less, whole = (row_of(index, name) for name in ("hasty", "hpss", "half"))
    assert ran_less.count('<span class="remark">on 2 of 10 scenes</span>') == 3  # beside each of its figures there
    assert covers_less.count('<span class="remark">on 2 of 4 targets</span>') == 3
    assert 'figure-cell part"' in ran_less
    assert 'figure-cell part"' in covers_less
    assert 'figure-cell part"' not in whole


def test_rows_stand_by_the_first_data_set_and_those_on_a_part_of_it_below(index: str) -> None:
    esc = 'aria-sort="descending"'
    assert index.count(esc) == 1
    assert re.search(rf'data-column="esc50:sdri@1/class-median-mean" {esc}', index)
    systems = index[index.index('<tbody class="systems">') :]
    systems = systems[: systems.index("</tbody>")]
    names = re.findall(r'<th scope="row"><a[^>]*>([^<]*)<', systems)
    assert names.index("repet") < names.index("hpss") < names.index("hasty") < names.index("absent-tool")


def test_oracles_stand_above_and_baselines_below_the_systems(index: str) -> None:
    bodies = re.findall(r'<tbody class="([a-z ]+)">(.*?)</tbody>', table_of(index), flags=re.DOTALL)
    assert [look for look, _ in bodies] == ["reference oracles", "systems", "reference baselines"]
    for (_, body), kind in zip(bodies, ("oracle", "system", "baseline"), strict=True):
        assert set(re.findall(r'<tr class="(oracle|system|baseline)"', body)) == {kind}


def test_what_a_row_can_be_filtered_by_stands_in_the_html(index: str) -> None:
    found = {
        name: json.loads(re.findall(r"data-facets='([^']*)'", row_of(index, name))[0]) for name in ("hpss", "crashing")
    }
    assert found["hpss"]["family"] == ["primitive"]
    assert found["hpss"]["licence"] == ["MIT"]
    assert found["hpss"]["training"] == ["none"]
    assert found["crashing"]["licence"] == found["crashing"]["training"] == [UNDECLARED]  # it has no card
    assert found["crashing"]["seen"] == ["training data not declared"]


def test_the_data_sets_are_listed_with_their_caveats_and_lead_to_their_pages(index: str) -> None:
    listed = index[index.index('id="data-sets"') :]
    assert listed.count("<h3>") == 3
    assert "Two clips of one recording may stand in different pairs." in listed
    for name in ("esc50", "musdb18", "slakh2100"):
        assert f'href="datasets/{name}.html"' in listed


def test_a_separator_trained_on_a_data_set_is_flagged_beside_its_figures_there_alone(
    make_writer: Callable[..., Any], tmp_path: Path
) -> None:
    writer = make_writer(tmp_path / "results", separators={"mixture": ("baseline", 0.0), "net": ("nets", 3.0)})
    writer.dataset("musdb18-hq", {"one": (("x",), ("r",))}, title="MUSDB18")
    writer.dataset("esc50", {"two": (("x",), ("s",))}, title="ESC-50 and ESC-10")
    folder = writer.finish()
    card = json.loads((folder / "cards/net.json").read_text(encoding="utf-8"))
    card["training_data"] = ["AudioSet", "MUSDB18-HQ <train>"]
    (folder / "cards/net.json").write_text(json.dumps(card), encoding="utf-8")
    page = render(folder, tmp_path / "site")
    cells = dict(zip(columns_of(page), cells_of(row_of(page, "net")), strict=True))
    badge = 'title="Its card names MUSDB18-HQ &lt;train&gt; among its training data">trained on it</span>'
    assert {name for name, cell in cells.items() if badge in cell} == {
        f"musdb18-hq:{metric}/class-median-mean" for metric in ("sdri@1", "sdrg@1", "si_sdri@1")
    }
    assert "trained on a data set shown here" in row_of(page, "net")
    assert "trained on it" not in row_of(page, "mixture")
    studio = Studio(read(Results(folder), run=None, title="Site"), tmp_path / "site")
    (own,) = [page for page in separators.pages(studio) if page.path == "separators/net.html"]
    assert str(own.content()).count("its card names MUSDB18-HQ &lt;train&gt; among its training data") == 1


def test_data_sets_of_one_protocol_share_a_table_without_a_heading(index: str) -> None:
    assert index.count("<table") == 1
    assert re.findall(r'<h2 id="([^"]*)"', index) == ["data-sets"]


def test_blind_data_sets_have_a_table_of_their_own_whose_oracles_are_told_an_answer(
    make_writer: Callable[..., Any], tmp_path: Path
) -> None:
    writer = make_writer(tmp_path / "results", separators={"mixture": ("baseline", 0.0), "irm": ("oracle", 9.0)})
    for name in ("told", "unheard"):
        writer.dataset(name, {f"{name}-{n}": (("x",), (f"{name}-{n}",)) for n in range(3)}, title=name)
    site = read(Results(writer.finish()), run=None, title="Site")
    tables = [(board, rankings.overall(site, board)) for board in site.boards]
    blind: Any = object()  # what else a board of blind scenes has is not for this table
    tables[1] = (replace(tables[1][0], blind=blind), tables[1][1])
    query, scene = sections(site, tables)
    assert [head.title for head in query.heads] == ["told"]
    assert [head.title for head in scene.heads] == ["unheard"]
    assert scene.blind
    assert [heading for _, heading, _ in query.groups] == [rankings.ORACLES, rankings.BASELINES]
    assert [heading for _, heading, _ in scene.groups] == [rankings.TOLD, rankings.BASELINES]


def test_the_first_load_with_fifty_separators_and_eight_data_sets_stays_in_its_budget(
    make_writer: Callable[..., Any], tmp_path: Path
) -> None:
    separators = {"mixture": ("baseline", 0.0), "irm": ("oracle", 13.9)}
    separators |= {f"system-{n:02d}": (f"family-{n % 6}", 2.0 + n / 5) for n in range(48)}
    writer = make_writer(tmp_path / "results", separators=separators)
    written: list[tuple[dict[str, Any], list[dict[str, Any]]]] = []
    writer.results.write_part = lambda cell, scores: written.append((cell, scores))
    writer.dataset("set", {f"s{n}": (("x",), (f"r{n}",)) for n in range(4)}, title="Set")
    both = ("class-median-mean", "mean")
    columns = tuple(column.replace(both[0], rule) for rule in both for column in writer.datasets["set"].columns)
    writer.datasets["set"] = writer.datasets["set"].model_copy(update={"columns": columns})
    writer.results.write_cells(
        [cell for cell, _ in written], [{**row, "key": cell["key"]} for cell, scores in written for row in scores]
    )
    page = render(writer.finish(), tmp_path / "site")
    assert sum(name.startswith("set:") for name in columns_of(page)) == 7
    static = resources.files("leaderboard").joinpath("static", "site")
    assets = sum(len(gzip.compress(file.read_bytes())) for file in static.iterdir())
    assert assets + 8 * len(gzip.compress(page.encode())) < BUDGET


@pytest.mark.parametrize(
    ("named", "dataset", "title", "seen"),
    [
        ("MUSDB18-HQ, train", "musdb18-hq", "MUSDB18", True),
        ("MUSDB18", "musdb18-hq-scenes", "MUSDB18, blind scenes", True),
        ("MedleyDB", "musdb18", "MUSDB18", True),
        ("DSD100", "sisec2016", "sisec2016", True),
        ("VCTK", "voicebank_demand", "VoiceBank-DEMAND", True),
        ("ESC-50 and ESC-10", "esc50", "ESC-50 and ESC-10", True),
        ("FSDKaggle2018 (DCASE 2018 Task 2)", "dcase2018", "FSDKaggle2018 (DCASE 2018 Task 2)", True),
        ("AudioSet, balanced", "audioset", "AudioSet", True),
        ("mini, in the layout of MUSDB18", "musdb18", "MUSDB18", False),
        ("MUSDB18", "mini-musdb18-hq", "mini, in the layout of MUSDB18", False),
        ("AudioSet", "musdb18", "MUSDB18", False),
        ("MUSDB180", "musdb18", "MUSDB18", False),
        ("", "musdb18", "MUSDB18", False),
        ("anything", "---", "", False),
    ],
)
def test_training_data_is_known_by_the_name_of_the_data_set_or_of_one_that_holds_it(
    named: str, dataset: str, title: str, seen: bool
) -> None:
    assert seen_in_training(["Something else", named], dataset=dataset, title=title) == (named if seen else None)


def test_licences_are_names_without_the_remarks_on_them_and_of_weights_too() -> None:
    weights = {"url": "u", "sha256": "0" * 64, "size": 1, "licence": "CC BY-NC 4.0"}
    remark = "MIT; the recordings it was trained on are credited one by one in a file"
    assert licences(Card.model_validate({"licence": remark, "weights": [weights]})) == ("MIT", "CC BY-NC 4.0")
    assert licences(None) == licences(Card()) == (UNDECLARED,)
    assert licences(Card(licence=remark.partition("; ")[2])) == (remark.partition("; ")[2],)


def test_no_training_data_is_something_else_than_no_card() -> None:
    assert training_data(None) == (UNDECLARED,)
    assert training_data(Card()) == ("none",)
    assert training_data(Card(training_data=("AudioSet", "AudioSet"))) == ("AudioSet",)
