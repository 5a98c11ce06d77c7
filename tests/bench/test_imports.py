from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.imports import import_results
from bench.metrics.museval_json import MEASURES, TrackScores, write_museval
from bench.reported import Reading, SourceError, read_csv
from ontology import Ontology
from reports.results import Results
from reports.tables import boards

HEADER = ("separator", "dataset", "split", "scene", "target", "metric", "value")
SISEC = Reading(
    constants={"dataset": "sisec2016", "unit": "dB", "better": "higher"},
    columns={"separator": "system", "split": "subset", "scene": "track", "value": "median"},
    metrics={name: f"{name.lower()}_sisec2016@1" for name in ("SDR", "ISR", "SIR", "SAR")},
)


def write_table(path: Path, rows: list[dict[str, Any]], header: tuple[str, ...] = HEADER) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, header)
        writer.writeheader()
        writer.writerows(rows)
    return path


def line(**changes: Any) -> dict[str, Any]:
    plain = dict(zip(HEADER, ("A", "songs", "test", "one", "vocals", "sdr@1", "1.5"), strict=True))
    return plain | changes


def frames(*values: float) -> dict[str, list[float]]:
    return {measure: list(values) for measure in MEASURES}


def write_tracks(folder: Path, split: str = "test") -> Path:
    (folder / split).mkdir(parents=True)
    for number, track in enumerate(("Band - Song", "Band - Mr. Other")):
        scores = {"vocals": frames(1.0 + number, 3.0 + number, np.nan), "other": frames(np.nan, np.nan, np.nan)}
        write_museval(folder / split / f"{track}.json", TrackScores(scores))
    return folder


def shown(results: Path, **wanted: str) -> list[dict[str, Any]]:
    rows = Results(results).rows().to_dicts()
    return [row for row in rows if all(row[name] == value for name, value in wanted.items())]


def test_musevals_files_become_rows(tmp_path: Path) -> None:
    source = write_tracks(tmp_path / "open-unmix")
    done = import_results(source, format="museval", results=tmp_path / "results", run="a")
    assert (done.runs, done.separators, done.cells, done.figures, done.without_value) == (
        ("a",), ("open-unmix",), 2, 16, 8,
    )  # fmt: skip
    (row,) = shown(tmp_path / "results", scene="Band - Mr. Other", target="vocals", metric="sdr_bsseval_v4@1")
    assert (row["value"], row["status"], row["reason"]) == (3.0, "ok", None)
    assert (row["separator"], row["family"], row["dataset"], row["split"]) == (
        "open-unmix", "imported", "musdb18", "test",
    )  # fmt: skip
    assert row["mid"] == Ontology.audioset()["Singing"].mid
    assert row["depth"] == Ontology.audioset()["Singing"].depth
    (row,) = shown(tmp_path / "results", scene="Band - Song", target="other", metric="isr_bsseval_v4@1")
    assert (row["value"], row["status"], row["reason"]) == (None, "nan", "no frame has a value in the source")
    assert {row["metric"] for row in shown(tmp_path / "results")} == {
        f"{measure.lower()}_bsseval_v4@1" for measure in MEASURES
    }


def test_an_imported_run_says_that_its_figures_are_reported(tmp_path: Path) -> None:
    import_results(write_tracks(tmp_path / "umx"), format="museval", results=tmp_path / "results", run="a")
    (manifest,) = Results(tmp_path / "results").runs()
    assert manifest.state == "finished"
    assert manifest.configuration["figures"] == "reported elsewhere, not computed here"
    assert manifest.configuration["import"]["source"] == "umx"
    assert manifest.counts == {"ok": 2}
    assert manifest.datasets["musdb18"].title == "MUSDB18"
    assert manifest.datasets["musdb18"].columns[0] == "sdr_bsseval_v4@1/class-median-mean"


