// Which separators are shown: one against all others, or two and more among themselves. The choice is kept in the
// address (`?s=NAME&s=NAME`), so that it can be linked to and goes along to other data sets. Without this file the page
// shows all of them.
"use strict";

const KEY = "s";
const form = document.getElementById("choose");

/** Links to other pages of this kind take the choice along. */
function carry(chosen) {
  for (const link of document.querySelectorAll("[data-carry], .boards a")) {
    const view = new URLSearchParams(chosen.map((name) => [KEY, name])).toString();
    link.href = link.getAttribute("href").split("?")[0] + (view && `?${view}`);
  }
}

/** Whether a pair is asked for: of one separator all pairs are, of several those among them. */
function isAsked(chosen, pair) {
  if (chosen.size === 0) return true;
  return chosen.size === 1 ? pair.some((name) => chosen.has(name)) : pair.every((name) => chosen.has(name));
}

function setUp() {
  const boxes = [...form.elements.namedItem(KEY).values()];
  const known = new Set(boxes.map((box) => box.value));
  const matrix = document.querySelector(".matrix");
  const heads = [...matrix.tHead.rows[0].cells].slice(1);
  const ranks = [...document.querySelectorAll(".rank-lines [data-s]")];
  const pairs = [...document.querySelectorAll(".pairs [data-p]")].map((row) => ({ row, names: JSON.parse(row.dataset.p) }));
  const details = document.getElementById("details");

  let choosing = false;

  const hide = (element, hidden) => element.classList.toggle("unchosen", hidden);

  address.follow((view) => {
    const named = view.getAll(KEY);
    const chosen = new Set(named.filter((name) => known.has(name)));
    const all = chosen.size === 0;
    for (const box of boxes) box.checked = chosen.has(box.value);
    const columns = heads.map((head) => all || chosen.size === 1 || chosen.has(head.dataset.s));
    heads.forEach((head, place) => hide(head, !columns[place]));
    for (const row of matrix.tBodies[0].rows) {
      hide(row, !all && !chosen.has(row.dataset.s));
      columns.forEach((shown, place) => hide(row.cells[place + 1], !shown));
    }
    for (const row of ranks) hide(row, chosen.size > 1 && !chosen.has(row.dataset.s));
    let count = 0;
    for (const { row, names } of pairs) {
      const asked = isAsked(chosen, names);
      if (!asked) row.hidden = true; // what the search in this table leaves out stays so
      count += asked;
    }
    if (!all && !choosing) details.open = true;
    choosing = !all;
    const unknown = named.filter((name) => !known.has(name));
    document.getElementById("chosen").textContent =
      (all ? `All ${boxes.length} separators` : `${chosen.size} of ${boxes.length} separators`) +
      `, ${count.toLocaleString("en")} ${count === 1 ? "pair" : "pairs"}` +
      (unknown.length ? `; not on this data set: ${unknown.join(", ")}` : "");
    carry(named);
  });

  form.addEventListener("change", () => {
    address.change((view) => {
      view.delete(KEY);
      for (const box of boxes) if (box.checked) view.append(KEY, box.value);
    });
  });
  form.addEventListener("reset", (event) => {
    event.preventDefault();
    address.change((view) => view.delete(KEY));
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = false;
  address.show(); // the table of pairs has counted its rows before they were chosen from
}

if (form) setUp();
else address.follow((view) => carry(view.getAll(KEY)));
