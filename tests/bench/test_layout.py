"""Finding layouts, containing paths, reading tables."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.datasets.base import DatasetError
from bench.datasets.layout import find_layouts, inside, read_csv, read_yaml


def test_a_search_visits_each_real_folder_once_and_ends_at_its_depth(tmp_path: Path) -> None:
    for path in ("a/hit", "b/c/hit", "d/e/f/hit", "g/h/i/j/hit"):
        (tmp_path / path).mkdir(parents=True)
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    (tmp_path / "again").symlink_to(tmp_path / "b")
    found = find_layouts(tmp_path, lambda folder: (folder / "hit").is_dir())
    assert [path.relative_to(tmp_path).as_posix() for path in found] == ["a", "again/c", "d/e/f"]


@pytest.mark.parametrize("name", ["../x.wav", "a/../../x.wav", "/etc/passwd", "C:\\x.wav", "\\\\host\\x", "..\\x", ""])
def test_a_path_in_metadata_cannot_leave_the_root(tmp_path: Path, name: str) -> None:
    with pytest.raises(DatasetError, match=r"list\.csv: .*is not a path inside"):
        inside(tmp_path, name, source=Path("list.csv"))


def test_a_path_in_metadata_inside_the_root_is_kept(tmp_path: Path) -> None:
    assert inside(tmp_path, "a b/c..d.wav", source=Path("list.csv")) == tmp_path / "a b" / "c..d.wav"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no column 'file', 'label'; its header line has nothing"),
        (b"file,class\n", "no column 'label'; its header line has file, class"),
        (b"file,label\na.wav,dog\nb.wav\n", "line 3 ends before column 'label'"),
        (b"file,label\n\xff\xfe,x\n", "cannot be read as a table"),
    ],
)
def test_a_broken_table_says_where(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=rf"list\.csv: {said}"):
        read_csv(path, columns=("file", "label"))


def test_a_table_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_bytes(b'\xef\xbb\xbffile,label\r\n"a,b.wav",dog\r\n')
    assert read_csv(tmp_path / "list.csv", columns=("file",)) == [{"file": "a,b.wav", "label": "dog"}]


@pytest.mark.parametrize("content", ["a: [1", "- a", "!!python/object/apply:os.getcwd []"])
def test_metadata_that_is_no_plain_mapping_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "m.yaml").write_text(content)
    with pytest.raises(DatasetError, match=r"m\.yaml: (cannot be read as YAML|holds list)"):
        read_yaml(tmp_path / "m.yaml")
