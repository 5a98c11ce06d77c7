"""The harness from configuration to rows, in this process."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import polars as pl
import pytest
import soundfile

from bench.config import compose
from bench.execute import load_metric
from bench.run import RunError, RunReport, run
from harness_kit import write_musdb, write_plugins, write_song
from reports.results import Results

NAMES = "kit_plugins"


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_plugins(tmp_path)
    write_musdb(tmp_path / "musdb")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def start(workplace: Path, *overrides: str, name: str = "a", separators: str = "[mixture]") -> RunReport:
    given = {override.partition("=")[0] for override in overrides}
    defaults = {
        "separators": separators, "datasets": "[musdb18]", "data.musdb18": str(workplace / "musdb"),
        "results": str(workplace / "results"), "executor": "inline", "run": name,
    }  # fmt: skip
    return run(compose([*(f"{key}={value}" for key, value in defaults.items() if key not in given), *overrides]))


def rows(workplace: Path, name: str | None = None) -> pl.DataFrame:
    return Results(workplace / "results").rows(name)


def calls(workplace: Path) -> int:
    file = workplace / "calls.txt"
    return len(file.read_text().splitlines()) if file.exists() else 0


def test_every_cell_is_a_row_and_the_mixture_gains_nothing(workplace: Path) -> None:
    report = start(workplace, separators="[mixture,half,silence]")
    assert report.counts == {"ok": 6}
    table = rows(workplace)
    gains = table.filter((pl.col("separator") == "mixture") & pl.col("metric").is_in(["sdri@1", "si_sdri@1"]))
    assert len(gains) == 2 * 2 * 4
    assert gains["value"].to_list() == [0.0] * len(gains)
    assert set(table["target"]) == {"vocals", "drums", "bass", "other"}
    assert table.filter(pl.col("target") == "vocals")["mid"].n_unique() == 1


def test_the_same_run_again_computes_nothing_and_shows_the_same_rows(workplace: Path) -> None:
    start(workplace, separators=f"[{NAMES}:Good]", name="first")
    before = calls(workplace)
    report = start(workplace, separators=f"[{NAMES}:Good]", name="second")
    assert before == calls(workplace) == 2
    assert report.reused == report.cells == 2
    assert rows(workplace, "first").drop("run").equals(rows(workplace, "second").drop("run"))


def test_an_edited_comment_keeps_the_cache_and_an_edited_statement_does_not(
    workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def edit(old: str, new: str) -> None:
        file = workplace / f"{NAMES}.py"
        file.write_text(file.read_text().replace(old, new))
        monkeypatch.delitem(sys.modules, NAMES, raising=False)

    start(workplace, separators=f"[{NAMES}:Good]")
    edit("import os, time", "# a remark\nimport os, time")
    assert start(workplace, separators=f"[{NAMES}:Good]").reused == 2
    edit("return self.gain * torch", "return 1 * self.gain * torch")
    assert start(workplace, separators=f"[{NAMES}:Good]").reused == 0


def test_options_audio_and_seed_each_change_the_key(workplace: Path) -> None:
    good = f"[{NAMES}:Good]"
    keys = set()
    for name, extra in (("a", ()), ("b", ("options.Good.gain=0.5",)), ("c", ("seed=1",))):
        start(workplace, *extra, separators=good, name=name)
        keys |= set(rows(workplace, name)["key"])
    song = workplace / "musdb" / "test" / "Band 0 - Song" / "bass.wav"
    audio, rate = soundfile.read(song)
    soundfile.write(song, audio * 0.9, rate, subtype="PCM_16")
    report = start(workplace, separators=good)
    assert report.reused == 1, "only the song whose audio changed is computed again"
    assert len(keys | set(rows(workplace, "a")["key"])) == 3 * 2 + 1


def test_options_of_a_separator_reach_its_constructor(workplace: Path) -> None:
    start(workplace, "options.Good.gain=0.5", separators=f"[{NAMES}:Good,half]")
    table = rows(workplace).filter(pl.col("metric") == "sdri@1").sort("separator", "scene", "target")
    good, half = (part["value"].to_list() for part in table.partition_by("separator", maintain_order=True))
    assert good == half


def test_a_misspelt_option_is_refused_with_the_nearest(workplace: Path) -> None:
    with pytest.raises(RunError, match=r"no option 'gian'; did you mean gain\?"):
        start(workplace, "options.Good.gian=0.5", separators=f"[{NAMES}:Good]")
    assert not (workplace / "results").exists()


def test_a_new_metric_is_scored_without_the_old_ones_again(workplace: Path) -> None:
    start(workplace, "metrics=[sdr@1]", separators=f"[{NAMES}:Good]")
    old = rows(workplace).drop("run")
    start(workplace, "metrics=[sdr@1,sdri@1]", separators=f"[{NAMES}:Good]", name="b")
    new = rows(workplace).drop("run")
    assert set(new["metric"]) == {"sdr@1", "sdri@1"}
    assert new.filter(pl.col("metric") == "sdr@1").equals(old)


def test_kept_estimates_spare_the_separation_and_score_alike(workplace: Path) -> None:
    good = f"[{NAMES}:Good]"
    start(workplace, "metrics=[sdr@1]", "estimates=keep", separators=good)
    before = calls(workplace)
    start(workplace, "metrics=[sdr@1,sdri@1]", separators=good, name="b")
    assert calls(workplace) == before
    start(workplace, "metrics=[sdr@1,sdri@1]", f"results={workplace / 'fresh'}", separators=good, name="b")
    fresh = Results(workplace / "fresh").rows()
    assert fresh.equals(rows(workplace))


def test_a_separator_is_asked_only_for_what_it_covers_and_the_rest_is_a_skip(workplace: Path) -> None:
    report = start(workplace, separators=f"[{NAMES}:VocalsOnly]")
    assert report.counts == {"ok": 2}
    table = rows(workplace)
    assert set(table.filter(pl.col("status") == "ok")["target"]) == {"vocals"}
    skipped = table.filter(pl.col("status") == "skip")
    assert set(skipped["target"]) == {"drums", "bass", "other"}
    assert skipped["reason"].null_count() == 0


def test_an_absent_requirement_is_a_skip_with_the_remedy(workplace: Path) -> None:
    report = start(workplace, separators=f"[{NAMES}:NeedsWeights,mixture]")
    assert report.counts == {"skip": 2, "ok": 2}
    reasons = rows(workplace).filter(pl.col("status") == "skip")["reason"].unique().to_list()
    assert reasons == ["weights of NeedsWeights are absent: fetch them"]


@pytest.mark.parametrize(
    ("separator", "status", "words"),
    [
        ("Raises", "error", "RuntimeError: boom"),
        ("WrongShape", "error", "WrongShape returned audio of shape (3,)"),
        ("NotANumber", "nan", "NaN or infinite"),
        ("nothing", "error", "cannot be loaded"),
        ("not_a_separator", "error", "not a class derived from"),
    ],
)
def test_a_failing_separator_is_rows_and_loses_nothing_else(
    workplace: Path, separator: str, status: str, words: str
) -> None:
    report = start(workplace, separators=f"[{NAMES}:{separator},mixture]")
    assert report.counts == {status: 2, "ok": 2}
    failed = rows(workplace).filter(pl.col("separator") == f"{NAMES}:{separator}")
    assert set(failed["status"]) == {status}
    assert words in failed["reason"][0]
    assert failed["value"].null_count() == len(failed)


def test_an_error_stands_until_its_key_changes_or_a_retry_is_asked_for(workplace: Path) -> None:
    raises = f"[{NAMES}:Raises]"
    start(workplace, separators=raises)
    assert start(workplace, separators=raises).reused == 2
    assert start(workplace, "retry=error", separators=raises).reused == 0


class TestBrokenScenes:
    def broken(self, workplace: Path) -> dict[str, str]:
        """Reasons by scene of the cells that failed; the sound song must be scored all the same."""
        report = start(workplace)
        table = rows(workplace)
        assert set(table.filter(pl.col("scene") == "Band 1 - Song")["status"]) == {"ok"}
        assert report.counts == {"ok": 1, "error": 1}
        failed = table.filter(pl.col("status") == "error")
        return dict(failed.select("scene", "reason").iter_rows())

    @pytest.fixture
    def stem(self, workplace: Path) -> Path:
        return workplace / "musdb" / "test" / "Band 0 - Song" / "vocals.wav"

    def test_truncated_wav(self, workplace: Path, stem: Path) -> None:
        stem.write_bytes(stem.read_bytes()[:-5000])
        assert "vocals.wav" in self.broken(workplace)["Band 0 - Song"]

    def test_not_a_number_in_a_stem(self, workplace: Path, stem: Path) -> None:
        audio, rate = soundfile.read(stem)
        audio[100] = float("nan")
        soundfile.write(stem, audio, rate, subtype="FLOAT")
        reason = self.broken(workplace)["Band 0 - Song"]
        assert "vocals.wav" in reason
        assert "NaN" in reason

    def test_missing_stem(self, workplace: Path, stem: Path) -> None:
        stem.unlink()
        assert "vocals.wav" in self.broken(workplace)["Band 0 - Song"]

    def test_stereo_stem_beside_mono_mixture(self, workplace: Path, stem: Path) -> None:
        mixture = stem.with_name("mixture.wav")
        audio, rate = soundfile.read(mixture)
        soundfile.write(mixture, audio[:, 0], rate, subtype="PCM_16")
        assert "channel" in self.broken(workplace)["Band 0 - Song"]

    def test_stems_of_unequal_length_are_fitted_and_noted(self, workplace: Path, stem: Path) -> None:
        audio, rate = soundfile.read(stem)
        soundfile.write(stem, audio[:-1000], rate, subtype="PCM_16")
        assert start(workplace).counts == {"ok": 2}
        notes = Results(workplace / "results").run_cells("a").sort("scene")["notes"][0].to_list()
        assert any("vocals.wav" in note for note in notes)

    def test_a_mended_scene_is_computed(self, workplace: Path, stem: Path) -> None:
        whole = stem.read_bytes()
        stem.write_bytes(whole[:-5000])
        start(workplace)
        stem.write_bytes(whole)
        assert start(workplace).counts == {"ok": 2}


def test_a_missing_data_set_is_a_problem_and_the_others_go_on(workplace: Path) -> None:
    report = start(workplace, "datasets=[musdb18,slakh2100]")
    assert report.counts == {"ok": 2}
    assert [problem.subject for problem in report.problems] == ["slakh2100"]
    assert Results(workplace / "results").runs()[0].problems == report.problems


@pytest.mark.parametrize("name", ["absent", "empty"])
def test_no_data_at_all_is_one_clear_line(workplace: Path, name: str) -> None:
    (workplace / "empty").mkdir()
    with pytest.raises(RunError, match=rf"musdb18.*{name}"):
        start(workplace, f"data.musdb18={workplace / name}")


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("separators=[hpps]", "did you mean hpss"),
        ("metrics=[sdi@1]", "did you mean"),
        ("options.hpss.kernel=3", "not in this run"),
        ("data.musdb=x", "not in this run"),
    ],
)
def test_a_typing_error_is_refused_before_anything_runs(workplace: Path, override: str, words: str) -> None:
    with pytest.raises(RunError, match=words):
        start(workplace, override)
    assert not (workplace / "results").exists()


def test_a_dry_run_counts_and_estimates_and_writes_nothing(workplace: Path) -> None:
    dry = start(workplace, "dry_run=true")
    assert (dry.counts["to run"], dry.counts["done"], dry.seconds_left) == (2, 0, None)
    assert not (workplace / "results").exists()
    start(workplace)
    write_song(workplace / "musdb" / "test" / "Band 2 - Song", seed=2)
    dry = start(workplace, "dry_run=true")
    assert (dry.counts["to run"], dry.counts["done"]) == (1, 2)
    assert dry.seconds_left is not None
    assert 0 < dry.seconds_left < 60


def test_limit_takes_the_first_scenes(workplace: Path) -> None:
    start(workplace, "limit=1")
    assert set(rows(workplace)["scene"]) == {"Band 0 - Song"}


def test_scores_without_their_cell_do_not_count(workplace: Path) -> None:
    start(workplace)
    whole = rows(workplace)
    lost = next((workplace / "results" / "cells").glob("*.parquet"))
    lost.unlink()
    left = rows(workplace)
    assert len(left.filter(pl.col("status") == "ok")) == len(whole) // 2
    assert left.filter(pl.col("status") == "pending").height == 1
    start(workplace)
    assert rows(workplace).equals(whole)


def test_compaction_changes_no_row(workplace: Path) -> None:
    start(workplace, separators="[mixture,half]")
    start(workplace, "metrics=[leakage@1,sdr@1]", separators="[mixture]", name="b")
    results = Results(workplace / "results")
    before = results.rows()
    parts, left = results.compact()
    assert left == 2 < parts
    assert results.rows().equals(before)
    assert start(workplace, separators="[mixture,half]").reused == 4


def test_results_of_two_machines_merge_by_copying(workplace: Path) -> None:
    start(workplace, separators="[mixture]", name="one")
    start(workplace, f"results={workplace / 'other'}", separators="[half]", name="two")
    other = Results(workplace / "other").rows()
    for file in (workplace / "other").rglob("*.*"):
        target = workplace / "results" / file.relative_to(workplace / "other")
        target.parent.mkdir(exist_ok=True)
        shutil.copy(file, target)
    merged = rows(workplace)
    assert set(merged["separator"]) == {"mixture", "half"}
    assert merged.filter(pl.col("separator") == "half").equals(other)
    assert set(merged["status"]) == {"ok"}


class TestWhatCountsAsTheSame:
    """A key must change with everything that can change a number, and with nothing else."""

    def edit(self, workplace: Path, name: str, old: str, new: str) -> None:
        file = workplace / f"{name}.py"
        assert old in file.read_text()
        file.write_text(file.read_text().replace(old, new))
        for module in ("kit_helper", NAMES):
            sys.modules.pop(module, None)

    def test_a_module_beside_the_plug_in(self, workplace: Path) -> None:
        (workplace / "kit_helper.py").write_text("GAIN = 1.0\n")
        self.edit(workplace, NAMES, "import os, time", "import os, time\nimport kit_helper")
        start(workplace, separators=f"[{NAMES}:Good]")
        self.edit(workplace, "kit_helper", "GAIN = 1.0", "GAIN = 0.25")
        assert start(workplace, separators=f"[{NAMES}:Good]").reused == 0

    def test_code_edited_after_it_was_imported_is_refused(self, workplace: Path) -> None:
        start(workplace, separators=f"[{NAMES}:Good]")
        file = workplace / f"{NAMES}.py"
        file.write_text(file.read_text().replace("return self.gain", "return 2 * self.gain"))
        report = start(workplace, separators=f"[{NAMES}:Good]", name="b")
        assert report.counts == {"error": 2}
        assert "edited after it was imported; start a new process" in rows(workplace, "b")["reason"][0]

    def test_a_package_that_cannot_be_imported_is_no_hindrance_where_it_is_not_imported(self, workplace: Path) -> None:
        (workplace / "lp" / "training").mkdir(parents=True)
        (workplace / "lp" / "__init__.py").touch()
        (workplace / "lp" / "training" / "__init__.py").write_text("raise ImportError('needs a GPU')")
        (workplace / "lp" / "training" / "loop.py").touch()
        self.edit(workplace, NAMES, "import os, time", "import os, time\ndef train():\n    import lp.training.loop\n")
        assert start(workplace, separators=f"[{NAMES}:Good]").counts == {"ok": 2}

    def test_a_metric_of_another_version(self, workplace: Path) -> None:
        metric = workplace / "kit_metric.py"
        metric.write_text(
            "import torch\nfrom bench.metrics.base import Metric\n"
            "M = Metric(name='mine', version=1, function=lambda estimates: torch.ones(len(estimates)),\n"
            "    needs=('estimates',), unit='', better='higher', title='Mine', definition='', undefined='')\n"
        )
        start(workplace, "metrics=[kit_metric:M]")
        metric.write_text(metric.read_text().replace("version=1", "version=2").replace("torch.ones", "torch.zeros"))
        sys.modules.pop("kit_metric")
        load_metric.cache_clear()
        start(workplace, "metrics=[kit_metric:M]", name="b")
        assert set(rows(workplace, "b").filter(pl.col("metric") == "mine@2")["value"]) == {0.0}

    def test_numbers_drawn_from_global_generators_are_seeded(self, workplace: Path) -> None:
        self.edit(workplace, NAMES, "return self.gain * torch", "import numpy; return numpy.random.rand() * torch")
        start(workplace, separators=f"[{NAMES}:Good]")
        start(workplace, f"results={workplace / 'again'}", separators=f"[{NAMES}:Good]")
        assert rows(workplace).equals(Results(workplace / "again").rows())


def test_a_metric_that_fails_costs_its_own_rows_and_stands_until_it_is_retried(workplace: Path) -> None:
    (workplace / "kit_metric.py").write_text(
        "from bench.metrics.base import Metric\ndef fail(estimates):\n    raise MemoryError('too much')\n"
        "M = Metric(name='bad', version=1, function=fail, needs=('estimates',), unit='', better='higher',\n"
        "    title='Bad', definition='', undefined='')\n"
    )
    start(workplace, "metrics=[sdr@1]", name="a")
    before = rows(workplace, "a")
    start(workplace, "metrics=[sdr@1,kit_metric:M]", name="b")
    after = rows(workplace, "b")
    bad = after.filter(pl.col("metric") == "bad@1")
    assert set(bad["status"]) == {"error"}
    assert "too much" in bad["reason"][0]
    assert rows(workplace, "a").filter(pl.col("metric") == "sdr@1").equals(before)
    assert start(workplace, "metrics=[sdr@1,kit_metric:M]", name="b").reused == 2
    assert start(workplace, "metrics=[sdr@1,kit_metric:M]", "retry=error", name="b").reused == 0


def test_a_cell_whose_scores_were_lost_runs_again(workplace: Path) -> None:
    start(workplace)
    whole = rows(workplace)
    next((workplace / "results" / "scores").glob("*.parquet")).unlink()
    assert rows(workplace).filter(pl.col("status") == "pending").height == 1
    assert start(workplace).reused == 1
    assert rows(workplace).equals(whole)


def test_merging_parts_while_a_cell_is_being_written_keeps_its_scores(workplace: Path) -> None:
    start(workplace)
    whole = rows(workplace)
    cells = workplace / "results" / "cells"
    late = next(cells.glob("*.parquet"))
    waiting = workplace / late.name
    late.rename(waiting)  # its scores are written, the cell is still to come
    Results(workplace / "results").compact()
    waiting.rename(cells / late.name)
    assert rows(workplace).equals(whole)


def test_one_figure_never_mixes_two_variants_of_a_separator(workplace: Path) -> None:
    start(workplace, separators=f"[{NAMES}:Good]", name="a")
    start(workplace, "options.Good.gain=0.5", "limit=1", separators=f"[{NAMES}:Good]", name="b")
    assert set(rows(workplace)["scene"]) == {"Band 0 - Song"}
    assert rows(workplace, "a")["scene"].n_unique() == 2


def test_two_runs_in_one_second_have_two_names(workplace: Path) -> None:
    names = {start(workplace, "run=null").run for _ in range(3)}
    assert len(names) == 3


def test_a_name_stands_for_one_configuration(workplace: Path) -> None:
    start(workplace, name="night")
    with pytest.raises(RunError, match=r"'night' .* with other separators; give this one another name"):
        start(workplace, separators="[half]", name="night")
    start(workplace, "limits.seconds=60", name="night")


def test_options_of_a_data_set_by_path_reach_it(workplace: Path) -> None:
    (workplace / "kit_data.py").write_text(
        "from bench.datasets.musdb18 import Musdb18\nclass Mine(Musdb18):\n    name = 'mine'\n"
    )
    report = run(compose([
        "separators=[mixture]", "datasets=[kit_data:Mine]", "options.Mine.targets=[vocals]", "executor=inline",
        f"data.Mine={workplace / 'musdb'}", f"results={workplace / 'results'}", "run=a",
    ]))  # fmt: skip
    assert report.counts == {"ok": 2}
    assert set(rows(workplace)["target"]) == {"vocals"}


def test_a_data_set_that_raises_anything_is_a_problem(workplace: Path) -> None:
    (workplace / "kit_data.py").write_text(
        "from bench.datasets.musdb18 import Musdb18\nclass Mine(Musdb18):\n"
        "    def scenes(self):\n        raise KeyError('stems')\n"
    )
    report = start(workplace, "datasets=[musdb18,kit_data:Mine]", f"data.root={workplace / 'musdb'}")
    assert report.counts == {"ok": 2}
    assert "KeyError" in report.problems[0].message


def test_a_separator_that_exits_in_this_process_is_a_row(workplace: Path) -> None:
    plugin = workplace / f"{NAMES}.py"
    plugin.write_text(plugin.read_text().replace('raise RuntimeError("boom")', "raise SystemExit(3)"))
    assert start(workplace, separators=f"[{NAMES}:Raises,mixture]").counts == {"error": 2, "ok": 2}


def test_scenes_of_equal_audio_in_two_data_sets_keep_their_own_recordings(workplace: Path) -> None:
    shutil.copytree(workplace / "musdb", workplace / "copy")
    (workplace / "copy" / "test").rename(workplace / "copy" / "train")
    start(workplace, name="one")
    before = Results(workplace / "results").scenes()
    start(workplace, f"data.musdb18={workplace / 'copy'}", "options.musdb18.split=train", name="two")
    after = Results(workplace / "results").scenes().filter(pl.col("split") == "test")
    assert after.equals(before)
