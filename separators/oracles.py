"""Separators that know the true source: the best volume knob, and mask oracles.

They show what a kind of processing can reach, and are no ceilings: another transform or another window goes higher.
What is not the target is taken as N = x - s throughout, since a mixture need not be the sum of its sources.
"""

from __future__ import annotations

from abc import abstractmethod

import torch

from separators.base import Context, Query, Separator
from separators.card import ModelCard
from separators.stft import oracle_stft, rate_of

_MASK_PAPER = (
    "Vincent, Gribonval and Plumbley, Oracle estimators for the benchmarking of source separation algorithms, "
    "Signal Processing 87(8), 2007, doi:10.1016/j.sigpro.2007.01.016"
)
_RATIO_PAPER = (
    "Liutkus and Badeau, Generalized Wiener filtering with fractional power spectrograms, ICASSP 2015, "
    "doi:10.1109/ICASSP.2015.7177973"
)
_WIENER_PAPER = (
    "Duong, Vincent and Gribonval, Under-determined reverberant audio source separation using a full-rank spatial "
    "covariance model, IEEE TASLP 18(7), 2010, doi:10.1109/TASL.2010.2050716"
)
_SISEC_PAPER = "Stöter, Liutkus and Ito, The 2018 Signal Separation Evaluation Campaign, LVA/ICA 2018, arXiv:1804.06267"


def _reference(query: Query, mixture: torch.Tensor) -> torch.Tensor:
    """The true source of ``query``, checked to lie on the grid of ``mixture``."""
    if query.reference is None:
        raise ValueError(f"an oracle needs the reference of {query.target.label!r}, and the query carries none")
    if query.reference.shape != mixture.shape:
        raise ValueError(
            f"the reference of {query.target.label!r} is {tuple(query.reference.shape)}, "
            f"the mixture {tuple(mixture.shape)}; both must be the same (channels, samples)"
        )
    return query.reference


def _stacked(estimates: list[torch.Tensor], mixture: torch.Tensor) -> torch.Tensor:
    return torch.stack(estimates) if estimates else mixture.new_zeros((0, *mixture.shape))


class _Oracle(Separator):
    """What the oracles share: they need the reference, and answer query by query."""

    family = "oracle"
    needs = frozenset({"reference"})
    _name: str
    _summary: str
    _paper: str | None = _MASK_PAPER

    @classmethod
    def card(cls) -> ModelCard:
        """Facts about this oracle."""
        return ModelCard(
            name=cls._name, family="oracle", summary=cls._summary, paper=cls._paper, licence="MIT", parameters=0
        )


class GainOracle(_Oracle):
    """The best single gain, g = <x, s> / <x, x> over all channels; SDRg measures against it and is 0 for it."""

    _name = "gain-oracle"
    _summary = "the mixture times the one gain that minimises the squared error"
    _paper = None

    def separate(self, mixture: torch.Tensor, queries: tuple[Query, ...], *, context: Context) -> torch.Tensor:
        x = mixture.double()
        energy = x.square().sum()
        estimates = []
        for query in queries:
            gain = (x * _reference(query, mixture).double()).sum() / energy if energy > 0 else energy
            estimates.append((gain * x).float())
        return _stacked(estimates, mixture)


class _SpectralOracle(_Oracle):
    """An oracle that works on the STFT of the mixture; see :func:`separators.stft.oracle_stft`."""

    def separate(self, mixture: torch.Tensor, queries: tuple[Query, ...], *, context: Context) -> torch.Tensor:
        stft = oracle_stft(rate_of(context))
        X = stft.forward(mixture)
        estimates = []
        for query in queries:
            s = _reference(query, mixture)
            if not s.any():  # each of these filters is 0 where the source is
                estimates.append(torch.zeros_like(mixture))
                continue
            S = stft.forward(s)
            # N from the signals, not as X - S: cancellation would leave rounding noise where x and s are equal.
            N = stft.forward(mixture - s)
            estimates.append(stft.inverse(self.filtered(X, S, N), mixture.shape[-1]))
        return _stacked(estimates, mixture)

    @abstractmethod
    def filtered(self, X: torch.Tensor, S: torch.Tensor, N: torch.Tensor) -> torch.Tensor:
        """Filter the mixture's spectrum knowing the source's and the rest's, all complex (channels, bins, frames)."""


class IdealBinaryMask(_SpectralOracle):
    """Ideal binary mask, 1 where |S| > |N|, each channel on its own. Source: Wang 2005; Vincent et al. 2007."""

    _name = "ibm"
    _summary = "ideal binary mask, |S| > |N|"

    def filtered(self, X: torch.Tensor, S: torch.Tensor, N: torch.Tensor) -> torch.Tensor:
        return X * (S.abs() > N.abs())


class SigsepBinaryMask(_SpectralOracle):
    """Binary mask, 1 where |S| / |X| >= 0.5, as sigsep-mus-oracle defines its IBM. Source: SiSEC 2018."""

    _name = "ibm-sigsep"
    _summary = "binary mask of sigsep-mus-oracle, |S| / |X| >= 0.5"
    _paper = _SISEC_PAPER

    def filtered(self, X: torch.Tensor, S: torch.Tensor, N: torch.Tensor) -> torch.Tensor:
        # Multiplied out, so that an empty bin of the mixture divides by nothing.
        return X * (S.abs() >= 0.5 * X.abs())


