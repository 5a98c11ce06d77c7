// Tables that sort, filter, choose their columns and save what is in sight. Without JavaScript the pages say the same, in
// the order in which they were made, and no control is there. Needs address.js, table_view.js, filters.js, visible_csv.js.
//
// In the HTML:
//   table.sortable            gets a button to sort in every heading, and tools above it
//     data-table="ID"         its name in the address, else its label in small letters, digits and hyphens
//     data-label="..."        what it is called, in labels and the name of the saved file; else the aria-label around it
//   th data-column="ID"       the name of a column in the address, else column-1, column-2, ...
//     class="num"             sorts by number: the greatest first, unless data-first="ascending"
//     hidden                  a column not shown until it is chosen; its cells are hidden too
//   th, td data-span="N"      columns under a cell, those not shown included, where that is not its colspan
//   td data-sort="1.5"        the number to sort by, else its text; data-worst is the worse end of a rank
//     class="part"            a figure on a part of a data set: sorts after those that may be compared with each other
//   tr class="group"          a heading within the table, which stays where it is
//   tr class="system" data-facets='{"family": [...], "licence": [...], "training": [...], "seen": [...]}'
//                             a separator that can be filtered; oracles and baselines are never filtered away
//
// In the query of the address, each left out where it is as the page was made:
//   q=WORDS                   search among the names of systems, in all tables of the page
//   family= licence= training= seen=      a value that is kept, repeated for several
//   find.TABLE=WORDS          search in a table of other things, by its first column
//   sort.TABLE=COLUMN.ascending or COLUMN.descending
//   show.TABLE=COLUMN, hide.TABLE=COLUMN  a column chosen or put away, repeated for several
//
// Controls, inside div.tools: input[type=search]; details.choice[data-choice="family"] and so on, or "columns", with a
// checkbox for each value; button[data-do="csv"], button[data-do="reset"]; p[role=status] says how many rows are in sight.
"use strict";

const SEARCHED = 10; // rows from which on a table of other things than separators is searched

const views = [];
for (const table of document.querySelectorAll("table.sortable")) {
  views.push(new TableView(table, views.map(({ id }) => id)));
}
const ranked = views.filter((view) => view.systems.length);

for (const view of views) {
  for (const column of view.columns) addSorting(view, column);
  if (view.rows.length > 1) addTools(view);
  address.follow((state) => showTable(view, state));
  const fold = view.table.closest("details");
  if (fold && keysOf(view).some((key) => address.read().has(key))) fold.open = true; // a link led here
}

for (const { table } of views) {
  if (table.classList.contains("overall")) new ResizeObserver(() => pinReferences(table)).observe(table);
}
window.addEventListener("resize", () => document.querySelectorAll("table.overall").forEach(pinReferences));

/** Oracles stay under the head of the overall table, and baselines at its foot, where that leaves room for systems. */
function pinReferences(table) {
  table.classList.add("pinned");
  const height = (selector) => table.querySelector(selector)?.offsetHeight ?? 0;
  const [head, oracles, baselines] = [height("thead"), height(".oracles"), height(".baselines")];
  const style = table.parentElement.style;
  style.setProperty("--head", `${head - 1}px`);
  style.setProperty("--above", `${head + oracles}px`);
  style.setProperty("--below", `${baselines}px`);
  table.classList.toggle("pinned", head + oracles + baselines < window.innerHeight / 2);
}

/** Set a table to what the address says. */
function showTable(view, state) {
  const [, id, order] = state.get(`sort.${view.id}`)?.match(/^(.*)\.(ascending|descending)$/) ?? [];
  view.sort(view.column(id), order);
  const [shown, hidden] = [state.getAll(`show.${view.id}`), state.getAll(`hide.${view.id}`)];
  const chosen = view.columns.filter(({ id, first }) => (first ? !hidden.includes(id) : shown.includes(id)));
  view.showColumns(new Set(chosen.map((column) => column.id)));
  const systems = new Set(view.systems);
  const found = state.get(`find.${view.id}`);
  view.showRows((row) => (systems.has(row) ? keeps(state, row) : row.dataset.facets || hasWords(nameOf(row), found)));
}

/** A button that sorts: the best first, then the other way round. Names begin with the first letter. */
function addSorting(view, column) {
  const { head, id, numeric } = column;
  const button = make("button", { type: "button", className: "sort" }, make("span", { ariaHidden: "true" }));
  button.setAttribute("aria-label", `Sort by ${[column.group, column.label].filter(Boolean).join(", ")}`);
  button.addEventListener("click", () => {
    const first = head.dataset.first ?? (numeric ? "descending" : "ascending");
    const other = first === "ascending" ? "descending" : "ascending";
    const order = head.getAttribute("aria-sort") === first ? other : first;
    address.change((state) => state.set(`sort.${view.id}`, `${id}.${order}`));
  });
  head.insertBefore(button, head.querySelector(".words"));
}

