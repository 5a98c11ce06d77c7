"""Whatever stands in a results folder is shown harmlessly, or refused in one line that names the file."""

from __future__ import annotations

import json
import logging
import math
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from leaderboard import build
from reports.results import Results, ResultsError
from reports.schema import Manifest, MetricEntry, Problem
from reports.tables import boards

SCRIPT = "<script>alert(1)</script>"
CONTROLS = "a\x00b\x1b[31m\u202eevil\u2066x\ud800"
FINISH = "night-1"


class Scripts(HTMLParser):
    """Every script of a page, and every attribute that would run one."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self._inside = False
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = tag == "script"
        self.found += [f"{name}={value}" for name, value in attrs if name.startswith("on")]
        self.found += [str(value) for name, value in attrs if str(value).strip().lower().startswith("javascript:")]

    def handle_data(self, data: str) -> None:
        if self._inside and "alert" in data:
            self.found.append(data)


@pytest.fixture
def write(make_writer: Callable[..., Any], tmp_path: Path) -> Callable[..., Path]:
    """Write a folder of one small data set, in which everything may be called what one likes."""

    def written(**names: str) -> Path:
        called = {"separator": "a", "family": "f", "dataset": "set", "scene": "one", "target": "x"} | names
        separators = {"mixture": ("baseline", 0.0), called["separator"]: (called["family"], 2.0)}
        writer = make_writer(tmp_path / "results", separators=separators)
        scenes = {name: ((called["target"], "y"), (f"r-{name[:9]}",)) for name in (called["scene"], "two", "three")}
        writer.dataset(called["dataset"], scenes, title=called["dataset"])
        return Path(writer.finish(problems=(Problem(subject=SCRIPT, message=CONTROLS.replace("\ud800", "")),)))

    return written


def built(folder: Path, tmp_path: Path) -> Path:
    """Build the site, and see that nothing else was written, and that no page runs what it should not."""
    before = {path for path in tmp_path.rglob("*") if folder not in path.parents}
    site = build(folder, tmp_path / "sites" / "site").parent
    written = {path for path in tmp_path.rglob("*") if folder not in path.parents} - before
    assert all(path == site.parent or path == site or site in path.parents for path in written)
    names = [path.relative_to(site).as_posix() for path in site.rglob("*")]
    assert len({name.lower() for name in names}) == len(names), "two files differ in case alone"
    assert max(len(part) for name in names for part in name.split("/")) < 100
    for page in site.rglob("*.html"):
        source = page.read_text(encoding="utf-8")
        assert not Scripts(source).found, page
        assert not re.search("[\x00-\x08\x0b-\x1f\u202a-\u202e\u2066-\u2069]", source), page
        assert len(source) < 1_500_000, page
    return site


@pytest.mark.parametrize("kind", ["separator", "family", "dataset", "scene", "target"])
@pytest.mark.parametrize("name", [SCRIPT, "../../../up", "/etc/passwd", '" onload="alert(1)', "a\x01\u202eb\n\x1bc"])
def test_no_name_is_more_than_text(write: Callable[..., Path], tmp_path: Path, kind: str, name: str) -> None:
    built(write(**{kind: name}), tmp_path)


def test_a_name_of_a_hundred_thousand_letters_is_cut(write: Callable[..., Path], tmp_path: Path) -> None:
    site = built(write(scene="long " * 20_000), tmp_path)
    assert "more characters" in (site / "datasets/set.html").read_text(encoding="utf-8")


def test_names_that_differ_in_case_alone_have_pages_of_their_own(
    make_writer: Callable[..., Any], tmp_path: Path
) -> None:
    separators = {"mixture": ("baseline", 0.0), "Net": ("f", 1.0), "net": ("f", 2.0)}
    writer = make_writer(tmp_path / "results", separators=separators)
    writer.dataset("set", {"One": (("x", "X"), ("r",)), "one": (("x", "X"), ("s",))}, title="Set")
    site = built(writer.finish(), tmp_path)
    assert len(list((site / "separators").iterdir())) == 3
    assert len(list((site / "scenes/set").iterdir())) == 2


def reworked(folder: Path, kind: str, change: Callable[[pl.DataFrame], pl.DataFrame]) -> Path:
    """Change one part of a kind, and return it."""
    part = max((folder / kind).glob("*.parquet"), key=lambda path: pl.read_parquet(path).height)
    change(pl.read_parquet(part)).write_parquet(part)
    return part


def test_a_reason_of_a_megabyte_is_cut_and_the_rest_counted(write: Callable[..., Path], tmp_path: Path) -> None:
    folder = write()
    long = SCRIPT + "x" * 1_000_000
    reworked(folder, "scores", lambda rows: rows.with_columns(
        value=pl.lit(None, pl.Float64), status=pl.lit("error"), reason=pl.lit(long)))  # fmt: skip
    site = built(folder, tmp_path)
    assert any("more characters" in page.read_text(encoding="utf-8") for page in (site / "separators").iterdir())


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e308, -1e20])
def test_numbers_that_are_none_are_shown_as_missing(write: Callable[..., Path], tmp_path: Path, value: float) -> None:
    folder = write()
    reworked(folder, "scores", lambda rows: rows.with_columns(value=pl.lit(value)))
    for part in (folder / "cells").glob("*.parquet"):
        spoilt = {name: pl.lit(value) for name in ("seconds", "audio_seconds", "peak_mb", "total_seconds")}
        pl.read_parquet(part).with_columns(**spoilt).write_parquet(part)
    reworked(folder, "scenes", lambda rows: rows.with_columns(seconds=pl.lit(value)))
    site = built(folder, tmp_path)
    for page in site.rglob("*.html"):
        text = re.sub(r"<[^>]+>", " ", page.read_text(encoding="utf-8"))
        assert not re.search(r"(?<![\w-])(nan|inf)(?![\w-])|[1-9]\d{19}", text), page


def test_one_absurd_score_of_many_does_not_make_the_figures_absurd(
    make_writer: Callable[..., Any], tmp_path: Path
) -> None:
    writer = make_writer(tmp_path / "results", separators={"mixture": ("baseline", 0.0), "a": ("f", 2.0)})
    writer.dataset("set", {f"s{place}": (("x", "y"), (f"r{place}",)) for place in range(6)}, title="Set")
    folder = writer.finish()
    for part in (folder / "scores").glob("*.parquet"):
        rows = pl.read_parquet(part)
        first, sign = pl.int_range(pl.len()) == 0, 1 if part.name < "8" else -1
        rows.with_columns(value=pl.when(first).then(sign * 1e308).otherwise("value")).write_parquet(part)
    (board,) = boards(Results(folder))
    values = board.overall["value"].drop_nulls()
    assert len(values)
    assert values.abs().max() < 100  # type: ignore[operator]
    built(folder, tmp_path)


@pytest.mark.parametrize("unknown", ["seconds", "sample_rate", "channels", "targets", "recordings", "notes"])
def test_a_scene_of_which_something_is_unknown_is_shown(
    write: Callable[..., Path], tmp_path: Path, unknown: str
) -> None:
    folder = write()
    reworked(folder, "scenes", lambda rows: rows.with_columns(pl.lit(None, rows.schema[unknown]).alias(unknown)))
    site = built(folder, tmp_path)
    assert "<dt>Length</dt>" in (site / "scenes/set/one.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("length", [0.0, 1e-320])
def test_a_cell_of_no_audio_has_no_speed(write: Callable[..., Path], tmp_path: Path, length: float) -> None:
    folder = write()
    for part in (folder / "cells").glob("*.parquet"):
        pl.read_parquet(part).with_columns(audio_seconds=pl.lit(length)).write_parquet(part)
    (board,) = boards(Results(folder))
    assert board.separators["real_time_factor"].to_list() == [None, None]
    built(folder, tmp_path)


@pytest.mark.parametrize("every", [False, True])
def test_a_score_of_no_target_is_named_and_left_out(
    write: Callable[..., Path], tmp_path: Path, caplog: pytest.LogCaptureFixture, every: bool
) -> None:
    folder = write()
    for part in (folder / "scores").glob("*.parquet"):
        rows = pl.read_parquet(part)
        gone = pl.lit(True) if every else pl.col("index") == 0
        rows.with_columns(target=pl.when(~gone).then("target")).write_parquet(part)
    with caplog.at_level(logging.WARNING):
        built(folder, tmp_path)
    assert any("the score of key a/set/test/" in record.getMessage() for record in caplog.records)


@pytest.mark.parametrize("kind", ["scores", "cells", "scenes"])
@pytest.mark.parametrize("damage", ["unknown column", "wrong type", "no table"])
def test_a_part_that_is_no_table_of_its_kind_is_named_and_left_out(
    write: Callable[..., Path], tmp_path: Path, caplog: pytest.LogCaptureFixture, kind: str, damage: str
) -> None:
    folder = write()
    if damage == "no table":
        part = sorted((folder / kind).glob("*.parquet"))[0]
        part.write_text(SCRIPT, encoding="utf-8")
    elif damage == "unknown column":
        part = reworked(folder, kind, lambda rows: rows.with_columns(**{SCRIPT: pl.lit(1)}))
    else:
        first = "key" if kind != "scenes" else "scene"
        part = reworked(folder, kind, lambda rows: rows.with_columns(pl.lit(7).alias(first)))
    with caplog.at_level(logging.WARNING):
        built(folder, tmp_path)
    assert any(str(part) in record.getMessage() and "\n" not in record.getMessage() for record in caplog.records)


@pytest.mark.parametrize(
    ("kind", "column"), [("scores", "index"), ("scores", "status"), ("cells", "key"),
                         ("cells", "status"), ("scenes", "scene")],
)  # fmt: skip
def test_rows_without_what_they_are_of_are_named_and_left_out(
    write: Callable[..., Path], tmp_path: Path, caplog: pytest.LogCaptureFixture, kind: str, column: str
) -> None:
    folder = write()
    part = reworked(folder, kind, lambda rows: rows.with_columns(
        pl.when(pl.int_range(pl.len()) > 0).then(column).alias(column)
    ) if len(rows) > 1 else rows.with_columns(pl.lit(None, rows.schema[column]).alias(column)))  # fmt: skip
    with caplog.at_level(logging.WARNING):
        built(folder, tmp_path)
    told = [record.getMessage() for record in caplog.records if str(part) in record.getMessage()]
    assert any(f"row 1 has no {column}" in message for message in told)


def test_cards_definitions_and_manifests_are_text_too(write: Callable[..., Path], tmp_path: Path) -> None:
    folder = write()
    results = Results(folder)
    card: dict[str, Any] = dict.fromkeys(("summary", "paper", "licence", "notes", "url"), SCRIPT)
    results.write_card("a", card | {"training_data": [SCRIPT, "y" * 200_000], "name": CONTROLS.replace("\ud800", "")})
    results.write_metrics({
        name: MetricEntry(title=SCRIPT, unit=SCRIPT, better="higher", definition=SCRIPT, undefined=SCRIPT,
                          aggregations=(SCRIPT,))
        for name in ("sdri@1", f"{SCRIPT}@1")
    })  # fmt: skip
    manifest = results.run(FINISH)
    assert manifest
    hostile = manifest.model_copy(update={
        "configuration": {SCRIPT: {SCRIPT: SCRIPT}}, "provenance": {SCRIPT: CONTROLS.replace("\ud800", "")},
        "started": "2026-01-05T02:00:00Z", "finished": "2026-01-05T02:00:01Z",
    })  # fmt: skip
    results.write_manifest(hostile)
    built(folder, tmp_path)


@pytest.mark.parametrize("name", [f"{SCRIPT.replace('/', '')}.json", "no run at all.json"])
def test_a_manifest_under_a_name_that_no_run_has_is_named_and_left_out(
    write: Callable[..., Path], tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    folder = write()
    (folder / "runs" / name).write_bytes((folder / "runs" / f"{FINISH}.json").read_bytes())
    with caplog.at_level(logging.WARNING):
        built(folder, tmp_path)
    assert any(name in record.getMessage() for record in caplog.records)


def test_a_manifest_that_names_another_run_is_left_out(write: Callable[..., Path], tmp_path: Path) -> None:
    folder = write()
    described = json.loads((folder / "runs" / f"{FINISH}.json").read_text(encoding="utf-8"))
    Manifest.model_validate(described)
    (folder / "runs" / "other.json").write_text(json.dumps(described | {"run": "../../up"}), encoding="utf-8")
    built(folder, tmp_path)


@pytest.mark.parametrize("number", ["1e999", "-1e999", "NaN", "Infinity", "1" + 30 * "0"])
@pytest.mark.parametrize("kind", ["cards", "metrics", "runs"])
def test_json_with_a_number_that_none_can_hold_is_named_with_its_field(
    write: Callable[..., Path], tmp_path: Path, caplog: pytest.LogCaptureFixture, kind: str, number: str
) -> None:
    folder = write()
    results = Results(folder)
    results.write_card("other", {"name": "other", "parameters": 1, "fact": {"size": 17}})
    path = {"cards": folder / "cards/other.json", "metrics": folder / "metrics/sdri@1.json"}.get(kind)
    if path is None:
        path = folder / "runs/night-0.json"
        manifest = results.run(FINISH)
        assert manifest
        results.write_manifest(manifest.model_copy(update={"run": "night-0", "provenance": {"fact": {"size": 17}}}))
    text = path.read_text(encoding="utf-8")
    spoilt = text.replace('"size": 17', f'"size": {number}').replace('"title":', f'"size": {number},\n "title":', 1)
    path.write_text(spoilt if kind == "metrics" else text.replace('"size": 17', f'"size": {number}'), encoding="utf-8")
    with caplog.at_level(logging.WARNING):
        built(folder, tmp_path)
    (told,) = {record.getMessage() for record in caplog.records if str(path) in record.getMessage()}
    assert number in told or "size: the number" in told


def test_json_that_is_nested_without_end_is_named_and_left_out(
    write: Callable[..., Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = write()
    (folder / "cards/deep.json").write_text('{"a": ' + "[" * 100_000 + "]" * 100_000 + "}", encoding="utf-8")
    with caplog.at_level(logging.WARNING):
        built(folder, tmp_path)
    assert any("deep.json: damaged (nested too deeply)" in record.getMessage() for record in caplog.records)


@pytest.mark.parametrize("damage", ["no scene", "no column"])
def test_entries_that_are_no_table_are_refused_in_one_line(
    write: Callable[..., Path], tmp_path: Path, damage: str
) -> None:
    folder = write()
    entries = folder / "runs" / f"{FINISH}.parquet"
    table = pl.read_parquet(entries)
    spoilt = table.with_columns(scene=pl.lit(None, pl.String)) if damage == "no scene" else table.drop("scene")
    spoilt.write_parquet(entries)
    with pytest.raises(ResultsError) as told:
        build(folder, tmp_path / "site")
    assert str(entries) in str(told.value)
    assert "\n" not in str(told.value)
