"""Label maps: complete against the published metadata and the lists below, and true to the ontology."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from ontology import Ontology, Target
from ontology.labelmaps import LABEL_MAPS, complement_labels, label_map, midi_program

DATA = Path(__file__).parents[2] / "ontology" / "data"

FSDKAGGLE2018 = """
Acoustic_guitar Applause Bark Bass_drum Burping_or_eructation Bus Cello Chime Clarinet Computer_keyboard Cough Cowbell
Double_bass Drawer_open_or_close Electric_piano Fart Finger_snapping Fireworks Flute Glockenspiel Gong
Gunshot_or_gunfire Harmonica Hi-hat Keys_jangling Knock Laughter Meow Microwave_oven Oboe Saxophone Scissors Shatter
Snare_drum Squeak Tambourine Tearing Telephone Trumpet Violin_or_fiddle Writing
"""

ESC50 = """
dog rooster pig cow frog cat hen insects sheep crow rain sea_waves crackling_fire crickets chirping_birds water_drops
wind pouring_water toilet_flush thunderstorm crying_baby sneezing clapping breathing coughing footsteps laughing
brushing_teeth snoring drinking_sipping door_wood_knock mouse_click keyboard_typing door_wood_creaks can_opening
washing_machine vacuum_cleaner clock_alarm clock_tick glass_breaking helicopter chainsaw siren car_horn engine train
church_bells airplane fireworks hand_saw
"""

SLAKH2100 = [
    "Piano", "Chromatic Percussion", "Organ", "Guitar", "Bass", "Strings", "Strings (continued)", "Brass", "Reed",
    "Pipe", "Synth Lead", "Synth Pad", "Sound Effects", "Ethnic", "Percussive", "Sound effects", "Drums",
]  # fmt: skip

# A few programs of each General MIDI family, by number: an order shifted by one anywhere breaks several.
PROGRAMS = {
    0: "Piano", 6: "Harpsichord", 7: "Electric piano", 9: "Glockenspiel", 14: "Tubular bells", 16: "Hammond organ",
    19: "Organ", 22: "Harmonica", 24: "Acoustic guitar", 30: "Electric guitar", 32: "Double bass", 33: "Bass guitar",
    39: "Synthesizer", 40: "Violin, fiddle", 42: "Cello", 43: "Double bass", 46: "Harp", 47: "Timpani",
    48: "String section", 52: "Choir", 55: "Orchestra", 56: "Trumpet", 57: "Trombone", 60: "French horn",
    64: "Saxophone", 68: "Oboe", 70: "Bassoon", 71: "Clarinet", 72: "Flute", 79: "Flute", 80: "Synthesizer",
    95: "Synthesizer", 103: "Synthesizer", 104: "Sitar", 105: "Banjo", 109: "Bagpipes", 113: "Cowbell",
    114: "Steelpan", 115: "Wood block", 119: "Cymbal", 122: "Waves, surf", 125: "Helicopter", 127: "Gunshot, gunfire",
}  # fmt: skip


def read(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((DATA / f"{name}.json").read_text(encoding="utf-8"))
    return content


def names(target: Target) -> list[str]:
    return [Ontology.audioset()[mid].name for mid in target.mids]


class TestEveryMap:
    @pytest.mark.parametrize("name", LABEL_MAPS)
    def test_each_mid_is_in_the_ontology_under_the_name_written_beside_it(self, name: str) -> None:
        written = {mid: beside for classes in read(name)["labels"].values() for mid, beside in classes.items()}
        assert written == {mid: Ontology.audioset()[mid].name for mid in written}

    @pytest.mark.parametrize("name", LABEL_MAPS)
    def test_a_restricted_class_is_used_only_with_a_note_that_says_why(self, name: str) -> None:
        content = read(name)
        restricted = {
            label for label, classes in content["labels"].items()
            if any(Ontology.audioset()[mid].restrictions for mid in classes)
        }  # fmt: skip
        assert restricted <= content["notes"].keys()

    @pytest.mark.parametrize("name", LABEL_MAPS)
    def test_notes_are_about_labels_that_exist_and_complements_have_one(self, name: str) -> None:
        content = read(name)
        complements = {label for label, classes in content["labels"].items() if not classes}
        assert complements <= content["notes"].keys() <= content["labels"].keys()

    @pytest.mark.parametrize("name", LABEL_MAPS)
    def test_no_label_has_two_classes_of_one_line_of_descent(self, name: str) -> None:
        for target in label_map(name).values():
            for mid in target.mids:
                above = {node.mid for node in Ontology.audioset().ancestors(mid)}
                assert not above & set(target.mids), target

    @pytest.mark.parametrize("name", LABEL_MAPS)
    def test_a_target_carries_the_label_it_is_listed_under(self, name: str) -> None:
        assert all(label == target.label for label, target in label_map(name).items())

    def test_every_map_in_the_folder_can_be_loaded(self) -> None:
        assert {*LABEL_MAPS, "audioset"} == {path.stem for path in DATA.glob("*.json")}

    def test_a_map_cannot_be_changed_for_everybody_else(self) -> None:
        with pytest.raises(TypeError):
            label_map("musdb18")["vocals"] = Target("vocals")  # type: ignore[index]

    def test_an_unknown_map_names_those_there_are(self) -> None:
        with pytest.raises(KeyError, match="musdb18"):
            label_map("musdb")

    def test_the_complement_labels_are_these(self) -> None:
        assert complement_labels() == {"other", "accompaniment", "noise"}


class TestMusdb18:
    def test_stems_have_classes_and_complements_have_none(self) -> None:
        assert {label: names(target) for label, target in label_map("musdb18").items()} == {
            "vocals": ["Singing"], "drums": ["Percussion"], "bass": ["Bass guitar"], "other": [], "accompaniment": [],
        }  # fmt: skip

    def test_each_stem_of_the_published_metadata_is_there(self, shared_data: Path) -> None:
        meta = yaml.safe_load((shared_data / "musdb18" / "meta" / "mus.yaml").read_text())
        assert set(meta["sources"]) <= set(label_map("musdb18"))

    def test_sisec_2016_has_the_same_targets(self, shared_data: Path) -> None:
        with (shared_data / "sisec2016" / "sisec2016_track_medians.csv").open(newline="") as file:
            scored = {row["target"] for row in csv.DictReader(file)}
        assert scored == set(label_map("sisec2016")) == set(label_map("musdb18"))


class TestSlakh2100:
    def test_the_seventeen_instrument_classes_are_there(self) -> None:
        assert list(label_map("slakh2100")) == SLAKH2100

    def test_each_instrument_class_of_the_published_table_is_there(self, shared_data: Path) -> None:
        table = json.loads((shared_data / "slakh2100" / "meta" / "general_midi_inst_0based.json").read_text())
        assert {row["class"] for row in table.values()} == set(label_map("slakh2100"))

    def test_each_stem_of_real_tracks_has_a_target_by_class_and_by_program(self, shared_data: Path) -> None:
        files = sorted((shared_data / "slakh2100").rglob("metadata.yaml"))
        assert files
        for file in files:
            for stem in yaml.safe_load(file.read_text())["stems"].values():
                assert label_map("slakh2100")[stem["inst_class"]].mids
                assert midi_program(stem["program_num"]).label == stem["midi_program_name"]

    @pytest.mark.parametrize(
        ("label", "programs"),
        [("Guitar", range(24, 32)), ("Brass", range(56, 62)), ("Reed", range(64, 72)), ("Pipe", range(72, 80)),
         ("Synth Lead", range(80, 88)), ("Synth Pad", range(88, 96)), ("Sound Effects", range(96, 104)),
         ("Ethnic", range(104, 112)), ("Drums", [128])],
    )  # fmt: skip
    def test_each_program_lies_at_or_below_a_class_of_its_label(self, label: str, programs: list[int]) -> None:
        declared = set(label_map("slakh2100")[label].mids)
        for number in programs:
            for mid in midi_program(number).mids:
                above = {node.mid for node in Ontology.audioset().ancestors(mid, include_self=True)}
                assert declared & above, midi_program(number)


class TestGeneralMidi:
    def test_each_of_128_programs_and_the_drums_has_one_class(self) -> None:
        assert [len(midi_program(number).mids) for number in range(129)] == [1] * 129
        assert len(label_map("general_midi")) == 129

    @pytest.mark.parametrize(("number", "name"), PROGRAMS.items())
    def test_a_program_sounds_as_its_number_says(self, number: int, name: str) -> None:
        assert names(midi_program(number)) == [name]

    def test_drums_are_program_128(self) -> None:
        assert names(midi_program(128)) == ["Percussion"]

    def test_names_and_order_are_those_of_the_published_table(self, shared_data: Path) -> None:
        table = json.loads((shared_data / "slakh2100" / "meta" / "general_midi_inst_0based.json").read_text())
        assert list(label_map("general_midi")) == [table[str(number)]["name"] for number in range(129)]

    @pytest.mark.parametrize("number", [-1, 129])
    def test_a_number_outside_the_table_is_refused(self, number: int) -> None:
        with pytest.raises(KeyError, match="0 to 128"):
            midi_program(number)


class TestFsdKaggle2018:
    def test_all_41_labels_have_one_class(self) -> None:
        assert list(label_map("fsdkaggle2018")) == FSDKAGGLE2018.split()
        assert {len(target.mids) for target in label_map("fsdkaggle2018").values()} == {1}

    def test_labels_are_class_names_with_underscores(self) -> None:
        for label, target in label_map("fsdkaggle2018").items():
            said = names(target)[0].casefold()
            assert label.replace("_", " ").casefold() in (said, said.replace(", ", " or "))

    @pytest.mark.parametrize("table", ["train_post_competition.csv", "test_post_competition_scoring_clips.csv"])
    def test_each_label_of_the_published_tables_is_there(self, shared_data: Path, table: str) -> None:
        with (shared_data / "fsdkaggle2018" / "FSDKaggle2018.meta" / table).open(newline="") as file:
            assert {row["label"] for row in csv.DictReader(file)} == set(label_map("fsdkaggle2018"))

    def test_dcase_2018_is_the_same_map(self) -> None:
        assert label_map("dcase2018") == label_map("fsdkaggle2018")


class TestVoiceBankDemand:
    def test_speech_is_a_class_and_noise_is_what_is_left(self) -> None:
        targets = label_map("voicebank_demand")
        assert {label: names(target) for label, target in targets.items()} == {"speech": ["Speech"], "noise": []}


class TestEsc50:
    def test_all_50_categories_have_one_class_in_target_order(self) -> None:
        assert list(label_map("esc50")) == ESC50.split()
        assert {len(target.mids) for target in label_map("esc50").values()} == {1}

    def test_no_two_categories_share_a_class(self) -> None:
        assert len({target.mids for target in label_map("esc50").values()}) == 50

    def test_esc10_is_mapped_as_its_own_table_says(self, shared_data: Path) -> None:
        with (shared_data / "esc10" / "meta" / "esc10_to_audioset.csv").open(newline="") as file:
            for row in csv.DictReader(file):
                assert label_map("esc50")[row["category"]].mids == (row["audioset_mid"],)

    def test_target_numbers_of_esc10_follow_the_order(self, shared_data: Path) -> None:
        with (shared_data / "esc10" / "meta" / "esc10.csv").open(newline="") as file:
            for row in csv.DictReader(file):
                assert ESC50.split()[int(row["target"])] == row["category"]
