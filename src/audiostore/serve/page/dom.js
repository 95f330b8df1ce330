// Small helpers: elements, texts for people, and what is said to them.

/** Make an element. Properties are set as such; those in `data` and `aria` as attributes. */
export function h(name, properties = {}, ...children) {
  const { data = {}, aria = {}, ...rest } = properties;
  const element = Object.assign(document.createElement(name), rest);
  for (const [key, value] of Object.entries(data)) element.dataset[key] = value;
  for (const [key, value] of Object.entries(aria)) element.setAttribute(`aria-${key}`, value);
  return fill(element, ...children);
}

/** Give an element these children instead; arrays are taken apart, and what is not there left out. */
export function fill(element, ...children) {
  element.replaceChildren(...children.flat(Infinity).filter((child) => child != null && child !== false));
  return element;
}

/** Say whether keys that are pressed in an element are text. */
export const isTyping = (element) => element.matches("input:not([type=range]), textarea, select");

export const find = (selector, root = document) => root.querySelector(selector);

/** Seconds as a clock: 3:07, 1:02:03. */
export function clock(seconds) {
  if (!Number.isFinite(seconds)) return "–:––";
  const whole = Math.floor(seconds);
  const parts = [Math.floor(whole / 60) % 60, whole % 60];
  if (whole >= 3600) parts.unshift(Math.floor(whole / 3600));
  return parts.map((part, at) => (at ? String(part).padStart(2, "0") : part)).join(":");
}

/** Seconds in words, for a screen reader. */
export function spoken(seconds) {
  const whole = Math.floor(seconds || 0);
  const [minutes, rest] = [Math.floor(whole / 60), whole % 60];
  return `${minutes} ${minutes === 1 ? "minute" : "minutes"} ${rest} seconds`;
}

export function bytes(count) {
  const units = ["B", "kB", "MB", "GB", "TB", "PB"];
  let at = 0;
  for (; count >= 999.5 && at < units.length - 1; at += 1) count /= 1000;
  return `${count.toLocaleString(undefined, { maximumFractionDigits: at && count < 10 ? 1 : 0 })} ${units[at]}`;
}

export const number = (value) => value.toLocaleString();
export const date = (text) =>
  new Date(text).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
export const nameOf = (asset) => asset.title || asset.original_filename || asset.audio_id;
export const byline = (asset) => [asset.artist, asset.album].filter(Boolean).join(" – ");

/** Tell those who do not see the page what has happened. */
export function announce(text) {
  const status = find("#status");
  status.textContent = "";
  requestAnimationFrame(() => (status.textContent = text));
}

/** Show a problem across the page, with a way to try again. */
export function trouble(error, retry) {
  const box = find("#trouble");
  box.replaceChildren(error.message || String(error));
  const again = h("button", { type: "button" }, "Try again");
  again.onclick = () => {
    calm();
    retry();
  };
  const close = h("button", { type: "button", onclick: calm }, "Dismiss");
  if (retry) box.append(again);
  box.append(close);
  box.hidden = false;
}

export function calm() {
  find("#trouble").hidden = true;
}

/** The artwork of an asset, or nothing but its place. */
export function cover(asset, className = "cover") {
  if (!asset.links.thumbnail) return h("span", { className });
  const image = h("img", { className, alt: "", loading: "lazy", src: artworkUrl(asset) });
  image.onerror = () => image.replaceWith(h("span", { className }));
  return image;
}

// Browsers keep artwork for a while: other artwork has another URL.
export const artworkUrl = (asset) =>
  `${asset.links.thumbnail}?v=${encodeURIComponent(asset.thumbnail_crc32c ?? "")}`;
