"""A results folder from a stranger: every kind of harm is refused with its file and row named, and good ones pass."""

from __future__ import annotations

import json
import pickle
import random
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from reports.results import Results, ResultsError
from reports.schema import DETECTIONS, ENTRIES, SCENES, DatasetEntry, Manifest, MetricEntry, SeparatorEntry
from reports.validation import validate

HOSTILE = "<script>alert(1)</script>"


def write(folder: Path, *, run: str = "night-1", separator: str = "hpss", **said: Any) -> Path:
    """One separator on two scenes; ``value``, ``score``, ``cell`` and ``path`` change what is written."""
    results = Results(folder)
    entries = []
    for scene in ("a", "b"):
        key = f"{separator}-{scene}"
        score = {"index": 0, "target": "vocals", "mids": ["/m/09x0r"], "depth": 2, "metric": "sdri@1", "status": "ok"}
        cell = {"key": key, "run": run, "status": "ok", "metrics": ["sdri@1"], "attempts": 1, "seconds": 1.0}
        value = {"value": said.get("value", 2.0)}
        results.write_part(cell | said.get("cell", {}), [score | value | said.get("score", {})])
        place = {"dataset": "songs", "split": "test", "scene": scene, "protocol": "query"}
        entries.append({"key": key, "separator": separator, "family": "hpss", "variant": "v", **place})
    results.write_manifest(
        Manifest(
            run=run, state="finished", started="2026-01-05T02:00:00Z", configuration={}, provenance={},
            separators={
                separator: SeparatorEntry(path=said.get("path", "some:Hpss"), options={}, code="c", variant="v"),
            },
            datasets={"songs": DatasetEntry(
                title="Songs", split="test", licence="CC0", citation="Nobody", url="", columns=("sdri@1/mean",),
                metrics=("sdri@1",), scenes=2, version="0" * 64,
            )},
        ),
        pl.DataFrame(entries, schema=ENTRIES),
    )  # fmt: skip
    scene = {"dataset": "songs", "split": "test", "seconds": 9.0, "targets": ["vocals"], "recordings": ["r"]}
    scene |= {"content": "c"} | said.get("scene", {})
    scenes = [scene | {"scene": name} for name in ("a", "b")]
    results.write_scenes(pl.DataFrame(scenes, schema=SCENES))
    define(results, "sdri@1")
    results.write_card(separator, {"name": separator, "family": "hpss", "summary": "x"})
    return folder


def define(results: Results, metric: str, definition: str = "as it is") -> None:
    entry = MetricEntry(
        title=metric, unit="dB", better="higher", definition=definition, undefined="never", aggregations=("mean",)
    )
    results.write_metrics({metric: entry})


def found(folder: Path, against: Path | None = None) -> list[str]:
    return [str(finding) for finding in validate(folder, against=against, tolerance=1e-3).findings]


def a_file(folder: Path, kind: str) -> Path:
    return sorted((folder / kind).glob("*.parquet"))[0]


def test_what_a_run_writes_is_all_well_alone_and_beside_itself(tmp_path: Path) -> None:
    folder = write(tmp_path / "mine")
    report = validate(folder, against=None, tolerance=1e-3)
    assert report.findings == []
    assert (report.cells, report.scores, report.files) == (2, 2, 9)
    assert found(folder, folder) == []


