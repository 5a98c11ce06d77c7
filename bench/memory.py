"""Peak resident memory of this process over a stretch of work."""

from __future__ import annotations

from pathlib import Path

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")


class PeakMemory:
    """Growth of the peak over what was resident at the start, in MB (2**20 bytes).

    Linux alone lets a process reset its high-water mark (writing 5 to ``clear_refs``); elsewhere :meth:`growth_mb` is
    None, since the mark of the whole process would tell of earlier cells.
    """

    def __init__(self) -> None:
        self._start: float | None
        try:
            _CLEAR.write_text("5")
            self._start = _field("VmRSS")
        except OSError:
            self._start = None

    def growth_mb(self) -> float | None:
        """How far the peak rose since this object was made, or None where it cannot be known."""
        if self._start is None:
            return None
        return max(_field("VmHWM") - self._start, 0.0)


def _field(name: str) -> float:
    for line in _STATUS.read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) / 1024
    raise OSError(f"{_STATUS} has no {name}")
