from __future__ import annotations

import contextlib
import functools
import hashlib
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from torch import nn

from separators.base import Unavailable as SeparatorUnavailable
from taggers.base import Unavailable
from taggers.cache import cache_folder
from taggers.weights import WeightsFile, fill, find, read_checkpoint, state_dict

CONTENT = bytes(range(256)) * 20_000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves one file, and remembers what it was asked for."""

    content = CONTENT
    cut_after: int | None = None
    resumes = True
    content_range: str | None = None
    says_length = True
    status = 200

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.ranges: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/net.pth"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.server.ranges.append(wanted)
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and self.server.resumes else 0
        body = self.server.content[start:]
        if self.server.status != 200:
            self.send_error(self.server.status)
            return
        self.send_response(206 if start else 200)
        if start:
            whole = len(self.server.content)
            self.send_header("Content-Range", self.server.content_range or f"bytes {start}-{whole - 1}/{whole}")
        if self.server.says_length:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(ConnectionError):  # a client may stop listening
            self.wfile.write(body[: self.server.cut_after])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("STEMTREE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Server() as server:
        thread = threading.Thread(target=functools.partial(server.serve_forever, poll_interval=0.01))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def published(url: str, *, size: int = len(CONTENT), checksum: str | None = f"sha256:{SHA256}") -> WeightsFile:
    return WeightsFile(
        name="net.pth", url=url, size=size, checksum=checksum, licence="CC-BY-4.0", source="https://example.org/record"
    )


def refused(call: Callable[[], object]) -> str:
    """The message of Unavailable, which must be one line."""
    with pytest.raises(Unavailable) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_published_file_is_downloaded_once(server: Server) -> None:
    file = published(server.url)
    found = find(file)
    assert (found.path, found.sha256) == (file.path, SHA256)
    assert found.path.read_bytes() == CONTENT
    assert find(file) == found
    assert server.ranges == [None]


@pytest.mark.parametrize("checksum", [f"md5:{hashlib.md5(CONTENT).hexdigest()}", None])
def test_a_file_with_another_kind_of_checksum_or_none_is_still_hashed(server: Server, checksum: str | None) -> None:
    file = published(server.url, checksum=checksum)
    assert find(file).sha256 == SHA256
    assert file.for_card() == ()


def test_the_card_lists_a_file_whose_sha256_is_known() -> None:
    (weights,) = published("https://example.org/net.pth").for_card()
    assert (weights.sha256, weights.size, weights.licence) == (SHA256, len(CONTENT), "CC-BY-4.0")


def test_a_download_that_was_cut_off_goes_on_where_it_stopped(server: Server) -> None:
    file = published(server.url)
    server.cut_after = 2_000_000
    assert "run it again, and it goes on from there" in refused(lambda: find(file))
    assert not file.path.exists()
    part = file.path.with_name("net.pth.part")
    got = part.stat().st_size
    assert 0 < got <= 2_000_000
    server.cut_after = None
    assert find(file).sha256 == SHA256
    assert server.ranges == [None, f"bytes={got}-"]
    assert not part.exists()


@pytest.mark.parametrize(
    ("said", "told"), [("bytes */*", "does not say which"), (f"bytes 9999999-{len(CONTENT) - 1}/*", "goes on at byte")]
)
def test_a_part_from_elsewhere_is_not_joined(server: Server, said: str, told: str) -> None:
    file = published(server.url, checksum=None)
    server.cut_after = 2_000_000
    refused(lambda: find(file))
    server.cut_after, server.content_range = None, said
    assert told in refused(lambda: find(file))
    assert not file.path.exists()


def test_two_who_want_one_file_fetch_it_once(server: Server) -> None:
    from concurrent.futures import ThreadPoolExecutor

    file = published(server.url)
    with ThreadPoolExecutor() as pool:
        assert {found.sha256 for found in pool.map(find, [file] * 4)} == {SHA256}
    assert server.ranges == [None]


def test_a_server_that_does_not_resume_starts_anew(server: Server) -> None:
    file = published(server.url)
    file.path.parent.mkdir(parents=True)
    file.path.with_name("net.pth.part").write_bytes(b"x" * 1_000)
    server.resumes = False
    assert find(file).sha256 == SHA256
    assert server.ranges == ["bytes=1000-"]


def test_a_part_that_is_too_long_is_thrown_away(server: Server) -> None:
    file = published(server.url)
    file.path.parent.mkdir(parents=True)
    file.path.with_name("net.pth.part").write_bytes(CONTENT + b"x")
    assert find(file).sha256 == SHA256
    assert server.ranges == [None]


def test_another_file_under_the_same_address_is_refused_and_not_kept(server: Server) -> None:
    file = published(server.url)
    server.content = CONTENT[::-1]
    assert SHA256 in refused(lambda: find(file))
    assert [path.name for path in file.path.parent.iterdir()] == ["net.pth.lock"]
    server.content = CONTENT
    assert find(file).sha256 == SHA256


def test_a_file_of_another_size_is_refused_before_it_is_fetched(server: Server) -> None:
    file = published(server.url, size=1_000)
    assert "the server offers 5,120,000 bytes, not 1,000" in refused(lambda: find(file))
    assert not file.path.with_name("net.pth.part").exists()


def test_a_server_that_does_not_say_how_much_it_sends_is_stopped_in_time(server: Server) -> None:
    server.says_length = False
    file = published(server.url, size=1_500_000)
    assert "the server sends more than 1,500,000 bytes" in refused(lambda: find(file))
    assert file.path.with_name("net.pth.part").stat().st_size < len(CONTENT)
    assert find(published(server.url)).sha256 == SHA256


def test_a_refusal_says_what_from_where_and_where_to_put_it(server: Server) -> None:
    file = published(server.url)
    server.status = 403
    message = refused(lambda: find(file))
    assert "net.pth cannot be downloaded (the server answers 403 Forbidden)" in message
    assert server.url in message
    assert str(file.path) in message


def test_no_network_says_the_same(server: Server) -> None:
    closed = f"http://127.0.0.1:{_closed_port()}/net.pth"
    message = refused(lambda: find(published(closed)))
    assert "(no connection)" in message
    assert closed in message


def _closed_port() -> int:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@pytest.mark.parametrize("content", [CONTENT[:-1], CONTENT[::-1]])
def test_a_damaged_kept_file_is_not_used(server: Server, content: bytes) -> None:
    file = published(server.url)
    file.path.parent.mkdir(parents=True)
    file.path.write_bytes(content)
    message = refused(lambda: find(file))
    assert f"{file.path} is damaged" in message
    assert "remove it" in message
    assert server.ranges == []


def test_a_file_of_ones_own_is_taken_as_it_is_and_hashed(tmp_path: Path) -> None:
    own = tmp_path / "own.pth"
    own.write_bytes(b"mine")
    found = find(published("http://127.0.0.1:9/net.pth"), own)
    assert (found.path, found.sha256) == (own, hashlib.sha256(b"mine").hexdigest())
    message = refused(lambda: find(published("http://127.0.0.1:9/net.pth"), tmp_path / "none.pth"))
    assert str(tmp_path / "none.pth") in message
    assert "http://127.0.0.1:9/net.pth" in message


def test_a_checksum_says_its_kind() -> None:
    with pytest.raises(ValueError, match=r"net\.pth must start with sha256: or md5:"):
        published("https://example.org/net.pth", checksum=SHA256)


def test_weights_are_kept_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STEMTREE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "stemtree"
    monkeypatch.setenv("STEMTREE_CACHE", str(tmp_path / "own"))
    assert cache_folder() == tmp_path / "own"
    assert published("https://example.org/net.pth").path.is_relative_to(tmp_path / "own")


def test_separators_and_taggers_miss_things_in_one_way() -> None:
    assert SeparatorUnavailable is Unavailable


class Touch:
    """Pickles as a call that makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


