"""Separators and parsers, each with one fault, and some without."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import torch

from separators.base import Context, Estimates, Parser, Query, Separator
from taggers.card import ModelCard, Weights


class Sound(Separator):
    """Half of the mixture for every target, in segments. Source: none."""

    family = "test"
    sample_rate = 16_000
    segment_seconds = 1.0
    context_seconds = 0.25
    needs = frozenset({"condition", "examples", "text", "spans", "f0", "instance", "reference"})
    condition_size = 8

    def separate(
        self, mixture: torch.Tensor, queries: tuple[Query, ...], *, context: Context
    ) -> torch.Tensor | Estimates:
        for query in queries:
            assert query.condition is not None
            assert query.condition.shape == (8,)
            assert query.reference is not None
            assert query.reference.shape == mixture.shape
        return self.gain(mixture).expand(len(queries), *mixture.shape).clone()

    def gain(self, mixture: torch.Tensor) -> torch.Tensor:
        return 0.5 * mixture


class _Plain(Separator):
    """What the faulty ones share."""

    family = "test"
    sample_rate = 8000

    def separate(
        self, mixture: torch.Tensor, queries: tuple[Query, ...], *, context: Context
    ) -> torch.Tensor | Estimates:
        return self.each(mixture, context).expand(len(queries), *mixture.shape).clone()

    def each(self, mixture: torch.Tensor, context: Context) -> torch.Tensor:
        return 0.5 * mixture


class PositionalOption(_Plain):
    """Takes an option by place."""

    def __init__(self, kernel: int = 3) -> None:
        self.kernel = kernel


class OptionWithoutDefault(_Plain):
    """Cannot be made without an option."""

    def __init__(self, *, kernel: int) -> None:
        self.kernel = kernel


class OptionOfObjects(_Plain):
    """Has a default that cannot be written down."""

    def __init__(self, *, lock: object = object()) -> None:
        self.lock = lock


class Undocumented(_Plain):
    pass


class OtherFamily(_Plain):
    """Says two families."""

    @classmethod
    def card(cls) -> ModelCard:
        return ModelCard(name="x", family="other", summary="x", licence="MIT")


class NamelessWeights(_Plain):
    """Has weights and does not say which."""

    @classmethod
    def card(cls) -> ModelCard:
        weights = Weights(url="https://example.org/x", size=1, sha256="0" * 64, licence="MIT")
        return ModelCard(name="x", family="test", summary="x", licence="MIT", weights=(weights,))


class NoFamily(Separator):
    """Does not name its family."""

    def separate(self, mixture: torch.Tensor, queries: tuple[Query, ...], *, context: Context) -> torch.Tensor:
        return torch.stack([mixture] * len(queries))


class ThreeChannels(_Plain):
    """Wants more channels than there are."""

    channels = 3


class UnknownClass(_Plain):
    """Declares a class that nobody knows."""

    classes = ("Speach",)


class BareString(_Plain):
    """Declares a text where a tuple belongs."""

    classes = "Speech"  # type: ignore[assignment]


class RefusesItsOwn(_Plain):
    """Refuses what it declares."""

    classes = ("Speech", "Music")

    def refuses(self, target: object) -> str | None:
        return None if getattr(target, "label", "") == "Speech" else "only plain speech"


class RefusesAll(_Plain):
    """Can be asked for nothing."""

    def refuses(self, target: object) -> str | None:
        return "not today"


class UnknownNeed(_Plain):
    """Needs what no query has."""

    needs = frozenset({"mood"})


class OneRow(_Plain):
    """Returns one estimate, however many were asked for."""

    def separate(self, mixture: torch.Tensor, queries: tuple[Query, ...], *, context: Context) -> torch.Tensor:
        return mixture[None]


class LoudScores(_Plain):
    """Is surer than sure."""

    def separate(self, mixture: torch.Tensor, queries: tuple[Query, ...], *, context: Context) -> Estimates:
        return Estimates(torch.stack([mixture] * len(queries)), scores=(1.5,) * len(queries))


class Double(_Plain):
    """Computes in float64 and leaves it at that."""

    def each(self, mixture: torch.Tensor, context: Context) -> torch.Tensor:
        return mixture.double()


class OneRate(_Plain):
    """Takes any rate and works at one."""

    sample_rate = None

    def each(self, mixture: torch.Tensor, context: Context) -> torch.Tensor:
        if context.sample_rate != 16_000:
            raise RuntimeError("16 kHz only")
        return mixture


class WholeFrames(_Plain):
    """Drops what does not fill a frame."""

    def each(self, mixture: torch.Tensor, context: Context) -> torch.Tensor:
        return mixture[:, : mixture.shape[1] // 100 * 100]

    def separate(self, mixture: torch.Tensor, queries: tuple[Query, ...], *, context: Context) -> torch.Tensor:
        return torch.stack([self.each(mixture, context)] * len(queries))


class MonoOnly(_Plain):
    """Takes mono, without saying so."""

    def each(self, mixture: torch.Tensor, context: Context) -> torch.Tensor:
        assert mixture.shape[0] == 1
        return mixture


class Gathers(_Plain):
    """Keeps every segment, twice."""

    segment_seconds = 1.0
    kept: list[torch.Tensor]

    def __init__(self) -> None:
        self.kept = []

    def each(self, mixture: torch.Tensor, context: Context) -> torch.Tensor:
        self.kept.append(mixture.repeat(2, 1))
        return mixture


class Normalises(_Plain):
    """Divides by the peak."""

    def each(self, mixture: torch.Tensor, context: Context) -> torch.Tensor:
        return mixture / mixture.abs().max()


class Unstable(_Plain):
    """Takes the inverse hyperbolic tangent of what may exceed one."""

    def each(self, mixture: torch.Tensor, context: Context) -> torch.Tensor:
        return torch.atanh(mixture)


class HangsOnNaN(_Plain):
    """Iterates until it has converged."""

    def each(self, mixture: torch.Tensor, context: Context) -> torch.Tensor:
        while not bool((mixture == mixture).all()):
            time.sleep(0.1)
        return mixture


class CrashesOnNaN(_Plain):
    """Takes its process with it."""

    def each(self, mixture: torch.Tensor, context: Context) -> torch.Tensor:
        if bool(mixture.isnan().any()):
            os.kill(os.getpid(), signal.SIGSEGV)
        return mixture


class RaisesOnNaN(_Plain):
    """Raises something that is no ValueError."""

    def each(self, mixture: torch.Tensor, context: Context) -> torch.Tensor:
        if not bool(mixture.isfinite().all()):
            raise IndexError("index out of range")
        return mixture


class RemembersNaN(_Plain):
    """Carries the loudest sample along."""

    peak = torch.zeros(())

    def each(self, mixture: torch.Tensor, context: Context) -> torch.Tensor:
        if not bool(mixture.isfinite().all()):
            self.peak = torch.tensor(torch.nan)
        return mixture + self.peak


class Shares(_Plain):
    """Shares the mixture out among the queries."""

    def separate(self, mixture: torch.Tensor, queries: tuple[Query, ...], *, context: Context) -> torch.Tensor:
        return torch.stack([mixture / len(queries)] * len(queries))


class SharesAndSays(Shares):
    """Shares the mixture out among the queries, and says so."""

    joint = True


class FirstIsLoudest(_Plain):
    """Gives the first query most."""

    def separate(self, mixture: torch.Tensor, queries: tuple[Query, ...], *, context: Context) -> torch.Tensor:
        return torch.stack([mixture / (place + 1) for place in range(len(queries))])


class ByClass(_Plain):
    """Collects the estimates by class."""

    def separate(self, mixture: torch.Tensor, queries: tuple[Query, ...], *, context: Context) -> torch.Tensor:
        return torch.stack(list({query.target: mixture for query in queries}.values()))


class Dithers(_Plain):
    """Adds noise from nowhere in particular."""

    def each(self, mixture: torch.Tensor, context: Context) -> torch.Tensor:
        return mixture + 0.1 * torch.randn(mixture.shape)


class HashSeed(_Plain):
    """Is the same within a process only."""

    def each(self, mixture: torch.Tensor, context: Context) -> torch.Tensor:
        return mixture * (os.getpid() % 1000 + 1) / 1000


class InPlace(_Plain):
    """Works on what it was given."""

    def each(self, mixture: torch.Tensor, context: Context) -> torch.Tensor:
        return mixture.mul_(0.5)


class OneBuffer(_Plain):
    """Hands out one buffer again and again."""

    buffer: torch.Tensor | None = None

    def separate(self, mixture: torch.Tensor, queries: tuple[Query, ...], *, context: Context) -> torch.Tensor:
        fresh = torch.stack([mixture] * len(queries))
        if self.buffer is None or self.buffer.shape != fresh.shape:
            self.buffer = fresh
        return self.buffer.copy_(fresh)


class Elsewhere(_Plain):
    """Answers on a device that nobody asked for."""

    def each(self, mixture: torch.Tensor, context: Context) -> torch.Tensor:
        return mixture.to("meta")

    def separate(self, mixture: torch.Tensor, queries: tuple[Query, ...], *, context: Context) -> torch.Tensor:
        return torch.stack([self.each(mixture, context)] * len(queries))


class SharedScratch(_Plain):
    """Keeps what belongs to a call on itself."""

    def each(self, mixture: torch.Tensor, context: Context) -> torch.Tensor:
        self.scratch = mixture
        time.sleep(0.05)
        return 0.5 * self.scratch


class SetsThreads(_Plain):
    """Sets the number of threads for everybody."""

    def each(self, mixture: torch.Tensor, context: Context) -> torch.Tensor:
        torch.set_num_threads(torch.get_num_threads() + 1)
        return mixture


class Seeds(_Plain):
    """Seeds the generator of everybody."""

    def each(self, mixture: torch.Tensor, context: Context) -> torch.Tensor:
        torch.manual_seed(context.seed + threading.active_count())
        return mixture


class Litters(_Plain):
    """Leaves a file behind."""

    def each(self, mixture: torch.Tensor, context: Context) -> torch.Tensor:
        Path("debug.txt").write_text("here")
        return mixture


class Leaks(_Plain):
    """Keeps every recording."""

    def __init__(self) -> None:
        self.kept: list[torch.Tensor] = []

    def each(self, mixture: torch.Tensor, context: Context) -> torch.Tensor:
        self.kept.append(mixture.repeat(8, 1))
        return mixture


class CannotBeMade(_Plain):
    """Has a constructor that raises."""

    def __init__(self) -> None:
        raise RuntimeError("no such model")


class FindsAll(Parser):
    """Finds every class, and the mixture for it. Source: none."""

    family = "test"
    sample_rate = 8000

    def parse(self, mixture: torch.Tensor, vocabulary: tuple[object, ...], *, context: Context) -> Estimates:
        audio = torch.stack([mixture] * len(vocabulary))
        return Estimates(audio, scores=(0.5,) * len(vocabulary), targets=tuple(vocabulary))  # type: ignore[arg-type]


class FindsNameless(FindsAll):
    """Does not say what it found."""

    def parse(self, mixture: torch.Tensor, vocabulary: tuple[object, ...], *, context: Context) -> Estimates:
        return Estimates(mixture[None])


class FindsOthers(FindsAll):
    """Finds what was not asked about."""

    def parse(self, mixture: torch.Tensor, vocabulary: tuple[object, ...], *, context: Context) -> Estimates:
        from ontology import Target

        return Estimates(mixture[None], scores=(0.5,), targets=(Target("Piano", ("/m/05r5c",)),))


class FindsTwiceAsSure(FindsAll):
    """Is surer than sure."""

    def parse(self, mixture: torch.Tensor, vocabulary: tuple[object, ...], *, context: Context) -> Estimates:
        return Estimates(mixture[None], scores=(2.0,), targets=tuple(vocabulary[:1]))  # type: ignore[arg-type]


class FindsAtOneRate(FindsAll):
    """Takes any rate and works at one."""

    sample_rate = None

    def parse(self, mixture: torch.Tensor, vocabulary: tuple[object, ...], *, context: Context) -> Estimates:
        if context.sample_rate != 16_000:
            raise RuntimeError("16 kHz only")
        return super().parse(mixture, vocabulary, context=context)


class FindsInMono(FindsAll):
    """Takes mono, without saying so."""

    def parse(self, mixture: torch.Tensor, vocabulary: tuple[object, ...], *, context: Context) -> Estimates:
        assert mixture.shape[0] == 1
        return super().parse(mixture, vocabulary, context=context)


class FindsShort(FindsAll):
    """Drops what does not fill a frame."""

    def parse(self, mixture: torch.Tensor, vocabulary: tuple[object, ...], *, context: Context) -> Estimates:
        whole = mixture[None, :, : mixture.shape[1] // 100 * 100]
        return Estimates(whole, targets=tuple(vocabulary[:1]))  # type: ignore[arg-type]