def test_the_board_and_the_site_show_imported_figures(tmp_path: Path) -> None:
    from leaderboard import build

    import_results(write_tracks(tmp_path / "umx"), format="museval", results=tmp_path / "results")
    (board,) = boards(Results(tmp_path / "results"))
    (figure,) = board.overall.filter(column="sdr_bsseval_v4@1/class-median-mean").to_dicts()
    assert (figure["separator"], figure["value"], figure["measured"]) == ("umx", 2.5, 2)
    page = build(tmp_path / "results", tmp_path / "site")
    assert "umx" in "".join(path.read_text() for path in page.parent.rglob("*.html"))


def test_a_table_becomes_rows(tmp_path: Path) -> None:
    rows = [
        line(),
        line(scene="two", value="-2"),
        line(separator="B", value=""),
        line(separator="B", scene="two", value="inf"),
        line(separator="B", scene="three", value="nan"),
    ]
    done = import_results(write_table(tmp_path / "t.csv", rows), format="csv", results=tmp_path / "results")
    assert (done.separators, done.cells, done.figures, done.without_value) == (("A", "B"), 5, 5, 3)
    found = {(row["separator"], row["scene"]): row for row in shown(tmp_path / "results")}
    assert [found["A", scene]["value"] for scene in ("one", "two")] == [1.5, -2.0]
    assert {found["B", scene]["status"] for scene in ("one", "two", "three")} == {"nan"}
    assert found["B", "one"]["reason"] == "the source gives no value"
    assert found["B", "two"]["reason"].startswith("infinite")
    assert found["A", "one"]["mid"] is None
    assert Results(tmp_path / "results").metrics()["sdr@1"].title == "SDR"


def test_several_data_sets_and_splits_are_runs_of_their_own(tmp_path: Path) -> None:
    rows = [line(), line(split="dev set"), line(dataset="noise")]
    table = write_table(tmp_path / "t.csv", rows)
    done = import_results(table, format="csv", results=tmp_path / "results", run="a")
    assert done.runs == ("a-songs-test", "a-songs-dev_set", "a-noise-test")
    assert [(board.dataset, board.split) for board in boards(Results(tmp_path / "results"))] == [
        ("noise", "test"), ("songs", "dev set"), ("songs", "test"),
    ]  # fmt: skip


