"""VoiceBank-DEMAND: read speech in noise, each utterance beside its clean recording."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bench.audio import FileSignal, Resampled
from bench.datasets.base import Dataset, DatasetError, DatasetInfo, Problem
from bench.datasets.layout import audio_file, find_layouts
from bench.datasets.soundness import twin_problems
from bench.scene import Scene, SceneTarget, Signal, Source
from bench.stems import beside
from ontology.labelmaps import label_map

PAPER_RATE = 16_000
_SUFFIXES = (".wav", ".flac")
_RATES = (16_000, 48_000)
_FOLDERS = {"test": "testset", "train_28spk": "trainset_28spk", "train_56spk": "trainset_56spk"}
_PUBLISHED = {"test": 824, "train_28spk": 11_572}  # utterances; no public list of the 56 speakers' was found


class VoicebankDemand(Dataset):
    """One scene per utterance: the noisy file is the mixture, the clean one the source and target "speech".

    The noise is no source of its own: DEMAND's recordings hold babble, so they are not known to be free of speech.
    Utterances are those that either folder has; any subset of the published list is legal and noted. One whose
    other half is absent is still a scene, and reading it raises a ``SceneError`` that names the file.

    Args:
        root: holds ``clean_testset_wav`` and ``noisy_testset_wav``, or the training folders of 28 or 56 speakers, with
            wav or flac files at 48 kHz as published or at 16 kHz as the papers use them.
        split: ``"test"``, ``"train_28spk"`` or ``"train_56spk"``.
        sample_rate: Hz of the scenes; None leaves the files' own.
    """

    name = "voicebank_demand"
    info = DatasetInfo(
        title="VoiceBank-DEMAND",
        licence="CC BY 4.0",
        citation=(
            "C. Valentini-Botinhao, Noisy speech database for training speech enhancement algorithms and TTS models, "
            "University of Edinburgh, 2017"
        ),
        url="https://doi.org/10.7488/ds/2117",
        how_to_get=(
            "Unpack clean_testset_wav.zip and noisy_testset_wav.zip of datashare.ed.ac.uk/handle/10283/2791 "
            "side by side in one folder (likewise clean_trainset_28spk_wav.zip and its noisy twin)"
        ),
    )
    splits = tuple(_FOLDERS)
    example_splits = ("train_28spk", "train_56spk")
    loud_examples = True
    metrics = (
        "sdr@1", "sdri@1", "sdrg@1", "si_sdr@1", "si_sdri@1", "pesq_wb@1", "csig@1", "cbak@1", "covl@1", "ssnr@1",
        "stoi@1", "estoi@1",
    )  # fmt: skip
    # SI-SDRi ranks: it is there without the extra that PESQ needs, and no change of volume buys any of it. Means are
    # the papers' figures; USS's are medians.
    columns = (
        "si_sdri@1/mean",
        "sdri@1/class-median-mean",
        "sdrg@1/class-median-mean",
        "ssnr@1/mean",
        "pesq_wb@1/mean",
        "csig@1/mean",
        "cbak@1/mean",
        "covl@1/mean",
        "stoi@1/mean",
        "ssnr@1/class-median-mean",
        "pesq_wb@1/class-median-mean",
        "csig@1/class-median-mean",
        "cbak@1/class-median-mean",
        "covl@1/class-median-mean",
    )
    caveat = "The test split has two speakers, p232 and p257: intervals hold for these two, not for speakers at large."

    def __init__(self, root: Path, *, split: str | None = None, sample_rate: int | None = PAPER_RATE) -> None:
        super().__init__(root, split=split)
        if sample_rate is not None and sample_rate <= 0:
            raise DatasetError(f"{self.name}: sample_rate is {sample_rate}; give it in Hz, above 0, or None")
        self.sample_rate = sample_rate

    @classmethod
    def find(cls, root: Path) -> list[Path]:
        return find_layouts(root, lambda folder: any(_folders(folder, split)[1].is_dir() for split in cls.splits))

    def scenes(self) -> Iterator[Scene]:
        utterances = self._utterances()
        notes = self._coverage(len(utterances))
        target = label_map(self.name)["speech"]
        for utterance in utterances:
            clean, noisy = self._paths(utterance)
            mixture = FileSignal(noisy)
            speech, fitted = beside(mixture, FileSignal(clean), mixture_path=noisy, stem_path=clean)
            yield Scene(
                id=utterance,
                dataset=self.name,
                split=self.split,
                mixture=self._at_rate(mixture),
                sources=(Source(target.label, target.mids, self._at_rate(speech), recording=utterance),),
                targets=(SceneTarget(target, (0,)),),
                recordings=(utterance,),
                notes=notes + fitted,
            )

    def verify(self) -> Iterator[Problem]:
        try:
            utterances = self._utterances()
        except DatasetError as error:
            yield self.unreadable(self.root, error)
            return
        for utterance in utterances:
            clean, noisy = self._paths(utterance)
            remedy = f"take {utterance} from {' and '.join(f'{folder.name}.zip' for folder in self._folders)} anew"
            yield from twin_problems(clean, noisy, rates=_RATES, remedy=remedy)
        published = _PUBLISHED.get(self.split)
        if published and len(utterances) != published:
            what = f"{len(utterances)} of {published} {self.split} utterances are there"
            yield Problem(self.root, what, "a part is scored as a part, and says so; fetch the whole set to compare")

    @property
    def _folders(self) -> tuple[Path, Path]:
        return _folders(self.root, self.split)

    def _utterances(self) -> list[str]:
        names = sorted({path.stem for folder in self._folders for path in _sounds(folder)})
        if not names:
            raise DatasetError(
                f"{self.root}: no wav or flac file in {' or '.join(folder.name for folder in self._folders)}. "
                f"{self.info.how_to_get}"
            )
        return names

    def _coverage(self, utterances: int) -> tuple[str, ...]:
        published = _PUBLISHED.get(self.split)
        return () if published in (None, utterances) else (f"{utterances} of {published} {self.split} utterances",)

    def _at_rate(self, signal: Signal) -> Signal:
        return signal if self.sample_rate is None else Resampled(signal, self.sample_rate)

    def _paths(self, utterance: str) -> tuple[Path, Path]:
        clean, noisy = (
            audio_file(folder, utterance, suffixes=_SUFFIXES) or folder / f"{utterance}.wav" for folder in self._folders
        )
        return clean, noisy


def _folders(root: Path, split: str) -> tuple[Path, Path]:
    return root / f"clean_{_FOLDERS[split]}_wav", root / f"noisy_{_FOLDERS[split]}_wav"


def _sounds(folder: Path) -> list[Path]:
    return [path for path in folder.glob("*.*") if path.suffix in _SUFFIXES and not path.name.startswith(".")]
