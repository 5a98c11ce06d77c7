"""The scene protocol from configuration to tables."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner

from bench.config import ConfigError, compose
from bench.run import RunError, RunReport, run
from blind_kit import write_plugins
from harness_kit import write_musdb
from leaderboard import build
from reports.results import Results
from reports.tables import Board, boards
from reports.text import summary

NAMES = "blind_plugins"
CAPI = "capi_sdri@dcase2026"


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_plugins(tmp_path)
    write_musdb(tmp_path / "musdb", songs=3, seconds=2.0)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def start(workplace: Path, *overrides: str, name: str = "a") -> RunReport:
    given = {override.partition("=")[0] for override in overrides}
    defaults = {
        "protocol": "scene", "taggers": "[labels]", "separators": "[half]", "datasets": "[musdb18]",
        "data.musdb18": str(workplace / "musdb"), "results": str(workplace / "results"), "executor": "inline",
        "run": name, "scenes.count": "5",
    }  # fmt: skip
    return run(compose([*(f"{key}={value}" for key, value in defaults.items() if key not in given), *overrides]))


def board(workplace: Path) -> Board:
    (found,) = boards(Results(workplace / "results"))
    return found


def figures(workplace: Path, column: str) -> dict[str, float]:
    overall = board(workplace).overall.filter(pl.col("column") == column)
    return {row["separator"]: row["value"] for row in overall.to_dicts()}


def rows(workplace: Path, name: str | None = None) -> pl.DataFrame:
    return Results(workplace / "results").rows(name)


def calls(workplace: Path) -> int:
    file = workplace / "calls.txt"
    return len(file.read_text().splitlines()) if file.exists() else 0


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random tagger and the labels, with half and the mask oracle, and the parsers, on the same scenes."""
    workplace = tmp_path_factory.mktemp("compared")
    write_plugins(workplace)
    write_musdb(workplace / "musdb", songs=8, seconds=1.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(workplace)
        start(
            workplace,
            f"taggers=[labels,{NAMES}:Dice,{NAMES}:NeedsWeights]",
            "separators=[half,irm,mixture]",
            f"parsers=[nothing,{NAMES}:Optimist]",
            "scenes.count=10",
        )
    return workplace


def test_oracles_frame_what_a_random_tagger_does(compared: Path) -> None:
    for depth in (1, 2, 3):
        found = figures(compared, f"{CAPI}/mean/d{depth}")
        assert found["labels+irm"] > found["labels+half"] > found[f"{NAMES}:Dice+half"]
        assert found["labels+irm"] > found[f"{NAMES}:Dice+irm"] > found[f"{NAMES}:Dice+half"]
        assert found["nothing"] == 0


def test_the_two_shares_of_the_loss_add_up_to_it(compared: Path) -> None:
    blind = board(compared).blind
    assert blind is not None
    split = blind.splits.filter((pl.col("tagger") == f"{NAMES}:Dice") & (pl.col("separator") == "half"))
    assert split["oracle_tagger"].unique().to_list() == ["labels"]
    assert split["oracle_separator"].unique().to_list() == ["irm"]
    assert split["depth"].to_list() == [1, 2, 3]
    for row in split.to_dicts():
        assert row["detection"] + row["separation"] == pytest.approx(row["score_oracle"] - row["score"], abs=1e-12)
        assert row["detection"] > 0


def test_a_parser_ranks_and_what_is_told_the_answer_does_not(compared: Path) -> None:
    ranks = board(compared).ranks("higher", "dB")
    assert isinstance(ranks[f"{NAMES}:Optimist"], tuple), ranks
    assert isinstance(ranks[f"{NAMES}:Dice+half"], tuple)
    for told in ("labels+irm", "labels+half", f"{NAMES}:Dice+irm"):
        assert ranks[told] == "it is told a part of the answer, and takes no part"


def test_labels_are_found_and_a_parser_that_finds_nothing_finds_nothing(compared: Path) -> None:
    blind = board(compared).blind
    assert blind is not None
    deepest = blind.detection.filter(pl.col("depth") == 3)
    found = {(row["separator"], row["figure"]): row["value"] for row in deepest.to_dicts()}
    assert found["labels+half", "map"] == 1
    assert found["labels+half", "f1_micro"] == 1
    assert found["labels+half", "psds1"] == pytest.approx(1.0)  # told by frames when each class sounds
    assert found["nothing", "f1_micro"] == 0


def test_text_and_site_show_the_blind_board(compared: Path) -> None:
    results = Results(compared / "results")
    said = summary(results)
    assert "CAPI-SDRi" in said
    assert "depths" in said
    assert "what is lost against the oracles" in said
    page = build(compared / "results", compared / "site").parent / "datasets" / "musdb18-hq-scenes.html"
    html = page.read_text()
    assert "Which half lost it" in html
    assert "Against the threshold" in html
    assert "By depth" in html


def test_rows_name_system_depth_and_class(compared: Path) -> None:
    table = rows(compared)
    whole = table.filter(pl.col("metric") == CAPI)
    assert whole["target"].null_count() == len(whole)
    assert set(whole["depth"]) == {1, 2, 3, 4, 5, 6}
    assert set(table["protocol"]) == {"scene"}
    of_classes = table.filter((pl.col("metric") == "sdri@1") & (pl.col("separator") == "labels+irm"))
    assert {"Music", "Singing"} <= set(of_classes["target"])
    missed = table.filter((pl.col("separator") == "nothing") & (pl.col("metric") == "sdri@1"))
    assert set(missed["reason"]) <= {
        "missed",
        *missed.filter(pl.col("reason").str.contains("^absent|^trivial"))["reason"],
    }
    assert missed["value"].null_count() == len(missed)


def test_the_same_run_again_computes_nothing(workplace: Path) -> None:
    good = f"separators=[{NAMES}:Good]"
    start(workplace, good, name="first")
    before = calls(workplace)
    report = start(workplace, good, name="second")
    assert calls(workplace) == before > 0
    assert report.reused == report.cells == 5
    assert rows(workplace, "first").drop("run").equals(rows(workplace, "second").drop("run"))


def test_a_run_that_was_killed_goes_on_from_its_cells(workplace: Path) -> None:
    start(workplace)
    whole = rows(workplace).drop("run")
    for part in sorted((workplace / "results" / "cells").iterdir())[:2]:
        part.unlink()  # a kill comes after the scores and before the cell
    assert len(rows(workplace).filter(pl.col("status") == "pending")) == 2
    assert start(workplace).reused == 3
    assert rows(workplace).drop("run").equals(whole)


def test_whatever_can_change_the_numbers_changes_the_key(workplace: Path) -> None:
    good = f"separators=[{NAMES}:Good]"
    start(workplace, good, "scenes.count=1")
    changes = [(good, change) for change in ("options.Good.gain=0.25", "detect.threshold=0.3", "seed=1")]
    chains = [(f"separators=['{NAMES}:Good>half']",), (f"separators=['half>{NAMES}:Good']",)]
    for place, change in enumerate([*changes, *chains, (good, "scenes.seed=1")]):
        assert start(workplace, *change, "scenes.count=1", name=f"b{place}").reused == 0


def test_what_cannot_change_the_numbers_is_no_part_of_a_blind_systems_code() -> None:
    """Else a word on the site would cost a night of separating."""
    from bench import codehash
    from bench.blind.parsed import ParsedScene
    from bench.blind.tagged import TaggedScene

    reached: set[str] = set()
    read = codehash._read
    with pytest.MonkeyPatch.context() as patch:

        def noted(path: Path, name: str, *rest: int) -> object:
            reached.add(name)
            return read(path, name, *rest)

        patch.setattr(codehash, "_read", noted)
        codehash.code_hash(TaggedScene)
        codehash.code_hash(ParsedScene)
    assert {"bench.analysis.walk", "bench.truth", "separators.adapt", "taggers.timeline"} <= reached
    rooms = ("leaderboard", "bench.datasets", "bench.executors", "bench.plan", "bench.run", "bench.api", "reports.text")
    assert not [name for name in reached if name.startswith(rooms)]


def test_a_manifest_on_disk_decides_the_scenes(workplace: Path) -> None:
    from bench.cli import main

    given = ["musdb18", "--root", str(workplace / "musdb"), "--count", "3", "--seed", "9"]
    done = CliRunner().invoke(main, ["data", "scenes", *given, "--out", str(workplace / "three.json")])
    assert done.exit_code == 0, done.output
    assert "3 scenes of 10 s" in done.stdout
    report = start(workplace, f"scenes.manifest={workplace / 'three.json'}")
    assert report.cells == 3
    assert start(workplace, f"scenes.manifest={workplace / 'three.json'}", "limit=2", name="b").reused == 2
    drawn_alike = start(workplace, "scenes.count=3", "scenes.seed=9", name="c")
    assert drawn_alike.reused == 3


@pytest.mark.parametrize(
    ("override", "status", "words"),
    [
        (f"taggers=[{NAMES}:NeedsWeights]", "skip", "weights of NeedsWeights are absent"),
        (f"taggers=[{NAMES}:Deaf]", "error", "RuntimeError: deaf"),
        (f"separators=[{NAMES}:NotANumber]", "nan", "NaN or infinite"),
        ("separators=[nmf]", "ok", ""),
    ],
)
def test_what_fails_is_a_row_with_its_reason(workplace: Path, override: str, status: str, words: str) -> None:
    report = start(workplace, override, "scenes.count=2", "scenes.seed=3")
    assert set(report.counts) <= {status, "ok"}
    cells = Results(workplace / "results").run_cells("a").filter(pl.col("status") == status)
    assert len(cells) > 0
    assert all(words in (reason or "") for reason in cells["reason"])
    assert board(workplace).overall["value"].null_count() >= 0


def test_a_dead_worker_costs_its_own_cells_alone(workplace: Path) -> None:
    report = start(workplace, f"separators=[{NAMES}:Exits,half]", "scenes.count=2", "executor=pool", "workers=1")
    assert report.counts["ok"] >= 2
    failed = Results(workplace / "results").run_cells("a").filter(pl.col("status") == "error")
    assert set(failed["separator"]) == {f"labels+{NAMES}:Exits"}
    assert all("worker died" in reason for reason in failed["reason"])


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("taggers=[lables]", "did you mean labels"),
        ("separators=['half>hpps']", "did you mean hpss"),
        ("options.panns.x=1", "not in this run"),
    ],
)
def test_a_typing_error_is_refused_before_anything_runs(workplace: Path, override: str, words: str) -> None:
    with pytest.raises(RunError, match=words):
        start(workplace, override)
    assert not (workplace / "results").exists()


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (("protocol=scene", "taggers=[]"), "name taggers and separators, or parsers"),
        (("taggers=[labels]",), "say protocol=scene"),
        (("protocol=scene", "taggers=[labels]", "metrics=[sdr@1]"), "scores its own"),
        (("protocol=scene", "taggers=[labels]", "detect.threshold=2"), "detect.threshold"),
        (("detect.treshold=0.2",), "did you mean detect.threshold"),
    ],
)
def test_settings_that_do_not_fit_are_one_clear_line(overrides: tuple[str, ...], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        compose(["datasets=[mini]", *overrides])


def test_a_tagger_stands_once_for_all_systems_that_detect_with_it(compared: Path) -> None:
    blind = board(compared).blind
    assert blind is not None
    assert set(blind.detectors) == {"labels", f"{NAMES}:Dice", "nothing", f"{NAMES}:Optimist"}
    of_labels = blind.detection.filter(pl.col("separator").str.starts_with("labels+")).drop("separator")
    assert len(of_labels.unique()) == len(of_labels) / 3
