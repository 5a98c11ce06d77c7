"""From what a person asks for to a finished folder: tagger, separators and settings found, pictures and page made."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from bench import plugins
from bench.analysis.dispatch import Named, prepare
from bench.analysis.settings import AnalysisSettings
from bench.analysis.tree import SCENE_FILE, SceneTree
from bench.describe import check_options
from bench.progress import spinner
from taggers.annotation_file import read_annotation
from taggers.base import Annotation, Tagger

if TYPE_CHECKING:
    import torch

DEFAULT_TAGGER: Final = "mini-tagger"
DEFAULT_SEPARATORS: Final = ("mini-uss", "repet-sim", "hpss")
"""In order of preference: none needs a download, and each says which classes it stands for. What was learnt comes
first, then a voice before what repeats, then pitched instruments and percussion. Baselines and oracles extract nothing
from a recording that comes alone."""
USS_TAGGER: Final = "panns-sed"
"""Listens under the rules of uss, whose threshold is made for its probabilities."""
LABELS: Final = "labels"
_MADE: Final = ("spectrograms", "activity.svg", "activity.png", "index.html")
"""What an analysis writes beside ``scene.json`` and the audio."""


class AnalysisError(ValueError):
    """An analysis cannot begin as it was asked for; the message says what is wrong, and the remedy."""


def analyze_recording(
    path: Path,
    out: Path,
    *,
    tagger: str | None = None,
    separators: Sequence[str] = (),
    labels: Path | Annotation | None = None,
    preset: str | None = None,
    settings: Mapping[str, Any] | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
    force: bool = False,
    device: torch.device | None = None,
) -> SceneTree:
    """Analyse a recording into a folder: audio, ``scene.json``, pictures, and the page ``index.html``.

    Arguments and errors as for :func:`bench.api.analyze`; ``settings`` are fields of :class:`AnalysisSettings` that
    were given.
    """
    from bench.analysis.analyze import analyze
    from bench.analysis.pictures import add_pictures
    from leaderboard.scene_page import build_scene_page

    for given in (path, out):
        shown = str(given).encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        if shown != str(given):  # libsndfile and JSON take UTF-8 alone
            raise AnalysisError(f"{shown}: its name is not UTF-8; rename it")
    if path.is_dir():
        raise AnalysisError(f"{path} is a folder; name one recording")
    if not path.is_file():
        raise AnalysisError(f"{path}: no such file; check its path")
    _check_folder(out, force=force)
    checked = _settings(preset, settings or {})
    known = options or {}
    ready, notes = _separators(separators or DEFAULT_SEPARATORS, known)
    name = tagger or _tagger_for(labels, checked, known)
    _check_names(known, [*(separators or DEFAULT_SEPARATORS), *([name] if name else [])])
    hearing = make_tagger(name, known.get(plugins.option_name(name), {})) if name else None
    annotation = _annotation(name, hearing, labels, checked)
    try:
        tree = analyze(
            path,
            out=out,
            separators=ready,
            tagger=hearing,
            tagger_name=name,
            settings=checked,
            annotation=annotation,
            device=device,
            notes=notes,
        )
    except ValueError as error:  # what the recording, the folder or the tagger cannot serve, found on the way
        raise AnalysisError(str(error)) from error
    tree = tree.model_copy(update={"notes": (*tree.notes, *_beyond(annotation, tree))})
    _clear(out)
    with spinner("drawing") as tell:
        tree = add_pictures(out, tree, progress=tell)
        build_scene_page(out, tree.model_dump(mode="json"), progress=tell)
    return tree


def make_tagger(name: str, options: Mapping[str, Any]) -> Tagger:
    """Construct a tagger.

    Raises:
        PluginError: it is unknown, cannot be loaded, is no :class:`Tagger`, or has no such option.
        AnalysisError: an option's value does not fit.
        Unavailable: its weights are not to be had.
    """
    kind = plugins.load("taggers", name)
    if not (isinstance(kind, type) and issubclass(kind, Tagger)):
        raise plugins.PluginError(f"tagger {name!r} is {kind!r}, not a class derived from taggers.base.Tagger")
    check_options(name, kind, options)
    try:
        return kind(**options)
    except (TypeError, ValueError) as error:
        raise AnalysisError(f"tagger {name}: {error}") from error


def _check_folder(out: Path, *, force: bool) -> None:
    if out.exists() and not out.is_dir():
        raise AnalysisError(f"{out} is a file; name a folder")
    if not out.is_dir() or not any(out.iterdir()):
        return
    if not (out / SCENE_FILE).is_file():
        raise AnalysisError(f"{out} holds files that are no analysis; name a new or empty folder")
    if not force:
        raise AnalysisError(f"{out} holds an earlier analysis; --force replaces it")


def _clear(out: Path) -> None:
    """Drop pictures and page of an earlier analysis: they must never stand beside another's audio."""
    for name in _MADE:
        path = out / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _settings(preset: str | None, given: Mapping[str, Any]) -> AnalysisSettings:
    try:
        return AnalysisSettings.uss(**given) if preset == "uss" else AnalysisSettings(**given)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        said = first["msg"].removeprefix("Value error, ")
        raise AnalysisError(f"{field}: {said} (it is {first['input']!r})" if field else said) from error


