"""The weights of ``mini-tagger`` that come along: those of its card, and as good as it says."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
import yaml

from bench.shipped.clips import fold_clips, mixtures
from bench.shipped.detection import confusion, detection
from bench.shipped.figures import ShippedError
from bench.shipped.hearing import hear, open_ear
from bench.shipped.spot import make_clips, spot_tagger
from ontology import Ontology
from separators.uss import mini
from taggers.mini import tagger as mini_tagger
from taggers.mini.checkpoint import load
from taggers.mini.tagger import CARD, WEIGHTS, MiniTagger

TOLERANCE = 1e-3
MOST_BYTES = 12_000_000
"""Of the weights of both models."""


@pytest.fixture(scope="module")
def figures() -> dict[str, Any]:
    """What the card publishes."""
    return dict(yaml.safe_load(CARD.read_text(encoding="utf-8"))["figures"])


def test_the_file_is_the_one_that_the_card_describes() -> None:
    (weights,) = MiniTagger.card().weights
    assert WEIGHTS.stat().st_size == weights.size
    assert hashlib.sha256(WEIGHTS.read_bytes()).hexdigest() == weights.sha256 == MiniTagger().weights_sha256()


def test_both_files_together_stay_small() -> None:
    assert mini_tagger.WEIGHTS.stat().st_size + mini.WEIGHTS.stat().st_size <= MOST_BYTES


def test_every_class_that_the_checkpoint_declares_is_on_the_card_and_has_a_threshold(figures: dict[str, Any]) -> None:
    module, described, _ = load(WEIGHTS)
    assert sorted(Ontology.audioset()[mid].name for mid in described.classes) == figures["tagger"]["classes"]
    assert set(described.thresholds) == set(described.classes)
    assert sum(parameter.numel() for parameter in module.parameters()) == MiniTagger.card().parameters


def test_figures_on_rendered_clips_are_those_of_the_card(
    figures: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    try:
        clips = make_clips(tmp_path_factory.getbasetemp() / "spot")
    except ShippedError as error:
        pytest.skip(str(error))
    found = spot_tagger(open_ear(WEIGHTS), clips)
    for table, expected in figures["spot"].items():
        assert found[table] == pytest.approx(expected, abs=TOLERANCE), table


def test_figures_on_the_test_fold_are_those_of_the_card(figures: dict[str, Any], shared_data: Path) -> None:
    ear = open_ear(WEIGHTS)
    single = fold_clips(shared_data / "esc10")
    heard = hear(ear, single)
    published = figures["tagger"]
    assert confusion([heard], name="fold4_single")["counts"] == published["confusion"]["counts"]
    for name, found in (
        ("fold4_single", detection([heard], name="fold4_single")),
        ("fold4_mixtures", detection([hear(ear, mixtures(single))], name="fold4_mixtures")),
    ):
        for figure in ("map", "f1", "false_alarms"):
            expected = published[name][figure]["by_seed"][0]  # the first training is the one that comes along
            assert found[figure]["value"] == pytest.approx(expected, abs=TOLERANCE), (name, figure)
