// The tree of classes: search, expanding and collapsing, and a view that is kept in the address. Without this file the
// branches fold and unfold all the same.
"use strict";

{
  const tree = document.querySelector(".tree");
  const tools = document.querySelector(".tree-tools");
  const search = tools.querySelector("input");
  const said = tools.querySelector("output");
  const branches = [...tree.querySelectorAll("details")];
  const items = [...tree.querySelectorAll("li")].map((item) => {
    const name = item.querySelector(".class-name");
    const link = name.querySelector("a:not(.again)");
    const place = link ?? name;
    const text = place.firstChild.data.trim();
    return { item, place, text, folded: fold(text) };
  });
  let writing = false;

  tools.hidden = false;

  function fold(text) {
    return text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
  }

  function nameOf(branch) {
    return branch.parentElement.id.slice(2);
  }

  // The first child of the name is its text: what is marked is put back whole before it is marked anew.
  function mark({ place, text, folded }, wanted) {
    for (const node of [...place.childNodes]) {
      if (node.nodeType === Node.TEXT_NODE || node.nodeName === "MARK") node.remove();
      else break;
    }
    const start = wanted ? folded.indexOf(wanted) : -1;
    if (start < 0 || folded.length !== text.length) {
      place.prepend(text);
      return;
    }
    const marked = document.createElement("mark");
    marked.textContent = text.slice(start, start + wanted.length);
    place.prepend(text.slice(0, start), marked, text.slice(start + wanted.length));
  }

  function find() {
    const wanted = fold(search.value.trim());
    const found = wanted ? items.filter((one) => one.folded.includes(wanted)) : [];
    const kept = new Set();
    for (const one of items) mark(one, wanted);
    for (const { item } of found) {
      for (let up = item; up !== tree; up = up.parentElement) kept.add(up);
    }
    for (const { item } of items) item.hidden = Boolean(wanted) && !kept.has(item) && !inside(item, found);
    if (wanted) {
      for (const branch of branches) branch.open = kept.has(branch.querySelector(":scope > ul")) || branch.open;
      const names = new Set(found.map((one) => one.text)).size;
      said.textContent = names === 1 ? "1 class found" : `${names} classes found`;
    } else {
      said.textContent = "";
    }
  }

  // What lies below a class that was found stays to be looked at.
  function inside(item, found) {
    return found.some((one) => one.item !== item && one.item.contains(item));
  }

  function write() {
    if (writing) return;
    const parts = [];
    const wanted = search.value.trim();
    if (wanted) parts.push(`find=${encodeURIComponent(wanted)}`);
    const open = branches.filter((branch) => branch.open);
    if (open.length) parts.push(`open=${open.length === branches.length ? "all" : open.map(nameOf).join(".")}`);
    const hash = parts.length ? `#${parts.join("&")}` : location.pathname.split("/").pop();
    history.replaceState(null, "", hash);
  }

  function read() {
    const hash = location.hash.slice(1);
    const target = hash.startsWith("c-") ? document.getElementById(hash) : null;
    if (target) {
      // Not every browser opens what a link leads into.
      for (let up = target.parentElement; up !== tree; up = up.parentElement) if (up.nodeName === "DETAILS") up.open = true;
      target.scrollIntoView({ block: "center" });
      target.querySelector("summary, .leaf a")?.focus({ preventScroll: true });
      return;
    }
    if (!/^(find|open)=/.test(hash)) return;
    const given = new URLSearchParams(hash.replaceAll("+", "%2B"));
    const open = given.get("open") ?? "";
    const names = new Set(open.split("."));
    writing = true;
    search.value = given.get("find") ?? "";
    for (const branch of branches) branch.open = open === "all" || names.has(nameOf(branch));
    find();
    setTimeout(() => (writing = false)); // toggles are told of later
  }

  const ways = {
    open: () => branches.forEach((branch) => (branch.open = true)),
    close: () => branches.forEach((branch) => (branch.open = false)),
    scored: () => branches.forEach((branch) => (branch.open = !branch.parentElement.classList.contains("none"))),
  };
  for (const [way, act] of Object.entries(ways)) {
    tools.querySelector(`[data-tree="${way}"]`).addEventListener("click", () => {
      if (search.value) {
        search.value = "";
        find();
      }
      act();
    });
  }
  search.addEventListener("input", () => {
    find();
    write();
  });
  search.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !search.value) return;
    search.value = "";
    find();
    write();
    event.preventDefault();
  });
  tree.addEventListener("toggle", write, true); // toggles do not bubble
  addEventListener("hashchange", read);
  read();
}
