"""Supervised separation by non-negative matrix factorisation, with templates learnt from example clips."""

from __future__ import annotations

import hashlib

import numpy as np
import torch

from separators.base import Context, Estimates, Query, Separator
from separators.card import ModelCard
from separators.stft import STFT, primitive_stft, rate_of

# Keeps quotients finite. Spectra are scaled to a mean of 1 first, so this is relative.
_TINY = 1e-9


class SupervisedNMF(Separator):
    """NMF with fixed templates per class and free ones for the rest. Source: Smaragdis, Raj and Shashanka, ICA 2007.

    Templates of each class are learnt from the magnitude spectra of its examples, each scaled to the same mean, by
    scikit-learn's multiplicative updates for the Kullback-Leibler divergence. Then the magnitude of the mixture, all
    channels side by side in time, is explained under the same divergence by the templates of all classes asked for,
    which stay fixed, and free ones that adapt to whatever is left. (scikit-learn can fix all templates or none, so
    these updates are our own.) Each class gets the mixture through its soft mask, its share of the whole model;
    what the free templates claim is the residual. All adds up to the mixture.

    A target that is asked for twice gets the same estimate twice.

    Args:
        templates_per_class: templates learnt for each class.
        free_templates: templates that adapt to what no class explains; 0 leaves all to the classes.
        iterations: updates, for learning and for separating alike.

    Raises:
        ValueError: an option is out of range.
    """

    family = "nmf"
    needs = frozenset({"examples"})
    joint = True

    def __init__(self, *, templates_per_class: int = 16, free_templates: int = 16, iterations: int = 100) -> None:
        if templates_per_class < 1 or free_templates < 0 or iterations < 1:
            raise ValueError(
                "templates_per_class and iterations must be at least 1, free_templates at least 0, "
                f"not {templates_per_class}, {iterations}, {free_templates}"
            )
        self.templates_per_class = templates_per_class
        self.free_templates = free_templates
        self.iterations = iterations
        self._learnt: dict[str, torch.Tensor] = {}

    def separate(self, mixture: torch.Tensor, queries: tuple[Query, ...], *, context: Context) -> Estimates:
        if not queries:
            return Estimates(audio=mixture.new_zeros((0, *mixture.shape)), residual=mixture.clone())
        stft = primitive_stft(rate_of(context))
        distinct = {query.target: query for query in queries}
        templates = [self._templates(query, stft, context).to(mixture.device) for query in distinct.values()]
        X = stft.forward(mixture)
        channels, bins, frames = X.shape
        V = X.abs().permute(1, 0, 2).reshape(bins, channels * frames)
        V = V / V.mean().clamp(min=_TINY)
        models = self._explain(V, templates, context.seed)
        whole = torch.stack(models).sum(dim=0).clamp(min=_TINY)
        estimates = {}
        for target, model in zip(distinct, models[: len(distinct)], strict=True):
            mask = (model / whole).reshape(bins, channels, frames).permute(1, 0, 2)
            estimates[target] = stft.inverse(X * mask, mixture.shape[-1])
        residual = mixture - torch.stack(list(estimates.values())).sum(dim=0)
        return Estimates(audio=torch.stack([estimates[query.target] for query in queries]), residual=residual)

    def _templates(self, query: Query, stft: STFT, context: Context) -> torch.Tensor:
        """Templates (bins, templates_per_class) of the query's class, learnt once from the same examples."""
        if not query.examples:
            raise ValueError(f"NMF needs examples of {query.target.label!r}, and the query has none")
        digest = hashlib.sha256(f"{stft} {context.seed}".encode())
        for example in query.examples:
            digest.update(str(tuple(example.shape)).encode())
            digest.update(example.cpu().contiguous().numpy().tobytes())
        known = digest.hexdigest()
        if known not in self._learnt:
            self._learnt[known] = self._learn(query, stft, context)
        return self._learnt[known]

    def _learn(self, query: Query, stft: STFT, context: Context) -> torch.Tensor:
        from sklearn.decomposition import NMF

        spectra = []
        for example in query.examples:
            magnitude = stft.forward(example.mean(dim=0)).abs()
            spectra.append(magnitude / magnitude.mean().clamp(min=_TINY))
        frames = torch.cat(spectra, dim=1).T.cpu().numpy()
        # tol=0: a fixed number of updates, since stopping early would depend on the platform's rounding.
        model = NMF(
            n_components=self.templates_per_class,
            init="random",
            solver="mu",
            beta_loss="kullback-leibler",
            tol=0,
            max_iter=self.iterations,
            random_state=np.random.RandomState(context.seed % 2**32),
        )
        model.fit(frames)
        return torch.from_numpy(np.ascontiguousarray(model.components_.T.astype(np.float32)))

    def _explain(self, V: torch.Tensor, templates: list[torch.Tensor], seed: int) -> list[torch.Tensor]:
        """Models (bins, frames) of V: one per class, and that of the free templates last."""
        sizes = [each.shape[1] for each in templates] + [self.free_templates]
        fixed = sum(sizes[:-1])
        generator = torch.Generator().manual_seed(seed)
        free = torch.rand((V.shape[0], self.free_templates), generator=generator).to(V.device)
        W = torch.cat([*templates, free], dim=1)
        # Templates of one total each, so that gains start on an equal footing.
        W = W / W.sum(dim=0).clamp(min=_TINY)
        H = torch.rand((W.shape[1], V.shape[1]), generator=generator).to(V.device)
        for _ in range(self.iterations):
            quotient = V / (W @ H).clamp(min=_TINY)
            H = H * (W.T @ quotient) / W.sum(dim=0)[:, None].clamp(min=_TINY)
            if self.free_templates:
                quotient = V / (W @ H).clamp(min=_TINY)
                gains = H[fixed:]
                updated = W[:, fixed:] * (quotient @ gains.T) / gains.sum(dim=1).clamp(min=_TINY)
                W = torch.cat([W[:, :fixed], updated], dim=1)
        return [w @ h for w, h in zip(W.split(sizes, dim=1), H.split(sizes), strict=True)]

    @classmethod
    def card(cls) -> ModelCard:
        """Facts about supervised NMF."""
        return ModelCard(
            name="nmf",
            family="nmf",
            summary="non-negative matrix factorisation with class templates learnt from examples",
            paper="Smaragdis, Raj and Shashanka, Supervised and Semi-Supervised Separation of Sounds from "
            "Single-Channel Mixtures, ICA 2007, doi:10.1007/978-3-540-74494-8_52",
            licence="MIT",
            parameters=0,
            notes="nothing is trained beforehand: templates are learnt from the examples that come with each query",
        )
