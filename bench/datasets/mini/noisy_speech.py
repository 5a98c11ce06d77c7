"""Speech in noise in the layout of VoiceBank-DEMAND: ``{clean,noisy}_{testset,trainset_28spk}_wav``, mono, 16 kHz.

Speakers carry the data set's ids, two for test and two for training, each with a voice of its own. The level is
the ratio of the energies of whole files, not of active speech, and is written to ``log_testset.txt`` and
``log_trainset_28spk.txt`` as ``UTTERANCE NOISE SNR``. noisy - clean is the noise exactly.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.signal

from bench.datasets.mini import pcm
from bench.datasets.mini.pcm import Audio, generator
from bench.datasets.mini.speech import Utterance, speak

SAMPLE_RATE = 16_000
_SPEAKERS = {  # id: voice, words per minute, pitch
    "p232": ("en-gb-x-rp+m3", 165, 40),
    "p257": ("en-gb-x-rp+f2", 170, 55),
    "p226": ("en-us+m5", 160, 45),
    "p287": ("en-us+f4", 155, 60),
}
_NOISES = ("babble", "pink", "hum", "knocks")
_TEST_TEXTS = (
    "The ferry leaves the harbour at seven in the morning.",
    "She put the kettle on and opened every window.",
    "Rain is likely in the west before noon.",
    "Nobody had counted the chairs in the hall.",
    "He sold the old piano to a school in town.",
    "Yes.",
    "Please send the second parcel to the station.",
    "A thin layer of ice covered the pond.",
    "They argued about the map for half an hour.",
    "Which of these keys fits the garden gate?",
    "The council will vote on the bridge tomorrow.",
    "Bring a coat, a torch and something to eat.",
    "Three zebras crossed the shallow river.",
    "No, thank you.",
    "His sister plays the viola in an orchestra.",
    "We found the path again behind the mill.",
)
_TRAIN_TEXTS = (
    "The baker shuts his shop early on Thursdays.",
    "A large ship waited beyond the lighthouse.",
    "Could you read me the last line once more?",
    "Snow had fallen on the roofs all night.",
)
_CROWD_TEXT = "and then we went over to the other side of the market where somebody was selling oranges and lamps"
_CROWD = tuple(
    Utterance(_CROWD_TEXT, f"en-us+{variant}", rate, pitch)
    for variant, rate, pitch in (("m1", 150, 40), ("m7", 185, 55), ("f1", 170, 50), ("f5", 195, 65), ("m2", 160, 30))
)


@dataclass(frozen=True)
class _Subset:
    name: str
    speakers: tuple[str, ...]
    texts: tuple[str, ...]
    levels: tuple[float, ...]
    """Signal-to-noise ratios in dB, those of the data set's subset."""


_SUBSETS = (
    _Subset("testset", ("p232", "p257"), _TEST_TEXTS, (17.5, 12.5, 7.5, 2.5)),
    _Subset("trainset_28spk", ("p226", "p287"), _TRAIN_TEXTS, (15.0, 10.0, 5.0, 0.0)),
)


def make(folder: Path, progress: Callable[[str], None]) -> None:
    """Write both subsets under ``folder``."""
    progress("voicebank_demand: a crowd of voices")
    crowd = speak(_CROWD, SAMPLE_RATE)
    for subset in _SUBSETS:
        progress(f"voicebank_demand: {len(subset.texts)} utterances of {subset.name}")
        _write(subset, folder, crowd)


