// What the pages that play sound share: one playhead for all tracks, and switching between them without a gap.
"use strict";

const FADE = 0.015; // seconds of cross-fade: short enough to compare by, long enough not to click
const AHEAD = 0.02; // seconds by which sources are scheduled, so that all of them start together
const PATIENCE = 3000; // milliseconds in which any device for sound answers

/** Bytes from base64. */
function fromBase64(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer;
}

/**
 * Tracks that are decoded on first use and played sample by sample from one clock.
 *
 * seconds: their length. parts(id): what a track is the sum of, [{ file, weight }]. level(id): how loud it is played.
 * load(file): a promise of the bytes of a sound file.
 */
class Buffers {
  playing = false;
  #seconds;
  #parts;
  #level;
  #load;
  #context = null;
  #buffers = new Map(); // file -> its samples
  #loading = new Map(); // file -> promise of them
  #voices = new Map();
  #wanted = [];
  #offset = 0;
  #began = 0;
  #turn = 0; // what was asked for last wins over what is still being decoded

  constructor({ seconds, parts, level, load }) {
    this.#seconds = seconds;
    this.#parts = parts;
    this.#level = level;
    this.#load = load;
  }

  async play() {
    this.#context ??= new AudioContext();
    const turn = ++this.#turn;
    await Promise.all([this.#awake(), this.#ready()]);
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
    await this.#ready();
    if (turn !== this.#turn) return;
    const when = this.#context.currentTime + AHEAD;
    for (const id of this.#voices.keys()) if (!chosen.includes(id)) this.#stop(id, when);
    for (const id of chosen) if (!this.#voices.has(id)) this.#start(id, when);
  }

  // Decodes what may be chosen next, one file after the other, so that it comes at once.
  async prepare(ids) {
    for (const id of ids) await this.#decodeAll([id]);
  }

  // The levels have changed: what is heard follows.
  relevel() {
    for (const [id, { gain }] of this.#voices) {
      gain.gain.cancelScheduledValues(this.#context.currentTime);
      gain.gain.setTargetAtTime(this.#level(id), this.#context.currentTime, FADE);
    }
  }

  position() {
    return this.playing ? this.#at(this.#context.currentTime) : this.#offset;
  }

  #at(time) {
    return Math.min(this.#seconds, Math.max(this.#offset, this.#offset + time - this.#began));
  }

  // A browser that has no device for sound need not say so: its clock may just never start.
  #awake() {
    const late = new Promise((_, refuse) => {
      setTimeout(() => refuse(new Error("no device for sound has answered the browser")), PATIENCE);
    });
    return Promise.race([this.#context.resume(), late]);
  }

  async #ready() {
    let loading;
    do {
      loading = this.#wanted;
      await this.#decodeAll(loading);
    } while (loading !== this.#wanted);
  }

  async #decodeAll(ids) {
    await Promise.all(ids.flatMap((id) => this.#parts(id)).map(({ file }) => this.#decode(file)));
  }

  #decode(file) {
    if (!this.#loading.has(file)) {
      const loading = this.#load(file)
        .then((bytes) => this.#context.decodeAudioData(bytes))
        .then((buffer) => this.#buffers.set(file, buffer));
      loading.catch(() => this.#loading.delete(file)); // to be tried again
      this.#loading.set(file, loading);
    }
    return this.#loading.get(file);
  }

  #begin(ids) {
    this.#began = this.#context.currentTime + AHEAD;
    for (const id of ids) this.#start(id, this.#began);
  }

  #start(id, when) {
    const gain = this.#context.createGain();
    gain.gain.setValueAtTime(0, when);
    gain.gain.linearRampToValueAtTime(this.#level(id), when + FADE);
    gain.connect(this.#context.destination);
    const sources = this.#parts(id).map(({ file, weight }) => {
      const source = this.#context.createBufferSource();
      const share = this.#context.createGain();
      source.buffer = this.#buffers.get(file);
      share.gain.value = weight;
      source.connect(share).connect(gain);
      source.start(when, this.#at(when));
      return source;
    });
    this.#voices.set(id, { sources, gain });
  }

  #stop(id, when) {
    const { sources, gain } = this.#voices.get(id);
    gain.gain.cancelScheduledValues(when);
    gain.gain.setValueAtTime(this.#level(id), when);
    gain.gain.linearRampToValueAtTime(0, when + FADE);
    for (const source of sources) source.stop(when + FADE);
    this.#voices.delete(id);
  }

  #silence() {
    for (const id of [...this.#voices.keys()]) this.#stop(id, this.#context.currentTime);
  }
}

/**
 * Play button, clock, slider and lanes of a page, over an engine that plays: Buffers, or one with its methods.
 *
 * root: the element that holds them, where their state stands as classes, and that is told of each track that is heard.
 * failed(error): what is said when a track cannot be played. loops: whether the end is followed by the beginning.
 */
class Transport {
  #engine;
  #seconds;
  #root;
  #failed;
  #loops;
  #frame = 0;
  #part = (name) => this.#root.querySelector(`#${name}`);

  constructor({ engine, seconds, root, failed, loops = false }) {
    this.#engine = engine;
    this.#seconds = seconds;
    this.#root = root;
    this.#failed = failed;
    this.#loops = loops;
    this.#part("play").addEventListener("click", () => this.toggle());
    this.#part("seek").addEventListener("input", (event) => this.go(Number(event.target.value)));
    root.addEventListener("click", (event) => {
      const lane = event.target.closest("button, a, summary") ? null : event.target.closest(".lane");
      if (!lane) return;
      const box = lane.getBoundingClientRect();
      this.go(((event.clientX - box.left) / box.width) * seconds);
    });
    this.#show();
  }

  toggle() {
    if (this.#engine.playing) this.#engine.pause();
    else {
      if (this.#engine.position() >= this.#seconds - 0.01) this.#engine.seek(0);
      this.attempt(this.#engine.play());
    }
    this.#show();
  }

  go(position) {
    this.#engine.seek(Math.max(0, Math.min(this.#seconds, position)));
    this.#show();
  }

  step(seconds) {
    this.go(this.#engine.position() + seconds);
  }

  /** Shows what becomes of something asked of the engine. */
  attempt(promise) {
    const trouble = this.#part("trouble");
    Promise.resolve(promise).then(
      () => {
        trouble.hidden = true;
        this.#run();
        if (this.#engine.playing) this.#root.dispatchEvent(new Event("heard"));
      },
      (error) => {
        if (error.name === "AbortError") return; // paused before it began
        trouble.textContent = this.#failed(error);
        trouble.hidden = false;
        this.#engine.pause();
        this.#show();
      },
    );
  }

  #run() {
    this.#show();
    if (!this.#engine.playing) return;
    if (this.#engine.position() >= this.#seconds - 0.005) {
      if (!this.#loops) this.#engine.pause();
      this.#engine.seek(0);
      this.#show();
      if (!this.#loops) return;
    }
    cancelAnimationFrame(this.#frame);
    this.#frame = requestAnimationFrame(() => this.#run());
  }

  #show() {
    const position = this.#engine.position();
    const tenths = Math.floor(position * 10 + 1e-6);
    const hours = Math.floor(tenths / 36000), minutes = Math.floor(tenths / 600) % 60;
    const rest = `${String(Math.floor(tenths / 10) % 60).padStart(2, "0")}.${tenths % 10}`;
    this.#part("clock").textContent = hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
    const seek = this.#part("seek");
    seek.value = position;
    seek.setAttribute("aria-valuetext", `${position.toFixed(1)} seconds`);
    this.#root.style.setProperty("--playhead", position / this.#seconds);
    this.#root.classList.toggle("started", this.#engine.playing || position > 0);
    this.#root.classList.toggle("playing", this.#engine.playing);
    this.#part("play").setAttribute("aria-label", this.#engine.playing ? "Pause" : "Play");
  }
}
