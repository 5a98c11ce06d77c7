"""The weights of ``mini-uss`` that come along: those of its card, and as good as it says."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
import yaml

from bench.shipped.figures import ShippedError
from bench.shipped.spot import fold_pairs, held_out_pairs, make_clips, spot_separator
from ontology import Ontology
from separators.uss.checkpoint import describe_checkpoint
from separators.uss.mini import CARD, WEIGHTS, MiniUss
from taggers.mini import checkpoint, tagger

TOLERANCE = 1e-3


@pytest.fixture(scope="module")
def figures() -> dict[str, Any]:
    """What the card publishes to recognise it by."""
    return dict(yaml.safe_load(CARD.read_text(encoding="utf-8"))["figures"]["spot"])


@pytest.fixture(scope="module")
def separator() -> MiniUss:
    """In float32, as bfloat16 rounds differently from machine to machine."""
    return MiniUss(dtype="float32")


def test_the_file_is_the_one_that_the_card_describes() -> None:
    (weights,) = MiniUss.card().weights
    assert WEIGHTS.stat().st_size == weights.size
    assert hashlib.sha256(WEIGHTS.read_bytes()).hexdigest() == weights.sha256


def test_it_hears_with_the_tagger_that_comes_along_and_asks_for_classes_that_it_declares() -> None:
    described = describe_checkpoint(WEIGHTS)
    assert described is not None
    _, heard, sha256 = checkpoint.load(tagger.WEIGHTS)
    assert described.query_sha256 == sha256
    assert set(described.classes) <= set(heard.classes)
    ontology = Ontology.audioset()
    assert all(ontology[mid].index is not None for mid in described.classes)


def test_figures_on_rendered_clips_are_those_of_the_card(
    separator: MiniUss, figures: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    try:
        clips = make_clips(tmp_path_factory.getbasetemp() / "spot")
    except ShippedError as error:
        pytest.skip(str(error))
    expected = {name: value for name, value in figures.items() if name != "fold4"}
    assert spot_separator(separator, held_out_pairs(clips)) == pytest.approx(expected, abs=TOLERANCE)


def test_figures_on_the_test_fold_are_those_of_the_card(
    separator: MiniUss, figures: dict[str, Any], shared_data: Path
) -> None:
    found = spot_separator(separator, fold_pairs(shared_data / "esc10"))
    assert found == pytest.approx(figures["fold4"], abs=TOLERANCE)
