"""``figures.md``: the figures as tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

_SETS: Final = {
    "fold4_single": "ESC fold 4, single clips",
    "fold4_mixtures": "ESC fold 4, two clips at 0 dB",
    "held_out": "rendered, held-out programs and voices",
    "songs": "rendered songs",
    "unknown": "unknown classes",
    "noise": "noise",
    "silence": "silence",
}


def markdown(figures: dict[str, Any]) -> str:
    """All parts that were measured but ``spot``, one after the other, and why others were not."""
    made: dict[str, Callable[[Any], list[str]]] = {
        "tagger": _tagger, "separator": _separator, "blind": _blind, "voicebank": _voicebank, "speed": _speed,
        "scaling": _scaling,
    }  # fmt: skip
    parts = [line for name, of in made.items() if name in figures for line in ("", *of(figures[name]))]
    absent = [f"- {name}: {reason}" for name, reason in figures.get("absent", {}).items()]
    head = ["# Figures of the models that come with stemtree", "", _how(figures)]
    return "\n".join([*head, *parts, *(["", "## Not measured", "", *absent] if absent else [])]) + "\n"


def _how(figures: dict[str, Any]) -> str:
    made = figures["made"]
    return (
        f"Intervals are 95 % by resampling recordings. stemtree {made['stemtree']}, torch {made['torch']}, Python "
        f"{made['python']}, {made['machine']}."
    )


def _tagger(tagger: dict[str, Any]) -> list[str]:
    sets = {key: title for key, title in _SETS.items() if key in tagger}
    heads = ["clips", "recordings", "mAP", "mean F1", "false alarms per clip"]
    rows = [
        [title, one["clips"], one["recordings"], *(_seeds(one.get(key)) for key in ("map", "f1", "false_alarms"))]
        for key, title in sets.items()
        for one in (tagger[key],)
    ]
    lines = [
        "## mini-tagger", "",
        _trainings(tagger["calibrated"]), "", *_table(["set", *heads], rows),
    ]  # fmt: skip
    if "confusion" in tagger and "accuracy" in tagger["confusion"]:
        lines += [
            "",
            f"Accuracy on single clips among all declared classes: {_seeds(tagger['confusion']['accuracy'])}.",
        ]
        lines += ["", "### Confusion, first training", "", *_confusion(tagger["confusion"])]
    for key, title in sets.items():
        rows = [
            [name, row.get("clips", 0), *(_value(row.get(of)) for of in ("ap", "precision", "recall", "f1")),
             f"{row['false_alarms']} of {row['absent']}"]
            for name, row in tagger[key]["classes"].items()
        ]  # fmt: skip
        if rows:
            lines += ["", f"### {title}, by class", ""]
            lines += _table(["class", "clips", "AP", "precision", "recall", "F1", "false alarms"], rows)
    return lines


def _trainings(calibrated: Sequence[bool]) -> str:
    count, decided = len(calibrated), sum(calibrated)
    if count == 1:
        said = "One training."
    else:
        said = f"Means over {count} trainings, ± their standard deviation; by class, all but AP is of the first alone."
    if not decided:
        return f"{said} Nobody chose thresholds: a class is said to sound from 0.5 on."
    if decided == count:
        return said
    return f"{said} Thresholds were chosen for {decided} of them: F1 and false alarms are of {decided} alone."


def _confusion(confusion: dict[str, Any]) -> list[str]:
    rows = []
    for label, counts in zip(confusion["labels"], confusion["counts"], strict=True):
        others = sorted(
            ((count, name) for count, name in zip(counts, confusion["said"], strict=True) if count and name != label),
            key=lambda pair: (-pair[0], pair[1]),
        )
        right = counts[confusion["said"].index(label)]
        rows.append([label, sum(counts), right, ", ".join(f"{name} ({count})" for count, name in others)])
    return _table(["label", "clips", "right", "taken for"], rows)


def _separator(separator: dict[str, Any]) -> list[str]:
    wrong = separator["wrong_query"]
    rows = [
        [name, *(_value(one.get(metric)) for metric in ("sdri", "sdrg")), one.get("note", "")]
        for name, one in separator["separators"].items()
    ]
    rows.append(["mini-uss, wrong query", _value(wrong.get("sdri")), _value(wrong.get("sdrg")), ""])
    rows.append(
        ["mini-uss, right over wrong", *(_value(wrong.get(f"{m}_right_over_wrong")) for m in ("sdri", "sdrg")), ""]
    )
    left_out = wrong.get("left_out")
    refused = f" {left_out} mixtures with a class that mini-uss refuses have no wrong query." if left_out else ""
    classes = sorted(wrong["classes"])
    lines = [
        "## mini-uss", "",
        f"{separator['scenes']} mixtures of two clips of ESC fold 4 at 0 dB; medians within a class, mean over "
        f"classes, in dB.{refused}", "", *_table(["separator", "SDRi", "SDRg", ""], rows),
    ]  # fmt: skip
    for metric, title in (("sdri", "SDRi"), ("sdrg", "SDRg")):
        shown = [name for name, one in separator["separators"].items() if one.get("classes")]
        table = [
            [
                label,
                *(_value(separator["separators"][name]["classes"].get(label, {}).get(metric)) for name in shown),
                _value(wrong["classes"][label].get(metric)),
            ]
            for label in classes
        ]
        lines += ["", f"### {title} by class", "", *_table(["class", *shown, "wrong query"], table)]
    return lines


def _blind(blind: dict[str, Any]) -> list[str]:
    depths = list(blind["detection"])
    rows = [[name, *(_value(one.get(depth)) for depth in depths)] for name, one in sorted(blind["systems"].items())]
    difference = blind["ours_over_labels_half"]
    rows.append(["mini-tagger+mini-uss over labels+half", *(_value(difference[depth]) for depth in depths)])
    counts = [[depth, *one.values()] for depth, one in blind["detection"].items()]
    splits = [
        [
            f"d{one['depth']}", _value(one["score"]), _value(one["score_oracle"]),
            *(_value({"value": one[part], "low": one[f"{part}_low"], "high": one[f"{part}_high"]})
              for part in ("detection", "separation")),
            one["scenes"],
        ]
        for one in blind["split"]
    ]  # fmt: skip
    return [
        "## Blind scenes", "",
        f"{blind['scenes']} scenes of ESC fold 4; `capi_sdri@dcase2026` by depth, in dB. The last row is paired, over "
        "scenes in which both have a value.", "", *_table(["system", *depths], rows),
        "", "### What is lost against labels+irm", "",
        *_table(["depth", "score", "oracles", "in detection", "in separation", "scenes"], splits),
        "", "### What mini-tagger says", "",
        *_table(["depth", "true positives", "false positives", "false negatives", "false in empty scenes"], counts),
    ]  # fmt: skip


def _voicebank(speech: dict[str, Any]) -> list[str]:
    rows = [
        [name.partition("@")[0], *(_value(side) for side in one.values())]
        for name, one in speech.items()
        if "@" in name
    ]
    speakers = ", ".join(speech["speakers"])
    heard = (
        f"{one['speech']} of {speech['utterances']} {side} utterances (and on average "
        f"{one['other_classes_per_utterance']:.2f} other classes)"
        for side, one in speech["heard"].items()
    )
    return [
        "## VoiceBank-DEMAND, query Speech", "",
        f"Means over {speech['utterances']} utterances of {speakers}, in dB.", "",
        *_table(["metric", "mini-uss", "noisy input", "difference"], rows), "",
        f"mini-tagger hears Speech in {' and in '.join(heard)}.",
    ]  # fmt: skip


def _speed(speed: dict[str, Any]) -> list[str]:
    named = [("tagging", speed["tagging"]), *(("finding and extracting all", one) for one in speed["hierarchy"])]
    rows = [
        [name, f"{one['seconds']} s", one.get("classes", ""), f"{one['cpu_seconds']:.2f}",
         f"{one['real_time_factor']:.3f}", "–" if one["memory_mb"] is None else f"{one['memory_mb']:.0f}"]
        for name, one in named
    ]  # fmt: skip
    heads = ["task", "audio", "classes", "CPU s", "real-time factor", "memory, MB"]
    return ["## Speed on one core", "", *_table(heads, rows)]


def _scaling(rows: Sequence[dict[str, Any]]) -> list[str]:
    heads = ["run", "family", "clips", "parameters", "steps"]
    measured = list(dict.fromkeys(name for row in rows for name in row["test"]))
    table = [[*(row[head] for head in heads), *(_value(row["test"].get(name)) for name in measured)] for row in rows]
    return ["## Data and size", "", *_table([*heads, *measured], table)]


def _seeds(found: dict[str, Any] | None) -> str:
    spread = found.get("standard_deviation") if found else None
    return _value(found) + (f" ± {spread:.3f}" if spread is not None else "")


def _value(found: dict[str, Any] | float | None) -> str:
    if not isinstance(found, dict):
        return "–" if found is None else f"{found:.3f}"
    if found["value"] is None:
        return "–"
    interval = "" if found.get("low") is None else f" [{found['low']:.2f}, {found['high']:.2f}]"
    return f"{found['value']:.3f}{interval}"


def _table(heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[str]:
    lines = ["| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads)]
    return lines + ["| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |" for row in rows]
