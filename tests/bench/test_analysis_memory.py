"""A long recording needs no more memory than a short one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss has another unit elsewhere, or is not there")

SCRIPT = """
import resource, sys
from pathlib import Path
import numpy as np, soundfile, torch
from bench.analysis.analyze import analyze
from bench.analysis.dispatch import prepare
from bench.analysis.settings import AnalysisSettings
from ontology import Ontology
from taggers.base import Annotation, Event
from taggers.labels import Labels

torch.set_num_threads(1)
rate, folder = 22_050, Path(sys.argv[1])
ready, _ = prepare(["half"])
settings = AnalysisSettings(depths=(1,), block_seconds=5, block_fade_seconds=0.5, consistent="partition")

def peak_mb(minutes):
    path, rng = folder / f"{minutes}.flac", np.random.default_rng(0)
    with soundfile.SoundFile(path, "w", samplerate=rate, channels=1, subtype="PCM_16") as file:
        for _ in range(minutes * 60):
            file.write(0.1 * rng.standard_normal(rate))
    whole = [Event(Ontology.audioset()[name].mid, 0.0, minutes * 60.0) for name in ("Speech", "Guitar", "Bark")]
    tree = analyze(path, out=folder / str(minutes), separators=ready, tagger=Labels(),
                   annotation=Annotation(tuple(whole)), settings=settings)
    assert {entry.status for entry in tree.classes} == {"extracted"} and len(tree.classes) == 3
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

print(peak_mb(1), peak_mb(4))
"""


def test_three_more_minutes_of_audio_cost_less_memory_than_one_signal_of_that_length(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path)], capture_output=True, text=True, check=True, timeout=300
    )
    short, long = map(float, done.stdout.split())
    signal_mb = 3 * 60 * 22_050 * 4 / 2**20
    assert long - short < signal_mb
