"""The small separator that comes with stemtree: what it can be asked for, and how it asks its network."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import pytest
import safetensors.torch
import torch

from ontology import Ontology, Target
from separators import conformance
from separators.base import Context, Query, Unavailable
from separators.conformance.subject import SeparatorSubject
from separators.uss.checkpoint import describe_checkpoint, load_separator, save_separator
from separators.uss.description import Description
from separators.uss.mini import MiniUss
from taggers.conformance.cases import NotApplicable
from taggers.conformance.isolation import recipe_of
from taggers.mini import checkpoint as mini
from taggers.mini.network import MiniNet

ONTO = Ontology.audioset()
KNOWN = ("Dog", "Cat", "Rain", "Piano", "Guitar", "Drum kit", "Speech", "Helicopter")
"""What the small tagger knows here; of animals, the separator was trained on dogs alone."""
TRAINED = tuple(name for name in KNOWN if name != "Cat")
SLOW = {"hour", "memory", "determinism", "spawn", "rate"}
"""Checks that take seconds or start processes of their own."""


def target(name: str) -> Target:
    return Target(name, (ONTO[name].mid,))


def mids(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(ONTO[name].mid for name in names)


def write(folder: Path, *, channels: Sequence[int] = (3, 3, 4, 4, 5, 5, 6), **changes: object) -> dict[str, str]:
    """Both networks with random weights; the options that name their files."""
    tagger, separator = folder / "tagger.safetensors", folder / "separator.safetensors"
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(5)
        small = MiniNet(mids(KNOWN), channels=(4, 4, 4, 4, 8))
        mini.save(tagger, small, mini.Description(classes=mids(KNOWN), channels=(4, 4, 4, 4, 8), step=0))
        how = {"query": "at_soft", "query_net": "mini-tagger", "query_scaled": True, "classes": mids(TRAINED)} | changes
        described = Description.model_validate(
            {"condition_size": 527, "channels": channels, "window": 1024, "hop": 512, "step": 0,
             "query_sha256": hashlib.sha256(tagger.read_bytes()).hexdigest()} | how
        )  # fmt: skip
        model = described.build().eval()
        for layer in model.film.children():  # fresh weights answer all conditions alike
            assert isinstance(layer, torch.nn.Linear)
            torch.nn.init.normal_(layer.weight, std=0.5)
    save_separator(separator, model, described)
    return {"checkpoint": str(separator), "query_net": str(tagger)}


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return write(tmp_path_factory.mktemp("mini"))


def noise(seconds: float) -> torch.Tensor:
    return 0.1 * torch.randn(1, round(seconds * 32_000), generator=torch.Generator().manual_seed(0))


def test_it_takes_what_it_was_trained_on_and_what_lies_above_and_nothing_else(options: dict[str, str]) -> None:
    separator = MiniUss(**options)
    for name in (*TRAINED, "Animal", "Music", "Domestic animals, pets", "Percussion"):
        assert separator.refuses(target(name)) is None, name
    for name in ("Cat", "Bark", "Violin, fiddle", "Acoustic guitar", "Bell"):
        assert "was not among the classes of its training" in str(separator.refuses(target(name))), name
    assert "complement target" in str(separator.refuses(Target("accompaniment")))
    assert separator.refuses(Target("pets", mids(["Cat", "Dog"]))) is None


def test_the_query_is_the_loudest_trained_class_at_1_in_every_segment(options: dict[str, str]) -> None:
    separator = MiniUss(**options)
    segments = separator.cut(noise(6))
    asked = separator.ask(
        segments, tuple(Query(target(name)) for name in ("Dog", "Animal", "Music")), context=Context()
    )
    assert asked.active.all()
    torch.testing.assert_close(asked.conditions.amax(dim=-1), torch.ones(3, 3))
    # Of animals it was trained on dogs alone: that the tagger hears a cat as well is not asked with.
    assert torch.equal(asked.conditions[0], asked.conditions[1])
    heard = separator.net.hear(segments)
    places = [ONTO[name].index for name in ("Piano", "Guitar", "Drum kit")]
    torch.testing.assert_close(
        asked.conditions[2][:, places], heard[:, places] / heard[:, places].amax(1, keepdim=True)
    )
    assert (asked.conditions[2] > 0).sum() == 9


def test_files_in_half_precision_give_the_estimates_of_their_rounded_weights(
    options: dict[str, str], tmp_path: Path
) -> None:
    whole = Path(options["checkpoint"])
    described = describe_checkpoint(whole)
    assert described is not None
    half = tmp_path / "half.safetensors"
    state = {name: value.half() for name, value in safetensors.torch.load_file(whole).items()}
    safetensors.torch.save_file(state, half, {"stemtree": described.model_dump_json()})
    before = load_separator(whole).state_dict()
    for name, value in load_separator(half).state_dict().items():
        assert value.dtype == before[name].dtype
        torch.testing.assert_close(value.float(), state[name].float())
    query = (Query(target("Dog")),)
    exact, rounded = (
        MiniUss(checkpoint=str(path), query_net=options["query_net"], dtype="float32").separate(
            noise(2), query, context=Context()
        )
        for path in (whole, half)
    )
    assert exact.abs().max() > 1e-3
    torch.testing.assert_close(rounded, exact, atol=1e-2 * float(exact.abs().max()), rtol=0)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"query_net": "cnn14"}, "was trained on at_soft of cnn14, and mini-uss asks with mini-tagger"),
        ({"query": "labels", "query_scaled": False, "query_sha256": None}, "was trained on labels"),
        ({"query_sha256": "0" * 64}, "trained with a query net whose weights have the SHA-256 000"),
    ],
)
def test_a_network_that_was_trained_otherwise_is_refused_in_words(
    changes: dict[str, object], why: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=why) as caught:
        MiniUss(**write(tmp_path, **changes))
    assert "separator.safetensors" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_weights_that_are_not_there_or_do_not_describe_themselves_are_named(
    options: dict[str, str], tmp_path: Path
) -> None:
    for name in ("checkpoint", "query_net"):
        with pytest.raises(Unavailable, match=r"no weights at nowhere\.safetensors"):
            MiniUss(**options | {name: "nowhere.safetensors"})
    other = tmp_path / "other.pth"
    torch.save({}, other)
    with pytest.raises(ValueError, match=r"other\.pth: is no \.safetensors file"):
        MiniUss(checkpoint=str(other), query_net=options["query_net"])


def test_it_passes_the_conformance_checks(options: dict[str, str]) -> None:
    subject = SeparatorSubject(recipe_of(MiniUss, SeparatorSubject, options=options, device="cpu"), lambda: MiniUss)
    for check in conformance.SEPARATOR_CHECKS:
        if check.name not in SLOW | {"description"}:
            with suppress(NotApplicable):
                check.function(subject)
