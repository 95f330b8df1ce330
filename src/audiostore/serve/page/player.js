// The player at the foot of the page: one <audio>, a waveform to seek in.

import { announce, byline, clock, cover, find, h, isTyping, nameOf, spoken } from "./dom.js";
import { barsOf, drawn } from "./waveform.js";

// docs/playback.md: what Chromium or Firefox refuse, though they say "maybe" of the container.
const REFUSED = { codecs: ["alac", "mp2", "mp1"], formats: ["aiff", "aif", "aifc", "caf", "wma"] };
const NETWORK = 2; // MediaError: the connection, or a URL that has expired
const STEP_S = 5;
const WAYS = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 };

const sound = h("audio", { preload: "metadata" });
document.body.append(sound);
let current = null;
let isPreview = false;
let retriedAt = -Infinity;
let parts = null;
const listeners = new Set();

/** Say whether this browser will hardly play the file as it is stored. */
export function isRefused(asset) {
  if (REFUSED.codecs.includes(asset.codec) || REFUSED.formats.includes(asset.format)) return true;
  return sound.canPlayType(asset.content_type) === "";
}

export const isPlaying = (id) => current?.audio_id === id && !sound.paused;
export const onChange = (listener) => listeners.add(listener);
const changed = () => listeners.forEach((listener) => listener(current?.audio_id ?? null));

/** Play an asset; the one that is playing already pauses, or goes on. */
export function toggle(asset = current) {
  if (!asset) return;
  if (current?.audio_id !== asset.audio_id) load(asset);
  else if (sound.paused) start();
  else sound.pause();
}

/** Stop if this asset is playing: it is gone. */
export function forget(id) {
  if (current?.audio_id !== id) return;
  sound.pause();
  sound.removeAttribute("src");
  current = null;
  find("#player").hidden = true;
  changed();
}

function load(asset) {
  current = asset;
  retriedAt = -Infinity;
  isPreview = isRefused(asset) && Boolean(asset.links.preview);
  build(asset);
  sound.src = isPreview ? asset.links.preview : asset.links.audio;
  if (isPreview) say("Your browser does not play this format: you hear its preview.");
  start();
}

function start() {
  sound.play().catch((error) => {
    if (error.name === "NotAllowedError") say("Your browser wants you to press play.");
  });
}

function build(asset) {
  const seek = h("input", { type: "range", min: 0, max: asset.duration_s || 1, step: 0.1, value: 0, aria: { label: "Position" } });
  const canvas = h("canvas", { aria: { hidden: "true" } });
  parts = {
    button: h("button", { type: "button", className: "play main", onclick: () => toggle() }),
    seek,
    time: h("span", { className: "time small" }),
    message: h("p", { className: "message small", role: "status" }),
    redraw: drawn(canvas, barsOf(asset), () => (length() ? sound.currentTime / length() : 0)),
  };
  seek.oninput = () => {
    sound.currentTime = Number(seek.value);
    show();
  };
  // By itself, an arrow moves by the step of the slider, a tenth of a second.
  seek.onkeydown = (event) => {
    if (!WAYS[event.key]) return;
    event.preventDefault();
    move(WAYS[event.key] * STEP_S);
  };
  find("#player").replaceChildren(
    h("div", { className: "deck" },
      parts.button,
      cover(asset),
      h("span", { className: "names" },
        h("a", { href: `#/asset/${asset.audio_id}` }, nameOf(asset)),
        h("span", { className: "small soft" }, byline(asset))),
      h("span", { className: "seek" }, canvas, seek),
      parts.time,
      parts.message),
  );
  find("#player").hidden = false;
  show();
}

const move = (seconds) => (sound.currentTime = Math.min(length(), Math.max(0, sound.currentTime + seconds)));
const length = () => (Number.isFinite(sound.duration) ? sound.duration : current?.duration_s || 0);

function show() {
  if (!parts) return;
  const [at, total] = [sound.currentTime, length()];
  parts.seek.max = total || 1;
  if (document.activeElement !== parts.seek || !sound.seeking) parts.seek.value = at;
  parts.seek.setAttribute("aria-valuetext", `${spoken(at)} of ${spoken(total)}`);
  parts.time.textContent = `${clock(at)} / ${clock(total)}`;
  parts.button.textContent = sound.paused ? "▶" : "❚❚";
  parts.button.setAttribute("aria-label", sound.paused ? "Play" : "Pause");
  parts.redraw();
}

function say(text, link) {
  parts.message.replaceChildren(text, ...(link ? [" ", link] : []));
}

function failed() {
  if (!current || !sound.error) return;
  if (sound.error.code === NETWORK && performance.now() - retriedAt > 10_000) {
    // The connection broke: ask again for the rest, once.
    retriedAt = performance.now();
    const at = sound.currentTime;
    sound.load();
    sound.currentTime = at;
    start();
    return;
  }
  if (!isPreview && current.links.preview && sound.error.code > NETWORK) {
    isPreview = true;
    sound.src = current.links.preview;
    say("Your browser does not play this file: you hear its preview.");
    start();
    return;
  }
  const link = h("a", { href: current.links.audio, download: current.original_filename || "" }, "Download it");
  const why = sound.error.code === NETWORK ? "The connection broke." : `Your browser does not play ${current.format.toUpperCase()}${current.codec ? ` (${current.codec})` : ""}.`;
  say(why, link);
  announce(why);
  changed();
}

for (const name of ["timeupdate", "durationchange", "seeked", "loadedmetadata"]) sound.addEventListener(name, show);
for (const name of ["play", "pause", "ended"]) {
  sound.addEventListener(name, () => {
    show();
    changed();
  });
}
sound.addEventListener("playing", () => !isPreview && say(""));
sound.addEventListener("error", failed);

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
  if (event.key === "k") toggle();
  else if (event.key === "j" && current) move(-STEP_S);
  else if (event.key === "l" && current) move(STEP_S);
  else return;
  event.preventDefault();
});
