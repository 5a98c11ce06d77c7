from __future__ import annotations

from pathlib import Path

import pytest

from ontology import Ontology
from taggers.annotation_file import read_annotation
from taggers.base import Annotation, Event

DOG = Ontology.audioset()["Dog"].mid
ROOSTER = Ontology.audioset()["Chicken, rooster"].mid


def written(tmp_path: Path, text: str, name: str = "a.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(text.encode())
    return path


def test_names_and_mids_in_commas(tmp_path: Path) -> None:
    text = f'start,end,class\n0.5,1.25,Dog\n1,2,"Chicken, rooster"\n0,3,{DOG}\n'
    assert read_annotation(written(tmp_path, text)) == Annotation(
        (Event(DOG, 0.5, 1.25), Event(ROOSTER, 1, 2), Event(DOG, 0, 3))
    )


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("line", ["\n", "\r\n"])
def test_tabs_further_columns_in_any_order_and_other_editors(tmp_path: Path, mark: str, line: str) -> None:
    text = mark + line.join(["class\tinstance\tend\tstart", "Chicken, rooster\t1\t2\t1", "Dog\t\t3\t2.5", ""])
    assert read_annotation(written(tmp_path, text, "a.tsv")) == Annotation(
        (Event(ROOSTER, 1, 2, instance=1), Event(DOG, 2.5, 3))
    )


def test_a_header_alone_says_that_nothing_sounds(tmp_path: Path) -> None:
    assert read_annotation(written(tmp_path, "start,end,class\n")) == Annotation(())


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "line 1: has no column 'start'; the first line must be start,end,class"),
        ("0,1,Dog\n", "line 1: has no column 'start'"),
        ("start,end,label\n", "line 1: has no column 'class'"),
        ("start,end,class,instnce\n", "line 1: unknown or repeated column 'instnce'"),
        ("start,end,class,end\n", "line 1: unknown or repeated column 'end'"),
        ("start,end,class\n0,1,Dgo\n", "line 2, class: no class 'Dgo' in the ontology; the nearest are"),
        ("start,end,class\n0,1,Dog\n\n0,1,\n", "line 4, class: no class ''"),
        ("start,end,class\n0,1,Chicken, rooster\n", "line 2: has not as many fields as the header; put a class"),
        ("start,end,class\n0,1\n", "line 2: has not as many fields as the header"),
        ("start,end,class\n0:05,1,Dog\n", "line 2, start: '0:05' is no time in seconds"),
        ("start,end,class\n-1,1,Dog\n", "line 2, start: '-1' is no time"),
        ("start,end,class\n0,nan,Dog\n", "line 2, end: 'nan' is no time"),
        ("start,end,class\n0,inf,Dog\n", "line 2, end: 'inf' is no time"),
        ("start,end,class\n2,2,Dog\n", "line 2, end: 2 is not after start, 2"),
        ("start,end,class,instance\n0,1,Dog,first\n", "line 2, instance: 'first' is no whole number"),
        ("start,end,class,instance\n0,1,Dog,-1\n", "line 2, instance: '-1' is no whole number from 0"),
        (f"start,end,class,instance\n0,1,Dog,{10**30}\n", "line 2, instance: '1000"),
        (f'start,end,class\n0,1,Dog\n0,1,"{"x" * 200_000}"\n', "line 3: is no CSV (field larger than"),
    ],
)
def test_a_fault_is_told_with_file_line_and_field(tmp_path: Path, text: str, told: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ValueError) as caught:
        read_annotation(path)
    assert str(caught.value).startswith(str(path))
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"none\.csv: cannot be read \(No such file or directory\)"):
        read_annotation(tmp_path / "none.csv")
    (tmp_path / "latin.csv").write_bytes("start,end,class\n0,1,Caf\xe9\n".encode("latin-1"))
    with pytest.raises(ValueError, match=r"latin\.csv: is no text in UTF-8"):
        read_annotation(tmp_path / "latin.csv")
