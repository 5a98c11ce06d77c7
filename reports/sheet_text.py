"""A table of the leaderboard for people: Markdown and LaTeX, rounded as it is shown, intervals beside the figures."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from itertools import groupby
from typing import Final

from reports.sheets import Head, Line, Reported, Sheet, one_line

_Escape = Callable[[str], str]
_NONE: Final = "\N{EN DASH}"
_ENDS: Final = ("Measured", "RTF", "Memory")
_REPORTED: Final = (
    "System", "Target", "Metric, as the source calls it", "Aggregation", "Reported", "Source", "Notes",
)  # fmt: skip
_ELSEWHERE: Final = "Reported elsewhere: not measured here, and not ranked"
_MARKDOWN: Final = re.compile(r"([\\`*_\[\]<>|&$~#@]|:(?=/))")
_LATEX: Final = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "{": r"\{",
        "}": r"\}",
        "$": r"\$",
        "&": r"\&",
        "#": r"\#",
        "_": r"\_",
        "%": r"\%",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        "`": r"\textasciigrave{}",
        '"': r"\char34{}",  # German shorthands make it active
        "\N{MINUS SIGN}": "$-$",
        "\N{EN DASH}": r"\textendash{}",
        "\N{EM DASH}": r"\textemdash{}",
        "\N{MIDDLE DOT}": r"\textperiodcentered{}",
        "\N{NO-BREAK SPACE}": "~",
    }
)


def markdown(sheet: Sheet) -> str:
    """The table as GitHub shows it: a heading, its notes, the rows; headings of groups are rows of their own.

    Names are escaped, so that they show as they are: no markup, link, mention or formula comes of them.
    """
    heads = ["Separator", "Family", "Rank", *(", ".join(_head(head)) for head in sheet.heads), *_ENDS]
    rows = []
    for heading, members in _groups(sheet):
        if heading:
            rows.append([f"*{markdown_escape(heading)}*", *[""] * (len(heads) - 1)])
        rows += [_cells(line, words=markdown_escape, figures=str) for line in members]
    blocks = [f"## {markdown_escape(sheet.title)}", *map(markdown_escape, sheet.notes)]
    blocks.append(_pipes(map(markdown_escape, heads), rows, left=2))
    if sheet.reported:
        told = [[markdown_escape(cell) for cell in _reported(row)] for row in sheet.reported]
        blocks += [f"### {_ELSEWHERE}", _pipes(_REPORTED, told, left=len(_REPORTED))]
    return "\n\n".join(blocks) + "\n"


def latex(sheet: Sheet) -> str:
    r"""The table as a LaTeX ``table`` of ``booktabs``, with its notes in the caption; reported figures in another.

    Every name is escaped: none can end a row, begin a command or a comment. Lines of headings come in two, so that
    columns stay narrow.
    """
    heads = [_head(head) for head in sheet.heads]
    tops = [("Separator",), ("Family",), ("Rank",), *heads, *((end,) for end in _ENDS)]
    lines = [_joined(latex_escape(top[0]) for top in tops)]
    if any(len(top) > 1 for top in tops):
        lines.append(_joined(latex_escape(", ".join(top[1:])) for top in tops))
    for heading, members in _groups(sheet):
        lines.append(r"\midrule")
        if heading:
            lines.append(rf"\multicolumn{{{len(tops)}}}{{@{{}}l}}{{\emph{{{latex_escape(heading)}}}}} \\")
        lines += [_joined(_cells(line, words=latex_escape, figures=latex_escape)) for line in members]
    caption = " ".join([f"{sheet.title}.", *sheet.notes])
    tables = [_table(caption, "ll" + "r" * (len(tops) - 2), lines)]
    if sheet.reported:
        lines = [_joined(map(latex_escape, _REPORTED)), r"\midrule"]
        lines += [_joined(map(latex_escape, _reported(row))) for row in sheet.reported]
        tables.append(_table(f"{sheet.title}. {_ELSEWHERE}.", r"llllrlp{0.25\linewidth}", lines))
    return "\n".join([r"% Needs \usepackage{booktabs} in the preamble.", *tables]) + "\n"


def markdown_escape(text: str) -> str:
    """``text`` on one line, every character that Markdown or GitHub could take for markup escaped."""
    return _MARKDOWN.sub(r"\\\1", one_line(text))


def latex_escape(text: str) -> str:
    """``text`` on one line, every character that is special to LaTeX written out; a minus sign is that of formulas."""
    escaped = re.sub(r"-(?=-)", "-{}", one_line(text).translate(_LATEX))
    # After the end of a row, LaTeX reads a bracket or an asterisk as belonging to it.
    return f"{{}}{escaped}" if escaped.startswith(("[", "*")) else escaped


def _groups(sheet: Sheet) -> list[tuple[str | None, list[Line]]]:
    return [(heading, list(members)) for heading, members in groupby(sheet.lines, lambda line: line.group)]


def _head(head: Head) -> tuple[str, ...]:
    title = f"{head.title} ({head.unit})" if head.unit else head.title
    return (title, head.remark) if head.remark else (title,)


def _cells(line: Line, *, words: _Escape, figures: _Escape) -> list[str]:
    if isinstance(line.rank, str):
        rank = _NONE
    else:
        best, worst = line.rank
        rank = str(best) if best == worst else f"{best}{_NONE}{worst}"
    shown = []
    for figure in line.figures:
        text = figures(" ".join(filter(None, (figure.text or _NONE, figure.interval))))
        shown.append(f"{text} ({words('; '.join(figure.remarks))})" if figure.remarks else text)
    ends = (line.measured_text, *(text or _NONE for text in line.cost_texts))
    return [words(line.separator), words(line.family), figures(rank), *shown, *map(figures, ends)]


def _reported(row: Reported) -> list[str]:
    figure = row.figure
    value = f"{row.text} {figure.unit}".strip()
    told = [figure.metric, figure.aggregation, value, figure.source, figure.note]
    return [f"{figure.separator} (reported)", figure.target or "all", *told]


def _pipes(heads: Iterable[str], rows: Iterable[Iterable[str]], *, left: int) -> str:
    """A table of pipes; the columns after the first ``left`` are set to the right."""
    tops = list(heads)
    rule = ["---" if place < left else "---:" for place in range(len(tops))]
    return "\n".join(f"| {' | '.join(row)} |" for row in (tops, rule, *rows))


def _joined(cells: Iterable[str]) -> str:
    return rf"{' & '.join(cells)} \\"


def _table(caption: str, columns: str, lines: Iterable[str]) -> str:
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{latex_escape(caption)}}}",
            rf"\begin{{tabular}}{{@{{}}{columns}@{{}}}}",
            r"\toprule",
            *lines,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
        ]
    )
