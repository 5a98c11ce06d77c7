// One player for all tracks: they share a playhead, and switching between them leaves no gap. Without this file every
// track has the browser's own player.
"use strict";

const FADE = 0.015; // seconds of cross-fade: short enough to compare by, long enough not to click
const AHEAD = 0.02; // seconds by which sources are scheduled, so that all of them start together

const main = document.querySelector("main");
const seconds = Number(main.dataset.seconds);
const tracks = new Map([...document.querySelectorAll("audio.native")].map((audio) => [audio.id.replace(/-audio$/, ""), audio]));

// Files that had to be written softer than they are, not to clip, make all others play softer.
const level = (id) => Number(tracks.get(id).dataset.level);
for (const [id, audio] of tracks) audio.volume = level(id);

// Tracks inside the page are decoded on first use and played sample by sample from one clock.
class Buffers {
  playing = false;
  #context = null;
  #buffers = new Map();
  #voices = new Map();
  #wanted = [];
  #offset = 0;
  #began = 0;
  #turn = 0; // what was asked for last wins over what is still being decoded

  async play() {
    this.#context ??= new AudioContext();
    const turn = ++this.#turn;
    await Promise.all([this.#context.resume(), this.#load()]);
    if (turn !== this.#turn) return;
    this.playing = true;
    this.#begin(this.#wanted);
  }

  pause() {
    this.#turn++;
    this.#offset = this.position();
    this.#silence();
    this.playing = false;
  }

  seek(position) {
    const heard = [...this.#voices.keys()];
    this.#silence();
    this.#offset = position;
    if (this.playing) this.#begin(heard);
  }

  // What is heard now goes on until what is to be heard has been decoded.
  async choose(chosen) {
    this.#wanted = chosen;
    if (!this.playing) return;
    const turn = ++this.#turn;
    await this.#load();
    if (turn !== this.#turn) return;
    const when = this.#context.currentTime + AHEAD;
    for (const id of this.#voices.keys()) if (!chosen.includes(id)) this.#stop(id, when);
    for (const id of chosen) if (!this.#voices.has(id)) this.#start(id, when);
  }

  position() {
    return this.playing ? this.#at(this.#context.currentTime) : this.#offset;
  }

  #at(time) {
    return Math.min(seconds, Math.max(this.#offset, this.#offset + time - this.#began));
  }

  async #load() {
    let loading;
    do {
      loading = this.#wanted;
      await Promise.all(loading.filter((id) => !this.#buffers.has(id)).map((id) => this.#decode(id)));
    } while (loading !== this.#wanted);
  }

  async #decode(id) {
    const data = atob(tracks.get(id).getAttribute("src").split(",", 2)[1]);
    const bytes = Uint8Array.from(data, (letter) => letter.charCodeAt(0));
    this.#buffers.set(id, await this.#context.decodeAudioData(bytes.buffer));
  }

  #begin(ids) {
    this.#began = this.#context.currentTime + AHEAD;
    for (const id of ids) this.#start(id, this.#began);
  }

  #start(id, when) {
    const source = this.#context.createBufferSource();
    const gain = this.#context.createGain();
    source.buffer = this.#buffers.get(id);
    gain.gain.setValueAtTime(0, when);
    gain.gain.linearRampToValueAtTime(level(id), when + FADE);
    source.connect(gain).connect(this.#context.destination);
    source.start(when, this.#at(when));
    this.#voices.set(id, { source, gain });
  }

  #stop(id, when) {
    const { source, gain } = this.#voices.get(id);
    gain.gain.cancelScheduledValues(when);
    gain.gain.setValueAtTime(level(id), when);
    gain.gain.linearRampToValueAtTime(0, when + FADE);
    source.stop(when + FADE);
    this.#voices.delete(id);
  }

  #silence() {
    for (const id of [...this.#voices.keys()]) this.#stop(id, this.#context.currentTime);
  }
}

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
const engine = inside ? new Buffers() : new Elements();
let chosen = ["mixture"];
const trouble = document.getElementById("trouble");
const seek = document.getElementById("seek");
const clock = document.getElementById("clock");

function attempt(promise) {
  Promise.resolve(promise).then(
    () => { trouble.hidden = true; show(); },
    (error) => {
      if (error.name === "AbortError") return; // paused before it began
      trouble.textContent = `This track cannot be played here (${error.message}); its FLAC file is listed below.`;
      trouble.hidden = false;
      engine.pause();
      show();
    },
  );
}

function choose(ids) {
  chosen = ids;
  for (const button of document.querySelectorAll("[data-solo], [data-also]")) {
    button.setAttribute("aria-pressed", String(ids.includes(button.dataset.solo ?? button.dataset.also)));
  }
  document.getElementById("hearing").textContent = ids.map((id) => tracks.get(id).dataset.name).join(" + ");
  attempt(engine.choose(ids));
}

function toggle() {
  if (engine.playing) engine.pause();
  else {
    if (engine.position() >= seconds - 0.01) engine.seek(0);
    attempt(engine.play());
  }
  show();
}

function go(position) {
  engine.seek(Math.max(0, Math.min(seconds, position)));
  show();
}

function solo(id, stay) {
  const alone = chosen.length === 1 && chosen[0] === id;
  if (!alone) choose([id]);
  if (!stay && (alone || !engine.playing)) toggle();
}

function also(id) {
  const rest = chosen.filter((other) => other !== id && other !== "mixture");
  const ids = chosen.includes(id) ? rest : [...rest, id];
  choose(ids.length ? ids : ["mixture"]);
  if (!engine.playing) toggle();
}

function show() {
  const position = engine.position();
  const tenths = Math.floor(position * 10 + 1e-6);
  const hours = Math.floor(tenths / 36000), minutes = Math.floor(tenths / 600) % 60;
  const rest = `${String(Math.floor(tenths / 10) % 60).padStart(2, "0")}.${tenths % 10}`;
  clock.textContent = hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
  seek.value = position;
  seek.setAttribute("aria-valuetext", `${position.toFixed(1)} seconds`);
  main.style.setProperty("--playhead", position / seconds);
  main.classList.toggle("started", engine.playing || position > 0);
  document.documentElement.classList.toggle("playing", engine.playing);
  document.getElementById("play").setAttribute("aria-label", engine.playing ? "Pause" : "Play");
}

function frame() {
  if (engine.playing) {
    if (engine.position() >= seconds - 0.005) {
      engine.pause();
      engine.seek(0);
    }
    show();
  }
  requestAnimationFrame(frame);
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
  const lane = button ? null : event.target.closest(".lane");
  if (lane) {
    const box = lane.getBoundingClientRect();
    go(((event.clientX - box.left) / box.width) * seconds);
  }
});
document.getElementById("play").addEventListener("click", toggle);
seek.addEventListener("input", () => go(Number(seek.value)));
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
    ArrowLeft: () => go(engine.position() - step),
    ArrowRight: () => go(engine.position() + step),
    ArrowUp: () => walk(-1),
    ArrowDown: () => walk(1),
    m: () => choose(["mixture"]),
    r: () => tracks.has("residual") && choose(["residual"]),
  };
  if (event.key === " " && !event.target.closest("button, summary, a")) actions[" "] = toggle;
  const action = actions[event.key];
  if (!action) return;
  event.preventDefault();
  action();
});

choose(chosen);
requestAnimationFrame(frame);
