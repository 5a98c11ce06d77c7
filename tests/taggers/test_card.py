"""Cards of weights that come along: what a reader finds in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from taggers.card import read_card

CARD = """
card: {name: ear, family: tagger, summary: hears, licence: MIT, notes: A start.}
classes: [/m/0bt9lr, /m/06mb1]
limits: [It takes a hum for rain., Barks are no class]
figures: {map: 0.9}
"""


def test_classes_and_limits_stand_in_the_notes(tmp_path: Path) -> None:
    path = tmp_path / "ear.yaml"
    path.write_text(CARD)
    card = read_card(path)
    assert (card.name, card.licence) == ("ear", "MIT")
    assert card.notes == "A start. classes: Dog; Rain. It takes a hum for rain. Barks are no class"
    path.write_text(CARD.split("classes")[0].replace(", notes: A start.", ""))
    assert read_card(path).notes is None


@pytest.mark.parametrize("content", ["", "[1]", "card: [", "name: ear", CARD.replace("/m/0bt9lr", "/m/none")])
def test_what_is_no_card_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "ear.yaml"
    path.write_text(content)
    with pytest.raises(ValueError, match=r"ear\.yaml"):
        read_card(path)
