"""Universal source separation: five separators around one network, told apart by where a query comes from.

``uss`` averages example clips, ``uss-query`` takes saved queries, ``uss-classes`` asks by classes of the ontology,
``uss-oracle`` hears the true source, and ``uss-labels`` runs networks that were trained on labels. Source: Kong et al.,
"Universal Source Separation with Weakly Labelled Data", arXiv:2305.07447, and its public code at c19e2c5.

Audio is mono at 32 kHz in segments of 2 s. Unless told otherwise, segments overlap and are cross-faded, each channel is
separated by itself, classes are those of the whole ontology, and an estimate counts as silent by its largest absolute
sample. ``compat`` does as the public code: channels are averaged, segments neither overlap nor fade, classes are those
of its tree with one parent each, and an estimate counts as silent by its highest sample, so that a signal which is
never positive is dropped; it computes in float32 unless told otherwise.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import torch

from ontology import Ontology, Target
from ontology.first_parents import labelled_below
from separators.base import Context, Query, Unavailable
from separators.card import ModelCard
from separators.uss.backends import Backend
from separators.uss.checkpoint import AT_SOFT
from separators.uss.description import LABELS
from separators.uss.engine import Precision
from separators.uss.label_query import label_condition
from separators.uss.nets import joint_sha256
from separators.uss.universal import Asked, HearingSeparator, UniversalSeparator, everywhere
from taggers.base import LABELLED
from taggers.cache import cache_folder
from taggers.examples import encode_examples
from taggers.panns import CNN14
from taggers.query_nets import class_mask
from taggers.saved_queries import SUFFIX, load_query

THRESHOLD: Final = 0.2
"""Of the public code: a class is separated in the segments in which it is at least this probable."""
_PAPER: Final = "Kong et al., Universal Source Separation with Weakly Labelled Data, 2023, arXiv:2305.07447"
_URL: Final = "https://github.com/bytedance/uss"
_PARAMETERS: Final = 26_595_781
"""Of the separating network with 527 conditions."""


class Uss(HearingSeparator):
    """Universal source separation, told what to extract by example clips: the papers' protocol."""

    needs = frozenset({"examples"})
    max_examples = None

    def __init__(
        self,
        *,
        checkpoint: str | None = None,
        query_net: str | None = None,
        remove_silence: bool = False,
        compat: bool = False,
        dtype: Precision = "auto",
        backend: Backend = "torch",
        merge_tolerance: float = 0.0,
        memory_mb: int = 1024,
    ) -> None:
        """Load the networks; arguments and errors as for :class:`HearingSeparator`.

        ``remove_silence`` drops silent frames of the examples, as the papers' evaluation does on MUSDB18 and
        VoiceBank-DEMAND and on no other set.
        """
        super().__init__(
            checkpoint=checkpoint, query_net=query_net, compat=compat, dtype=dtype, backend=backend,
            merge_tolerance=merge_tolerance, memory_mb=memory_mb,
        )  # fmt: skip
        self._remove_silence = remove_silence

    def encode(self, examples: Iterable[torch.Tensor], *, context: Context) -> torch.Tensor:
        """Average what the query net hears in the clips, each of which is remembered by its content."""
        self.ear.move(context.device)
        return encode_examples(
            self.net,
            examples,
            remove_silence=self._remove_silence,
            cache=cache_folder() / "queries",
            device=context.device,
        ).vector

    def ask(self, segments: torch.Tensor, queries: tuple[Query, ...], *, context: Context) -> Asked:
        """The same of every segment."""
        conditions = [
            self.encode(query.examples, context=context) if query.condition is None else query.condition.cpu()
            for query in queries
        ]
        return everywhere(torch.stack(conditions), segments)

    @classmethod
    def card(cls) -> ModelCard:
        """Facts about it."""
        return universal_card("uss", "query averaged over example clips of the class")


class UssOracle(HearingSeparator):
    """Universal source separation that hears the true source as its query: an upper bound of its queries."""

    needs = frozenset({"reference"})

    def ask(self, segments: torch.Tensor, queries: tuple[Query, ...], *, context: Context) -> Asked:
        """Of each segment what the query net hears in the true source there."""
        references = [query.reference for query in queries if query.reference is not None]
        if len(references) < len(queries):
            raise ValueError("uss-oracle hears the true source, and a query has no reference")
        heard = self.ear.hear(torch.cat([self.cut(reference) for reference in references]), device=context.device)
        conditions = self.net.adapt(heard).reshape(len(queries), len(segments), -1)
        return Asked(conditions, torch.ones(conditions.shape[:2], dtype=torch.bool, device=conditions.device))

    @classmethod
    def card(cls) -> ModelCard:
        """Facts about it."""
        return universal_card("uss-oracle", "query heard in the true source, as in the validation during training")