def test_merged_parts_are_all_well(tmp_path: Path) -> None:
    folder = write(tmp_path / "mine")
    write(folder, run="night-2", separator="repet")
    Results(folder).compact()
    assert found(folder) == []


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_value_that_is_no_number_is_named_with_its_row(tmp_path: Path, value: float) -> None:
    folder = write(tmp_path / "mine", value=value)
    part = a_file(folder, "scores").relative_to(folder).as_posix()
    assert f"{part}: row 1: value is {value}".lower() in "\n".join(found(folder)).lower()


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"score": {"status": "great"}}, "status 'great' is none of ok, skip, error"),
        ({"score": {"status": "nan"}}, "status nan, but a value"),
        ({"value": None}, "status ok, but no value"),
        ({"score": {"status": "skip", "reason": None}, "value": None}, "status skip without a reason"),
        ({"score": {"metric": "best@9"}}, "metric 'best@9' has no definition in metrics/"),
        ({"score": {"index": -1}}, "index is -1, under zero"),
        ({"score": {"threshold": 1.5}}, "threshold is 1.5, not from 0 to 1"),
        ({"score": {"target": "a" * 501}}, "target has 501 letters, more than 500"),
        ({"score": {"target": "vo\N{RIGHT-TO-LEFT OVERRIDE}cals"}}, "target holds a character that cannot be seen"),
        ({"score": {"mids": ["/m/1\x07"]}}, "mids holds a text that is too long, missing, or cannot be seen"),
        ({"cell": {"seconds": float("inf")}}, "seconds is inf, which is no number"),
        ({"score": {"target": None}}, "target is missing, which only scores of blind scenes lack"),
        ({"value": -1e308}, "value is -1e+308, beyond 1,000,000,000,000,000"),
        ({"cell": {"peak_mb": 1e16}}, "peak_mb is 1e+16, beyond 1,000"),
        ({"cell": {"seconds": -1.0}}, "seconds is -1.0, under zero"),
        ({"cell": {"key": "other"}}, "key other is in the table of no run"),
        ({"cell": {"reason": "x" * 20_001}}, "reason has 20001 letters"),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, said: dict[str, Any], expected: str) -> None:
    problems = [line for line in found(write(tmp_path / "mine", **said)) if expected in line]
    assert problems
    assert any(": row 1: " in problem for problem in problems)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"spans": []}, "truth is 1, but spans say never"),
        ({"spans": [[3.0, 2.0]]}, "spans holds what is no stretch of time"),
        ({"spans": [[3.0, 9.5]]}, "spans ends after the scene does"),
        ({"hop_seconds": 1e-9}, "hop_seconds is under 0.001"),
        ({}, None),
    ],
)
def test_a_detection_that_cannot_be_is_named(tmp_path: Path, said: dict[str, Any], expected: str | None) -> None:
    folder = write(tmp_path / "mine", cell={"detection_rows": 1})
    cells = pl.concat([pl.read_parquet(path) for path in (folder / "cells").glob("*.parquet")])
    row = {"depth": 2, "mid": "/m/09x0r", "truth": 1, "score": 0.5, "predicted": True, "spans": [[3.0, 9.0]]}
    rows = [row | said | cell for cell in cells.select("key", "part", "written_at").iter_rows(named=True)]
    (folder / "detections").mkdir(exist_ok=True)
    pl.DataFrame(rows, schema=DETECTIONS).write_parquet(folder / "detections" / f"{'a' * 32}.parquet")
    problems = [problem for problem in found(folder) if problem.startswith("detections/")]
    assert bool(problems) == (expected is not None), problems
    assert all("row" in problem and str(expected) in problem for problem in problems)


@pytest.mark.parametrize(("index", "depth"), [(2, 3), (-7, -7), (1, None)])
def test_the_score_of_a_blind_scene_at_no_depth_is_named(tmp_path: Path, index: int, depth: int | None) -> None:
    folder = write(tmp_path / "mine", score={"target": None, "index": index, "depth": depth})
    entries = folder / "runs" / "night-1.parquet"
    pl.read_parquet(entries).with_columns(protocol=pl.lit("scene")).write_parquet(entries)
    assert any("of a blind scene are not one depth from 1 to 6" in problem for problem in found(folder))


def test_more_rows_than_are_named_are_counted(tmp_path: Path) -> None:
    results = Results(write(tmp_path / "mine"))
    score = {"target": "vocals", "metric": "sdri@1", "status": "ok", "value": float("nan"), "key": "hpss-a"}
    results.write_cells([{"key": "hpss-a", "run": "night-1", "status": "ok"}], [score | {"index": n} for n in range(9)])
    problems = found(tmp_path / "mine")
    assert [": row" in line for line in problems] == [True] * 5 + [False]
    assert "4 more such rows" in problems[-1]


def test_a_result_dated_in_the_future_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    with monkeypatch.context() as patch:
        patch.setattr(time, "time", lambda: now + 10 * 86_400)
        folder = write(tmp_path / "mine")
    assert sum("written_at lies in the future" in line for line in found(folder)) >= 2


def extra_column(folder: Path) -> None:
    path = a_file(folder, "scores")
    pl.read_parquet(path).with_columns(extra=1).write_parquet(path)


def lacking_column(folder: Path) -> None:
    path = a_file(folder, "cells")
    pl.read_parquet(path).drop("status").write_parquet(path)


def other_type(folder: Path) -> None:
    path = a_file(folder, "scores")
    pl.read_parquet(path).with_columns(pl.col("value").cast(pl.String)).write_parquet(path)


def cut_short(folder: Path) -> None:
    path = a_file(folder, "cells")
    path.write_bytes(path.read_bytes()[:-9])


def no_parquet(folder: Path) -> None:
    a_file(folder, "scores").write_bytes(pickle.dumps({"value": 1}))


def scores_alone(folder: Path) -> None:
    a_file(folder, "cells").unlink()


def cell_alone(folder: Path) -> None:
    a_file(folder, "scores").unlink()


def a_program(folder: Path) -> None:
    (folder / "cells" / "run.sh").write_text("#!/bin/sh\n")


