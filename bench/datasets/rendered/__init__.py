"""``rendered``: labelled clips to train on, made on the user's machine from a soundfont, espeak-ng and noise.

``train`` is trained on; ``held_out`` (other programs and voices), ``songs`` (several classes at once), ``unknown``
(none of the classes) and ``noise`` say how far what was learnt goes. They are no real recordings.
"""

from __future__ import annotations

from bench.datasets.rendered.build import CLASSES, SPLITS, VERSION, default_folder, make

__all__ = ["CLASSES", "SPLITS", "VERSION", "default_folder", "make"]
