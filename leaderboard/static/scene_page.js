// The player of one recording, over site/player.js. Without it every track has the browser's own player.
"use strict";

const main = document.querySelector("main");
const seconds = Number(main.dataset.seconds);
const tracks = new Map([...document.querySelectorAll("audio.native")].map((audio) => [audio.id.replace(/-audio$/, ""), audio]));

// Files that had to be written softer than they are, not to clip, make all others play softer.
const level = (id) => Number(tracks.get(id).dataset.level);
for (const [id, audio] of tracks) audio.volume = level(id);

// Tracks beside the page cannot be read from file: and may be long. Their own players run, the mixture's is the clock,
// muted where it is not asked for, and the others are kept to it.
class Elements {
  playing = false;
  #wanted = [];
  #lead = tracks.get("mixture");

  constructor() {
    setInterval(() => this.#keep(), 250);
  }

  async play() {
    this.playing = true;
    await this.#lead.play();
    await this.choose(this.#wanted);
  }

  pause() {
    this.playing = false;
    for (const audio of tracks.values()) audio.pause();
  }

  seek(position) {
    this.#lead.currentTime = position;
    for (const id of this.#wanted) tracks.get(id).currentTime = position;
  }

  async choose(chosen) {
    this.#wanted = chosen;
    if (!this.playing) {
      this.#lead.muted = !chosen.includes("mixture");
      return;
    }
    await Promise.all(chosen.map((id) => this.#join(tracks.get(id))));
    if (!this.playing) return this.pause();
    if (this.#wanted !== chosen) return;
    for (const [id, audio] of tracks) {
      const heard = chosen.includes(id);
      audio.muted = !heard;
      if (!heard && audio !== this.#lead) audio.pause();
    }
  }

  position() {
    return this.#lead.ended ? seconds : this.#lead.currentTime;
  }

  // It runs unheard until it really runs: only then does it take over.
  async #join(audio) {
    if (!audio.paused) return;
    audio.muted = true;
    audio.currentTime = this.#lead.currentTime;
    await audio.play();
    audio.currentTime = this.#lead.currentTime;
  }

  #keep() {
    if (!this.playing) return;
    for (const id of this.#wanted) {
      const audio = tracks.get(id);
      if (audio === this.#lead || audio.seeking) continue;
      const ahead = audio.currentTime - this.#lead.currentTime;
      if (Math.abs(ahead) > 0.3) audio.currentTime = this.#lead.currentTime;
      audio.playbackRate = 1 - Math.max(-0.05, Math.min(0.05, ahead / 2));
    }
  }
}

const inside = main.dataset.inside === "yes" && "AudioContext" in window;
const engine = inside
  ? new Buffers({
      seconds,
      parts: (id) => [{ file: id, weight: 1 }],
      level,
      load: async (id) => fromBase64(tracks.get(id).getAttribute("src").split(",", 2)[1]),
    })
  : new Elements();
const transport = new Transport({
  engine,
  seconds,
  root: main,
  failed: (error) => `This track cannot be played here (${error.message}); its FLAC file is listed below.`,
});
let chosen = ["mixture"];

function choose(ids) {
  chosen = ids;
  for (const button of document.querySelectorAll("[data-solo], [data-also]")) {
    button.setAttribute("aria-pressed", String(ids.includes(button.dataset.solo ?? button.dataset.also)));
  }
  document.getElementById("hearing").textContent = ids.map((id) => tracks.get(id).dataset.name).join(" + ");
  transport.attempt(engine.choose(ids));
}

function solo(id, stay) {
  const alone = chosen.length === 1 && chosen[0] === id;
  if (!alone) choose([id]);
  if (!stay && (alone || !engine.playing)) transport.toggle();
}

function also(id) {
  const rest = chosen.filter((other) => other !== id && other !== "mixture");
  const ids = chosen.includes(id) ? rest : [...rest, id];
  choose(ids.length ? ids : ["mixture"]);
  if (!engine.playing) transport.toggle();
}

function walk(step) {
  const buttons = [...document.querySelectorAll("#tree .solo")].filter((button) => button.offsetParent);
  const place = buttons.indexOf(document.activeElement);
  buttons[Math.max(0, Math.min(buttons.length - 1, place + step))]?.focus();
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button?.dataset.solo) return solo(button.dataset.solo, "stay" in button.dataset);
  if (button?.dataset.also) return also(button.dataset.also);
});
for (const [id, open] of [["unfold", true], ["fold", false]]) {
  document.getElementById(id)?.addEventListener("click", () => {
    for (const details of document.querySelectorAll("#tree li > details")) details.open = open;
  });
}
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest?.(".chart")) return; // there the arrows scroll
  const step = event.shiftKey ? 10 : 1;
  const actions = {
    ArrowLeft: () => transport.step(-step),
    ArrowRight: () => transport.step(step),
    ArrowUp: () => walk(-1),
    ArrowDown: () => walk(1),
    m: () => choose(["mixture"]),
    r: () => tracks.has("residual") && choose(["residual"]),
  };
  if (event.key === " " && !event.target.closest("button, summary, a")) actions[" "] = () => transport.toggle();
  const action = actions[event.key];
  if (!action) return;
  event.preventDefault();
  action();
});

choose(chosen);
