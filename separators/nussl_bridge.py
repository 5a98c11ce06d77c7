"""nussl's own primitives beside ours. The one file that touches nussl (Manilow, Seetharaman and Pardo, ISMIR 2018).

nussl 1.1.9 predates current SciPy and asks for ffmpeg and sox at import time. While it is imported, three removed
window functions are put back into ``scipy.signal`` and, on a machine without ffmpeg or sox, empty modules stand in
for musdb or sox; afterwards all of them are taken away again. Nothing else outside nussl is changed.
"""

from __future__ import annotations

import importlib
import shutil
import sys
import types
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, Literal

import numpy as np
import scipy.signal
import torch
from scipy.signal import windows

from separators import hpss, repetition
from separators.base import ComponentSeparator, Context, Unavailable
from separators.card import ModelCard
from separators.repetition import MaskType, check_mask_type
from separators.stft import rate_of

_REMEDY = "pip install 'stemtree[nussl-runtime]' && pip install --no-deps nussl==1.1.9"


class _Nussl(ComponentSeparator):
    """One of nussl's primitives, by its name there, with options under their names there."""

    family = "primitive"
    _algorithm: ClassVar[str]
    _own: ClassVar[str]

    def __init__(self, **options: Any) -> None:
        check_mask_type(options["mask_type"])
        nussl = _nussl()
        self._make = getattr(nussl.separation.primitive, self._algorithm)
        self._signal = nussl.AudioSignal
        self._options = options

    def split(self, mixture: torch.Tensor, *, context: Context) -> dict[str, torch.Tensor]:
        audio = mixture.cpu().numpy().astype(np.float64)
        if not np.isfinite(audio).all():
            raise ValueError("nussl takes finite samples alone; the mixture has some that are NaN or infinite")
        with _quiet():
            signal = self._signal(audio_data_array=audio, sample_rate=rate_of(context))
            parts = [part.audio_data for part in self._make(signal, **self._options)()]
        tensors = [torch.from_numpy(part.astype(np.float32)).to(mixture.device) for part in parts]
        return dict(zip(self.components, tensors, strict=True))

    @classmethod
    def card(cls) -> ModelCard:
        """Facts about this primitive."""
        return ModelCard(
            name=f"nussl-{cls._own}",
            family="primitive",
            summary=f"{cls._algorithm} as nussl 1.1.9 computes it",
            paper="Manilow, Seetharaman and Pardo, The Northwestern University Source Separation Library, ISMIR 2018",
            url="https://github.com/nussl/nussl",
            licence="MIT",
            parameters=0,
            notes=f"reference for {cls._own}",
        )


class NusslHPSS(_Nussl):
    """nussl's HPSS; options as in :class:`separators.hpss.HPSS`. Source: nussl 1.1.9, primitive.HPSS."""

    components = hpss.COMPONENTS
    _algorithm = "HPSS"
    _own = "hpss"

    def __init__(self, *, kernel: int | tuple[int, int] = 31, mask_type: MaskType = "soft") -> None:
        super().__init__(kernel_size=kernel, mask_type=mask_type)


class NusslRepet(_Nussl):
    """nussl's REPET; it refuses recordings shorter than three periods. Source: nussl 1.1.9, primitive.Repet."""

    components = repetition.COMPONENTS
    _algorithm = "Repet"
    _own = "repet"

    def __init__(
        self,
        *,
        min_period: float | None = None,
        max_period: float | None = None,
        period: float | None = None,
        high_pass_cutoff: float = 100.0,
        mask_type: MaskType = "soft",
    ) -> None:
        super().__init__(
            min_period=min_period,
            max_period=max_period,
            period=period,
            high_pass_cutoff=high_pass_cutoff,
            mask_type=mask_type,
        )


class NusslRepetSim(_Nussl):
    """nussl's REPET-SIM. Source: nussl 1.1.9, primitive.RepetSim."""

    components = repetition.COMPONENTS
    _algorithm = "RepetSim"
    _own = "repet-sim"

    def __init__(
        self,
        *,
        similarity_threshold: float = 0.0,
        min_distance: float = 1.0,
        max_repeating_frames: int = 100,
        high_pass_cutoff: float = 100.0,
        mask_type: MaskType = "soft",
    ) -> None:
        super().__init__(
            similarity_threshold=similarity_threshold,
            min_distance_between_frames=min_distance,
            max_repeating_frames=max_repeating_frames,
            high_pass_cutoff=high_pass_cutoff,
            mask_type=mask_type,
        )


class NusslFT2D(_Nussl):
    """nussl's 2DFT; options as in :class:`separators.ft2d.FT2D`. Source: nussl 1.1.9, primitive.FT2D."""

    components = repetition.COMPONENTS
    _algorithm = "FT2D"
    _own = "ft2d"

    def __init__(
        self,
        *,
        neighborhood_size: tuple[int, int] = (1, 25),
        high_pass_cutoff: float = 100.0,
        quadrants_to_keep: tuple[int, ...] = (0, 1, 2, 3),
        filter_approach: Literal["local_std", "original"] = "local_std",
        use_bg_2dft: bool = True,
        mask_type: MaskType = "soft",
    ) -> None:
        super().__init__(
            neighborhood_size=tuple(neighborhood_size),
            high_pass_cutoff=high_pass_cutoff,
            quadrants_to_keep=quadrants_to_keep,
            filter_approach=filter_approach,
            use_bg_2dft=use_bg_2dft,
            mask_type=mask_type,
        )


def _nussl() -> Any:
    """The module nussl, imported on first use.

    Raises:
        Unavailable: it, or something that it imports, is absent or too new for it; the message is the remedy.
    """
    try:
        with _quiet(), _windows_restored(), _stand_ins():
            return importlib.import_module("nussl")
    except ModuleNotFoundError as error:
        missing = "nussl 1.1.9" if error.name == "nussl" else f"{error.name}, which nussl 1.1.9 imports,"
        raise Unavailable(f"{missing} is not installed: {_REMEDY}") from error
    except Exception as error:  # whatever a package of its age meets in newer ones
        raise Unavailable(f"nussl cannot be imported here ({type(error).__name__}: {error}): {_REMEDY}") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep nussl's warnings (deprecations; fewer similar frames than asked for) to itself."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def _windows_restored() -> Iterator[None]:
    """The window functions that SciPy 1.13 removed from ``scipy.signal``; nussl reads their names at import."""
    missing = [name for name in ("hamming", "hann", "blackman") if not hasattr(scipy.signal, name)]
    for name in missing:
        setattr(scipy.signal, name, getattr(windows, name))
    try:
        yield
    finally:
        for name in missing:
            delattr(scipy.signal, name)


@contextmanager
def _stand_ins() -> Iterator[None]:
    """Empty modules for what nussl imports and the primitives never use, where a binary behind it is missing.

    musdb cannot be imported without ffmpeg, and sox writes to the terminal without sox. What is imported meanwhile and
    holds a stand-in is forgotten again, so that a later import meets the real state of things.
    """
    behind = {"musdb": ("ffmpeg", "ffprobe"), "sox": ("sox",)}
    absent = [
        name for name, binaries in behind.items() if name not in sys.modules and not all(map(shutil.which, binaries))
    ]
    holders = (*absent, "museval") if "museval" not in sys.modules else absent
    for name in absent:
        sys.modules[name] = types.ModuleType(name)
    try:
        yield
    finally:
        if absent:
            for name in list(sys.modules):
                if name.split(".")[0] in holders:
                    del sys.modules[name]
