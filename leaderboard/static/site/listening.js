// The listening test of a scene, over player.js. Without it every track has the browser's own player.
//
// A page from file: may not fetch, and an <audio> element from there gives Web Audio nothing but silence; but a script
// is loaded. Each sound is therefore also a script that hands over its bytes, asked for when somebody wants to hear it.
"use strict";

{ // a scope of its own: all scripts of a page share one
  const section = document.getElementById("listening");
  const seconds = Number(section.dataset.seconds);
  const groups = [...section.querySelectorAll(".heard")];
  const rows = new Map(groups.map((group) => [group, [...group.querySelectorAll(".take")]])); // in their own order
  const buttons = new Map([...section.querySelectorAll(".solo")].map((button) => [button.dataset.solo, button]));
  document.documentElement.classList.add("js");
  section.classList.add("listens");

  const partsOf = new Map(
    [...buttons].map(([id, { dataset }]) => [
      id,
      dataset.parts.trim().split(" ").map((part) => {
        const [file, weight] = part.split(":");
        return { file, weight: Number(weight) };
      }),
    ]),
  );

  const waiting = new Map(); // file -> what its bytes are handed to
  window.stemtreeAudio = (file, data) => waiting.get(file)?.(fromBase64(data));

  function load(file) {
    return new Promise((resolve, reject) => {
      waiting.set(file, resolve);
      const script = document.createElement("script");
      script.onload = () => script.remove();
      script.onerror = () => {
        script.remove();
        reject(new Error(`${file}.js did not load`));
      };
      script.src = `${section.dataset.folder}/${file}.js`;
      document.head.append(script);
    });
  }

  let chosen = rows.get(groups[0])[0].querySelector(".solo").dataset.solo;
  let matched = true;
  let seed = null; // of the order of the hidden names
  let told = false;

  const engine = new Buffers({
    seconds,
    parts: (id) => partsOf.get(id),
    level: (id) => Number(matched ? buttons.get(id).dataset.matched : buttons.get(id).dataset.level),
    load,
  });
  const transport = new Transport({
    engine,
    seconds,
    root: section,
    loops: true, // as listening tests have it
    failed: (error) => `This cannot be played here (${error.message}); the FLAC files are in ${section.dataset.folder}.`,
  });

  const rowOf = (id) => buttons.get(id).closest(".take");
  const groupOf = (id) => buttons.get(id).closest(".heard");
  const mainOf = (row) => row.querySelector(".solo").dataset.solo;
  const restOf = (row) => row.querySelector(".of-residual")?.dataset.solo;
  const rowsIn = (group) => [...group.querySelectorAll(".take")]; // as they stand now

  function choose(id) {
    chosen = id;
    const row = rowOf(id);
    groupOf(id).open = true;
    for (const [other, button] of buttons) button.setAttribute("aria-pressed", String(other === id));
    for (const other of section.querySelectorAll(".take")) other.classList.toggle("rest-heard", other === row && id === restOf(row));
    const rest = row.querySelector(".rest");
    if (rest) rest.open = id === restOf(row);
    say();
    transport.attempt(engine.choose([id]));
  }

  // Once somebody listens, all that is to be compared is decoded, so that switching is immediate.
  section.addEventListener("heard", () => {
    engine.prepare(rowsIn(groupOf(chosen)).map(mainOf)).catch(() => {}); // what fails is said when it is chosen
  });

  function say() {
    const name = buttons.get(chosen).dataset.shown ?? buttons.get(chosen).dataset.name;
    const target = groups.length > 1 ? `${groupOf(chosen).dataset.target}: ` : "";
    document.getElementById("hearing").textContent = target + name;
  }

  function solo(id) {
    if (id === chosen) return transport.toggle();
    choose(id);
    if (!engine.playing) transport.toggle();
  }

  // By keyboard: the focus goes along, so that space and R mean what is heard.
  function go(row) {
    if (!row) return;
    choose(mainOf(row));
    buttons.get(chosen).focus({ preventScroll: true });
    row.scrollIntoView({ block: "nearest" });
  }

  function walk(step) {
    const here = rowsIn(groupOf(chosen));
    go(here[here.indexOf(rowOf(chosen)) + step]);
  }

  function loudness() {
    matched = !matched;
    document.getElementById("matched").setAttribute("aria-pressed", String(matched));
    section.classList.toggle("unmatched", !matched);
    engine.relevel();
  }

  // Blind: estimates without their names, in an order that the seed in the address decides.
  function random(start) {
    let state = start >>> 0; // mulberry32, by Tommy Ettinger
    return () => {
      state = (state + 0x6d2b79f5) >>> 0;
      let mixed = Math.imul(state ^ (state >>> 15), state | 1);
      mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
      return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
    };
  }

  function shuffled(items, next) {
    const order = [...items];
    for (let last = order.length - 1; last > 0; last--) {
      const other = Math.floor(next() * (last + 1));
      [order[last], order[other]] = [order[other], order[last]];
    }
    return order;
  }

  function arrange() {
    const hidden = seed !== null && !told;
    groups.forEach((group, place) => {
      const all = rows.get(group);
      const given = all.filter((row) => row.classList.contains("given"));
      const made = all.filter((row) => !row.classList.contains("given"));
      const order = seed === null ? made : shuffled(made, random(seed + place));
      group.querySelector(".takes").append(...given, ...order);
      order.forEach((row, number) => letter(row, seed === null ? null : sign(number), hidden));
      rowsIn(group).forEach((row, number) => { row.querySelector(".number").textContent = number + 1; });
    });
    section.classList.toggle("blind", hidden);
    const button = document.getElementById("blind");
    button.setAttribute("aria-pressed", String(seed !== null));
    button.textContent = seed === null ? "Blind" : told ? "End blind" : "Tell names";
    say();
  }

  const sign = (number) => (number < 26 ? "" : sign(Math.floor(number / 26) - 1)) + String.fromCharCode(65 + (number % 26));

  function letter(row, sign, hidden) {
    for (const button of row.querySelectorAll(".solo")) {
      const rest = button.classList.contains("of-residual");
      const name = button.dataset.name;
      const shown = sign === null ? name : hidden ? `${sign}${rest ? ", residual" : ""}` : `${sign}: ${name}`;
      button.dataset.shown = shown;
      if (rest) button.querySelector(".unseen").textContent = shown.replace(/residual$/, "");
      else button.textContent = shown;
    }
  }

  function blind() {
    if (seed === null) [seed, told] = [crypto.getRandomValues(new Uint32Array(1))[0], false];
    else if (!told) told = true;
    else [seed, told] = [null, false];
    // The fragment alone: what else the address says stays, and it may be changed under file: too.
    history.replaceState(null, "", seed === null ? location.pathname + location.search : `#blind=${seed}`);
    arrange();
  }

  function fromAddress() {
    const found = /^#blind=(\d{1,10})$/.exec(location.hash);
    const wanted = found ? Number(found[1]) >>> 0 : null;
    if (wanted === seed) return;
    [seed, told] = [wanted, false];
    arrange();
  }

  section.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button?.dataset.solo) solo(button.dataset.solo);
    else if (button?.id === "matched") loudness();
    else if (button?.id === "blind") blind();
    else if (event.target.closest(".lane")) section.focus({ preventScroll: true }); // from here on the keys are its own
  });

  section.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.matches("input, .scroll")) return; // they have keys of their own
    const step = event.shiftKey ? 5 : 1;
    const actions = {
      ArrowLeft: () => transport.step(-step),
      ArrowRight: () => transport.step(step),
      ArrowUp: () => walk(-1),
      ArrowDown: () => walk(1),
      l: loudness,
      b: blind,
      r: () => {
        const row = rowOf(chosen);
        if (restOf(row)) choose(chosen === restOf(row) ? mainOf(row) : restOf(row));
      },
    };
    if (event.key === " " && !event.target.closest("button, summary, a")) actions[" "] = () => transport.toggle();
    let action = actions[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (/^[1-9]$/.test(event.key)) action = () => go(rowsIn(groupOf(chosen))[Number(event.key) - 1]);
    if (!action) return;
    event.preventDefault();
    action();
  });

  for (const group of groups) {
    // The target that was opened last is the one that keys walk through, as long as nothing else is heard.
    group.addEventListener("toggle", () => {
      if (group.open && !engine.playing && group !== groupOf(chosen)) choose(mainOf(rowsIn(group)[0]));
    });
  }
  window.addEventListener("hashchange", fromAddress);
  choose(chosen);
  fromAddress();
}