def test_importing_again_changes_nothing_and_a_new_figure_takes_the_old_ones_place(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    import_results(write_table(table, [line()]), format="csv", results=tmp_path / "results", run="a")
    before = shown(tmp_path / "results")
    import_results(table, format="csv", results=tmp_path / "results", run="b")
    again = shown(tmp_path / "results")
    assert [row | {"run": "a"} for row in again] == before
    import_results(write_table(table, [line(value="7")]), format="csv", results=tmp_path / "results", run="c")
    assert [row["value"] for row in shown(tmp_path / "results")] == [7.0]


def test_targets_keep_their_places_from_one_import_to_the_next(tmp_path: Path) -> None:
    for separator, targets in (("A", ("drums", "kazoo")), ("B", ("vocals", "kazoo", "drums")), ("C", ("spoons",))):
        rows = [line(dataset="musdb18", separator=separator, target=target) for target in targets]
        table = write_table(tmp_path / f"{separator}.csv", rows)
        import_results(table, format="csv", results=tmp_path / "results", run=separator)
    places = Results(tmp_path / "results").scores().select("target", "index").unique().rows()
    assert len(places) == len(dict(places)) == len({index for _, index in places}) == 4


def test_an_oracle_is_marked(tmp_path: Path) -> None:
    table = write_table(tmp_path / "t.csv", [line(separator="IBM"), line()])
    import_results(table, format="csv", results=tmp_path / "results", oracles=["IBM"])
    import_results(table, format="csv", results=tmp_path / "results", oracles=["IBM"])
    assert {row["separator"]: row["family"] for row in shown(tmp_path / "results")} == {
        "IBM": "oracle", "A": "imported",
    }  # fmt: skip
    with pytest.raises(SourceError, match="no separator 'IRM' to be an oracle; it has IBM, A"):
        import_results(table, format="csv", results=tmp_path / "results", oracles=["IRM"])


def test_reported_figures_do_not_hide_computed_ones(tmp_path: Path) -> None:
    from bench.config import compose
    from bench.run import run
    from harness_kit import write_musdb

    write_musdb(tmp_path / "musdb")
    results = tmp_path / "results"
    config = [f"data.musdb18={tmp_path / 'musdb'}", "executor=inline", f"results={results}", "metrics=['sdr@1']"]
    run(compose(["separators=[mixture]", "datasets=[musdb18]", *config]))
    dataset = shown(results)[0]["dataset"]
    rows = [line(separator="mixture", dataset=dataset)]
    with pytest.raises(SourceError, match=r"t\.csv:2: separator 'mixture' has been run here"):
        import_results(write_table(tmp_path / "t.csv", rows), format="csv", results=results)
    rows = [line(dataset=dataset, scene="Band 0 - Song", target="drums")]
    import_results(write_table(tmp_path / "t.csv", rows), format="csv", results=results)
    drums = {row["separator"]: row["value"] for row in shown(results, scene="Band 0 - Song", target="drums")}
    assert drums["A"] == 1.5
    assert set(drums) == {"A", "mixture"}
    places = Results(results).scores().filter(target="drums")["index"].unique().to_list()
    assert len(places) == 1
    (board,) = (board for board in boards(Results(results)) if board.dataset == dataset)
    assert "sdri@1/class-median-mean" in board.columns
    assert "sdr@1/class-median-mean" in board.columns


@pytest.mark.parametrize(
    ("rows", "header", "message"),
    [
        ([line(value="1,5")], HEADER, r"t\.csv:2: value is '1,5'; write a number"),
        ([line(), line(scene="")], HEADER, r"t\.csv:3: scene is empty"),
        ([line(), line()], HEADER, r"t\.csv:3: .*stands already at .*t\.csv:2"),
        ([line(metric="SDR")], HEADER, r"t\.csv:2: metric 'SDR' is no id .*--metric SDR="),
        ([line(metric="mos@1")], HEADER, r"t\.csv:2: metric mos@1 is not known here; say its unit"),
        ([line(unit="%")], (*HEADER, "unit"), r"t\.csv:2: unit of sdr@1 is '%', but it stands as 'dB'"),
        ([line(better="up")], (*HEADER, "better"), r"t\.csv:2: better is 'up'; write higher"),
        ([line(metric="m@1", unit="MOS", better="higher"), line(metric="m@1", scene="two", unit="%", better="higher")],
         (*HEADER, "unit", "better"), r"t\.csv:3: unit of m@1 is '%'"),
        ([], HEADER, r"t\.csv: no line under the header"),
        ([{"value": 1}], ("value",), r"no column 'separator' among value; say --map separator=COLUMN, or --name"),
    ],
)  # fmt: skip
def test_a_bad_row_is_refused_by_line_and_field(
    tmp_path: Path, rows: list[dict[str, Any]], header: tuple[str, ...], message: str
) -> None:
    table = write_table(tmp_path / "t.csv", rows, header)
    with pytest.raises(SourceError, match=message) as raised:
        import_results(table, format="csv", results=tmp_path / "results")
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "results").exists()


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"\xff\xfe\x00")
    for name in ("t.csv", "absent.csv"):
        with pytest.raises(SourceError, match=name):
            import_results(tmp_path / name, format="csv", results=tmp_path / "results")


def test_a_reading_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no field 'song'; there are separator, dataset"):
        Reading(columns={"song": "track"})
    with pytest.raises(SourceError, match="scene is given as column 'track' and as 'x'"):
        Reading(constants={"scene": "x"}, columns={"scene": "track"})
    source = write_tracks(tmp_path / "umx")
    with pytest.raises(SourceError, match="CSV alone"):
        import_results(source, format="museval", results=tmp_path / "r", reading=Reading(columns={"scene": "track"}))


