// Sorting by column, by pointer and keyboard. Without this file the pages say the same, in the order of the first figure.
"use strict";

for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "sort";
    button.textContent = "↕";
    const label = (head.querySelector("a") ?? head.firstChild).textContent;
    button.setAttribute("aria-label", `Sort by ${label.trim()}`);
    button.addEventListener("click", () => {
      // The best comes first: the greatest number unless the heading says otherwise; names begin with the first letter.
      const numeric = head.classList.contains("num");
      const first = head.dataset.first ?? (numeric ? "descending" : "ascending");
      const other = first === "ascending" ? "descending" : "ascending";
      const order = head.getAttribute("aria-sort") === first ? other : first;
      for (const cell of heads) {
        cell.removeAttribute("aria-sort");
        cell.querySelector(".sort").textContent = "↕";
      }
      head.setAttribute("aria-sort", order);
      button.textContent = order === "ascending" ? "↑" : "↓";
      for (const body of table.tBodies) sortRows(body, column, numeric, order === "ascending" ? 1 : -1);
    });
    head.insertBefore(button, head.querySelector(".words"));
  });
}

function sortRows(body, column, numeric, sign) {
  const rows = [...body.rows].filter((row) => !row.classList.contains("group"));
  const keyed = rows.map((row, place) => ({ row, place, key: keyOf(cellAt(row, column), numeric) }));
  keyed.sort((a, b) => {
    if (a.key === null || b.key === null) return (a.key === null) - (b.key === null) || a.place - b.place; // no value: last
    const order = numeric ? a.key - b.key : a.key.localeCompare(b.key);
    return sign * order || a.place - b.place;
  });
  for (const { row } of keyed) body.append(row);
}

// The cell over a column: one that says why there is no value may span several.
function cellAt(row, column) {
  let end = 0;
  return [...row.cells].find((cell) => (end += cell.colSpan) > column);
}

function keyOf(cell, numeric) {
  if (!numeric) return cell.textContent.trim();
  const text = cell.dataset.sort ?? cell.textContent.trim();
  const number = Number.parseFloat(text);
  return Number.isNaN(number) ? null : number;
}
