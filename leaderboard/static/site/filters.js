// Filters and search over the separators of all tables of a page, and what can be chosen in them.
"use strict";

const FACETS = { family: "Family", licence: "Licence", training: "Training data", seen: "Contamination" };

/** The facets of a row: each a list of values, from its `data-facets`. */
function facetsOf(row) {
  row.facets ??= JSON.parse(row.dataset.facets);
  return row.facets;
}

/** Values of a facet with the number of separators that have each, sorted by name. */
function facetValues(views, facet) {
  const having = new Map();
  for (const row of views.flatMap((view) => view.systems)) {
    for (const value of facetsOf(row)[facet] ?? []) {
      having.set(value, (having.get(value) ?? new Set()).add(nameOf(row)));
    }
  }
  return [...having].map(([value, names]) => ({ value, count: names.size })).sort((a, b) => compare(a.value, b.value));
}

function nameOf(row) {
  row.shownName ??= shownText(row.cells[0]);
  return row.shownName;
}

/** Whether a view keeps a row: every word of the search in its name, and in each facet one of the chosen values. */
function keeps(view, row) {
  if (!hasWords(nameOf(row), view.get("q"))) return false;
  return Object.keys(FACETS).every((facet) => {
    const chosen = view.getAll(facet);
    return !chosen.length || (facetsOf(row)[facet] ?? []).some((value) => chosen.includes(value));
  });
}

function hasWords(text, words) {
  const lower = text.toLocaleLowerCase();
  return (words ?? "").toLocaleLowerCase().split(/\s+/).every((word) => lower.includes(word));
}
