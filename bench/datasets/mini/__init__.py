"""``mini``: the embedded data set, made on the user's machine in the on-disk layouts of four data sets.

Its numbers tell whether a separator works, never how well it does on real recordings.
"""

from __future__ import annotations

from bench.datasets.mini.build import PARTS, VERSION, default_folder, make, parts

__all__ = ["PARTS", "VERSION", "default_folder", "make", "parts"]