class UssClasses(HearingSeparator):
    """Universal source separation by class: the mixture's clip probabilities of the classes at or below the target."""

    def __init__(
        self,
        *,
        checkpoint: str | None = None,
        query_net: str | None = None,
        threshold: float = THRESHOLD,
        compat: bool = False,
        dtype: Precision = "auto",
        backend: Backend = "torch",
        merge_tolerance: float = 0.0,
        memory_mb: int = 1024,
    ) -> None:
        """Load the networks; arguments and errors as for :class:`HearingSeparator`.

        A segment in which no class at or below the target is as probable as ``threshold`` gives zeros, unless the query
        says that the target sounds there.

        Raises:
            ValueError: the threshold is no probability, or the query net reads an embedding, whose units are no
                classes.
        """
        if not 0 <= threshold <= 1:
            raise ValueError(f"threshold {threshold}: a probability is wanted, 0 to 1")
        super().__init__(
            checkpoint=checkpoint, query_net=query_net, compat=compat, dtype=dtype, backend=backend,
            merge_tolerance=merge_tolerance, memory_mb=memory_mb,
        )  # fmt: skip
        self._threshold = threshold
        # A net that cannot be asked for classes says so here, and not in the midst of a run.
        self.net.condition(torch.zeros(LABELLED), torch.zeros(LABELLED, dtype=torch.bool))

    def refuses(self, target: Target) -> str | None:
        """Why ``target`` cannot be asked for by class, or None if it can."""
        if not target.mids:
            return f"{target.label!r} is a complement target and no class"
        if not self._mask(target).any():
            return f"{target.label!r} has no label in AudioSet, nor has a class below it: a tagger cannot tell it"
        return None

    def ask(self, segments: torch.Tensor, queries: tuple[Query, ...], *, context: Context) -> Asked:
        """The mixture's probabilities of the classes asked for, where one of them is probable enough."""
        masks = torch.stack([self._mask(query.target) for query in queries])[:, None]
        heard = self.ear.hear(segments, device=context.device)
        probable = torch.where(masks.to(heard.device), heard, -1.0).amax(dim=-1) >= self._threshold
        told = torch.stack([self._told(query, len(segments)) for query in queries])
        return Asked(self.net.condition(heard, masks), probable | told.to(heard.device))

    def _mask(self, target: Target) -> torch.Tensor:
        if not self.compat:
            return class_mask(target.mids)
        mask = torch.zeros(LABELLED, dtype=torch.bool)
        for mid in target.mids:
            mask[list(labelled_below()[Ontology.audioset()[mid].mid])] = True
        return mask

    def _told(self, query: Query, segments: int) -> torch.Tensor:
        """Segments in which the query says that its target sounds: bool ``(segments,)``."""
        told = torch.zeros(segments, dtype=torch.bool)
        for start, end in () if self.compat else query.spans:
            told[int(start // self._seconds) : max(int(-(-end // self._seconds)), 0)] = True
        return told

    @classmethod
    def card(cls) -> ModelCard:
        """Facts about it."""
        return universal_card(
            "uss-classes", "query made of the mixture's own clip probabilities of the classes asked for"
        )


class UssQuery(HearingSeparator):
    """Universal source separation by saved queries, one file per class, as `stemtree query make` writes them."""

    def __init__(
        self,
        *,
        queries: str | None = None,
        checkpoint: str | None = None,
        query_net: str | None = None,
        compat: bool = False,
        dtype: Precision = "auto",
        backend: Backend = "torch",
        merge_tolerance: float = 0.0,
        memory_mb: int = 1024,
    ) -> None:
        """Load the networks, and the queries of the folder ``queries``; arguments as for :class:`HearingSeparator`.

        Raises:
            Unavailable: weights are not to be had, no folder is named, or it holds no queries.
            ValueError: a file cannot be read, comes from another query net, or asks for what another asks for.
        """
        files = query_files(queries)
        super().__init__(
            checkpoint=checkpoint, query_net=query_net, compat=compat, dtype=dtype, backend=backend,
            merge_tolerance=merge_tolerance, memory_mb=memory_mb,
        )  # fmt: skip
        self._queries: dict[str, torch.Tensor] = {}
        self._folder = queries
        for file in files:
            vector, meta = load_query(file, net=self.net)
            name = _canonical(meta.target)
            if name in self._queries:
                raise ValueError(f"{file}: {meta.target!r} has another saved query in this folder; keep one of them")
            self._queries[name] = vector

    def weights_sha256(self) -> str:
        """One SHA-256 for both networks and all saved queries."""
        digests = [hashlib.sha256(vector.numpy().tobytes()).hexdigest() for vector in self._queries.values()]
        saved = [f"{name} {digest}" for name, digest in zip(self._queries, digests, strict=True)]
        return joint_sha256(super().weights_sha256(), *sorted(saved))

    def refuses(self, target: Target) -> str | None:
        """Why there is no query for ``target``, or None if there is one."""
        if self._find(target) is None:
            return f"there is no saved query of {target.label!r} in {self._folder}"
        return None

    def ask(self, segments: torch.Tensor, queries: tuple[Query, ...], *, context: Context) -> Asked:
        """The same of every segment."""
        found = [self._find(query.target) for query in queries]
        for query, vector in zip(queries, found, strict=True):
            if vector is None:
                raise ValueError(f"{self.refuses(query.target)}; ask refuses() first")
        return everywhere(torch.stack([vector for vector in found if vector is not None]), segments)

    def _find(self, target: Target) -> torch.Tensor | None:
        by_label = self._queries.get(_canonical(target.label))
        if by_label is None and len(target.mids) == 1:
            return self._queries.get(target.mids[0])
        return by_label

    @classmethod
    def card(cls) -> ModelCard:
        """Facts about it."""
        return universal_card("uss-query", "saved queries, averaged over example clips beforehand")


class UssLabels(UniversalSeparator):
    """Universal source separation with a network trained on labels alone, which needs no tagger."""

    def __init__(
        self,
        *,
        checkpoint: str | None = None,
        compat: bool = False,
        dtype: Precision = "auto",
        backend: Backend = "torch",
        merge_tolerance: float = 0.0,
        memory_mb: int = 1024,
    ) -> None:
        """Load the network; arguments and errors as for :class:`UniversalSeparator`.

        Raises:
            Unavailable: no checkpoint is named: there is no published one.
            ValueError: the checkpoint was not trained on labels.
        """
        if checkpoint is None:
            raise Unavailable(
                "uss-labels has no published weights: train your own (`stemtree train uss query=labels`) and give its "
                "path as checkpoint"
            )
        super().__init__(
            checkpoint=checkpoint, compat=compat, dtype=dtype, backend=backend, merge_tolerance=merge_tolerance,
            memory_mb=memory_mb,
        )  # fmt: skip
        described = self.checkpoint.description
        if described is None or described.query != LABELS:
            raise ValueError(
                f"{self.checkpoint.path}: was not trained on labels; take uss, uss-classes, uss-query or uss-oracle"
            )
        self._trained = described.classes

    def refuses(self, target: Target) -> str | None:
        """Why labels cannot ask for ``target``, or None if they can."""
        if not target.mids:
            return f"{target.label!r} is a complement target and no class"
        try:
            label_condition(target.mids, trained=self._trained)
        except ValueError as error:
            return str(error)
        return None

    def ask(self, segments: torch.Tensor, queries: tuple[Query, ...], *, context: Context) -> Asked:
        """The same of every segment."""
        conditions = [label_condition(query.target.mids, trained=self._trained) for query in queries]
        return everywhere(torch.stack(conditions), segments)

    @classmethod
    def card(cls) -> ModelCard:
        """Facts about it; on what a network was trained stands in its checkpoint."""
        return ModelCard(
            name="uss-labels",
            family=cls.family,
            summary="ResUNet30 trained on labels of one's own; conditions mark the classes at or below the target",
            paper=_PAPER,
            url=_URL,
            licence="Apache-2.0",
            notes="no published weights; the checkpoint says which classes it was trained to extract",
        )


def query_files(folder: str | None) -> list[Path]:
    """The saved queries in a folder.

    Raises:
        Unavailable: no folder is named, or it holds none.
    """
    remedy = "make them with `stemtree query make --class NAME --out FILE CLIP...`"
    if folder is None:
        raise Unavailable(f"uss-query needs saved queries: name their folder as queries, and {remedy}")
    files = sorted(Path(folder).expanduser().glob(f"*{SUFFIX}"))
    if not files:
        raise Unavailable(f"no saved queries (*{SUFFIX}) in {folder}: {remedy}")
    return files


def _canonical(label: str) -> str:
    """The mid of a class by whatever name; a label that names no class as it is."""
    onto = Ontology.audioset()
    return onto[label].mid if label in onto else label


def universal_card(name: str, query: str) -> ModelCard:
    """The card of a separator that runs the published network."""
    return ModelCard(
        name=name,
        family="uss",
        summary=f"ResUNet30 of universal source separation; {query}",
        paper=_PAPER,
        url=_URL,
        licence="Apache-2.0",
        parameters=_PARAMETERS,
        training_data=("AudioSet",),
        weights=(*AT_SOFT.for_card(), *CNN14.for_card()),
        notes=f"weights: {AT_SOFT.source} ({AT_SOFT.licence}); a checkpoint of your own may replace them",
    )