def a_hidden_file(folder: Path) -> None:
    (folder / "cells" / f".{'0' * 32}.parquet.partial").write_bytes(b"PAR1")


def estimates(folder: Path) -> None:
    (folder / "audio" / "estimates" / "ab").mkdir(parents=True)
    (folder / "audio" / "estimates" / "ab" / "0.wav").write_bytes(b"RIFF")


def no_excerpt(folder: Path) -> None:
    place = folder / "audio" / "excerpts" / "songs" / "a-0123456789abcdef"
    place.mkdir(parents=True)
    (place / "scene.json").write_text('{"licence": "CC0"}')
    (place / f"{'0' * 16}.flac").write_bytes(b"RIFF")


def a_link(folder: Path) -> None:
    (folder / "cards" / "other.json").symlink_to("/etc/hostname")


def a_linked_folder(folder: Path) -> None:
    (folder / "detections").symlink_to(folder / "scores")


def no_json(folder: Path) -> None:
    (folder / "cards" / "hpss.json").write_text("{")


def nan_in_json(folder: Path) -> None:
    (folder / "cards" / "hpss.json").write_text('{"name": "hpss", "parameters": NaN}')


def too_large_in_json(folder: Path) -> None:
    path = folder / "cards" / "hpss.json"
    path.write_text('{"name": "hpss", "weights": [{"size": 1e999}]}', encoding="utf-8")


def too_long_in_json(folder: Path) -> None:
    change(folder, lambda manifest: manifest.update(reused=10**30))


def deep_json(folder: Path) -> None:
    (folder / "cards" / "hpss.json").write_text("[" * 200_000)


def other_name(folder: Path) -> None:
    (folder / "cards" / "hpss.json").write_text('{"name": "../../hpss"}')


def unknown_field(folder: Path) -> None:
    change(folder, lambda manifest: manifest.update(surprise=1))


def unfinished(folder: Path) -> None:
    change(folder, lambda manifest: manifest.update(state="running"))


def later(folder: Path) -> None:
    change(folder, lambda manifest: manifest.update(started="2999-01-01T00:00:00Z"))


def newer(folder: Path) -> None:
    change(folder, lambda manifest: manifest.update(schema_version=99))


def long_text(folder: Path) -> None:
    change(folder, lambda manifest: manifest["datasets"]["songs"].update(citation="x" * 20_001))


def hidden_text(folder: Path) -> None:
    change(folder, lambda manifest: manifest["datasets"]["songs"].update(title="a\u202eb"))


def other_dataset(folder: Path) -> None:
    change(folder, lambda manifest: manifest.update(datasets={}))


def no_manifest(folder: Path) -> None:
    (folder / "runs" / "night-1.json").unlink()


def no_table(folder: Path) -> None:
    (folder / "runs" / "night-1.parquet").unlink()


def change(folder: Path, how: Callable[[dict[str, Any]], None]) -> None:
    path = folder / "runs" / "night-1.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    how(manifest)
    path.write_text(json.dumps(manifest), encoding="utf-8")


@pytest.mark.parametrize(
    ("harm", "expected"),
    [
        (extra_column, "scores/.*: column 'extra' is none of a results folder"),
        (lacking_column, "cells/.*: no column 'status'"),
        (other_type, "scores/.*: column 'value' holds String, not Float64"),
        (cut_short, "cells/.*: damaged"),
        (no_parquet, "scores/.*: is no PARQUET file"),
        (scores_alone, "scores/.*: row 1: scores of key hpss-. without their cell"),
        (cell_alone, "cells/.*: row 1: says that it has 1 rows of scores, and 0 are there"),
        (a_program, "cells/run.sh: does not belong to a results folder; take it out"),
        (a_hidden_file, r"cells/\.0+\.parquet\.partial: does not belong .*hidden"),
        (estimates, "audio/estimates/ab/0.wav: does not belong .*cached estimates"),
        (no_excerpt, "audio/excerpts/songs/a-0123456789abcdef/scene.json: dataset: Field required"),
        (no_excerpt, "audio/excerpts/songs/a-0123456789abcdef/0+.flac: is no FLAC file"),
        (a_link, "cards/other.json: is a link"),
        (a_linked_folder, "detections: is a link"),
        (no_json, "cards/hpss.json: cannot be read as JSON"),
        (nan_in_json, "cards/hpss.json: cannot be read as JSON: NaN is no JSON number"),
        (too_large_in_json, r"cards/hpss.json: weights\.0\.size: the number is too large to be held"),
        (too_long_in_json, r"runs/night-1.json: reused: the number has 31 digits, more than can be held"),
        (deep_json, "cards/hpss.json: cannot be read as JSON"),
        (other_name, "cards/hpss.json: name '../../hpss' is not the name of the file"),
        (unknown_field, "runs/night-1.json: surprise: Extra inputs"),
        (unfinished, "runs/night-1.json: state running"),
        (later, "runs/night-1.json: started: 2999-.* lies in the future"),
        (newer, "runs/night-1.json: schema_version 99 is newer"),
        (long_text, "runs/night-1.json: datasets.songs.citation: 20,001 letters"),
        (hidden_text, r"runs/night-1.json: datasets.songs.title: holds the character U\+202E"),
        (other_dataset, "runs/night-1.parquet: row 1: dataset 'songs' is not in the manifest"),
        (no_manifest, "runs: holds no run"),
        (no_table, "runs/night-1.json: runs/night-1.parquet, the table of its cells, is missing"),
    ],
)
def test_harm_is_refused_with_its_file_named(tmp_path: Path, harm: Callable[[Path], None], expected: str) -> None:
    folder = write(tmp_path / "mine")
    harm(folder)
    problems = found(folder)
    assert any(re.match(expected, problem) for problem in problems), problems