def test_a_checkpoint_cannot_run_code(tmp_path: Path) -> None:
    torch.save({"model": Touch(tmp_path / "touched")}, tmp_path / "evil.pth")
    with pytest.raises(ValueError, match=r"evil\.pth: cannot be read as weights"):
        read_checkpoint(tmp_path / "evil.pth")
    assert not (tmp_path / "touched").exists()


@pytest.mark.parametrize("damage", ["cut", "text", "empty"])
@pytest.mark.parametrize("zipped", [True, False])
def test_what_is_no_checkpoint_is_named(tmp_path: Path, damage: str, zipped: bool) -> None:
    path = tmp_path / "net.pth"
    torch.save({"model": Net().state_dict()}, path, _use_new_zipfile_serialization=zipped)
    whole = path.read_bytes()
    path.write_bytes({"cut": whole[: len(whole) // 2], "text": b"<html>not found</html>", "empty": b""}[damage])
    with pytest.raises(ValueError, match=r"net\.pth: cannot be read as weights") as caught:
        read_checkpoint(path)
    assert "\n" not in str(caught.value)
    assert {"cut": "damaged", "text": "web page", "empty": "is empty"}[damage] in str(caught.value)


def test_nobody_is_advised_to_load_a_checkpoint_without_protection(tmp_path: Path) -> None:
    for zipped in (True, False):
        torch.save(Touch(tmp_path / "touched"), tmp_path / "evil.pth", _use_new_zipfile_serialization=zipped)
        with pytest.raises(ValueError, match="other things than tensors") as caught:
            read_checkpoint(tmp_path / "evil.pth")
        assert "False" not in str(caught.value)


def test_a_checkpoint_that_cannot_be_read_is_a_remedy(tmp_path: Path) -> None:
    wanted = published("https://example.org/net.pth")
    with pytest.raises(Unavailable, match=r"cannot be read \(File name too long"):
        find(wanted, tmp_path / ("a" * 300))
    with pytest.raises(Unavailable, match="no weights at ~nobody-here/net"):
        find(wanted, "~nobody-here/net.pth")


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor")
@pytest.mark.parametrize(
    "changed",
    [
        lambda tensor: tensor.to_sparse(),
        lambda tensor: torch.quantize_per_tensor(tensor, 0.1, 0, torch.qint8),
        lambda tensor: tensor.to(torch.complex64),
        lambda tensor: tensor.to("meta"),
    ],
    ids=["sparse", "quantised", "complex", "meta"],
)
def test_tensors_that_cannot_be_copied_are_named(changed: Callable[[torch.Tensor], torch.Tensor]) -> None:
    with pytest.raises(ValueError, match=r"net\.pth: holds quantised.*: head\.bias"):
        state_dict(Net().state_dict() | {"head.bias": changed(torch.ones(2))}, origin=ORIGIN)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.front = nn.Linear(4, 4, bias=False)
        self.norm = nn.BatchNorm1d(4)
        self.head = nn.Linear(4, 2)
        nn.init.eye_(self.front.weight)


ORIGIN = Path("net.pth")
FIXED = ("front.",)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("wrapped", [True, False])
def test_both_published_forms_load(tmp_path: Path, wrapped: bool, zipped: bool) -> None:
    torch.manual_seed(0)
    saved, net = Net(), Net()
    content = {"model": saved.state_dict(), "iteration": 7} if wrapped else saved.state_dict()
    torch.save(content, tmp_path / "net.pth", _use_new_zipfile_serialization=zipped)
    fill(net, state_dict(read_checkpoint(tmp_path / "net.pth"), origin=ORIGIN), origin=ORIGIN, fixed=FIXED)
    assert torch.equal(net.head.weight, saved.head.weight)
    assert torch.equal(net.norm.weight, saved.norm.weight)


@pytest.mark.parametrize("content", [[1, 2], {}, {"model": {}}, {"model": 3}, {"weights": {"a": torch.ones(1)}}])
def test_a_checkpoint_without_weights_is_named(content: object) -> None:
    with pytest.raises(ValueError, match=r"net\.pth: holds no weights"):
        state_dict(content, origin=ORIGIN)


def test_what_is_computed_or_only_counts_may_be_absent() -> None:
    state = {name: value + 1 for name, value in Net().state_dict().items() if "batches" not in name}
    del state["front.weight"]
    net = Net()
    fill(net, state, origin=ORIGIN, fixed=FIXED)
    assert torch.equal(net.head.bias, state["head.bias"])
    assert torch.equal(net.front.weight, torch.eye(4))


def test_every_fault_is_told_by_name() -> None:
    state = dict(Net().state_dict())
    del state["head.bias"]
    state["extra.weight"] = torch.ones(2)
    state["head.weight"] = torch.ones(3, 4)
    state["norm.weight"] = torch.tensor([1.0, torch.nan, 1.0, 1.0])
    state["front.weight"] = torch.eye(4) * 1.1
    net = Net()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    with pytest.raises(ValueError, match=r"net\.pth: is no checkpoint of Net") as caught:
        fill(net, state, origin=ORIGIN, fixed=FIXED)
    told = str(caught.value)
    assert "missing: head.bias" in told
    assert "unexpected: extra.weight" in told
    assert "of another shape: head.weight (3, 4), not (2, 4)" in told
    assert "not finite: norm.weight" in told
    assert "filter bank?): front.weight" in told
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_a_fixed_tensor_computed_by_another_library_agrees() -> None:
    state = dict(Net().state_dict())
    state["front.weight"] = torch.eye(4) * (1 + 1e-5)
    fill(Net(), state, origin=ORIGIN, fixed=FIXED)


def test_a_long_list_of_faults_is_cut_short() -> None:
    state = Net().state_dict() | {f"extra{number}": torch.ones(1) for number in range(9)}
    with pytest.raises(ValueError, match=r"unexpected: extra0, extra1, extra2, extra3, extra4 and 4 more$"):
        fill(Net(), state, origin=ORIGIN)
