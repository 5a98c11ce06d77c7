"""Which targets a declaration covers, and which component answers."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ontology import Ontology, Target
from ontology.labelmaps import LABEL_MAPS, label_map
from separators.base import ANY, ComponentSeparator, Context, Query
from separators.coverage import component_of, refusal

ONTO = Ontology.audioset()
NODES = st.sampled_from(list(ONTO))


def target(*names: str, label: str = "asked") -> Target:
    return Target(label, tuple(ONTO[name].mid for name in names))


class TestRefusal:
    @pytest.mark.parametrize("name", LABEL_MAPS)
    def test_a_query_conditioned_model_is_asked_for_everything(self, name: str) -> None:
        assert all(refusal(t, classes=ANY, labels=()) is None for t in label_map(name).values())

    @settings(max_examples=60, deadline=None)
    @given(NODES, st.lists(NODES, max_size=3))
    def test_a_class_is_covered_by_itself_and_what_lies_above_it_and_nothing_else(
        self, asked: Any, declared: list[Any]
    ) -> None:
        covered = any(asked == d or asked in ONTO.descendants(d) for d in declared)
        reason = refusal(target(asked.name), classes=tuple(d.name for d in declared), labels=())
        assert (reason is None) == covered

    def test_a_mid_declares_as_well_as_a_name(self) -> None:
        assert refusal(target("Male singing"), classes=("/m/015lz1",), labels=()) is None

    def test_every_class_of_a_target_must_be_covered(self) -> None:
        both = target("Speech", "Dog")
        assert refusal(both, classes=("Speech", "Animal"), labels=()) is None
        reason = refusal(both, classes=("Speech",), labels=())
        assert reason is not None
        assert "stands for Dog," in reason  # names what is missing, not what is there

    def test_an_ancestor_is_not_covered_by_its_part(self) -> None:
        assert refusal(target("Music"), classes=("Guitar",), labels=()) is not None

    @pytest.mark.parametrize("label", ["other", "accompaniment"])
    def test_a_complement_target_is_covered_only_by_its_label(self, label: str) -> None:
        complement = label_map("musdb18")[label]
        assert refusal(complement, classes=("Music",), labels=(label,)) is None
        reason = refusal(complement, classes=("Music",), labels=("noise",))
        assert reason is not None
        assert "Music, noise" in reason

    def test_a_label_covers_a_target_with_classes_too(self) -> None:
        assert refusal(label_map("musdb18")["drums"], classes=("Drum kit",), labels=("drums",)) is None
        assert refusal(label_map("musdb18")["drums"], classes=("Drum kit",), labels=()) is not None

    def test_a_label_named_like_a_class_does_not_make_a_complement_a_class(self) -> None:
        assert refusal(Target("Music"), classes=("Music",), labels=()) is not None

    def test_a_separator_that_declares_nothing_says_so(self) -> None:
        reason = refusal(target("Speech"), classes=(), labels=())
        assert reason is not None
        assert reason.endswith("nothing")

    def test_a_misspelt_declaration_gets_the_nearest_names_whatever_is_asked(self) -> None:
        for asked in (target("Speech"), Target("other")):
            with pytest.raises(ValueError, match="'Speech'"):
                refusal(asked, classes=("Speach",), labels=("other",))

    @pytest.mark.parametrize("declared", [{"classes": "Speech", "labels": ()}, {"classes": (), "labels": "others"}])
    def test_a_bare_string_is_not_read_letter_by_letter(self, declared: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match="must be a tuple"):
            refusal(Target("other"), **declared)


class TestComponentOf:
    def test_the_nearer_class_wins_whatever_the_order(self) -> None:
        parts = {"harmonic": ("Music",), "percussive": ("Percussion",)}
        for components in (parts, dict(reversed(parts.items()))):
            assert component_of(target("Snare drum"), components) == "percussive"
            assert component_of(target("Piano"), components) == "harmonic"

    def test_a_class_beats_its_parent_of_the_same_least_depth(self) -> None:
        assert ONTO["Bell"].depth == ONTO["Musical instrument"].depth
        components = {"wide": ("Musical instrument",), "narrow": ("Bell",)}
        assert component_of(target("Church bell"), components) == "narrow"

    @settings(max_examples=60, deadline=None)
    @given(NODES, st.randoms(use_true_random=False))
    def test_among_ancestors_no_chosen_class_has_another_candidate_below_it(self, asked: Any, random: Any) -> None:
        above = list(ONTO.ancestors(asked, include_self=True))
        candidates = random.sample(above, k=random.randint(1, len(above)))
        chosen = component_of(target(asked.name), {node.name: (node.mid,) for node in candidates})
        assert chosen is not None
        assert not set(ONTO.descendants(chosen)) & set(candidates)

    def test_the_first_declared_wins_a_tie(self) -> None:
        assert component_of(target("Speech"), {"a": ("Speech",), "b": ("Speech",)}) == "a"
        assert component_of(target("Speech"), {"b": ("Speech",), "a": ("Speech",)}) == "b"

    def test_a_label_beats_any_class(self) -> None:
        components = {"foreground": ("Speech",), "background": ("noise",)}
        assert component_of(Target("noise", (ONTO["Speech"].mid,)), components) == "background"

    def test_a_target_of_several_classes_is_as_near_as_its_farthest(self) -> None:
        both = target("Snare drum", "Violin, fiddle")
        components = {"mixed": ("Snare drum", "Music"), "instruments": ("Musical instrument",)}
        assert component_of(both, components) == "instruments"

    def test_one_component_may_cover_several_classes_by_several_entries(self) -> None:
        both = target("Snare drum", "Speech")
        assert component_of(both, {"drums": ("Percussion",), "all": ("Music", "Human voice")}) == "all"

    def test_nothing_covers_what_nobody_declared(self) -> None:
        assert component_of(target("Dog"), {"harmonic": ("Music",), "percussive": ("Percussion",)}) is None
        assert component_of(Target("other"), {"harmonic": ("Music",), "rest": ("accompaniment",)}) is None
        assert component_of(target("Dog"), {}) is None

    def test_an_entry_that_is_neither_class_nor_complement_gets_the_nearest_names(self) -> None:
        with pytest.raises(ValueError, match=r"'Percussion'.*accompaniment, noise, other"):
            component_of(target("Speech"), {"a": ("Speech",), "b": ("Percusion",)})

    def test_a_bare_string_is_not_read_letter_by_letter(self) -> None:
        with pytest.raises(ValueError, match="component 'voice' must be a tuple"):
            component_of(target("Speech"), {"voice": "Speech"})


class TwoParts(ComponentSeparator):
    """Halves and thirds, to tell the components apart."""

    family = "test"
    components = MappingProxyType({"voice": ("Singing",), "rest": ("accompaniment", "Music")})

    def split(self, mixture: torch.Tensor, *, context: Context) -> dict[str, torch.Tensor]:
        return {"voice": mixture / 2, "rest": mixture / 3}


class TestComponentSeparator:
    def test_each_musdb18_target_is_answered_by_its_component_or_refused_with_a_reason(self) -> None:
        targets = label_map("musdb18")
        asked = [targets[label] for label in ("accompaniment", "vocals", "bass", "vocals")]
        estimates = TwoParts().separate(torch.ones(1, 4), tuple(Query(t) for t in asked), context=Context())
        torch.testing.assert_close(estimates[:, 0, 0], torch.tensor([1 / 3, 1 / 2, 1 / 3, 1 / 2]))
        reason = TwoParts().refuses(targets["other"])
        assert reason is not None
        assert "voice, rest" in reason
        with pytest.raises(ValueError, match="refuses"):
            TwoParts().separate(torch.ones(1, 4), (Query(targets["other"]),), context=Context())
