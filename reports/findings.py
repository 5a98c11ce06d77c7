"""What is wrong with a results folder that somebody else sent, file by file and row by row."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Finding:
    """Something that keeps a folder from being taken."""

    file: str
    """Relative to the folder, with forward slashes; empty where it is of the whole."""
    row: int | None
    """Of the table, from 1."""
    message: str

    def __str__(self) -> str:
        place = f"{self.file}: row {self.row:,}" if self.row is not None else self.file
        return f"{place}: {self.message}" if place else self.message


@dataclass
class Report:
    """What was found, and how much was looked at."""

    findings: list[Finding] = field(default_factory=list)
    files: int = 0
    bytes: int = 0
    cells: int = 0
    scores: int = 0

    def add(self, file: str, message: str, row: int | None = None) -> None:
        """Note a finding. What is not printable in it is written out, so that a terminal shows it and does not obey."""
        self.findings.append(Finding(plain(file), row, plain(message)))

    def extend(self, findings: Iterable[tuple[str, int | None, str]]) -> None:
        """Note several."""
        for file, row, message in findings:
            self.add(file, message, row)


def plain(text: str) -> str:
    """``text`` with every character that is not printable as an escape, and lone surrogates too."""
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)
