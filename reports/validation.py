"""Whether a results folder that somebody else sent can stand beside one's own: every file and row is looked at.

Nothing is executed, unpickled or followed: links are refused, tables are read as Parquet of the very schema that a run
writes, and only after their names, sizes and footers have passed.
"""

from __future__ import annotations

from pathlib import Path

from reports.findings import Report
from reports.results import Results, ResultsError
from reports.validation_against import against_base
from reports.validation_files import check_files
from reports.validation_tables import check_tables


def validate(folder: Path, *, against: Path | None = None, tolerance: float) -> Report:
    """Look at every file of ``folder``, and hold it against the results folder ``against`` where one is given.

    Args:
        folder: a results folder, or what is to be copied into one.
        against: the results folder that it shall be part of; ``folder`` may hold its files too, unchanged.
        tolerance: greatest difference of a score under an unchanged key, in its metric's unit, that counts as rounding.

    Raises:
        ResultsError: ``folder`` is no folder, or ``against`` is no results folder.
    """
    if not folder.is_dir():
        raise ResultsError(f"{folder}: no folder")
    base = Results(against) if against is not None else None
    if base is not None and not base.exists():
        raise ResultsError(f"{against}: no results folder")
    report = Report()
    texts = check_files(folder, report)
    tables = check_tables(folder, texts, report, known_metrics=set(base.metrics()) if base is not None else set())
    if base is not None:
        against_base(folder, base, texts, tables, report, tolerance=tolerance)
    return report
