"""Whether a separator was trained on the data set that it is measured on, by what its model card declares."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

_KIN: Final = {
    "musdb18": ("MUSDB18", "MUSDB", "DSD100", "MedleyDB"),
    "sisec2016": ("DSD100", "MUSDB18", "MUSDB"),
    "slakh2100": ("Slakh2100", "Slakh"),
    "dcase2018": ("FSDKaggle2018", "DCASE2018", "DCASE 2018 Task 2", "FSD", "Freesound"),
    "esc50": ("ESC-50", "ESC-10", "ESC", "Freesound"),
    "voicebank_demand": ("VoiceBank-DEMAND", "VoiceBank", "Voice Bank", "VCTK", "DEMAND"),
}
"""Names under which a data set, or one that holds its recordings, stands in model cards.

MUSDB18 is made of DSD100, which was the data of SiSEC 2016, of MedleyDB and of four more songs (sigsep.github.io,
"MUSDB18"). FSDKaggle2018 comes from Freesound by way of FSD (Fonseca et al., DCASE 2018), the ESC data sets from
Freesound (Piczak, ACM Multimedia 2015). VoiceBank-DEMAND mixes speech of the Voice Bank corpus, published as VCTK, with
noises of DEMAND (Valentini-Botinhao, doi:10.7488/ds/2117).
"""


def seen_in_training(training_data: Iterable[str], *, dataset: str, title: str) -> str | None:
    """The first of ``training_data`` that is the data set, or one that holds its recordings; None where none is.

    Names are compared word by word from their beginning, so that ``MUSDB18-HQ, train`` is MUSDB18, and ``mini, in the
    layout of MUSDB18`` is not. Which split it was is not asked: cards seldom say.

    >>> seen_in_training(["AudioSet", "MUSDB18-HQ, train"], dataset="musdb18-hq", title="MUSDB18")
    'MUSDB18-HQ, train'
    """
    own = _words(dataset.removesuffix("-scenes"))
    names = [own, _words(title.removesuffix(", blind scenes"))]
    for kin, others in _KIN.items():
        if _begins(own, _words(kin)):
            names += map(_words, others)
    return next((said for said in training_data if any(_begins(_words(said), name) for name in names)), None)


def _words(name: str) -> list[str]:
    return re.findall(r"[^\W_]+", name.casefold())


def _begins(name: list[str], beginning: list[str]) -> bool:
    return bool(beginning) and name[: len(beginning)] == beginning
