"""Query nets and queries from example clips: what counts, what is refused, what is remembered."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from ontology import Ontology
from taggers.examples import CHUNK, SILENCE_FRAME, chunked, encode_examples, loud_frames
from taggers.query_nets import Adaptor, Bottleneck, QueryNet, class_mask
from taggers.saved_queries import QueryMeta, load_query, save_query


class Ear(nn.Module):
    """Hears by two fixed random projections of statistics of the waveform, and counts what it was given."""

    soft: torch.Tensor
    deep: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(1)
        self.register_buffer("soft", torch.randn(3, 527, generator=generator))
        self.register_buffer("deep", torch.randn(3, 2048, generator=generator))
        self.chunks = 0
        self.batches: list[int] = []

    def forward(self, waveform: torch.Tensor) -> Mapping[str, torch.Tensor]:
        self.chunks += len(waveform)
        self.batches.append(len(waveform))
        x = torch.stack([waveform.mean(1), waveform.std(1), waveform.abs().amax(1)], 1)
        return {"clipwise_output": (x @ self.soft).sigmoid(), "embedding": x @ self.deep}


@dataclass
class FakeBase:
    module: Ear = field(default_factory=Ear)
    sha256: str = hashlib.sha256(b"ear").hexdigest()


def net(bottleneck: Bottleneck = "at_soft", adaptor: Adaptor | None = None) -> QueryNet:
    return QueryNet(FakeBase(), bottleneck=bottleneck, adaptor=adaptor)


def ears(query_net: QueryNet) -> Ear:
    assert isinstance(query_net.base.module, Ear)
    return query_net.base.module


def noise(*shape: int, seed: int = 0, peak: float = 0.5) -> torch.Tensor:
    return peak * (2 * torch.rand(shape, generator=torch.Generator().manual_seed(seed)) - 1)


def expected(ear: QueryNet, clips: list[torch.Tensor]) -> torch.Tensor:
    """The mean over chunks, then over clips, written out."""
    means = []
    for clip in clips:
        pieces = [clip[i : i + CHUNK] for i in range(0, len(clip), CHUNK)]
        full = [torch.from_numpy(np.resize(piece.numpy(), CHUNK)) for piece in pieces]
        means.append(torch.stack([ear.encode(piece[None])[0] for piece in full]).double().mean(0))
    return torch.stack(means).mean(0).float()


@pytest.mark.parametrize(("bottleneck", "units"), [("at_soft", 527), ("embedding", 2048)])
def test_each_bottleneck_gives_its_own_layer(bottleneck: Bottleneck, units: int) -> None:
    ear = net(bottleneck)
    heard = ear.encode(noise(2, CHUNK))
    key = {"at_soft": "clipwise_output", "embedding": "embedding"}[bottleneck]
    assert heard.shape == (2, units) == (2, ear.dimensions)
    assert torch.equal(heard, ear.base.module(noise(2, CHUNK))[key])
    assert not heard.requires_grad


def test_an_adaptor_is_two_leaky_layers_without_dropout_and_has_the_published_keys() -> None:
    adaptor = Adaptor(527, 64)
    ear = net(adaptor=adaptor)
    state = adaptor.state_dict()
    assert {k: tuple(v.shape) for k, v in state.items()} == {
        "fc1.weight": (2048, 527), "fc1.bias": (2048,), "fc2.weight": (64, 2048), "fc2.bias": (64,),
    }  # fmt: skip
    heard = ear.hear(noise(3, CHUNK))
    x = heard.double() @ state["fc1.weight"].double().T + state["fc1.bias"]
    x = torch.where(x > 0, x, 0.01 * x) @ state["fc2.weight"].double().T + state["fc2.bias"]
    want = torch.where(x > 0, x, 0.01 * x)
    assert ear.dimensions == 64
    torch.testing.assert_close(ear.encode(noise(3, CHUNK)).double(), want, atol=1e-5, rtol=0)
    assert torch.equal(ear.encode(noise(3, CHUNK)), ear.encode(noise(3, CHUNK)))


def test_an_unknown_bottleneck_and_an_adaptor_that_does_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="'at_soft' or 'embedding'"):
        net("one_hot")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="takes 527 units, but 'embedding' has 2048"):
        net("embedding", Adaptor(527, 8))


def test_a_class_keeps_its_own_and_its_descendants_probabilities_only() -> None:
    onto = Ontology.audioset()
    ear = net()
    heard = ear.hear(noise(1, CHUNK))[0]
    condition = ear.condition(heard, class_mask(["Bell"]))
    inside = {n.index for n in onto.descendants("Bell", include_self=True) if n.index is not None}
    assert len(inside) > 5
    for index in range(527):
        assert condition[index] == (heard[index] if index in inside else 0)


def test_several_classes_are_the_union_and_one_without_labels_is_empty() -> None:
    union = class_mask(["Speech", "Music"])
    assert torch.equal(union, class_mask(["Speech"]) | class_mask(["Music"]))
    assert not class_mask(["Oboe"]).any()
    assert class_mask(Ontology.audioset().at_depth(1)).all()
    with pytest.raises(KeyError, match="nearest"):
        class_mask(["Speach"])


def test_a_scaled_net_asks_for_the_loudest_class_with_1_and_leaves_silence_zero() -> None:
    ear = QueryNet(FakeBase(), scaled=True)
    heard = ear.hear(noise(3, CHUNK))
    torch.testing.assert_close(ear.encode(noise(3, CHUNK)), heard / heard.amax(1, keepdim=True))
    asked = ear.condition(heard, class_mask(["Bell"]))
    torch.testing.assert_close(asked.amax(1), torch.ones(3))
    torch.testing.assert_close(
        asked[0] * heard[0, class_mask(["Bell"])].max(), net().condition(heard, class_mask(["Bell"]))[0]
    )
    assert torch.equal(ear.adapt(torch.zeros(2, 527)), torch.zeros(2, 527))
    assert torch.equal(ear.condition(heard, class_mask(["Oboe"])), torch.zeros(3, 527))
    assert (ear.name, ear.weights_sha256()) == ("at_soft+scaled", net().weights_sha256())
    with pytest.raises(ValueError, match="'embedding' cannot be scaled"):
        QueryNet(FakeBase(), bottleneck="embedding", scaled=True)


def test_masks_of_many_classes_and_segments_broadcast_to_all_pairs() -> None:
    ear = net(adaptor=Adaptor(527, 32))
    heard = ear.hear(noise(3, CHUNK))
    masks = torch.stack([class_mask([name]) for name in ("Speech", "Music")])
    pairs = ear.condition(heard, masks[:, None])
    assert pairs.shape == (2, 3, 32)
    for i in range(2):
        for j in range(3):
            torch.testing.assert_close(pairs[i, j], ear.condition(heard[j], masks[i]))


def test_an_embedding_cannot_be_asked_for_classes() -> None:
    ear = net("embedding")
    with pytest.raises(ValueError, match="units of an embedding are no classes"):
        ear.condition(ear.hear(noise(1, CHUNK)), class_mask(["Speech"]))
    with pytest.raises(ValueError, match="bool mask"):
        net().condition(torch.zeros(2048), class_mask(["Speech"]))


@settings(max_examples=15, deadline=None)
@given(samples=st.integers(1, 3 * CHUNK))
def test_chunks_cover_the_clip_and_the_last_one_is_repeated_to_full_length(samples: int) -> None:
    clip = torch.arange(1, samples + 1, dtype=torch.float32)
    chunks = chunked(clip)
    assert chunks.shape == (-(-samples // CHUNK), CHUNK)
    assert torch.equal(chunks.reshape(-1)[:samples], clip)
    last = clip[(len(chunks) - 1) * CHUNK :]
    assert np.array_equal(chunks[-1].numpy(), np.resize(last.numpy(), CHUNK))


def test_silence_is_dropped_by_whole_frames_up_to_the_threshold() -> None:
    loud, quiet, edge = (torch.full((SILENCE_FRAME,), v) for v in (0.5, 0.019, 0.02))
    spike = torch.zeros(SILENCE_FRAME)
    spike[7] = -0.021
    tail = torch.full((SILENCE_FRAME - 1,), 0.9)
    assert torch.equal(loud_frames(torch.cat([quiet, loud, edge, spike, tail])), torch.cat([loud, spike]))


def test_every_clip_counts_alike_however_long_it_is_and_batches_change_nothing() -> None:
    clips = [noise(int(n), seed=i, peak=0.1 * (i + 1)) for i, n in enumerate([5.5 * CHUNK, 100, CHUNK])]
    for batch in (1, 4, 100):
        ear = net()
        found = encode_examples(ear, iter(clips), batch=batch)
        torch.testing.assert_close(found.vector, expected(net(), clips), atol=1e-6, rtol=0)
        assert ears(ear).chunks == 8
        assert max(ears(ear).batches) == min(batch, 8)
    assert len(set(found.clips)) == 3


def test_stereo_clips_are_mixed_down() -> None:
    left, right = noise(CHUNK, seed=1), noise(CHUNK, seed=2)
    assert torch.equal(
        encode_examples(net(), [torch.stack([left, right])]).vector, encode_examples(net(), [(left + right) / 2]).vector
    )


@pytest.mark.parametrize("remove_silence", [False, True])
def test_a_silent_clip_is_left_out_and_named_and_only_silence_is_an_error(remove_silence: bool) -> None:
    clips = [noise(CHUNK), torch.zeros(CHUNK), noise(CHUNK, seed=3)]
    found = encode_examples(net(), clips, remove_silence=remove_silence)
    assert found.silent == (1,)
    torch.testing.assert_close(found.vector, expected(net(), [clips[0], clips[2]]), atol=1e-6, rtol=0)
    with pytest.raises(ValueError, match="no example clip is louder than silence"):
        encode_examples(net(), [torch.zeros(2, CHUNK)], remove_silence=remove_silence)


def test_a_clip_below_the_threshold_counts_unless_silence_is_removed() -> None:
    faint = noise(CHUNK, peak=0.01)
    assert encode_examples(net(), [faint]).silent == ()
    with pytest.raises(ValueError, match="silence"):
        encode_examples(net(), [faint], remove_silence=True)


@pytest.mark.parametrize(
    ("clip", "why"),
    [
        (torch.zeros(0), "clip 0 is"),
        (torch.zeros(1, 2, 3), "clip 0 is"),
        (torch.tensor([1.0, torch.nan]), "not finite"),
    ],
)
def test_a_clip_that_cannot_be_heard_is_named(clip: torch.Tensor, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        encode_examples(net(), [clip])


def test_no_clips_at_all_are_an_error() -> None:
    with pytest.raises(ValueError, match="no example clips were given"):
        encode_examples(net(), [])


def test_a_batch_of_nothing_is_no_lack_of_clips() -> None:
    with pytest.raises(ValueError, match="a batch has at least 1"):
        encode_examples(net(), [noise(CHUNK)], batch=0)


def test_the_cache_spares_the_net_and_a_new_clip_costs_only_itself(tmp_path: Path) -> None:
    clips = [noise(CHUNK + 5, seed=i) for i in range(3)]
    first = encode_examples(net(), clips[:2], cache=tmp_path)
    ear = net()
    assert torch.equal(encode_examples(ear, clips[:2], cache=tmp_path).vector, first.vector)
    assert ears(ear).chunks == 0
    encode_examples(ear, clips, cache=tmp_path)
    assert ears(ear).chunks == 2


def test_other_samples_options_nets_or_weights_are_never_answered_from_the_cache(tmp_path: Path) -> None:
    clip = noise(CHUNK)
    encode_examples(net(), [clip], cache=tmp_path)
    other = QueryNet(FakeBase(sha256="0" * 64))
    for ear, samples, remove in [
        (net(), clip.flip(0), False), (net(), clip, True), (net("embedding"), clip, False), (other, clip, False),
        (net(adaptor=Adaptor(527, 8)), clip, False), (net(adaptor=Adaptor(527, 8)), clip, False),
    ]:  # fmt: skip
        encode_examples(ear, [samples], remove_silence=remove, cache=tmp_path)
        assert ears(ear).chunks == 1


def npz() -> bytes:
    content = io.BytesIO()
    np.savez(content, vector=np.zeros(3))
    return content.getvalue()


HUGE = (
    b"\x93NUMPY\x01\x00v\x00"
    + b"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999,)}".ljust(117)
    + b"\n"
)
"""Says that it holds 400 TB."""


@pytest.mark.parametrize("damage", [b"", b"\x93NUMPY", b"garbage" * 50, npz(), HUGE])
def test_a_damaged_cache_file_is_made_anew(tmp_path: Path, damage: bytes) -> None:
    clip = noise(CHUNK)
    want = encode_examples(net(), [clip], cache=tmp_path).vector
    (file,) = tmp_path.rglob("*.npy")
    whole = file.read_bytes()
    file.write_bytes(damage)
    ear = net()
    assert torch.equal(encode_examples(ear, [clip], cache=tmp_path).vector, want)
    assert ears(ear).chunks == 1
    assert file.read_bytes() == whole
    assert [p.name for p in file.parent.iterdir()] == [file.name]


def test_progress_tells_each_clip() -> None:
    told: list[int] = []
    encode_examples(net(), [noise(CHUNK), torch.zeros(5), noise(10)], progress=told.append)
    assert told == [1, 2, 3]


def test_a_saved_query_comes_back_with_its_provenance(tmp_path: Path) -> None:
    ear = net()
    found = encode_examples(ear, [noise(CHUNK)])
    meta = QueryMeta.of(ear, "Größe </script>", found.clips)
    path = tmp_path / "deep" / "speech.safetensors"
    save_query(path, found.vector, meta)
    vector, read = load_query(path, net=ear)
    assert torch.equal(vector, found.vector)
    assert read == meta
    assert load_query(path)[1] == meta


def test_a_query_of_another_net_or_other_weights_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "q.safetensors"
    save_query(path, torch.zeros(527), QueryMeta.of(net(), "Speech"))
    with pytest.raises(ValueError, match="its net is at_soft, the separator's is embedding"):
        load_query(path, net=net("embedding"))
    with pytest.raises(ValueError, match="its weights_sha256 is"):
        load_query(path, net=QueryNet(FakeBase(sha256="0" * 64)))


def test_what_is_no_saved_query_is_refused_by_name(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    with pytest.raises(FileNotFoundError, match="absent"):
        load_query(tmp_path / "absent")
    path = tmp_path / "q.safetensors"
    for content in (b"", b"not a query at all"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"q\.safetensors: no saved query"):
            load_query(path)
    save_file({"vector": torch.zeros(3)}, path)
    with pytest.raises(ValueError, match=r"q\.safetensors: no saved query"):
        load_query(path)
    facts = {"net": "at_soft", "weights_sha256": "0" * 64, "dimensions": 3, "target": ["Dog"], "clips": []}
    save_file({"vector": torch.zeros(3)}, path, metadata={"stemtree-query": json.dumps(facts)})
    with pytest.raises(ValueError, match=r"q\.safetensors: no saved query \(what should be text"):
        load_query(path)
    with pytest.raises(ValueError, match="527 finite values"):
        save_query(path, torch.zeros(3), QueryMeta.of(net(), "Speech"))
    with pytest.raises(ValueError, match="527 finite values"):
        save_query(path, torch.full((527,), torch.nan), QueryMeta.of(net(), "Speech"))