/** What stands above a table; the first of separators has the filters for all of them. */
function addTools(view) {
  const leads = view === ranked[0] && view.systems.length > 1;
  const tools = make("div", { className: leads ? "tools filters" : "tools", role: "group" });
  tools.setAttribute("aria-label", `View of ${view.label}`);
  if (leads) {
    tools.append(search("Search names", "q"));
    for (const [facet, title] of Object.entries(FACETS)) tools.append(facetChoice(facet, title));
  } else if (!view.systems.length && view.rows.length >= SEARCHED) {
    tools.append(search(`Search ${view.columns[0].label.toLocaleLowerCase()}`, `find.${view.id}`));
  }
  if (view.columns.length > 2) tools.append(columnChoice(view));
  const again = action("reset", "Reset", () => address.change((state) => reset(state, leads ? ranked : [view], leads)));
  tools.append(
    action("csv", "CSV of the visible view", () => saveFile(`${plainName(view.label)}-visible.csv`, visibleCsv(view))),
    again,
    countOf(view),
  );
  if (!leads) address.follow((state) => (again.hidden = !keysOf(view).some((key) => state.has(key))));
  (view.table.closest(".scroll") ?? view.table).before(tools);
}

/** Forget what was done to tables, and what was filtered. */
function reset(state, tables, filters) {
  const own = tables.flatMap(keysOf);
  for (const key of filters ? [...own, "q", ...Object.keys(FACETS)] : own) state.delete(key);
}

function keysOf({ id }) {
  return [`sort.${id}`, `show.${id}`, `hide.${id}`, `find.${id}`];
}

/** How many rows are in sight, said aloud when it changes. */
function countOf(view) {
  const status = make("p", { className: "shown", role: "status" });
  address.follow(() => {
    queueMicrotask(() => {
      const counted = view.systems.length ? view.systems : view.rows;
      const shown = counted.filter((row) => !row.hidden).length;
      const kept = view.rows.length - counted.length;
      const what = (view.systems.length ? "system" : "row") + (counted.length === 1 ? "" : "s");
      const told = `${shown} of ${counted.length} ${what} shown${kept ? `, and ${kept} for reference` : ""}`;
      if (status.textContent !== told) status.textContent = told;
    });
  });
  return status;
}

/** A search field; what is typed in one go is one step of the history. */
function search(label, key) {
  const input = make("input", { type: "search", autocomplete: "off", spellcheck: false });
  let typing = false;
  input.addEventListener("input", () => {
    address.change((state) => (input.value.trim() ? state.set(key, input.value) : state.delete(key)), { amend: typing });
    typing = true;
  });
  input.addEventListener("change", () => (typing = false));
  address.follow((state) => {
    const words = state.get(key) ?? "";
    if (input.value.trim() !== words.trim()) input.value = words;
  });
  return make("label", { className: "find" }, make("span", {}, label), input);
}

function facetChoice(facet, title) {
  const boxes = facetValues(ranked, facet).map(({ value, count }) =>
    checkbox(value, `${count}`, (state) => state.getAll(facet).includes(value), (state, on) => {
      const others = state.getAll(facet).filter((other) => other !== value);
      state.delete(facet);
      for (const other of on ? [...others, value] : others) state.append(facet, other);
    }),
  );
  return choice(facet, title, [[title, boxes]], (state) => state.getAll(facet).length);
}

function columnChoice(view) {
  const groups = new Map();
  for (const column of view.columns.slice(1)) {
    const key = column.first ? `hide.${view.id}` : `show.${view.id}`;
    const named = (state) => state.getAll(key).includes(column.id);
    const unit = column.head.querySelector(".unit")?.textContent ?? "";
    const box = checkbox(column.label, unit, (state) => named(state) !== column.first, (state, on) => {
      const others = state.getAll(key).filter((other) => other !== column.id);
      state.delete(key);
      for (const other of on === column.first ? others : [...others, column.id]) state.append(key, other);
    });
    groups.set(column.group, [...(groups.get(column.group) ?? []), box]);
  }
  const sections = [...groups].map(([group, boxes]) => [group ?? "Columns", boxes]);
  return choice("columns", "Columns", sections, (state) =>
    state.getAll(`show.${view.id}`).length + state.getAll(`hide.${view.id}`).length);
}

/** Checkboxes that unfold under a button, in sections with a title each; it says how many differ from the rule. */
function choice(name, title, sections, count) {
  const summary = make("summary", {}, title);
  const fields = sections.map(([legend, boxes]) => make("fieldset", {}, make("legend", {}, legend), ...boxes));
  const panel = make("div", { className: "panel" }, ...fields);
  const box = make("details", { className: "choice" }, summary, panel);
  box.dataset.choice = name;
  address.follow((state) => {
    const chosen = count(state);
    summary.textContent = chosen ? `${title} (${chosen})` : title;
    box.classList.toggle("active", chosen > 0);
  });
  box.addEventListener("toggle", () => {
    if (!box.open) return;
    for (const other of document.querySelectorAll(".choice[open]")) other.open = other === box;
    panel.style.translate = "";
    const beyond = panel.getBoundingClientRect().right + 16 - document.documentElement.clientWidth;
    if (beyond > 0) panel.style.translate = `${-beyond}px`;
  });
  box.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !box.open) return;
    box.open = false;
    summary.focus();
  });
  return box;
}

document.addEventListener("pointerdown", (event) => {
  for (const box of document.querySelectorAll(".choice[open]")) box.open = box.contains(event.target);
});

function checkbox(label, aside, isOn, set) {
  const input = make("input", { type: "checkbox", value: label, autocomplete: "off" });
  input.addEventListener("change", () => address.change((state) => set(state, input.checked)));
  address.follow((state) => (input.checked = isOn(state)));
  return make("label", {}, input, make("span", {}, label), make("span", { className: "aside" }, aside));
}

function action(name, title, act) {
  const button = make("button", { type: "button" }, title);
  button.dataset.do = name;
  button.addEventListener("click", act);
  return button;
}

function make(tag, properties, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}
