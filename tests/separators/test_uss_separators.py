"""The separators of universal source separation: what each asks of the network, and what it makes of the answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import torch

import uss_kit as kit
from ontology import Node, Ontology, Target
from separators import conformance
from separators.adapt import extract
from separators.base import Context, Query, Unavailable
from separators.conformance.subject import SeparatorSubject
from separators.uss import nets, universal
from separators.uss.engine import Engine
from separators.uss.model import ResUNet30
from separators.uss.nets import Checkpoint, open_checkpoint, open_query_net
from separators.uss.separator import Uss, UssClasses, UssLabels, UssOracle, UssQuery
from taggers.conformance.cases import NotApplicable
from taggers.conformance.isolation import recipe_of
from taggers.saved_queries import QueryMeta, save_query

RATE = 32_000
SEGMENT = 2 * RATE
ONTO = Ontology.audioset()


def target(name: str) -> Target:
    return Target(name, (ONTO[name].mid,))


def sound(seconds: float, *, channels: int = 1, seed: int = 0) -> torch.Tensor:
    """Noise whose level changes every 2 s, so that classes come and go."""
    generator = torch.Generator().manual_seed(seed)
    samples = round(seconds * RATE)
    level = 0.02 + 0.3 * torch.rand(-(-samples // SEGMENT), generator=generator).repeat_interleave(SEGMENT)[:samples]
    return level * (2 * torch.rand((channels, samples), generator=generator) - 1)


@pytest.fixture
def ear() -> Iterator[kit.Ear]:
    with kit.ears() as ear:
        yield ear


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("uss") / "small.safetensors"
    kit.write_checkpoint(path)
    return str(path)


@pytest.fixture(scope="module")
def on_labels(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("uss") / "labels.safetensors"
    kit.write_checkpoint(path, query="labels")
    return str(path)


def ask(separator: universal.UniversalSeparator, audio: torch.Tensor, *queries: Query) -> torch.Tensor:
    return extract(separator, audio, RATE, queries, context=Context()).audio


def first_found_below(root: Node) -> set[int]:
    """Labelled classes at or below a class in a tree where each has the parent that a depth-first search met first."""
    parent: dict[str, str | None] = {}

    def visit(node: Node, above: str | None) -> None:
        if node.mid in parent:
            return
        parent[node.mid] = above
        for child in node.children:
            visit(child, node.mid)

    for node in ONTO:
        if not node.parents:
            visit(node, None)
    found = set()
    for node in ONTO:
        step: str | None = node.mid
        while step is not None and step != root.mid:
            step = parent[step]
        if step is not None and node.index is not None:
            found.add(node.index)
    return found


def as_published(model: ResUNet30, ear: kit.Ear, audio: torch.Tensor, classes: set[int]) -> torch.Tensor:
    """The public code's way, one segment after the other: mono, hard segments, zeros where nothing is probable."""
    mono = audio.mean(0)
    mono = torch.cat([mono, torch.zeros(-len(mono) % SEGMENT)])
    pieces = []
    for start in range(0, len(mono), SEGMENT):
        segment = mono[start : start + SEGMENT]
        heard = ear(segment[None])["clipwise_output"][0]
        condition = torch.zeros(527)
        highest = 0.0
        for index in classes:
            condition[index] = heard[index]
            highest = max(highest, float(heard[index]))
        pieces.append(model(segment[None], condition[None])[0] if highest >= 0.2 else torch.zeros(SEGMENT))
    whole = torch.cat(pieces)[: audio.shape[1]]
    return whole if whole.max() > 1e-6 else torch.zeros_like(whole)


@pytest.mark.parametrize("name", ["Music", "Sounds of things", "Alarm", "Choir", "Bell", "Dog"])
def test_compat_does_as_the_public_code_written_out(name: str, tmp_path: Path, ear: kit.Ear) -> None:
    model = kit.write_checkpoint(tmp_path / "small.safetensors")
    separator = UssClasses(checkpoint=str(tmp_path / "small.safetensors"), compat=True)
    audio = sound(7.3, channels=2)
    with torch.inference_mode():
        expected = as_published(model, ear, audio, first_found_below(ONTO[name]))
    found = ask(separator, audio, Query(target(name)))
    assert found.shape == (1, 1, audio.shape[1])
    torch.testing.assert_close(found[0, 0], expected, atol=2e-6, rtol=0)


