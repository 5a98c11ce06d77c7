from __future__ import annotations

import dataclasses
import hashlib
import importlib
import os
import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib
import pytest
import torch
from torch import nn

from ontology import Ontology
from taggers import panns
from taggers.base import TagContext
from taggers.panns import Loaded, Panns, PannsRandom, PannsSed, load_cnn14, load_cnn14_decision_level_max

PLACE = TagContext()


@pytest.fixture(scope="module")
def drawn() -> Loaded:
    return load_cnn14("random", seed=3)


@pytest.fixture(scope="module")
def checkpoint(drawn: Loaded, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Weights in the form in which they are published; both networks have tensors of the same names and shapes."""
    path = tmp_path_factory.mktemp("panns") / "Cnn14_mAP=0.431.pth"
    torch.save({"iteration": 600_000, "model": drawn.module.state_dict()}, path)
    yield path
    path.unlink()


@pytest.fixture(scope="module")
def cnn14(checkpoint: Path) -> Panns:
    return Panns(checkpoint=checkpoint)


@pytest.fixture(scope="module")
def sed(checkpoint: Path) -> PannsSed:
    return PannsSed(checkpoint=str(checkpoint))


def noise(samples: int, batch: int = 2) -> torch.Tensor:
    return torch.randn(batch, samples, generator=torch.Generator().manual_seed(samples)) / 10


def bare(network: str, checkpoint: Path) -> nn.Module:
    """The network as panns_inference's own wrapper builds and loads it."""
    module: nn.Module = getattr(importlib.import_module("panns_inference.models"), network)(
        sample_rate=32_000, window_size=1024, hop_size=320, mel_bins=64, fmin=50, fmax=14_000, classes_num=527
    )
    module.load_state_dict(torch.load(checkpoint, weights_only=True)["model"])
    return module.eval()


def test_cnn14_says_what_the_bare_network_says(cnn14: Panns, checkpoint: Path) -> None:
    waveforms = noise(32_000)
    tags = cnn14.tag(waveforms, context=PLACE)
    with torch.no_grad():
        heard = bare("Cnn14", checkpoint)(waveforms, None)
    assert tags.clipwise is not None
    assert tags.embedding is not None
    assert torch.equal(tags.clipwise, heard["clipwise_output"])
    assert torch.equal(tags.embedding, heard["embedding"])
    assert torch.equal(tags.probabilities.nan_to_num(-1), Ontology.audioset().roll_up(tags.clipwise).nan_to_num(-1))
    assert torch.equal(tags.known, ~tags.probabilities.isnan().any(dim=0))
    assert tags.framewise is None
    assert cnn14.weights_sha256() == hashlib.sha256(checkpoint.read_bytes()).hexdigest()


def test_the_framewise_network_says_what_the_bare_one_says(sed: PannsSed, checkpoint: Path) -> None:
    waveforms = noise(48_000)
    tags = sed.tag(waveforms, context=PLACE)
    with torch.no_grad():
        heard = bare("Cnn14_DecisionLevelMax", checkpoint)(waveforms, None)
    assert tags.clipwise is not None
    assert tags.framewise is not None
    assert torch.equal(tags.clipwise, heard["clipwise_output"])
    assert tags.framewise.shape == (2, 150, 632)
    frames = Ontology.audioset().roll_up(heard["framewise_output"][:, :150])
    assert torch.equal(tags.framewise.nan_to_num(-1), frames.nan_to_num(-1))
    assert tags.framewise.unique(dim=1).shape[1] > 1


@pytest.mark.parametrize("samples", [1, 9_919])
def test_segments_too_short_for_the_network_are_padded(sed: PannsSed, cnn14: Panns, samples: int) -> None:
    short = noise(samples)
    padded = torch.nn.functional.pad(short, (0, panns.MIN_SAMPLES - samples))
    for tagger in (sed, cnn14):
        tags, whole = (tagger.tag(waveforms, context=PLACE) for waveforms in (short, padded))
        assert torch.equal(tags.probabilities.nan_to_num(-1), whole.probabilities.nan_to_num(-1))
    framewise = sed.tag(short, context=PLACE).framewise
    assert framewise is not None
    assert framewise.shape[1] == max(1, round(samples / 320))


@pytest.mark.parametrize("waveforms", [torch.zeros(32_000), torch.zeros(1, 32_000).double(), torch.zeros(1, 2, 32_000)])
def test_what_is_no_batch_of_segments_is_refused(cnn14: Panns, waveforms: torch.Tensor) -> None:
    with pytest.raises(ValueError, match=r"hear float32 \(batch, samples\), not torch"):
        cnn14.tag(waveforms, context=PLACE)


def test_random_weights_come_from_their_seed_and_say_so(drawn: Loaded) -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    tagger = PannsRandom(seed=3)
    assert torch.equal(torch.rand(1), expected), "the state of the process's own generator must not change"
    assert tagger.weights_sha256() == drawn.sha256 != PannsRandom(seed=4).weights_sha256()
    waveforms = noise(panns.MIN_SAMPLES)
    tags = tagger.tag(waveforms, context=PLACE)
    assert tags.clipwise is not None
    assert torch.equal(tags.clipwise, drawn.module(waveforms)["clipwise_output"])
    card = PannsRandom.card()
    assert card.name == "panns-random"
    assert "random weights" in card.summary
    assert (card.weights, card.training_data) == ((), ())
    with pytest.raises(ValueError, match="panns-random"):
        Panns(checkpoint="random")


def test_cards_name_published_weights_and_count_what_is_learnt(drawn: Loaded) -> None:
    learnt = sum(value.numel() for name, value in drawn.module.named_parameters() if "extractor" not in name)
    for tagger in (Panns, PannsSed):
        card = tagger.card()
        assert card.parameters == learnt
        assert card.training_data == ("AudioSet",)
        assert card.weights[0].url.startswith("https://zenodo.org/records/3987831/files/Cnn14")
        assert card.weights[0].licence == "CC-BY-4.0"


def test_a_loaded_network_is_ready_to_listen(drawn: Loaded) -> None:
    assert not drawn.module.training
    assert not any(parameter.requires_grad for parameter in drawn.module.parameters())


def test_a_file_of_the_other_network_is_told_by_its_hash(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    published = dataclasses.replace(panns.CNN14, checksum=f"sha256:{digest}")
    monkeypatch.setattr(panns, "CNN14", published)
    with pytest.raises(ValueError, match=r"is the published Cnn14_mAP=0\.431\.pth; this network takes Cnn14_Decision"):
        load_cnn14_decision_level_max(checkpoint)


def test_weights_of_something_else_are_refused(tmp_path: Path) -> None:
    torch.save({"model": {"fc_audioset.weight": torch.zeros(10, 2048), "fc2.bias": torch.zeros(3)}}, tmp_path / "a.pth")
    with pytest.raises(ValueError, match=r"a\.pth: is no checkpoint of Cnn14: missing: bn0") as caught:
        load_cnn14(tmp_path / "a.pth")
    assert "unexpected: fc2.bias" in str(caught.value)
    assert "fc_audioset.weight (10, 2048), not (527, 2048)" in str(caught.value)


def test_without_weights_and_network_there_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from taggers.base import Unavailable

    monkeypatch.setenv("STEMTREE_CACHE", str(tmp_path))
    monkeypatch.setattr(panns, "CNN14", dataclasses.replace(panns.CNN14, url="http://127.0.0.1:9/Cnn14.pth"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with pytest.raises(Unavailable, match=r"Cnn14_mAP=0\.431\.pth cannot be downloaded \(no connection\)") as caught:
        Panns()
    assert "\n" not in str(caught.value)
    assert str(tmp_path / "weights" / "Cnn14_mAP=0.431.pth") in str(caught.value)


def test_importing_the_networks_downloads_nothing(tmp_path: Path) -> None:
    script = (
        "import os, sys\n"
        "os.system = lambda command: sys.exit(f'called {command}')\n"
        "from taggers.panns import load_cnn14\n"
        "load_cnn14('random')\n"
        "import panns_inference\n"
        "print(len(panns_inference.labels), panns_inference.labels[0])\n"
    )
    environment = {
        **os.environ, "HOME": str(tmp_path), "PATH": "",
        "PYTHONPATH": str(Path(panns.__file__).parents[1]), "MPLCONFIGDIR": matplotlib.get_cachedir(),
    }  # fmt: skip
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "527 Speech\n"), done.stderr
    assert not (tmp_path / "panns_data").exists()


def test_labels_that_somebody_else_loaded_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "panns_inference"]:
        monkeypatch.delitem(sys.modules, name)
    theirs: Any = types.ModuleType("panns_inference.config")
    theirs.labels, theirs.classes_num = ["Speech"] * 527, 527
    monkeypatch.setitem(sys.modules, "panns_inference.config", theirs)
    load_cnn14("random")
    assert sys.modules["panns_inference.config"] is theirs
    assert theirs.labels == ["Speech"] * 527
