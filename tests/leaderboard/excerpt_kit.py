"""Listening excerpts as a run leaves them: one scene, its references, and what each separator made of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from reports.excerpts import (
    SCENE_FILE,
    CellExcerpt,
    Estimate,
    Reference,
    SceneExcerpt,
    Sound,
    Track,
    cell_file,
    excerpt_folder,
)

RATE = 8_000
SECONDS = 2.0
START = 12.5
CONTENT = "c" * 64
"""Hash of the scene's content, as the results folder that the writer of the fixtures makes has it."""
STEMS = ("vocals", "drums")

Sounding = Callable[[Path, str, int], Track]
"""Writes the track of "mixture", "reference" or a separator, and of which stem, into a folder."""


def write_excerpt(
    results: Path,
    dataset: str,
    scene: str,
    separators: Sequence[str],
    sounding: Sounding,
    *,
    keys: Mapping[str, str] | None = None,
    content: str = CONTENT,
) -> Path:
    """The folder of the excerpt; ``keys`` are those of cells that are not what the writer of the fixtures gives."""
    folder = excerpt_folder(results, dataset, scene, content)
    folder.mkdir(parents=True, exist_ok=True)
    stems = list(enumerate(STEMS))
    told = SceneExcerpt(
        dataset=dataset, split="test", scene=scene, content=content, licence="CC BY-NC 4.0", start=START,
        seconds=SECONDS, sample_rate=RATE, channels=1, mixture=sounding(folder, "mixture", 0),
        references=tuple(
            Reference(index=place, target=stem, track=sounding(folder, "reference", place)) for place, stem in stems
        ),
    )  # fmt: skip
    (folder / SCENE_FILE).write_text(told.model_dump_json(), encoding="utf-8")
    residual = Sound(loudness=-30.0, peak=0.2, picture=told.mixture.picture)
    for number, name in enumerate(separators):
        key = (keys or {}).get(name, f"{name}/{dataset}/test/{scene}")
        estimates = tuple(
            Estimate(
                index=place, track=sounding(folder, name, place), residual=residual,
                frames=(3.0 + number, None if place else "exact"),
            )
            for place, _ in stems
        )  # fmt: skip
        cell = CellExcerpt(key=key, separator=name, estimates=estimates)
        cell_file(folder, key).write_text(cell.model_dump_json(), encoding="utf-8")
    return folder
