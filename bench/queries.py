"""Saved queries: made from example clips, and what a folder of them asks for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch

from bench.audio import FileSignal, Mono, Resampled
from bench.scene import SceneError
from ontology import Ontology
from ontology.labelmaps import complement_labels
from separators.uss.nets import open_checkpoint, open_query_net
from taggers.cache import cache_folder
from taggers.examples import encode_examples
from taggers.query_nets import SAMPLE_RATE
from taggers.saved_queries import SUFFIX, QueryMeta, load_query, save_query


class QueryError(ValueError):
    """A query cannot be made or read; the message names the file, and the remedy."""


def make_query(
    label: str,
    clips: Sequence[Path],
    out: Path,
    *,
    checkpoint: Path | None = None,
    query_net: Path | None = None,
    remove_silence: bool = False,
    force: bool = False,
    progress: Callable[[str], object] | None = None,
) -> QueryMeta:
    """Average what the query net of a USS separator hears in clips of one class, and save it.

    Args:
        label: a class of the ontology by name or mid, or a label that is none, such as "accompaniment".
        clips: files of any rate, length and layout.
        out: file to write; its name ends on ``.safetensors``.
        checkpoint: of the separator that will be asked; None for the published one.
        query_net: path of the weights of its tagger; None as for :func:`separators.uss.nets.open_query_net`.
        remove_silence: drop silent frames of the clips.
        force: replace a file that is there.
        progress: told in words how far it is.

    Returns:
        What the query was made from.

    Raises:
        QueryError: there is no such class, ``out`` cannot be written, or a clip cannot be used.
        taggers.base.Unavailable: weights are not to be had.
    """
    name = _class(label)
    if out.suffix != SUFFIX:
        raise QueryError(f"{out}: the name of a saved query ends on {SUFFIX}")
    if out.exists() and not force:
        raise QueryError(f"{out} is there already; --force replaces it")
    tell = progress or (lambda message: None)
    tell("loading weights")
    try:
        opened = open_checkpoint(checkpoint)
        net = open_query_net(opened, query_net, condition_size=opened.condition_size())
    except ValueError as error:
        raise QueryError(str(error)) from error
    try:
        encoded = encode_examples(
            net,
            _read(clips),
            remove_silence=remove_silence,
            cache=cache_folder() / "queries",
            progress=lambda count: tell(f"clip {count} of {len(clips)}"),
        )
    except SceneError as error:
        raise QueryError(str(error)) from error
    except ValueError as error:
        raise QueryError(f"{', '.join(map(str, clips[:3]))}{', ...' if len(clips) > 3 else ''}: {error}") from error
    meta = QueryMeta.of(net, name, encoded.clips)
    save_query(out, encoded.vector, meta)
    return meta


def saved_classes(folder: Path) -> tuple[str, ...]:
    """The classes of the ontology that the saved queries in a folder ask for.

    Raises:
        QueryError: there are none, or a file is no saved query.
    """
    files = sorted(folder.glob(f"*{SUFFIX}"))
    if not files:
        raise QueryError(f"{folder}: no saved query (*{SUFFIX}) here; make one with `stemtree query make`")
    try:
        labels = [load_query(file)[1].target for file in files]
    except ValueError as error:
        raise QueryError(str(error)) from error
    return tuple(dict.fromkeys(label for label in labels if label in Ontology.audioset()))


def _class(label: str) -> str:
    """The class's own name, or the label where it is no class but known."""
    if label in complement_labels():
        return label
    try:
        return Ontology.audioset()[label].name
    except KeyError as error:
        raise QueryError(str(error.args[0])) from None


def _read(clips: Sequence[Path]) -> Iterator[torch.Tensor]:
    for path in clips:
        yield Resampled(Mono(FileSignal(path)), SAMPLE_RATE).read()