def _separators(
    names: Sequence[str], options: Mapping[str, Mapping[str, Any]]
) -> tuple[tuple[Named, ...], tuple[str, ...]]:
    ready, notes = prepare(tuple(dict.fromkeys(names)), options=options)
    for named in ready:
        if "reference" in named.separator.needs:
            raise AnalysisError(
                f"separator {named.name} is an oracle: it needs the true sources, which a recording alone does not "
                "have; name another (see `stemtree list separators`)"
            )
    if not ready:
        raise AnalysisError("; ".join(notes))
    return ready, notes


def _check_names(options: Mapping[str, Any], used: Sequence[str]) -> None:
    names = [plugins.option_name(name) for name in used]
    for name in options:
        if name not in names:
            raise AnalysisError(f"--option {name}: neither the tagger nor a separator; there are {', '.join(names)}")


def _tagger_for(
    labels: Path | Annotation | None, settings: AnalysisSettings, options: Mapping[str, Mapping[str, Any]]
) -> str | None:
    """The tagger where nobody named one; None where the classes are known to sound."""
    if labels is not None:
        return LABELS
    if settings.classes:
        return None
    if settings.rules != "uss":
        return DEFAULT_TAGGER
    from taggers.panns import CNN14_DECISION_LEVEL_MAX as WEIGHTS

    if not WEIGHTS.path.is_file() and "checkpoint" not in options.get(USS_TAGGER, {}):
        raise AnalysisError(
            f"no tagger: {USS_TAGGER} lacks its weights, {WEIGHTS.name} ({WEIGHTS.size / 1e6:.0f} MB, "
            f"{WEIGHTS.licence}) from {WEIGHTS.url}; put them at {WEIGHTS.path}, or let `--tagger {USS_TAGGER}` "
            f"fetch them, or name another, as in `--tagger {DEFAULT_TAGGER}`, or say what sounds: --classes NAME"
        )
    return USS_TAGGER


def _beyond(annotation: Annotation | None, tree: SceneTree) -> tuple[str, ...]:
    """A note where events lie after the recording's end: times in milliseconds, or another recording's events."""
    events = annotation.events if annotation else ()
    late = sum(event.start >= tree.recording.seconds for event in events)
    if not late:
        return ()
    return (
        f"{late} of {len(events)} annotated events begin after the recording ends, at {tree.recording.seconds:.1f} s: "
        "are their times in seconds, and of this recording?",
    )


def _annotation(
    name: str | None, tagger: Tagger | None, labels: Path | Annotation | None, checked: AnalysisSettings
) -> Annotation | None:
    wanted = tagger is not None and tagger.needs_annotation
    if wanted and labels is None:
        raise AnalysisError(f"tagger {name} repeats an annotation: give it one with --labels CSV (start,end,class)")
    if not wanted and labels is not None:
        raise AnalysisError(f"--labels is for a tagger that repeats an annotation, and {name} listens for itself")
    if wanted and checked.rules == "uss":
        raise AnalysisError(
            f"--preset uss goes by probabilities of AudioSet's labelled classes, which tagger {name} does not give; "
            "name a tagger that listens, or leave the preset out"
        )
    if labels is None or isinstance(labels, Annotation):
        return labels
    try:
        return read_annotation(labels)
    except ValueError as error:
        raise AnalysisError(str(error)) from error
