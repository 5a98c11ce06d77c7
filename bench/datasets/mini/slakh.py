"""Four multitracks in the layout of Slakh2100-redux: ``SPLIT/TrackNNNNN``, a FLAC and a MIDI file per stem.

Audio is mono at 44.1 kHz. Three tracks are for test; a short one for training has every instrument class of theirs on
other programs, for separators that learn from examples. The numbers are ones that every published split (original,
redux, v2) keeps where they are and that share their MIDI file with no other track. Audio is mixed without loudness
normalisation, and the metadata says so; the fields of a normalised render (``integrated_loudness``) are left out
rather than made up. One stem enters after the excerpt ends (it is silent, with notes in its MIDI), and one was
never rendered (metadata only), as happens in the data set.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from bench.datasets.mini import compose, pcm, soundfont
from bench.datasets.mini.compose import Harmony, Note
from bench.datasets.mini.extras import require
from bench.datasets.mini.pcm import generator

_RATE = soundfont.SAMPLE_RATE
_TARGET_PEAK_DB = -1.0
_STEM_PEAK = 0.6
_DRUMS = 128
"""Slakh2100's program number of a drum stem."""


@dataclass(frozen=True)
class Stem:
    """One stem: Slakh's class and General MIDI program (128 for drums), what it plays, and its level in dB."""

    inst_class: str
    program: int
    steps: str | dict[int, str]
    low: int = 60
    level: float = 0.0
    melodic: bool = False
    first_bar: float = 0.0
    rendered: bool = True


@dataclass(frozen=True)
class Track:
    """A track: its split and number in Slakh2100, harmony, length in bars, and stems in order."""

    split: str
    number: int
    harmony: Harmony
    bars: int
    stems: tuple[Stem, ...]

    @property
    def name(self) -> str:
        """The folder's name."""
        return f"Track{self.number:05d}"


def make(folder: Path, progress: Callable[[str], None]) -> None:
    """Write every track under ``folder``."""
    for number, track in enumerate(TRACKS, 1):
        progress(f"slakh2100: track {number} of {len(TRACKS)}")
        _write(track, folder / track.split / track.name)


def _write(track: Track, folder: Path) -> None:
    seconds = track.harmony.bar * track.bars
    audio, played = {}, {}
    for number, stem in enumerate(track.stems):
        if not stem.rendered:
            continue
        name = f"S{number:02d}"
        played[name] = _notes(track, stem, number)
        drum = stem.program == _DRUMS
        mono = soundfont.render(played[name], 0 if drum else stem.program, seconds, drum=drum).mean(axis=1)
        audio[name] = pcm.with_peak(mono, _STEM_PEAK * 10 ** (stem.level / 20))
    gain = float(10 ** (_TARGET_PEAK_DB / 20) / np.abs(sum(audio.values())).max())
    written = {name: pcm.to_pcm(stem * gain) for name, stem in audio.items()}
    pcm.write(folder / "mix.flac", pcm.total(list(written.values())), _RATE)
    for name, samples in written.items():
        pcm.write(folder / "stems" / f"{name}.flac", samples, _RATE)
    _write_midi(track, played, folder)
    (folder / "metadata.yaml").write_text(yaml.safe_dump(_metadata(track, gain)), encoding="utf-8")


def _notes(track: Track, stem: Stem, number: int) -> list[Note]:
    rng = generator("slakh", track.name, number)
    if isinstance(stem.steps, dict):
        notes = compose.drums(track.harmony, stem.steps, rng)
    elif stem.melodic:
        notes = compose.melody(track.harmony, stem.steps, stem.low, rng)
    else:
        notes = compose.pattern(track.harmony, stem.steps, stem.low, rng)
    return compose.within(notes, [(stem.first_bar * track.harmony.bar, track.harmony.seconds)])


def _write_midi(track: Track, played: dict[str, list[Note]], folder: Path) -> None:
    pretty_midi = require("pretty_midi")
    whole = pretty_midi.PrettyMIDI(initial_tempo=track.harmony.tempo)
    (folder / "MIDI").mkdir(parents=True)
    for name, notes in played.items():
        program = track.stems[int(name[1:])].program
        drum = program == _DRUMS
        instrument = pretty_midi.Instrument(0 if drum else program, is_drum=drum, name=name)
        instrument.notes = [pretty_midi.Note(n.velocity, n.pitch, n.start, n.end) for n in notes]
        alone = pretty_midi.PrettyMIDI(initial_tempo=track.harmony.tempo)
        alone.instruments.append(instrument)
        alone.write(str(folder / "MIDI" / f"{name}.mid"))
        whole.instruments.append(instrument)
    whole.write(str(folder / "all_src.mid"))


