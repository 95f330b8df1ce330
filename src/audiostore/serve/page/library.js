// The library: what matches the search, newest first, a page at a time.

import * as api from "./api.js";
import { announce, byline, clock, cover, fill, h, nameOf, number, trouble } from "./dom.js";
import { isPlaying, isRefused, onChange, toggle } from "./player.js";
import { barsOf, drawn } from "./waveform.js";

const PAGE = 50;
const ORDERS = [
  ["-created", "Newest first"],
  ["created", "Oldest first"],
  ["title", "Title"],
  ["artist", "Artist"],
  ["album", "Album"],
  ["-duration", "Longest first"],
  ["-size", "Largest first"],
];
const rows = new Map();

export async function show(main, { query, signal }) {
  const text = query.get("text") ?? "";
  const sort = query.get("sort") ?? "-created";
  const list = h("ul", { className: "tracks" });
  const more = h("button", { type: "button", hidden: true }, "Show more");
  const count = h("p", { className: "soft", role: "status" });
  const order = h("select", { onchange: () => go({ text, sort: order.value }), aria: { label: "Order" } },
    ORDERS.map(([value, name]) => h("option", { value, selected: value === sort }, name)));
  const ask = { limit: PAGE, sort, ...(text && { text }) };
  const first = await api.assets(ask, signal);
  rows.clear();
  fill(main,
    h("h1", {}, text ? `“${text}”` : "Library"),
    h("div", { className: "bar" }, h("span", { className: "grow" }, count), order),
    list,
    h("p", {}, more),
  );
  count.textContent = found(first, text);
  let next = append(list, first);
  more.hidden = !next;
  more.onclick = async () => {
    more.disabled = true;
    try {
      const page = await api.assets({ ...ask, cursor: next }, signal);
      const place = list.children.length;
      next = append(list, page);
      more.hidden = !next;
      announce(`${number(list.children.length)} tracks are shown`);
      list.children[place]?.querySelector("button").focus();
    } catch (error) {
      if (error.name !== "AbortError") trouble(error, () => more.click());
    } finally {
      more.disabled = false;
    }
  };
  if (!first.items.length) list.replaceWith(h("p", {}, text ? "Nothing matches." : ["Nothing is stored yet. ", h("a", { href: "#/upload" }, "Upload your first track")]));
}

function go({ text, sort }) {
  const query = new URLSearchParams({ ...(text && { text }), ...(sort !== "-created" && { sort }) });
  location.hash = `/?${query}`;
}

function found({ total, items, is_complete }, text) {
  const all = total ?? items.length;
  const what = `${number(all)} ${all === 1 ? "track" : "tracks"}${text ? " found" : ""}`;
  return is_complete ? what : `${what} so far: the store is still being listed`;
}

function append(list, { items, next }) {
  const drawings = [];
  for (const asset of items) {
    const [row, redraw] = rowOf(asset);
    list.append(row);
    drawings.push(redraw);
  }
  requestAnimationFrame(() => drawings.forEach((redraw) => redraw()));
  return next;
}

function rowOf(asset) {
  const name = nameOf(asset);
  const bars = barsOf(asset);
  const canvas = h("canvas", { className: "wave", aria: { hidden: "true" } });
  const button = h("button", { type: "button", className: "play", onclick: () => toggle(asset) });
  const row = h("li", { className: "track" },
    button,
    cover(asset),
    h("span", { className: "names" },
      h("a", { href: `#/asset/${asset.audio_id}` }, name),
      " ",
      isRefused(asset) && h("span", { className: "badge", title: "Your browser may not play it as it is stored" }, asset.format.toUpperCase()),
      h("br"),
      h("span", { className: "small soft" }, byline(asset))),
    bars ? canvas : h("span", { className: "wave" }),
    h("span", { className: "time small soft" }, clock(asset.duration_s ?? NaN)));
  rows.set(asset.audio_id, { row, button, name });
  mark(asset.audio_id);
  return [row, bars ? drawn(canvas, bars) : () => {}];
}

function mark(id) {
  const { row, button, name } = rows.get(id);
  const plays = isPlaying(id);
  row.classList.toggle("current", plays);
  button.textContent = plays ? "❚❚" : "▶";
  button.setAttribute("aria-label", `${plays ? "Pause" : "Play"} ${name}`);
}

onChange(() => rows.forEach((_, id) => mark(id)));
