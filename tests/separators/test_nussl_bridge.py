"""nussl through its bridge: our ports agree with it, and its absence is a reason with a remedy."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
import tomllib
import warnings
from pathlib import Path
from typing import Any

import pytest
import scipy.signal
import torch

from separators import nussl_bridge
from separators.base import ComponentSeparator, Context, Separator, Unavailable
from separators.ft2d import FT2D
from separators.hpss import HPSS
from separators.repet import Repet, RepetSim

RATE = 16_000
BUILT_IN = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]["entry-points"]


def scene(seconds: float) -> torch.Tensor:
    """Stereo: a decaying loop in both channels, a glide on the left, noise under it all."""
    generator = torch.Generator().manual_seed(0)
    samples = int(seconds * RATE)
    once = torch.randn((1, RATE), generator=generator) * torch.linspace(1, 0, RATE)
    loop = once.repeat(2, samples // RATE + 1)[:, :samples]
    time = torch.arange(samples) / RATE
    glide = torch.sin(2 * torch.pi * (400 * time + 50 * time**2)) * torch.tensor([[1.0], [0.2]])
    return loop + glide + 0.05 * torch.randn((2, samples), generator=generator)


def sdr(reference: torch.Tensor, estimate: torch.Tensor) -> float:
    error = (reference.double() - estimate.double()).square().sum()
    return float(10 * torch.log10(reference.double().square().sum() / error))


def made(bridge: type[ComponentSeparator], **options: Any) -> ComponentSeparator:
    try:
        return bridge(**options)
    except Unavailable as error:
        pytest.skip(str(error))


PAIRS: list[tuple[type[ComponentSeparator], type[ComponentSeparator], dict[str, Any]]] = [
    (HPSS, nussl_bridge.NusslHPSS, {}),
    (HPSS, nussl_bridge.NusslHPSS, {"kernel": (17, 31)}),
    (Repet, nussl_bridge.NusslRepet, {}),
    (Repet, nussl_bridge.NusslRepet, {"period": 1.0}),
    (RepetSim, nussl_bridge.NusslRepetSim, {}),
    (RepetSim, nussl_bridge.NusslRepetSim, {"min_distance": 0.3, "similarity_threshold": 0.5}),
    (FT2D, nussl_bridge.NusslFT2D, {}),
    (FT2D, nussl_bridge.NusslFT2D, {"use_bg_2dft": False, "high_pass_cutoff": 250.0}),
    (FT2D, nussl_bridge.NusslFT2D, {"filter_approach": "original", "neighborhood_size": (1, 35)}),
]


@pytest.mark.parametrize(("own", "bridge", "options"), PAIRS)
def test_our_port_agrees_with_nussl_to_80_decibels(
    own: type[ComponentSeparator], bridge: type[ComponentSeparator], options: dict[str, Any]
) -> None:
    mixture = scene(6.0)  # 751 frames: odd, so that nussl's flips of the 2-D transform are exact
    context = Context(sample_rate=RATE)
    expected = made(bridge, **options).split(mixture, context=context)
    ours = own(**options).split(mixture, context=context)
    assert list(ours) == list(expected)
    assert all(sdr(expected[name], ours[name]) > 80 for name in ours)


def test_for_an_even_number_of_frames_the_2dft_still_comes_near_nussl_whose_flips_are_off_by_one() -> None:
    mixture = scene(5.992)  # 750 frames
    context = Context(sample_rate=RATE)
    expected = made(nussl_bridge.NusslFT2D).split(mixture, context=context)
    ours = FT2D().split(mixture, context=context)
    assert all(sdr(expected[name], ours[name]) > 15 for name in ours)


def test_the_bridge_works_and_stays_quiet() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made(nussl_bridge.NusslRepetSim).split(scene(3.0), context=Context(sample_rate=RATE))


def test_samples_that_are_not_finite_are_refused_in_words() -> None:
    bridge = made(nussl_bridge.NusslHPSS)
    mixture = scene(1.0)
    mixture[0, 100] = torch.nan
    with pytest.raises(ValueError, match="NaN or infinite"):
        bridge.split(mixture, context=Context(sample_rate=RATE))


def test_importing_nussl_leaves_nothing_behind_outside_it() -> None:
    made(nussl_bridge.NusslHPSS)
    had = [name for name in ("hamming", "hann", "blackman") if hasattr(scipy.signal, name)]
    assert had == []
    assert all(sys.modules[name].__spec__ is not None for name in ("musdb", "sox") if name in sys.modules)


@pytest.mark.parametrize("bridge", [nussl_bridge.NusslHPSS, nussl_bridge.NusslRepet, nussl_bridge.NusslRepetSim,
                                    nussl_bridge.NusslFT2D])  # fmt: skip
def test_without_nussl_the_constructor_gives_the_remedy(
    bridge: type[ComponentSeparator], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "nussl", None)
    with pytest.raises(Unavailable) as raised:
        bridge()
    monkeypatch.undo()
    assert str(raised.value) == (
        "nussl 1.1.9 is not installed: pip install 'stemtree[nussl-runtime]' && pip install --no-deps nussl==1.1.9"
    )


def test_a_nussl_that_breaks_at_import_is_unavailable_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "nussl.py").write_text("raise AttributeError('module scipy has no attribute hann')")
    monkeypatch.syspath_prepend(tmp_path)
    for name in [name for name in sys.modules if name.split(".")[0] == "nussl"]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(Unavailable, match=r"cannot be imported here \(AttributeError: module scipy has no"):
        nussl_bridge.NusslHPSS()


def test_importing_the_separators_imports_neither_nussl_nor_librosa_nor_scikit_learn() -> None:
    modules = sorted({path.split(":")[0] for path in BUILT_IN["stemtree.separators"].values()})
    code = (
        f"import importlib, sys; [importlib.import_module(m) for m in {modules!r}]; "
        "heavy = {'nussl', 'librosa', 'sklearn', 'matplotlib', 'bench'} & set(sys.modules); "
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("name", "path"), sorted(BUILT_IN["stemtree.separators"].items()))
def test_every_built_in_separator_has_a_card_under_its_own_name_and_family(name: str, path: str) -> None:
    separator: type[Separator] = importlib.metadata.EntryPoint(name, path, "stemtree.separators").load()
    card = separator.card()
    assert card is not None
    assert (card.name, card.family) == (name, separator.family)
    assert card.licence in ("MIT", "Apache-2.0")
    assert separator.__doc__
    assert card.weights == () or card.family == "uss"