def _metadata(track: Track, gain: float) -> dict[str, Any]:
    pretty_midi = require("pretty_midi")
    stems = {}
    for number, stem in enumerate(track.stems):
        drum = stem.program == _DRUMS
        program_name = "Drums" if drum else pretty_midi.program_to_instrument_name(stem.program)
        stems[f"S{number:02d}"] = {
            "audio_rendered": stem.rendered,
            "inst_class": stem.inst_class,
            "is_drum": drum,
            "midi_program_name": program_name,
            "midi_saved": stem.rendered,
            "plugin_name": f"timgm6mb_{128 if drum else 0:03d}_{0 if drum else stem.program:03d}.sf2"
            if stem.rendered
            else "None",
            "program_num": stem.program,
        }
    return {
        "UUID": hashlib.md5(f"mini {track.name}".encode(), usedforsecurity=False).hexdigest(),
        "audio_dir": f"{track.name}/stems",
        "lmd_midi_dir": None,
        "midi_dir": f"{track.name}/MIDI",
        "normalization_factor": None,
        "normalized": False,
        "overall_gain": gain,
        "stems": stems,
        "target_peak": _TARGET_PEAK_DB,
    }


TRACKS = (
    Track(
        "test",
        1876,
        Harmony(144, 5, False, (0, 3, 4, 0, 5)),
        4,
        (
            Stem("Piano", 0, "c..c..c...c.c...", 58),
            Stem("Drums", _DRUMS, {36: "x...x...x...x.x.", 38: "....x.......x...", 42: "..x...x...x...xo"}, level=2),
            Stem("Bass", 33, "1..3..1.4..3..1.", 29, level=2),
            Stem("Guitar", 26, "..c...c...c..c..", 55, level=-3),
            Stem("Brass", 56, "x..x..x.x.......", 67, level=-2, melodic=True),
            Stem("Organ", 16, "....c.......c...", 60, first_bar=4),  # enters after the excerpt
        ),
    ),
    Track(
        "test",
        1881,
        Harmony(112, 2, True, (0, 5, 3)),
        3,
        (
            Stem("Strings (continued)", 48, "c...............", 57, level=-2),
            Stem("Pipe", 73, "x...x.x...x.x...", 74, melodic=True),
            Stem("Chromatic Percussion", 11, "1.2.3.4.3.2.1.2.", 65, level=-2),
            Stem("Bass", 32, "1.......3.......", 31, level=2),
            Stem("Sound Effects", 122, "c...............", rendered=False),
            Stem("Strings", 46, "1234432112344321", 50, level=-4, first_bar=1.5),
        ),
    ),
    Track(
        "test",
        1886,
        Harmony(144, 10, False, (0, 4, 5, 3)),
        4,
        (
            Stem("Drums", _DRUMS, {36: "x..x..x.x..x..x.", 40: "....x.......x..o", 46: "..x...x...x...x."}, level=2),
            Stem("Bass", 38, "1.1.1.1.4.1.1.3.", 34, level=1),
            Stem("Synth Lead", 81, "x.xx..x.x..x..x.", 70, level=-5, melodic=True),
            Stem("Synth Pad", 89, "c...............", 58, level=-5),
            Stem("Reed", 65, "x.....x.x.......", 62, level=-1, melodic=True, first_bar=2),
            Stem("Guitar", 24, "1...3.2.4...2.3.", 53, level=-2),
            Stem("Guitar", 30, "c...c...c...c...", 46, level=-6, first_bar=1),
        ),
    ),
    Track(
        "train",
        2,
        Harmony(190, 7, False, (0, 3)),
        2,
        (
            Stem("Piano", 1, "c...c...c...c...", 57, level=-3),
            Stem("Drums", _DRUMS, {36: "x.......x.......", 38: "....x.......x...", 42: "x.x.x.x.x.x.x.x."}, level=1),
            Stem("Bass", 34, "1...3...1...4...", 31, level=1),
            Stem("Guitar", 25, "1.2.3.4.3.2.1.2.", 52, level=-3),
            Stem("Brass", 57, "x...x...x...x...", 58, level=-3, melodic=True),
            Stem("Organ", 18, "c.......c.......", 60, level=-6),
            Stem("Strings (continued)", 49, "c.......c.......", 58, level=-5),
            Stem("Pipe", 75, "x...x.x...x.x...", 72, level=-4, melodic=True),
            Stem("Chromatic Percussion", 12, "1.2.3.4.3.2.1.2.", 64, level=-4),
            Stem("Strings", 40, "x...x...x...x...", 67, level=-5, melodic=True),
            Stem("Synth Lead", 80, "x.x.x.x.x.x.x.x.", 70, level=-8, melodic=True),
            Stem("Synth Pad", 90, "c.......c.......", 57, level=-6),
            Stem("Reed", 71, "x...x.x.x...x.x.", 60, level=-4, melodic=True),
        ),
    ),
)
