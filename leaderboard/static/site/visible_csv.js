// The rows and columns of a table as they stand, as CSV: figures as they are shown, and with each its interval and what
// is said beside it. Texts are on one line; one that a spreadsheet would take for a formula gets an apostrophe before it.
"use strict";

/** The CSV of what is in sight of a table. */
function visibleCsv(view) {
  const columns = view.columns.filter(({ head }) => !head.hidden);
  const lines = view.bodies.flatMap(({ body }) => {
    const heading = body.querySelector(".group th span")?.textContent ?? "";
    const rows = [...body.rows].filter((row) => isLine(row) && !row.hidden);
    return rows.map((row) => ({ heading, cells: columns.map((column) => view.cellAt(row, column)) }));
  });
  const parts = columns.flatMap((column, place) => partsOf(column, lines.map(({ cells }) => cells[place])));
  if (lines.some(({ heading }) => heading)) {
    parts.unshift({ title: "Group", texts: lines.map(({ heading }) => heading) });
  }
  const table = [parts.map(({ title }) => title), ...lines.map((_, row) => parts.map(({ texts }) => texts[row]))];
  return table.map((cells) => cells.map(csvCell).join(",") + "\n").join("");
}

/** A column of the table as columns of the file: the value, and beside it what any of its cells has. */
function partsOf(column, cells) {
  const unit = column.head.querySelector(".unit")?.textContent;
  const title = [column.group, column.label, unit].filter(Boolean).join(" ");
  const ranks = cells.some((cell) => cell?.dataset.worst);
  const all = {
    "": cells.map((cell) => (ranks ? cell?.dataset.sort ?? "" : cell ? shownText(cell) : "")),
    " worst": cells.map((cell) => cell?.dataset.worst ?? ""),
    " low": cells.map((cell) => intervalOf(cell)[0]),
    " high": cells.map((cell) => intervalOf(cell)[1]),
    " family": cells.map((cell) => cell?.querySelector(".family")?.textContent ?? ""),
    " note": cells.map(noteOf),
  };
  const used = Object.entries(all).filter(([end, texts]) => end === "" || texts.some(Boolean));
  return used.map(([end, texts]) => ({ title: title + (ranks && end === "" ? " best" : end), texts }));
}

function intervalOf(cell) {
  const shown = cell?.querySelector(".interval")?.textContent.match(/\[(.*), (.*)\]/);
  return shown ? [shown[1], shown[2]] : ["", ""];
}

/** Why there is no value, and the remarks and tags beside it. */
function noteOf(cell) {
  if (!cell) return "";
  const missing = cell.querySelector(".missing");
  const asides = missing ? [missing.title] : [...cell.querySelectorAll(".remark, .tag")].map((one) => one.textContent);
  return asides.join("; ");
}

function csvCell(text) {
  const line = text.replace(/\p{C}/gu, " ").replace(/[^\S\u00a0]+/g, " ").trim();
  const number = line.replace("\u2212", "-").replace(/^\+(?=\d)/, "").replace(/(?<=\d),(?=\d{3}(\D|$))/g, "");
  if (/^-?\d+(\.\d+)?$/.test(number)) return number;
  const harmless = /^[=+\-@＝＋－＠]/.test(line) ? `'${line}` : line;
  return /[",]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}

/** Let the browser save a text as a file. */
function saveFile(name, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