def test_what_museval_did_not_write_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no JSON file here"):
        import_results(tmp_path, format="museval", results=tmp_path / "r")
    scores = TrackScores({"vocals": frames(1.0, 2.0)}, window=2.0, hop=1.0)
    (tmp_path / "test").mkdir()
    write_museval(tmp_path / "test" / "Song.json", scores)
    with pytest.raises(SourceError, match=r"Song\.json: frames of 2 s every 1 s are another metric"):
        import_results(tmp_path, format="museval", results=tmp_path / "r")
    (tmp_path / "test" / "Song.json").write_text("{}")
    with pytest.raises(SourceError, match=r"Song\.json: targets"):
        import_results(tmp_path, format="museval", results=tmp_path / "r")


def test_the_split_is_told_or_asked_for(tmp_path: Path) -> None:
    source = write_tracks(tmp_path / "umx", split="evaluation")
    with pytest.raises(SourceError, match="its folder is none of test, train, valid; say --split"):
        import_results(source, format="museval", results=tmp_path / "r")
    import_results(
        source / "evaluation" / "Band - Song.json",
        format="museval",
        results=tmp_path / "r",
        reading=Reading(constants={"split": "test", "separator": "UMX", "dataset": "musdb18-hq"}),
    )
    assert {(row["separator"], row["dataset"], row["scene"]) for row in shown(tmp_path / "r")} == {
        ("UMX", "musdb18-hq", "Band - Song")
    }
    (row,) = shown(tmp_path / "r", target="vocals", metric="sdr_bsseval_v4@1")
    assert row["mid"] == Ontology.audioset()["Singing"].mid


def test_the_command_imports_and_says_what_it_did(tmp_path: Path) -> None:
    write_table(tmp_path / "t.csv", [{"system": "A", "track": "one", "target": "vocals", "metric": "SDR", "dB": "1.5"}],
                ("system", "track", "target", "metric", "dB"))  # fmt: skip
    command = [
        sys.executable, "-P", "-m", "bench.cli", "results", "import", "t.csv", "--format", "csv", "--dataset", "songs",
        "--split", "test", "--map", "separator=system", "--map", "scene=track", "--map", "value=dB",
        "--metric", "SDR=sdr@1", "--results", "results", "--run", "a",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=tmp_path, env=dict(os.environ), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "1 figures of 1 separators in 1 cells, 0 without a value; run a in results\n"
    (row,) = shown(tmp_path / "results")
    assert (row["separator"], row["value"]) == ("A", 1.5)
    bad = subprocess.run([*command, "--metric", "SDR"], cwd=tmp_path, capture_output=True, text=True)
    assert (bad.returncode, bad.stderr) == (2, "stemtree: --metric 'SDR': say NAME=VALUE\n")


def test_sisec_2016_comes_in_within_seconds(tmp_path: Path, shared_data: Path) -> None:
    started = time.perf_counter()
    source = shared_data / "sisec2016" / "sisec2016_track_medians.csv"
    done = import_results(source, format="csv", results=tmp_path / "r", reading=SISEC, oracles=["IBM"], run="sisec")
    assert time.perf_counter() - started < 30
    assert (done.figures, len(done.separators), done.cells) == (41_400, 24, 2400)
    assert done.runs == ("sisec-sisec2016-test", "sisec-sisec2016-dev")
    results = Results(tmp_path / "r")
    rows = results.rows("sisec-sisec2016-test")
    own = rows.filter(separator="UHL3", target="vocals", metric="sdr_sisec2016@1")
    expected = [figure.value for figure in read_csv(source, SISEC) if (
        figure.separator, figure.split, figure.target, figure.metric
    ) == ("UHL3", "test", "vocals", "sdr_sisec2016@1")]  # fmt: skip
    assert sorted(own["value"].to_list()) == sorted(expected)
    assert own["mid"].unique().to_list() == [Ontology.audioset()["Singing"].mid]
    assert json.loads(results.metrics()["sdr_sisec2016@1"].model_dump_json())["title"] == "SDR (reported)"
