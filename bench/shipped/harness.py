"""Runs of the harness in a results folder that is thrown away."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.audio import content_sha256
from bench.config import ExecutorConfig, RunConfig
from bench.run import RunError, run
from bench.shipped.figures import ShippedError
from reports.results import Results
from reports.tables import Board, boards
from separators.uss.mini import WEIGHTS as SEPARATOR_WEIGHTS
from taggers.mini.tagger import WEIGHTS as TAGGER_WEIGHTS

TAGGER: Final = "mini-tagger"
SEPARATOR: Final = "mini-uss"
_RUN: Final = "shipped"


@dataclass(frozen=True)
class Models:
    """Which weights stand behind ``mini-tagger`` and ``mini-uss``; None for those that come with stemtree."""

    tagger: Path | None = None
    separator: Path | None = None

    def options(self, *names: str) -> dict[str, dict[str, Any]]:
        """Constructor options of those of the two that are among ``names``."""
        every = {
            TAGGER: {"checkpoint": self.tagger},
            SEPARATOR: {"checkpoint": self.separator, "query_net": self.tagger},
        }
        given = {name: {key: str(path) for key, path in paths.items() if path} for name, paths in every.items()}
        return {name: options for name, options in given.items() if options and name in names}

    def sha256(self) -> dict[str, str]:
        """SHA-256 of the weights that are there, by name."""
        paths = {TAGGER: self.tagger or TAGGER_WEIGHTS, SEPARATOR: self.separator or SEPARATOR_WEIGHTS}
        return {name: content_sha256(path) for name, path in paths.items() if path.is_file()}

    def check(self, *names: str) -> None:
        """Raise ShippedError where weights of one of the two that are among ``names`` are not there.

        ``mini-uss`` hears with ``mini-tagger``, and needs the weights of both.
        """
        tagger, separator = self.tagger or TAGGER_WEIGHTS, self.separator or SEPARATOR_WEIGHTS
        for name, paths in {TAGGER: (tagger,), SEPARATOR: (tagger, separator)}.items():
            absent = [path for path in paths if name in names and not path.is_file()]
            if absent:
                raise ShippedError(f"{absent[0]}: no such weights; train them with `stemtree train`, or name others")


@contextmanager
def finished(models: Models, *, names: tuple[str, ...], data: Mapping[str, Path], **config: Any) -> Iterator[Ran]:
    """A run in this process, for as long as its results are needed.

    Args:
        models: the weights.
        names: the plug-ins that run.
        data: folders by data set.
        config: the other fields of a :class:`bench.config.RunConfig`.

    Raises:
        ShippedError: it cannot start, or one of ``names`` came to nothing in some cell.
    """
    models.check(*names)
    options = {**models.options(*names), **config.pop("options", {})}
    with tempfile.TemporaryDirectory() as scratch:
        try:
            run(
                RunConfig(
                    datasets=tuple(data), data=dict(data), options=options, results=Path(scratch), run=_RUN,
                    executor=ExecutorConfig(kind="inline"), **config,
                )
            )  # fmt: skip
        except RunError as error:
            raise ShippedError(str(error)) from error
        results = Results(Path(scratch))
        (board,) = boards(results, _RUN)
        _check(board)
        yield Ran(results, board)


@dataclass(frozen=True)
class Ran:
    """What a run left."""

    results: Results
    board: Board

    @property
    def recordings(self) -> dict[str, list[str]]:
        """Independent recordings behind each scene."""
        return dict(self.board.scenes.select("scene", "recordings").iter_rows())


def _check(board: Board) -> None:
    """A failure is no figure: say what failed instead."""
    failed = board.cells.filter(~board.cells["status"].is_in(["ok", "skip"]))
    if len(failed):
        first = failed.row(0, named=True)
        raise ShippedError(
            f"{board.dataset}: {len(failed)} of {len(board.cells)} cells failed, e.g. {first['separator']} on "
            f"{first['scene']}: {first['reason']}"
        )