@pytest.mark.parametrize("seed", range(10))
def test_a_part_with_wrong_bytes_never_stops_the_look(tmp_path: Path, seed: int) -> None:
    folder, choose = write(tmp_path / "mine"), random.Random(seed)
    for kind in ("cells", "scores", "runs", "scenes"):
        path = a_file(folder, kind)
        content = bytearray(path.read_bytes())
        for _ in range(4):
            content[choose.randrange(4, len(content) - 4)] = choose.randrange(256)
        path.write_bytes(content)
    assert validate(folder, against=None, tolerance=0).files == 9


def test_names_are_shown_and_not_obeyed_by_a_terminal(tmp_path: Path) -> None:
    folder = write(tmp_path / "mine")
    (folder / "\x1b[2J::error::\n").write_text(HOSTILE)
    (problem,) = found(folder)
    assert problem.isprintable()
    assert problem.startswith(r"\x1b[2J::error::\n: does not belong")


def test_a_new_run_of_a_new_separator_passes_beside_what_is_there(tmp_path: Path) -> None:
    base = write(tmp_path / "base")
    assert found(write(tmp_path / "mine", run="night-2", separator="repet"), base) == []


def test_metrics_that_are_defined_there_need_no_definition_here(tmp_path: Path) -> None:
    base, folder = write(tmp_path / "base"), write(tmp_path / "mine", run="night-2", separator="repet")
    (folder / "metrics" / "sdri@1.json").unlink()
    assert found(folder, base) == []
    assert "has no definition" in "\n".join(found(folder))


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"run": "night-2", "value": 2.5}, "sdri@1 of key hpss-a is 2.5, and 2.0 there: equal keys must give equal"),
        ({"run": "night-2", "cell": {"status": "error", "reason": "x"}}, "key hpss-a is error, and ok there"),
        ({"run": "night-2", "path": "my_pkg:Mine"}, "separator 'hpss' is my_pkg:Mine, and some:Hpss there"),
        ({"run": "night-2", "scene": {"content": "d"}}, "songs, scene a: not the recording of that name there"),
        ({"run": "night-2", "scene": {"recordings": ["r", "s"]}}, "songs, scene a: other recordings than there"),
        ({"run": "night-2", "scene": {"recordings": None}}, "songs, scene b: other recordings than there"),
        ({"run": "night-2", "scene": {"targets": ["drums"]}}, "songs, scene a: other targets than there"),
        ({"path": "my_pkg:Mine"}, "runs/night-1.json: a run of this name is there already"),
        (
            {"run": "night-2", "separator": "mine", "value": None, "score": {"status": "skip", "reason": "absent: no"}},
            "songs, scene a: vocals is absent, and has scores there",
        ),
    ],
)
def test_what_would_take_a_place_is_refused(tmp_path: Path, said: dict[str, Any], expected: str) -> None:
    base = write(tmp_path / "base")
    problems = found(write(tmp_path / "mine", **said), base)
    assert expected in "\n".join(problems)


def test_a_metric_cannot_be_defined_anew(tmp_path: Path) -> None:
    base, folder = write(tmp_path / "base"), write(tmp_path / "mine", run="night-2", separator="repet")
    define(Results(folder), "sdri@1", "the greater the better")
    assert [line for line in found(folder, base) if "the metric is defined otherwise there" in line]


def test_rounding_is_no_other_value(tmp_path: Path) -> None:
    base = write(tmp_path / "base")
    assert found(write(tmp_path / "mine", run="night-2", value=2.0005), base) == []


def test_what_is_no_folder_is_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="no folder"):
        validate(tmp_path / "nowhere", against=None, tolerance=0)
    with pytest.raises(ResultsError, match="no results folder"):
        validate(write(tmp_path / "mine"), against=tmp_path, tolerance=0)
