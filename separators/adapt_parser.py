"""What stands around a parser: resampling, channel layout and length, as :mod:`separators.adapt` does it."""

from __future__ import annotations

from dataclasses import replace

import torch

from ontology.targets import Target
from separators.adapt import _fit, _resample
from separators.base import Context, Estimates, Parser


def parse_mixture(
    parser: Parser, mixture: torch.Tensor, sample_rate: int, vocabulary: tuple[Target, ...], *, context: Context
) -> Estimates:
    """Let ``parser`` find the targets of ``vocabulary`` in ``mixture``, at whatever rate and layout that comes in.

    Args:
        parser: any parser.
        mixture: float32 ``(channels, samples)`` with at least one sample. A parser that wants one channel is given
            their mean; one that wants more than there is, the one channel repeated.
        sample_rate: of the mixture, in Hz.
        vocabulary: what may be found.
        context: seed and device; its sample rate is filled in here.

    Returns:
        Estimates at ``sample_rate`` on the mixture's device, ``audio`` float32 ``(found, channels, samples)`` with the
        mixture's channels and length, and one of ``targets`` for each of its rows.

    Raises:
        TypeError: the parser returned no :class:`Estimates` with a float32 tensor.
        ValueError: its layout cannot be met, or what it returned does not fit; the message names the parser.
    """
    rate = parser.sample_rate or sample_rate
    context = replace(context, sample_rate=rate)
    signal = _resample(mixture, sample_rate, rate)
    given = signal.shape[0]
    if parser.channels == 1:
        signal = signal.mean(dim=0, keepdim=True)
    elif parser.channels is not None and given == 1:
        signal = signal.expand(parser.channels, -1)
    elif parser.channels not in (None, given):
        raise ValueError(f"{_name(parser)} takes {parser.channels} channels, the recording has {given}; mix it first")
    signal = signal.to(context.device).clone()
    with torch.inference_mode():
        found = parser.parse(signal, vocabulary, context=context)
    _check(parser, found, vocabulary, signal.shape[-1])
    audio = found.audio.to(mixture.device)
    if audio.shape[1] != given:
        audio = audio.mean(dim=1, keepdim=True).expand(-1, given, -1)
    audio = _fit(_resample(audio, rate, sample_rate), mixture.shape[-1]).clone(memory_format=torch.contiguous_format)
    return replace(found, audio=audio)


def _check(parser: Parser, found: Estimates, vocabulary: tuple[Target, ...], samples: int) -> None:
    who = _name(parser)
    if not isinstance(found, Estimates) or not isinstance(found.audio, torch.Tensor):
        raise TypeError(f"{who} returned {type(found).__name__}; expected Estimates with audio")
    if found.audio.dtype != torch.float32:
        raise TypeError(f"{who} returned audio as {found.audio.dtype}; expected float32")
    if found.audio.ndim != 3 or found.audio.shape[2] != samples or 0 in found.audio.shape[1:]:
        raise ValueError(f"{who} returned audio of shape {tuple(found.audio.shape)}; expected (any, any, {samples})")
    rows = len(found.audio)
    if found.targets is None or len(found.targets) != rows:
        raise ValueError(f"{who} returned {len(found.targets or ())} targets for {rows} estimates; one for each")
    if found.scores is not None and len(found.scores) != rows:
        raise ValueError(f"{who} returned {len(found.scores)} scores for {rows} estimates")
    strange = [target.label for target in found.targets if target not in vocabulary]
    if strange:
        raise ValueError(f"{who} found {', '.join(strange[:3])}, which was not in its vocabulary")


def _name(parser: Parser) -> str:
    return type(parser).__name__