def _write(subset: _Subset, folder: Path, crowd: list[Audio]) -> None:
    per_speaker = len(subset.texts) // len(subset.speakers)
    ids = [f"{speaker}_{number:03d}" for speaker in subset.speakers for number in range(1, per_speaker + 1)]
    spoken = speak([_utterance(id_, text) for id_, text in zip(ids, subset.texts, strict=True)], SAMPLE_RATE)
    log = []
    for number, (id_, voice) in enumerate(zip(ids, spoken, strict=True)):
        rng = generator("voicebank", id_)
        kind = _NOISES[number % 4]
        level = subset.levels[(number + number // 4) % 4]  # every speaker has every noise and every level
        clean = _with_pauses(voice, rng)
        noise = _noise(kind, len(clean), crowd, rng)
        noise *= np.sqrt((clean**2).sum() / (noise**2).sum()) * 10 ** (-level / 20)
        gain = rng.uniform(0.35, 0.8) / np.abs(clean + noise).max()
        written = pcm.to_pcm(clean * gain)
        pcm.write(folder / f"clean_{subset.name}_wav" / f"{id_}.wav", written, SAMPLE_RATE)
        pcm.write(
            folder / f"noisy_{subset.name}_wav" / f"{id_}.wav",
            pcm.total([written, pcm.to_pcm(noise * gain)]),
            SAMPLE_RATE,
        )
        log.append(f"{id_} {kind} {level}\n")
    (folder / f"log_{subset.name}.txt").write_text("".join(log), encoding="utf-8", newline="\n")


def _utterance(id_: str, text: str) -> Utterance:
    voice, rate, pitch = _SPEAKERS[id_.partition("_")[0]]
    return Utterance(text, voice, rate, pitch)


def _with_pauses(voice: Audio, rng: np.random.Generator) -> Audio:
    before, after = (round(rng.uniform(0.1, 0.4) * SAMPLE_RATE) for _ in range(2))
    return np.pad(voice, (before, after))


def _noise(kind: str, samples: int, crowd: list[Audio], rng: np.random.Generator) -> Audio:
    """One of four noises with an arbitrary level: ``babble``, ``pink``, ``hum`` (a machine) or ``knocks``."""
    hiss = _pink(samples, rng)
    if kind == "pink":
        return hiss
    if kind == "hum":
        time = np.arange(samples) / SAMPLE_RATE
        mains = 50 * rng.uniform(0.99, 1.01)
        tones = [np.sin(2 * np.pi * (k * mains * time + rng.random())) / k**0.7 for k in (1, 2, 3, 4, 6, 9, 14)]
        return np.asarray(sum(tones)) + 0.4 * hiss
    if kind == "babble":
        return np.sum([_from_somewhere(voice, samples, rng) for voice in crowd], axis=0) + 0.02 * hiss
    return 3 * _knocks(samples, rng) + 0.05 * hiss


def _pink(samples: int, rng: np.random.Generator) -> Audio:
    """Noise whose power falls by 3 dB an octave above 40 Hz, with a standard deviation of 1."""
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    frequency = np.fft.rfftfreq(samples, 1 / SAMPLE_RATE)
    shaped = np.fft.irfft(spectrum / np.sqrt(np.maximum(frequency, 40)), samples)
    return np.asarray(shaped / shaped.std(), dtype=np.float64)


def _from_somewhere(voice: Audio, samples: int, rng: np.random.Generator) -> Audio:
    """A stretch of ``voice``, repeated as needed, from a random point on and at a random distance."""
    start = int(rng.integers(len(voice)))
    return np.resize(np.roll(voice, -start), samples) * rng.uniform(0.4, 1.0)


def _knocks(samples: int, rng: np.random.Generator) -> Audio:
    """About four blows a second on things that ring at 200 to 3000 Hz."""
    out = np.zeros(samples)
    for _ in range(max(2, round(4 * samples / SAMPLE_RATE))):
        blow = np.zeros(samples)
        at = int(rng.integers(samples))
        length = min(int(0.004 * SAMPLE_RATE), samples - at)
        blow[at : at + length] = rng.standard_normal(length)
        centre = 10 ** rng.uniform(np.log10(200), np.log10(3000))
        b, a = scipy.signal.iirpeak(centre, rng.uniform(8, 25), fs=SAMPLE_RATE)
        out += rng.uniform(0.3, 1.0) * scipy.signal.lfilter(b, a, blow)
    return out
