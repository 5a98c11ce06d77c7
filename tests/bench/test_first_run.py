"""What somebody gets who says nothing: models that come along, on a recording and in the suites."""

from __future__ import annotations

import pytest
import soundfile
import torch
from click.testing import CliRunner

from bench import plugins
from bench.analysis.request import DEFAULT_SEPARATORS, DEFAULT_TAGGER
from bench.analysis.tree import SceneTree, read_scene
from bench.cli import main
from bench.config import compose
from ontology import Ontology, Target
from separators.uss import mini
from taggers.mini import checkpoint, tagger

ONTO = Ontology.audioset()


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> SceneTree:
    """Noise and a chord, analysed with no option at all."""
    folder = tmp_path_factory.mktemp("first")
    time = torch.arange(4 * 32_000) / 32_000
    chord = sum(torch.sin(2 * torch.pi * hz * time) * torch.exp(-(time % 1)) for hz in (220.0, 277.2, 329.6))
    noise = torch.randn(len(time), generator=torch.Generator().manual_seed(0))
    soundfile.write(folder / "street.wav", (0.1 * chord + 0.02 * noise).numpy(), 32_000)
    done = CliRunner().invoke(main, ["analyze", str(folder / "street.wav"), "--out", str(folder / "street")])
    assert done.exit_code == 0, done.stderr
    return read_scene(folder / "street")


def test_an_analysis_listens_and_separates_with_what_comes_along(scene: SceneTree) -> None:
    assert (scene.tagger, scene.separators) == (DEFAULT_TAGGER, DEFAULT_SEPARATORS)
    assert DEFAULT_SEPARATORS[0] == "mini-uss"
    assert scene.classes
    separator = mini.MiniUss()
    for entry in scene.classes:
        takes = separator.refuses(Target(entry.name, (entry.mid,))) is None
        assert (entry.separator == "mini-uss") == takes


def test_its_notes_name_every_class_that_the_tagger_tells_and_count_the_rest(scene: SceneTree) -> None:
    (note,) = (note for note in scene.notes if "cannot tell" in note)
    _, described, _ = checkpoint.load(tagger.WEIGHTS)
    known = {node.mid for mid in described.classes for node in ONTO.ancestors(mid, include_self=True)}
    lowest = [mid for mid in known if known.isdisjoint(child.mid for child in ONTO[mid].children)]
    assert all(ONTO[mid].name in note for mid in lowest)
    count = sum(node.mid not in known for node in ONTO if node.depth in (1, 2, 3))
    assert f"{count} of the classes asked for" in note


def test_the_separator_takes_every_class_of_its_card_and_hears_with_the_tagger_that_comes_along() -> None:
    separator = mini.MiniUss()
    described = separator.checkpoint.description
    assert described is not None
    for mid in described.classes:
        assert separator.refuses(Target(ONTO[mid].name, (mid,))) is None
    assert separator.net.weights_sha256() == tagger.MiniTagger().weights_sha256() == described.query_sha256
    assert described.query_scaled


@pytest.mark.parametrize("suite", ["demo", "scenes", "listening"])
def test_the_suites_of_the_demo_have_the_models_that_come_along_and_only_what_is_installed(suite: str) -> None:
    config = compose([f"suite={suite}"])
    assert "mini-uss" in config.separators
    assert set(config.separators) <= plugins.names("separators")
    assert set(config.taggers) <= plugins.names("taggers")
    assert (DEFAULT_TAGGER in config.taggers) == (suite == "listening")