class IdealRatioMask(_SpectralOracle):
    """Ideal ratio mask of powers, |S|² / (|S|² + |N|²), each channel on its own. Source: Liutkus and Badeau 2015."""

    _name = "irm"
    _summary = "ideal ratio mask with exponent 2, |S|^2 / (|S|^2 + |N|^2)"
    _paper = _RATIO_PAPER
    _exponent = 2.0

    def filtered(self, X: torch.Tensor, S: torch.Tensor, N: torch.Tensor) -> torch.Tensor:
        target, rest = S.abs() ** self._exponent, N.abs() ** self._exponent
        return X * _ratio(target, target + rest)


class IdealRatioMaskMagnitude(IdealRatioMask):
    """Ideal ratio mask of magnitudes, |S| / (|S| + |N|), each channel on its own. Source: Liutkus and Badeau 2015."""

    _name = "irm1"
    _summary = "ideal ratio mask with exponent 1, |S| / (|S| + |N|)"
    _exponent = 1.0


class MultichannelWienerFilter(_SpectralOracle):
    """Multichannel Wiener filter from the true source, time-invariant spatial covariances. Source: Duong et al. 2010.

    The closed form of sigsep-mus-oracle, without iterations, for the two parts s and N = x - s. Per part and bin:

    1. R = mean over frames of Y Y^H / p, where p is the mean of |Y|² over the channels;
    2. R is scaled to a trace equal to the number of channels, and regularised by a small multiple of the identity;
    3. the power is refined to v = trace(R^-1 Y Y^H) / channels;
    4. the estimate is v_s R_s (v_s R_s + v_N R_N)^-1 X.

    With one channel R = 1 and v = |Y|²: there it is the ratio mask with exponent 2.
    """

    _name = "mwf"
    _summary = "multichannel Wiener filter with the true powers and spatial covariances"
    _paper = _WIENER_PAPER

    def filtered(self, X: torch.Tensor, S: torch.Tensor, N: torch.Tensor) -> torch.Tensor:
        blocks = zip(*(spectrum.split(_BINS_AT_ONCE, dim=1) for spectrum in (X, S, N)), strict=True)
        return torch.cat([self._filtered_bins(*block) for block in blocks], dim=1)

    def _filtered_bins(self, X: torch.Tensor, S: torch.Tensor, N: torch.Tensor) -> torch.Tensor:
        S, N, X = (spectrum.permute(1, 0, 2).to(torch.complex128) for spectrum in (S, N, X))
        R_s, R_n = _spatial_covariance(S), _spatial_covariance(N)
        v_s, v_n = _refined_power(S, R_s), _refined_power(N, R_n)
        # With R_n = L L^H and L^-1 R_s L^-H = U diag(a) U^H, the basis A = L U makes both covariances diagonal:
        # the filter is a mask per axis, a v_s / (a v_s + v_n), and no matrix per frame is ever inverted.
        L = torch.linalg.cholesky(R_n)
        whitened = torch.linalg.solve_triangular(L, R_s, upper=False)
        whitened = torch.linalg.solve_triangular(L, whitened.mH, upper=False)
        a, U = torch.linalg.eigh((whitened + whitened.mH) / 2)
        A = L @ U
        along = torch.linalg.solve_triangular(L, X, upper=False)
        along = U.mH @ along
        target = a.clamp(min=0)[..., None] * v_s[:, None]
        estimate = A @ (_ratio(target, target + v_n[:, None]) * along)
        return estimate.permute(1, 0, 2).to(torch.complex64)


# Bins are filtered independently; a block of them keeps a song's double-precision spectra out of memory.
_BINS_AT_ONCE = 64
# Relative to the mean eigenvalue, which is 1. Large enough for a Cholesky factor in float64 of a source that is the
# same in all channels, small enough to leave the filter as it is elsewhere (sigsep takes the float64 epsilon).
_REGULARISATION = 1e-10


def _ratio(part: torch.Tensor, whole: torch.Tensor) -> torch.Tensor:
    """``part / whole``, and 0 where there is nothing at all."""
    return torch.where(whole > 0, part / whole, 0.0)


def _spatial_covariance(Y: torch.Tensor) -> torch.Tensor:
    """Regularised spatial covariance (bins, channels, channels) of complex Y (bins, channels, frames)."""
    _, channels, frames = Y.shape
    power = Y.abs().square().mean(dim=1, keepdim=True)
    scaled = Y * torch.where(power > 0, power.rsqrt(), 0.0)
    R = scaled @ scaled.mH / frames
    identity = torch.eye(channels, dtype=Y.dtype, device=Y.device)
    trace = R.diagonal(dim1=-2, dim2=-1).real.sum(dim=-1)[:, None, None]
    # A bin in which the part never sounds has no direction: any R does, its power is 0.
    R = torch.where(trace > 0, R * (channels / trace), identity)
    return R + _REGULARISATION * identity


def _refined_power(Y: torch.Tensor, R: torch.Tensor) -> torch.Tensor:
    """Trace(R^-1 Y Y^H) / channels, real (bins, frames), for complex Y (bins, channels, frames)."""
    whitened = torch.linalg.solve_triangular(torch.linalg.cholesky(R), Y, upper=False)
    return whitened.abs().square().mean(dim=1)
