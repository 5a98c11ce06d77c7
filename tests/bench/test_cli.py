"""The command: exit status, the line a person sees, and output that scripts can read."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import soundfile

from harness_kit import write_musdb, write_plugins


def stemtree(*arguments: str | Path, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "bench.cli", *map(str, arguments)]
    return subprocess.run(
        command, cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True, timeout=120
    )


def run_small(folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return stemtree(
        "run", "separators=[mixture,half]", "datasets=[musdb18]", f"data.musdb18={folder / 'musdb'}", "executor=inline",
        *more, folder=folder,
    )  # fmt: skip


def test_listing_imports_no_torch(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from bench.cli import main\n"
        "main(['list', 'separators', '--json'], standalone_mode=False)"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert {"mixture", "irm", "hpss", "nmf"} <= {row["name"] for row in json.loads(done.stdout)}


@pytest.mark.parametrize("kind", ["separators", "datasets", "metrics"])
def test_everything_listed_can_be_loaded(kind: str) -> None:
    from bench.plugins import load, names

    for name in names(kind):  # type: ignore[arg-type]
        assert load(kind, name) is not None  # type: ignore[arg-type]


def test_run_show_and_site_in_a_folder_with_names_like_the_packages(tmp_path: Path) -> None:
    write_musdb(tmp_path / "musdb")
    for name in ("leaderboard", "reports", "bench"):  # a user's own folders must not shadow the packages
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise ImportError('shadowed')")
    done = run_small(tmp_path, "run=a")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("4 cells: 4 ok; 0 reused; run a in")
    shown = stemtree("results", "show", "--json", folder=tmp_path)
    rows = json.loads(shown.stdout)
    fields = "run key separator family dataset split scene target mid depth protocol metric value status reason"
    assert list(rows[0]) == fields.split()
    built = stemtree("leaderboard", "build", folder=tmp_path)
    assert built.returncode == 0, built.stderr
    assert Path(built.stdout.strip()).name == "index.html"
    assert Path(built.stdout.strip()).is_file()


def test_values_that_are_not_finite_are_null_in_json(tmp_path: Path) -> None:
    write_musdb(tmp_path / "musdb", songs=1)
    stemtree(
        "run", "separator=silence", "datasets=[musdb18]", f"data.musdb18={tmp_path / 'musdb'}", "executor=inline",
        folder=tmp_path,
    )  # fmt: skip
    rows = json.loads(stemtree("results", "show", "--json", folder=tmp_path).stdout)
    undefined = [row for row in rows if row["metric"] == "si_sdr@1"]
    assert undefined
    assert all(row["value"] is None and row["status"] == "nan" and row["reason"] for row in undefined)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "seprators=[hpss]"], "did you mean separators"),
        (["run", "separators=[hpps]"], "did you mean hpss"),
        (["run", "suite=dmeo"], "did you mean demo"),
        (["run", "limit=0"], "limit"),
        (["run", "hpss"], "NAME=VALUE"),
        (["run", "separators=[hpss]", "datasets=[musdb18]"], "data.musdb18=PATH"),
        (["results", "show"], "stemtree run"),
        (["results", "compact"], "no results folder"),
        (["leaderboard", "build"], "stemtree run"),
        (["score", "musdb18", "--root", "x", "--estimates", "y", "--name", "z"], "musdb18"),
        (["data", "verify", "musdb18", "--root", "nowhere"], "nowhere"),
        (["data", "verify", "mudsb18", "--root", "."], "did you mean musdb18"),
        (["data", "get", "musdb"], "did you mean musdb18"),
        (["data", "scenes", "mini", "--root", ".", "--out", "m.json"], "several data sets"),
        (["data", "scenes", "musdb18", "--root", "nowhere", "--out", "m.json"], "nowhere"),
    ],
)
def test_wrong_input_is_one_line_and_status_2(tmp_path: Path, arguments: list[str], words: str) -> None:
    done = stemtree(*arguments, folder=tmp_path, STEMTREE_DATA="")
    assert done.returncode == 2
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("stemtree: ")
    assert words in lines[0]
    assert not (tmp_path / "stemtree-out").exists()


def test_a_data_set_that_cannot_be_opened_is_said_and_ends_with_status_2(tmp_path: Path) -> None:
    write_musdb(tmp_path / "musdb", songs=1)
    done = run_small(tmp_path, "datasets=[musdb18,slakh2100]")
    assert done.returncode == 2
    assert any("slakh2100" in line for line in done.stderr.splitlines())
    assert "2 cells: 2 ok" in done.stdout.splitlines()[-1]


def test_failed_cells_are_counted_and_are_no_failure_of_the_command(tmp_path: Path) -> None:
    write_plugins(tmp_path)
    write_musdb(tmp_path / "musdb", songs=1)
    done = run_small(tmp_path, "separators=[mixture,kit_plugins:Raises]")
    assert done.returncode == 0, done.stderr
    assert "1 error, 1 ok" in done.stdout.splitlines()[-1]


class TestScore:
    @pytest.fixture
    def workplace(self, tmp_path: Path) -> Path:
        write_musdb(tmp_path / "musdb")
        for song in (tmp_path / "musdb" / "test").iterdir():
            (tmp_path / "estimates" / song.name).mkdir(parents=True)
            for target in ("vocals", "drums"):
                audio, rate = soundfile.read(song / "mixture.wav")
                soundfile.write(tmp_path / "estimates" / song.name / f"{target}.wav", audio, rate, subtype="PCM_16")
        return tmp_path

    def score(self, workplace: Path, *more: str) -> subprocess.CompletedProcess[str]:
        return stemtree(
            "score", "musdb18", "--root", "musdb", "--estimates", "estimates", "--name", "theirs", *more,
            folder=workplace,
        )  # fmt: skip

    def test_files_are_scored_and_gaps_and_strays_are_listed(self, workplace: Path) -> None:
        (workplace / "estimates" / "Band 9 - Song").mkdir()
        stray = workplace / "estimates" / "Band 9 - Song" / "vocals.wav"
        stray.write_bytes(b"")
        done = self.score(workplace, "--json")
        assert done.returncode == 0, done.stderr
        assert "no estimate: Band 0 - Song/bass" in done.stderr
        assert "Band 9 - Song" in done.stderr
        rows = json.loads(done.stdout)
        assert {row["value"] for row in rows if row["metric"] == "sdri@1"} == {0.0}
        assert {row["target"] for row in rows if row["status"] == "skip"} == {"bass", "other"}

    def test_unchanged_files_are_not_scored_twice_and_changed_ones_are(self, workplace: Path) -> None:
        self.score(workplace)
        assert "2 reused" in self.score(workplace).stdout
        changed = workplace / "estimates" / "Band 0 - Song" / "vocals.wav"
        audio, rate = soundfile.read(changed)
        soundfile.write(changed, audio / 2, rate, subtype="PCM_16")
        assert "1 reused" in self.score(workplace).stdout

    def test_a_table_names_the_files(self, workplace: Path) -> None:
        (workplace / "estimates" / "one.wav").write_bytes(
            (workplace / "estimates" / "Band 0 - Song" / "vocals.wav").read_bytes()
        )
        (workplace / "map.csv").write_text("scene,target,path\nBand 0 - Song,bass,one.wav\n")
        rows = json.loads(self.score(workplace, "--map", "map.csv", "--json").stdout)
        assert {row["target"] for row in rows if row["metric"] == "sdri@1"} == {"bass"}

    @pytest.mark.parametrize(
        ("table", "words"),
        [
            ("scene,path\n", "no column target"),
            ("scene,target,path\nBand 0 - Song,bass,../musdb/x.wav\n", "leads out of"),
            ("scene,target,path\nBand 0 - Song,bass,none.wav\n", "map.csv:2: no file"),
        ],
    )
    def test_a_bad_table_is_refused(self, workplace: Path, table: str, words: str) -> None:
        (workplace / "map.csv").write_text(table)
        done = self.score(workplace, "--map", "map.csv")
        assert done.returncode == 2
        assert words in done.stderr

    def test_an_estimate_at_another_rate_is_a_row_that_names_the_file(self, workplace: Path) -> None:
        wrong = workplace / "estimates" / "Band 0 - Song" / "vocals.wav"
        audio, rate = soundfile.read(wrong)
        soundfile.write(wrong, audio, rate * 2, subtype="PCM_16")
        rows = json.loads(self.score(workplace, "--json").stdout)
        reasons = [row["reason"] for row in rows if row["status"] == "error"]
        assert len(reasons) == 1
        assert "vocals.wav" in reasons[0]
        assert "16000 Hz" in reasons[0]

    def test_two_files_for_one_target_are_refused(self, workplace: Path) -> None:
        song = workplace / "estimates" / "Band 0 - Song"
        audio, rate = soundfile.read(song / "vocals.wav")
        soundfile.write(song / "vocals.flac", audio, rate)
        assert "both claim" in self.score(workplace).stderr


def test_doctor_names_what_is_missing_and_the_remedy(tmp_path: Path) -> None:
    rows = json.loads(stemtree("doctor", "--json", folder=tmp_path, PATH="/nonexistent").stdout)
    found = {row["name"]: row for row in rows}
    assert "not on PATH" in found["ffmpeg"]["state"]
    assert "ffmpeg" in found["ffmpeg"]["remedy"]
    assert found["Python"]["remedy"] == ""


def test_a_reader_who_has_had_enough_is_no_error(tmp_path: Path) -> None:
    command = [sys.executable, "-P", "-m", "bench.cli", "list", "metrics"]
    listing = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert listing.stdout is not None
    listing.stdout.close()
    assert listing.stderr is not None
    assert listing.stderr.read() == ""
    assert listing.wait(timeout=60) == 1


def test_doctor_looks_for_every_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    from bench import doctor

    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"].keys() - {"dev"}
    monkeypatch.setattr(doctor.importlib.util, "find_spec", lambda name: None)
    remedies = [finding.remedy for finding in doctor.examine()]
    assert {extra for extra in extras if any(f"stemtree[{extra}]" in remedy for remedy in remedies)} == extras


def test_reasons_of_failures_are_shown_after_the_table(tmp_path: Path) -> None:
    write_plugins(tmp_path)
    write_musdb(tmp_path / "musdb")
    done = run_small(tmp_path, "separators=[mixture,kit_plugins:Raises,kit_plugins:Nothing]")
    lines = done.stdout.splitlines()
    assert "error: kit_plugins:Raises on musdb18-hq, 2 cells: RuntimeError: boom" in lines
    assert any("kit_plugins:Nothing" in line and "cannot be loaded" in line for line in lines)


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_the_summary_fits_its_width(tmp_path: Path, width: int) -> None:
    from reports.results import Results
    from reports.text import summary

    write_musdb(tmp_path / "musdb")
    run_small(tmp_path)
    lines = summary(Results(tmp_path / "stemtree-out" / "results"), width=width).splitlines()
    table = "\n".join(line for line in lines if not re.match(r"  \S", line))  # remarks may be longer
    assert max(map(len, table.splitlines())) <= width
    assert "half" in table
    assert "SDRi" in table


def test_a_misspelt_option_of_a_separator_is_refused(tmp_path: Path) -> None:
    write_musdb(tmp_path / "musdb", songs=1)
    done = run_small(tmp_path, "separators=[mixture,hpss]", "options.hpss.kernl=17")
    assert done.returncode == 2
    assert done.stderr.strip().splitlines()[-1] == "stemtree: hpss: no option 'kernl'; did you mean kernel?"
    assert not (tmp_path / "stemtree-out").exists()


def test_a_device_that_is_not_there_is_refused(tmp_path: Path) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    write_musdb(tmp_path / "musdb", songs=1)
    done = run_small(tmp_path, "device=cuda")
    assert done.returncode == 2
    assert "finds no CUDA device" in done.stderr


def test_a_damaged_part_costs_its_own_cells_and_is_named(tmp_path: Path) -> None:
    write_musdb(tmp_path / "musdb")
    run_small(tmp_path, "run=a")
    results = tmp_path / "stemtree-out" / "results"
    whole = stemtree("results", "show", "--json", folder=tmp_path).stdout
    part = sorted((results / "scores").glob("*.parquet"))[0]
    part.write_bytes(part.read_bytes()[:-100])
    shown = stemtree("results", "show", "--json", folder=tmp_path)
    assert shown.returncode == 0
    assert part.name in shown.stderr
    assert sum(row["status"] == "pending" for row in json.loads(shown.stdout)) == 1
    stemtree("results", "compact", folder=tmp_path)
    assert part.exists(), "a damaged file is left for its owner"
    again = run_small(tmp_path, "run=a")
    assert "3 reused" in again.stdout
    assert stemtree("results", "show", "--json", folder=tmp_path).stdout == whole


def test_damaged_manifest_metric_and_card_are_named_and_left_out(tmp_path: Path) -> None:
    write_musdb(tmp_path / "musdb", songs=1)
    run_small(tmp_path, "run=a")
    run_small(tmp_path, "run=b")
    results = tmp_path / "stemtree-out" / "results"
    damaged = [results / "runs" / "a.json", next((results / "metrics").iterdir()), next((results / "cards").iterdir())]
    for file in damaged:
        file.write_text("{")
    built = stemtree("leaderboard", "build", folder=tmp_path)
    assert built.returncode == 0, built.stderr
    assert all(file.name in built.stderr for file in damaged)
    mended = run_small(tmp_path, "run=c")
    assert mended.returncode == 0
    assert "damaged" not in stemtree("results", "show", "--run", "c", folder=tmp_path).stderr


def test_output_that_is_no_folder_is_one_line(tmp_path: Path) -> None:
    write_musdb(tmp_path / "musdb", songs=1)
    (tmp_path / "file").write_text("")
    done = run_small(tmp_path, "results=file")
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert "file" in done.stderr


def test_figures_from_elsewhere_cannot_take_the_name_of_a_separator(tmp_path: Path) -> None:
    done = stemtree("score", "musdb18", "--root", ".", "--estimates", ".", "--name", "mixture", folder=tmp_path)
    assert done.returncode == 2
    assert "installed separator" in done.stderr


def test_a_name_that_two_packages_claim_hurts_nobody_else(tmp_path: Path) -> None:
    for package in ("one", "two"):
        info = tmp_path / f"{package}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[stemtree.separators]\nmine = {package}:Mine\n")
    write_musdb(tmp_path / "musdb", songs=1)
    listed = stemtree("list", "separators", folder=tmp_path, PYTHONPATH=str(tmp_path))
    assert "mine" in listed.stdout
    assert {"(one 1.0)", "(two 1.0)"} <= {line[line.find("(") :] for line in listed.stdout.splitlines()}
    common = ["datasets=[musdb18]", f"data.musdb18={tmp_path / 'musdb'}", "executor=inline"]
    clash = stemtree("run", "separators=[mine]", *common, folder=tmp_path, PYTHONPATH=str(tmp_path))
    assert clash.returncode == 2
    assert "claimed by one (one:Mine) and two (two:Mine)" in clash.stderr
    assert stemtree("run", "separators=[half]", *common, folder=tmp_path, PYTHONPATH=str(tmp_path)).returncode == 0


def test_the_separator_of_the_readme_is_checked_run_and_ranked_as_it_stands(tmp_path: Path) -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    code = re.search(r"```python\n(.*?)```", readme, flags=re.DOTALL)
    assert code is not None
    assert len(code[1].strip().splitlines()) <= 10
    (tmp_path / "my_pkg.py").write_text(code[1])
    assert "$ stemtree check my_pkg:Quarter\n$ stemtree run" in readme
    checked = stemtree("check", "my_pkg:Quarter", folder=tmp_path)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert " 0 failed" in checked.stdout.splitlines()[-1]
    write_musdb(tmp_path / "musdb", songs=2)
    done = run_small(tmp_path, "separators=[mixture,half,gain-oracle,irm,my_pkg:Quarter]")
    assert done.returncode == 0, done.stderr
    assert "10 ok" in done.stdout.splitlines()[-1]
    ranked = re.findall(r"^ *(irm|mixture|half|my_pkg:Quarter) ", done.stdout, flags=re.MULTILINE)
    assert ranked[0] == "irm"
    assert ranked[-1] == "mixture"
    assert sorted(ranked) == ["half", "irm", "mixture", "my_pkg:Quarter"]
    assert stemtree("leaderboard", "build", folder=tmp_path).returncode == 0
    pages = (tmp_path / "stemtree-out" / "site").rglob("*.html")
    assert any("my_pkg:Quarter" in page.read_text(encoding="utf-8") for page in pages)
