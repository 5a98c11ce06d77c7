// One table: the order of its rows, and which rows and columns are in sight.
"use strict";

class TableView {
  /** `taken` are the names of the tables before it on the page. */
  constructor(table, taken) {
    this.table = table;
    this.label = table.dataset.label ?? table.closest("[aria-label]")?.getAttribute("aria-label") ?? "table";
    const name = table.dataset.table ?? plainName(this.label);
    this.id = taken.includes(name) ? `${name}-${taken.length + 1}` : name;
    this.cells = [table.tHead, ...table.tBodies].flatMap(placed);
    this.columns = leaves(this.cells, table.tHead);
    this.bodies = [...table.tBodies].map((body) => ({ body, rows: [...body.rows].filter(isLine) }));
    this.rows = this.bodies.flatMap(({ rows }) => rows);
    this.sorted = this.columns.find(({ head }) => head.hasAttribute("aria-sort")); // as the page was made
    this.order = this.sorted?.head.getAttribute("aria-sort");
  }

  /** Rows of separators that compete: oracles and baselines stay in sight whatever is filtered. */
  get systems() {
    return this.rows.filter((row) => row.dataset.facets && row.classList.contains("system"));
  }

  column(id) {
    return this.columns.find((column) => column.id === id);
  }

  /** Sort by a column, `order` being ascending or descending; by none as the page was made. */
  sort(column, order) {
    for (const { head } of this.columns) head.removeAttribute("aria-sort");
    if (column) column.head.setAttribute("aria-sort", order);
    else this.sorted?.head.setAttribute("aria-sort", this.order);
    const sign = order === "descending" ? -1 : 1;
    for (const { body, rows } of this.bodies) {
      const keyed = rows.map((row) => ({ row, key: column ? this.key(row, column) : [0, 0] }));
      keyed.sort(({ key: a }, { key: b }) => a[0] - b[0] || sign * compare(a[1], b[1]));
      if (keyed.some(({ row }, place) => row !== body.rows[body.rows.length - keyed.length + place])) {
        body.append(...keyed.map(({ row }) => row));
      }
    }
  }

  /** Figures that may be compared come first, then those on a part of a data set, then what has no value. */
  key(row, column) {
    const cell = this.cellAt(row, column);
    if (!cell) return [2, 0];
    if (!column.numeric) return [0, shownText(cell)];
    const number = Number.parseFloat(cell.dataset.sort ?? shownText(cell).replace("\u2212", "-"));
    return Number.isNaN(number) ? [2, 0] : [cell.classList.contains("part") ? 1 : 0, number];
  }

  /** The cell of a row over a column: one that says why there is no value may span several. */
  cellAt(row, { place }) {
    return [...row.cells].find((cell) => cell.place <= place && place < cell.place + cell.span);
  }

  /** Show columns by their ids, and no others; cells over several columns shrink, and go with the last of them. */
  showColumns(ids) {
    const shown = this.columns.map((column) => ids.has(column.id));
    if (shown.every((is, place) => is === !this.columns[place].head.hidden)) return;
    for (const cell of this.cells) {
      const width = shown.slice(cell.place, cell.place + cell.span).filter(Boolean).length;
      cell.hidden = width === 0;
      if (width && cell.colSpan !== width) cell.colSpan = width;
    }
  }

  /** Show the rows for which `keep` holds; a part of the table without any is not headed either. */
  showRows(keep) {
    for (const { body, rows } of this.bodies) {
      for (const row of rows) row.hidden = !keep(row);
      body.hidden = rows.every((row) => row.hidden);
    }
  }
}

/** A text in small letters, digits and hyphens alone. */
function plainName(text) {
  return text.normalize("NFKD").toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "").slice(0, 60) || "table";
}

/** The cells of a section of a table; each learns its first column and how many it spans, hidden ones too. */
function placed(section) {
  const reach = []; // how many rows a cell above still reaches down, by column
  const found = [];
  for (const row of section.rows) {
    const taken = reach.map((rows) => rows > 0);
    for (const column of reach.keys()) reach[column] = Math.max(0, (reach[column] ?? 0) - 1);
    let column = 0;
    for (const cell of row.cells) {
      while (taken[column]) column += 1;
      cell.place = column;
      cell.span = Number(cell.dataset.span ?? cell.colSpan);
      for (let over = 0; over < cell.span; over += 1) reach[column + over] = cell.rowSpan - 1;
      column += cell.span;
      found.push(cell);
    }
  }
  return found;
}

/** The columns of a table: the lowest heading of each, and the one above it that joins several. */
function leaves(cells, section) {
  const heads = cells.filter((cell) => section.contains(cell));
  const count = Math.max(...heads.map((head) => head.place + head.span));
  const columns = Array.from({ length: count }, (_, place) => {
    const over = heads.filter((head) => head.place <= place && place < head.place + head.span);
    const head = over[over.length - 1];
    return {
      place,
      head,
      id: head.dataset.column ?? `column-${place + 1}`,
      label: headLabel(head),
      group: over.length > 1 ? headLabel(over[0]) : null,
      numeric: head.classList.contains("num"),
      first: !head.hidden,
    };
  });
  for (const column of columns) {
    const alike = columns.filter(({ group, label }) => group === column.group && label === column.label);
    if (alike.length > 1) for (const one of alike) one.label = [one.label, wordsOf(one.head)].filter(Boolean).join(", ");
  }
  return columns;
}

function wordsOf(head) {
  return head.querySelector(".words")?.textContent;
}

function headLabel(head) {
  const name = head.querySelector("a, abbr") ?? head.firstChild;
  return (name?.textContent ?? "").trim();
}

function isLine(row) {
  return !row.classList.contains("group");
}

/** What a cell says to the eye, without remarks, intervals and drawings. */
function shownText(cell) {
  const copy = cell.cloneNode(true);
  for (const aside of copy.querySelectorAll(ASIDES)) aside.remove();
  return copy.textContent.replace(/\s+/g, " ").trim();
}

const ASIDES = ".remark, .said, .unseen, .interval, .family, .tag, .missing, .words, .unit, .sort, .mark, svg";

/** Scene 2 comes before scene 10, as in the tables. */
const TEXT = new Intl.Collator(undefined, { numeric: true });

function compare(a, b) {
  return typeof a === "string" ? TEXT.compare(a, b) : a - b;
}