def test_some_segments_are_separated_and_some_are_not(checkpoint: str, ear: kit.Ear) -> None:
    found = ask(UssClasses(checkpoint=checkpoint, compat=True), sound(20), *(Query(target(n)) for n in ("Bell", "Dog")))
    active = found[:, 0].reshape(2, 10, SEGMENT).any(dim=2)
    assert active.any()
    assert not active.all()


def test_a_class_below_two_others_counts_for_both_unless_compat(checkpoint: str, ear: kit.Ear) -> None:
    """Bell is found below Music first, so that the tree has nothing of it below Sounds of things."""
    default, compat = (UssClasses(checkpoint=checkpoint, compat=each) for each in (False, True))
    bell = ONTO["Bell"].index
    whole, tree = (each._mask(target("Sounds of things")) for each in (default, compat))
    assert whole[bell]
    assert not tree[bell]
    assert not (tree & ~whole).any()


def test_segments_are_cross_faded_so_that_no_border_clicks_unless_compat(checkpoint: str, ear: kit.Ear) -> None:
    audio = 0.3 * torch.sin(2 * torch.pi * 441.3 * torch.arange(9 * RATE) / RATE)[None]

    def worst_click(*, compat: bool) -> float:
        """Largest jump of the slope at a border, relative to the largest well inside a segment."""
        separator = UssClasses(checkpoint=checkpoint, compat=compat, threshold=0)
        bend = ask(separator, audio, Query(target("Music")))[0, 0].diff(n=2).abs()
        hop = SEGMENT if compat else round(1.75 * RATE)
        borders = range(hop, audio.shape[1] - RATE, hop)
        inside = max(float(bend[at - RATE // 2 : at - RATE // 4].max()) for at in borders)
        return max(float(bend[at - 200 : at + 200].max()) for at in borders) / inside

    assert worst_click(compat=True) > 2
    assert worst_click(compat=False) < 1.3


def test_each_channel_is_separated_by_itself_and_compat_averages_them(checkpoint: str, ear: kit.Ear) -> None:
    audio = sound(3, channels=2)
    query = Query(target("Music"))
    default, compat = (UssClasses(checkpoint=checkpoint, compat=each, threshold=0) for each in (False, True))
    both = ask(default, audio, query)
    assert both.shape == (1, 2, audio.shape[1])
    for channel in range(2):
        assert torch.equal(both[:, channel], ask(default, audio[channel : channel + 1], query)[:, 0])
    assert torch.equal(ask(compat, audio, query), ask(compat, audio.mean(0, keepdim=True), query))


@pytest.mark.parametrize("compat", [False, True])
def test_one_sample_comes_back_as_one_sample(compat: bool, checkpoint: str, on_labels: str, ear: kit.Ear) -> None:
    one = torch.full((1, 1), 0.5)
    for separator, query in (
        (UssClasses(checkpoint=checkpoint, compat=compat, threshold=0), Query(target("Music"))),
        (Uss(checkpoint=checkpoint, compat=compat), Query(target("Music"), examples=(one,))),
        (UssOracle(checkpoint=checkpoint, compat=compat), Query(target("Music"), reference=one)),
        (UssLabels(checkpoint=on_labels, compat=compat), Query(target("Music"))),
    ):
        found = ask(separator, one, query)
        assert found.shape == (1, 1, 1)
        assert torch.isfinite(found).all()


class Constant:
    """In the place of the engine: a value for every estimate."""

    value = 0.0

    def __init__(self, model: object, **options: object) -> None:
        pass

    def separate(
        self, segments: torch.Tensor, segment_of: torch.Tensor, conditions: torch.Tensor
    ) -> Iterator[tuple[list[int], torch.Tensor]]:
        yield from (([job], torch.full_like(segments[0], self.value)) for job in range(len(segment_of)))


@pytest.mark.parametrize(
    ("value", "kept", "kept_by_compat"), [(-0.5, True, False), (0.5, True, True), (1e-7, False, False)]
)
def test_an_estimate_is_silence_by_its_largest_sample_and_in_compat_by_its_highest(
    value: float, kept: bool, kept_by_compat: bool, on_labels: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(universal, "Engine", Constant)
    monkeypatch.setattr(Constant, "value", value)
    for compat, expected in ((False, kept), (True, kept_by_compat)):
        found = ask(UssLabels(checkpoint=on_labels, compat=compat), sound(3), Query(target("Music")))
        assert found.any() == expected


def test_a_query_that_says_when_its_target_sounds_is_taken_at_its_word(checkpoint: str, ear: kit.Ear) -> None:
    separator = UssClasses(checkpoint=checkpoint, threshold=1)
    assert not ask(separator, sound(8), Query(target("Music"))).any()
    told = ask(separator, sound(8), Query(target("Music"), spans=((4.2, 5.0),)))[0, 0]
    assert told[4 * RATE : 5 * RATE].any()
    assert not told[: 3 * RATE].any()
    assert not told[6 * RATE :].any()


def test_the_examples_decide_and_their_mean_is_taken_by_clip(checkpoint: str, ear: kit.Ear, tmp_path: Path) -> None:
    separator = Uss(checkpoint=checkpoint)
    loud, quiet, audio = sound(4, seed=1), 0.01 * sound(2, seed=2), sound(3)
    both = ask(separator, audio, Query(target("Dog"), examples=(loud, quiet)))
    vectors = [separator.net.encode(piece) for piece in (loud.reshape(2, SEGMENT), quiet)]
    mean = torch.stack([vector.mean(0) for vector in vectors]).mean(0)
    given = ask(separator, audio, Query(target("Dog"), condition=mean))
    torch.testing.assert_close(both, given, atol=1e-5, rtol=0)
    assert (both - ask(separator, audio, Query(target("Dog"), examples=(quiet,)))).abs().max() > 1e-4


def test_a_complement_target_can_be_asked_by_examples_and_not_by_class(checkpoint: str, ear: kit.Ear) -> None:
    other = Target("accompaniment")
    assert Uss(checkpoint=checkpoint).refuses(other) is None
    assert "no class" in str(UssClasses(checkpoint=checkpoint).refuses(other))
    assert "has no label" in str(UssClasses(checkpoint=checkpoint).refuses(target("Oboe")))
    assert UssClasses(checkpoint=checkpoint).refuses(target("Music")) is None


def test_the_oracle_hears_the_true_source_of_each_segment(checkpoint: str, ear: kit.Ear) -> None:
    separator = UssOracle(checkpoint=checkpoint, compat=True)
    audio, source = sound(4), sound(4, seed=3)
    found = ask(separator, audio, Query(target("Dog"), reference=source))[0, 0]
    for start in (0, SEGMENT):
        part = slice(start, start + SEGMENT)
        alone = ask(separator, audio[:, part], Query(target("Dog"), reference=source[:, part]))[0, 0]
        torch.testing.assert_close(found[part], alone, atol=1e-6, rtol=0)
    swapped = ask(separator, audio, Query(target("Dog"), reference=source.roll(SEGMENT, 1)))[0, 0]
    assert not torch.allclose(found, swapped, atol=1e-4)


def test_labels_ask_for_what_was_trained_and_refuse_the_rest(on_labels: str) -> None:
    separator = UssLabels(checkpoint=on_labels)
    assert separator.refuses(target("Guitar")) is None
    assert "Speech was not among the classes of its training" in str(separator.refuses(target("Speech")))
    assert "no class" in str(separator.refuses(Target("accompaniment")))
    found = ask(separator, sound(3), Query(target("Guitar")), Query(target("Music")))
    assert not torch.allclose(found[0], found[1], atol=1e-4)


def saved(folder: Path, name: str, label: str, *, net: str = "at_soft", sha256: str = kit.EAR_SHA256) -> None:
    vector = torch.rand(527, generator=torch.Generator().manual_seed(len(label)))
    save_query(folder / f"{name}.safetensors", vector, QueryMeta(net, sha256, 527, label))


def test_saved_queries_are_found_by_class_and_others_refused(checkpoint: str, ear: kit.Ear, tmp_path: Path) -> None:
    saved(tmp_path, "a", "Dog")
    saved(tmp_path, "b", "accompaniment")
    separator = UssQuery(checkpoint=checkpoint, queries=str(tmp_path))
    assert separator.refuses(Target("dog of a data set", (ONTO["Dog"].mid,))) is None
    assert separator.refuses(Target("accompaniment")) is None
    assert "no saved query of 'Music'" in str(separator.refuses(target("Music")))
    before = separator.weights_sha256()
    saved(tmp_path, "a", "Dog", net="at_soft")
    found = ask(separator, sound(3), Query(target("Dog")), Query(Target("accompaniment")))
    assert not torch.allclose(found[0], found[1], atol=1e-4)
    saved(tmp_path, "c", "Music")
    assert UssQuery(checkpoint=checkpoint, queries=str(tmp_path)).weights_sha256() != before


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ({"label": "/m/0bt9lr"}, "has another saved query"),
        ({"label": "Music", "sha256": "0" * 64}, "weights_sha256"),
        ({"label": "Music", "net": "embedding"}, "its net is embedding"),
    ],
)
def test_saved_queries_that_contradict_each_other_or_the_net_are_refused(
    second: dict[str, str], message: str, checkpoint: str, ear: kit.Ear, tmp_path: Path
) -> None:
    saved(tmp_path, "a", "Dog")
    saved(tmp_path, "b", **second)
    with pytest.raises(ValueError, match=message):
        UssQuery(checkpoint=checkpoint, queries=str(tmp_path))


def test_equal_queries_of_a_segment_are_computed_once_and_a_segment_is_heard_once(
    checkpoint: str, ear: kit.Ear, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes = []
    own = Engine._extract

    def counted(self: Engine, mixture: object, stem: object, conditions: torch.Tensor, samples: int) -> torch.Tensor:
        passes.append(len(conditions))
        return own(self, mixture, stem, conditions, samples)  # type: ignore[arg-type]

    monkeypatch.setattr(Engine, "_extract", counted)
    separator = UssClasses(checkpoint=checkpoint, compat=True, threshold=0)
    audio = sound(6)
    found = ask(separator, audio, *(Query(target(name)) for name in ("Dog", "Music", "Dog")))
    assert (sum(passes), ear.segments) == (2 * 3, 3)
    assert torch.equal(found[0], found[2])
    ask(separator, audio, Query(target("Speech")))
    assert ear.segments == 3


def test_weights_that_are_not_there_are_one_line_that_says_what_and_whence(
    checkpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    absent = str(tmp_path / "absent.ckpt")
    for kind in (Uss, UssOracle, UssClasses):
        for options in ({"checkpoint": absent}, {"checkpoint": checkpoint, "query_net": absent}):
            with pytest.raises(Unavailable, match=r"absent\.ckpt.*https://") as caught:
                kind(**options)  # type: ignore[arg-type]
            assert "\n" not in str(caught.value)
    with pytest.raises(Unavailable, match="stemtree query make"):
        UssQuery()
    with pytest.raises(Unavailable, match="no saved queries"):
        UssQuery(queries=str(tmp_path))
    with pytest.raises(Unavailable, match="stemtree train uss"):
        UssLabels()


def test_a_network_and_a_separator_that_do_not_fit_are_refused_in_words(
    checkpoint: str, on_labels: str, ear: kit.Ear, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="take the separator uss-labels"):
        UssClasses(checkpoint=on_labels)
    with pytest.raises(ValueError, match="was not trained on labels"):
        UssLabels(checkpoint=checkpoint)
    with pytest.raises(ValueError, match="dtype is auto or float32 or bfloat16, not 'float16'"):
        UssLabels(checkpoint=on_labels, dtype="float16")  # type: ignore[arg-type]
    kit.write_checkpoint(tmp_path / "deep.safetensors", query="embedding")
    with pytest.raises(ValueError, match="the units of an embedding are no classes"):
        UssClasses(checkpoint=str(tmp_path / "deep.safetensors"))
    assert UssOracle(checkpoint=str(tmp_path / "deep.safetensors")).net.bottleneck == "embedding"
    kit.write_checkpoint(tmp_path / "other.safetensors", query_sha256="0" * 64)
    with pytest.raises(ValueError, match="trained with a query net whose weights have the SHA-256 000"):
        Uss(checkpoint=str(tmp_path / "other.safetensors"))


def lightning(path: Path, entries: dict[str, torch.Tensor]) -> Checkpoint:
    torch.save({"state_dict": {f"query_net.{key}": value for key, value in entries.items()}}, path)
    return open_checkpoint(path)


def test_the_query_net_in_a_checkpoint_is_taken_unless_another_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = lightning(tmp_path / "full.ckpt", {"base.fc1.weight": torch.ones(2, 2)})
    inside, named = kit.StandIn(sha256="1" * 64), kit.StandIn(sha256="2" * 64)

    def from_state(state: dict[str, torch.Tensor], *, origin: Path) -> kit.StandIn:
        assert (list(state), origin) == (["fc1.weight"], opened.path)
        return inside

    monkeypatch.setattr(nets, "cnn14_from", from_state)
    monkeypatch.setattr("taggers.panns.load_cnn14", lambda checkpoint: named)
    assert open_query_net(opened, None, condition_size=527).weights_sha256() == "1" * 64
    assert open_query_net(opened, "cnn14.pth", condition_size=2048).weights_sha256() == "2" * 64


def test_an_adaptor_in_a_checkpoint_is_part_of_its_query_net(tmp_path: Path, ear: kit.Ear) -> None:
    layers = {
        "fc1.weight": torch.randn(2048, 527), "fc1.bias": torch.zeros(2048),
        "fc2.weight": torch.randn(64, 2048), "fc2.bias": torch.zeros(64),
    }  # fmt: skip
    net = open_query_net(lightning(tmp_path / "adapted.ckpt", layers), None, condition_size=64)
    assert (net.name, net.dimensions) == ("at_soft+adaptor", 64)
    with pytest.raises(ValueError, match="its conditions have 65 values"):
        open_query_net(lightning(tmp_path / "adapted.ckpt", layers), None, condition_size=65)
    with pytest.raises(ValueError, match="no adaptor of two layers"):
        open_query_net(lightning(tmp_path / "odd.ckpt", {"fc3.weight": torch.zeros(2)}), None, condition_size=64)


SLOW = {"hour", "memory", "determinism", "spawn", "rate"}
"""Checks that take seconds or start processes of their own."""


@pytest.mark.parametrize("kind", [kit.CheapUss, kit.CheapOracle, kit.CheapClasses, kit.CheapQuery, UssLabels])
def test_each_passes_the_conformance_checks(
    kind: type[universal.UniversalSeparator], checkpoint: str, on_labels: str, tmp_path: Path
) -> None:
    options = {"checkpoint": on_labels if kind is UssLabels else checkpoint}
    if kind is kit.CheapQuery:
        for name in ("Speech", "Music", "Dog"):
            saved(tmp_path, name, name)
        options["queries"] = str(tmp_path)
    subject = SeparatorSubject(recipe_of(kind, SeparatorSubject, options=options, device="cpu"), lambda: kind)
    for check in conformance.SEPARATOR_CHECKS:
        if check.name not in SLOW:
            with suppress(NotApplicable):
                check.function(subject)
