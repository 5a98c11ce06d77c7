"""The graph: AudioSet's pinned facts, paths in any graph, lookup, and the roll-up of probabilities."""

from __future__ import annotations

import csv
import json
import pickle
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ontology import Node, Ontology


@pytest.fixture(scope="module")
def onto() -> Ontology:
    return Ontology.audioset()


@st.composite
def graphs(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Records of a small graph with any links downwards, some classes with an index."""
    size = draw(st.integers(2, 12))
    links = draw(st.sets(st.tuples(st.integers(0, size - 1), st.integers(0, size - 1)), max_size=3 * size))
    labelled = draw(st.lists(st.integers(0, size - 1), unique=True, min_size=1))
    records: list[dict[str, Any]] = []
    for row in range(size):
        record: dict[str, Any] = {"id": f"/m/{row}", "name": f"class {row}"}
        record["children"] = [f"/m/{low}" for high, low in sorted(links) if high == row and low > row]
        if row in labelled:
            record["index"] = labelled.index(row)
        records.append(record)
    return records


def reachable(records: list[dict[str, Any]], mid: str) -> set[str]:
    """The class and all below it, by the definition: a closure under "child of"."""
    children = {record["id"]: record.get("children", []) for record in records}
    closed = {mid}
    while True:
        wider = closed | {child for parent in closed for child in children[parent]}
        if wider == closed:
            return closed
        closed = wider


def rolled_up_by_definition(records: list[dict[str, Any]], probabilities: np.ndarray) -> np.ndarray:
    """Maximum over the set of indices at or below each class, one class at a time."""
    index = {record["id"]: record["index"] for record in records if "index" in record}
    columns = []
    for record in records:
        below = sorted(index[mid] for mid in reachable(records, record["id"]) & index.keys())
        nothing = np.full(probabilities.shape[:-1], np.nan)
        columns.append(probabilities[..., below].max(axis=-1) if below else nothing)
    return np.stack(columns, axis=-1)


def audioset_records() -> list[dict[str, Any]]:
    file = Path(__file__).parents[2] / "ontology" / "data" / "audioset.json"
    records: list[dict[str, Any]] = json.loads(file.read_text())["classes"]
    return records


class TestAudioSet:
    def test_it_has_632_classes_under_7_roots(self, onto: Ontology) -> None:
        assert len(onto) == 632
        assert [node.name for node in onto.at_depth(1)] == [
            "Human sounds", "Animal", "Music", "Natural sounds", "Sounds of things", "Source-ambiguous sounds",
            "Channel, environment and background",
        ]  # fmt: skip
        assert {node for node in onto if not node.parents} == set(onto.at_depth(1))

    def test_38_classes_have_several_parents_by_45_extra_links(self, onto: Ontology) -> None:
        extra = [len(node.parents) - 1 for node in onto if len(node.parents) > 1]
        assert (len(extra), sum(extra)) == (38, 45)

    def test_least_depths_have_these_sizes(self, onto: Ontology) -> None:
        assert Counter(node.depth for node in onto) == {1: 7, 2: 43, 3: 305, 4: 223, 5: 50, 6: 4}
        assert onto.at_depth(7) == ()

    def test_the_527_indices_are_a_bijection(self, onto: Ontology) -> None:
        assert sorted(node.index for node in onto if node.index is not None) == list(range(527))
        assert all(onto[index].index == index for index in range(527))

    def test_23_classes_are_abstract_and_67_blacklisted(self, onto: Ontology) -> None:
        counts = Counter(restriction for node in onto for restriction in node.restrictions)
        assert counts == {"abstract": 23, "blacklist": 67}

    def test_75_classes_have_no_labelled_class_at_or_below(self, onto: Ontology) -> None:
        assert np.count_nonzero(~onto.known) == 75
        assert not onto.known[onto["Oboe"].row]
        assert not onto.known[onto["Cornet"].row]

    def test_hiss_is_reached_from_four_parents(self, onto: Ontology) -> None:
        assert {node.name for node in onto["Hiss"].parents} == {"Cat", "Snake", "Steam", "Onomatopoeia"}

    def test_music_keeps_what_other_branches_list_first(self, onto: Ontology) -> None:
        below = {node.name for node in onto.descendants("Music")}
        assert {"Choir", "Chant", "Cowbell", "Mantra"} <= below
        assert "Music" not in below

    def test_a_shared_class_is_listed_once_among_descendants(self, onto: Ontology) -> None:
        assert Counter(onto.descendants("Music"))[onto["Cowbell"]] == 1
        assert Counter(onto.ancestors("Cowbell"))[onto["Musical instrument"]] == 1

    def test_depth_is_the_least_over_all_paths(self, onto: Ontology) -> None:
        assert onto["Bell"].depth == 2  # below Sounds of things, though also below Music's instruments
        assert onto["Bicycle bell"].depth == 3

    @pytest.mark.parametrize(("depth", "count"), [(1, 31), (2, 47), (3, 36)])
    def test_classes_overlap_at_each_depth(self, onto: Ontology, depth: int, count: int) -> None:
        above = [[a.depth for a in onto.ancestors(node, include_self=True)].count(depth) for node in onto]
        assert sum(number > 1 for number in above) == count

    def test_the_data_file_says_what_the_published_files_say(self, onto: Ontology, shared_data: Path) -> None:
        published = json.loads((shared_data / "audioset" / "ontology.json").read_text())
        with (shared_data / "audioset" / "class_labels_indices.csv").open(newline="") as file:
            labels = {row["mid"]: int(row["index"]) for row in csv.DictReader(file)}
        said = {n.mid: (n.name, [c.mid for c in n.children], list(n.restrictions), n.index) for n in onto}
        assert said == {r["id"]: (r["name"], r["child_ids"], r["restrictions"], labels.get(r["id"])) for r in published}


class TestLookup:
    def test_name_mid_index_and_node_find_the_same_class(self, onto: Ontology) -> None:
        speech = onto["Speech"]
        assert speech.mid == "/m/09x0r"
        keys: list[Any] = ["/m/09x0r", 0, np.int64(0), speech]
        assert all(onto[key] is speech for key in keys)

    @pytest.mark.parametrize(
        ("key", "nearest"), [("speech", "'Speech'"), ("Guitarr", "'Guitar'"), ("rooster", "'Chicken, rooster'")]
    )
    def test_an_unknown_name_gets_the_nearest_ones(self, onto: Ontology, key: str, nearest: str) -> None:
        with pytest.raises(KeyError, match=nearest):
            onto[key]

    def test_a_name_near_to_nothing_gets_no_suggestion(self, onto: Ontology) -> None:
        with pytest.raises(KeyError) as error:
            onto["zqxjzqxj"]
        assert "nearest" not in str(error.value)

    @pytest.mark.parametrize("key", [527, -1, True, 0.0, None, ["Speech"]])
    def test_what_names_no_class_is_a_key_error(self, onto: Ontology, key: Any) -> None:
        with pytest.raises(KeyError):
            onto[key]
        assert key not in onto

    def test_in_takes_whatever_lookup_takes(self, onto: Ontology) -> None:
        assert "Speech" in onto
        assert "/m/09x0r" in onto
        assert onto["Speech"] in onto
        assert 526 in onto

    def test_a_node_from_another_process_equals_ours(self, onto: Ontology) -> None:
        copy = pickle.loads(pickle.dumps(onto["Hiss"]))
        assert isinstance(copy, Node)
        assert copy == onto["Hiss"]
        assert hash(copy) == hash(onto["Hiss"])
        assert onto[copy].parents == copy.parents


class TestPaths:
    @settings(max_examples=40, deadline=None)
    @given(graphs())
    def test_descendants_and_ancestors_are_the_closures_of_the_links(self, records: list[dict[str, Any]]) -> None:
        onto = Ontology(records)
        for record in records:
            below = reachable(records, record["id"])
            found = [node.mid for node in onto.descendants(record["id"], include_self=True)]
            assert len(found) == len(set(found))
            assert set(found) == below
            assert {node.mid for node in onto.descendants(record["id"])} == below - {record["id"]}
            above = {r["id"] for r in records if record["id"] in reachable(records, r["id"])}
            assert {node.mid for node in onto.ancestors(record["id"], include_self=True)} == above
            assert {node.mid for node in onto.ancestors(record["id"])} == above - {record["id"]}

    @settings(max_examples=40, deadline=None)
    @given(graphs())
    def test_walking_meets_each_class_once_after_all_its_parents(self, records: list[dict[str, Any]]) -> None:
        onto = Ontology(records)
        walked = list(onto.walk())
        assert [node.row for node in walked] == list(range(len(records)))
        assert all(parent.row < node.row for node in walked for parent in node.parents)

    @settings(max_examples=40, deadline=None)
    @given(graphs())
    def test_depth_is_one_more_than_the_least_of_the_parents(self, records: list[dict[str, Any]]) -> None:
        for node in Ontology(records):
            assert node.depth == 1 + min((parent.depth for parent in node.parents), default=0)


class TestRollUp:
    @settings(max_examples=40, deadline=None)
    @given(graphs(), st.integers(0, 2**32 - 1), st.sampled_from([(), (3,), (2, 0), (2, 3)]))
    def test_it_is_the_maximum_over_the_set_at_or_below(
        self, records: list[dict[str, Any]], seed: int, lead: tuple[int, ...]
    ) -> None:
        onto = Ontology(records)
        columns = sum("index" in record for record in records)
        probabilities = np.random.default_rng(seed).random((*lead, columns))
        expected = rolled_up_by_definition(records, probabilities)
        np.testing.assert_array_equal(onto.roll_up(probabilities), expected)
        np.testing.assert_array_equal(onto.roll_up(torch.tensor(probabilities)).numpy(), expected)

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_audioset_rolls_up_by_the_definition(self, onto: Ontology, dtype: type) -> None:
        probabilities: np.ndarray = np.random.default_rng(0).random((2, 5, 527)).astype(dtype)
        rolled = onto.roll_up(probabilities)
        assert rolled.dtype == dtype
        assert rolled.shape == (2, 5, 632)
        np.testing.assert_array_equal(rolled, rolled_up_by_definition(audioset_records(), probabilities))

    def test_one_class_raises_itself_and_its_ancestors_on_every_path_and_nothing_else(self, onto: Ontology) -> None:
        probabilities = np.zeros(527, np.float32)
        probabilities[onto["Hiss"].index] = 0.75
        rolled = onto.roll_up(probabilities)
        raised = {node for node in onto if rolled[node.row] > 0}
        assert raised == set(onto.ancestors("Hiss", include_self=True))
        assert {rolled[node.row] for node in raised} == {np.float32(0.75)}

    def test_unknown_classes_are_nan_and_only_they(self, onto: Ontology) -> None:
        rolled = onto.roll_up(np.zeros((4, 527)))
        np.testing.assert_array_equal(np.isnan(rolled), np.broadcast_to(~onto.known, rolled.shape))

    def test_a_tensor_stays_a_tensor_and_passes_gradients(self, onto: Ontology) -> None:
        probabilities = torch.rand((3, 527), requires_grad=True)
        rolled = onto.roll_up(probabilities)
        assert rolled.dtype == torch.float32
        rolled[:, onto["Speech"].row].sum().backward()
        below = [n.index for n in onto.descendants("Speech", include_self=True)]
        assert probabilities.grad is not None
        assert set(probabilities.grad.nonzero()[:, 1].tolist()) <= set(below)
        assert probabilities.grad.sum() == 3

    def test_the_argument_is_left_as_it_was(self, onto: Ontology) -> None:
        array, tensor = np.random.default_rng(1).random((2, 527)), torch.rand((2, 527))
        before = array.copy(), tensor.clone()
        onto.roll_up(array)
        onto.roll_up(tensor)
        np.testing.assert_array_equal(array, before[0])
        assert torch.equal(tensor, before[1])

    def test_a_nan_shows_in_every_class_above_it(self, onto: Ontology) -> None:
        probabilities = np.zeros(527)
        probabilities[onto["Speech"].index] = np.nan
        rolled = onto.roll_up(probabilities)
        assert np.isnan(rolled[[onto["Speech"].row, onto["Human sounds"].row]]).all()
        assert rolled[onto["Music"].row] == 0

    @pytest.mark.parametrize("shape", [(), (632,), (527, 2), (3, 526)])
    def test_a_wrong_last_axis_is_refused(self, onto: Ontology, shape: tuple[int, ...]) -> None:
        with pytest.raises(ValueError, match="527"):
            onto.roll_up(np.zeros(shape))

    @pytest.mark.parametrize("probabilities", [np.zeros(527, bool), torch.zeros(527, dtype=torch.int64)])
    def test_values_that_cannot_be_nan_are_refused(self, onto: Ontology, probabilities: Any) -> None:
        with pytest.raises(TypeError, match="floating point"):
            onto.roll_up(probabilities)

    def test_a_thousand_clips_take_under_20_ms(self, onto: Ontology) -> None:
        probabilities = np.random.default_rng(0).random((1000, 527), np.float32)
        onto.roll_up(probabilities)

        def seconds() -> float:
            start = time.perf_counter()
            onto.roll_up(probabilities)
            return time.perf_counter() - start

        assert min(seconds() for _ in range(10)) < 0.020


class TestConstruction:
    def test_a_cycle_is_refused(self) -> None:
        with pytest.raises(ValueError, match="not listed after"):
            Ontology([{"id": "a", "name": "A", "children": ["b"]}, {"id": "b", "name": "B", "children": ["a"]}])

    def test_an_unknown_child_is_refused(self) -> None:
        with pytest.raises(ValueError, match="child c of a"):
            Ontology([{"id": "a", "name": "A", "children": ["c"]}])

    @pytest.mark.parametrize("twin", [{"id": "a", "name": "B"}, {"id": "b", "name": "A"}])
    def test_two_classes_of_one_id_or_name_are_refused(self, twin: dict[str, str]) -> None:
        with pytest.raises(ValueError, match="share"):
            Ontology([{"id": "a", "name": "A"}, twin])

    @pytest.mark.parametrize("indices", [(0, 0), (0, 2), (1, 2)])
    def test_indices_with_a_gap_or_a_repeat_are_refused(self, indices: tuple[int, int]) -> None:
        with pytest.raises(ValueError, match="indices"):
            Ontology([{"id": mid, "name": mid, "index": index} for mid, index in zip("ab", indices, strict=True)])

    def test_the_version_changes_with_any_fact_and_only_then(self, onto: Ontology) -> None:
        records = audioset_records()
        assert Ontology(records).version == onto.version
        for field, value in [("name", "Other"), ("restrictions", ["abstract"]), ("children", [])]:
            changed = [dict(record) for record in records]
            changed[2][field] = value
            assert Ontology(changed).version != onto.version
        moved = [*records[:-2], records[-1], records[-2]]
        assert Ontology(moved).version != onto.version


def test_importing_the_ontology_costs_neither_numpy_nor_torch() -> None:
    code = """
import sys, time
start = time.perf_counter()
from ontology import Ontology
from ontology.labelmaps import label_map
seconds = time.perf_counter() - start
Ontology.audioset()["Speech"], label_map("musdb18")["vocals"]
print(seconds, "numpy" in sys.modules, "torch" in sys.modules)
"""
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", code]
    runs = [subprocess.run(command, cwd=root, capture_output=True, text=True, check=True) for _ in range(3)]
    seconds, *heavy = zip(*(run.stdout.split() for run in runs), strict=True)
    assert heavy == [("False",) * 3] * 2
    assert min(map(float, seconds)) < 0.050
