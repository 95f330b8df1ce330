// Health: what is stored, what it costs, and what is wrong.

import * as api from "./api.js";
import { announce, bytes, date, fill, h, number, trouble } from "./dom.js";

export async function show(main, { signal }) {
  const found = await api.statistics();
  if (signal.aborted) return;
  const derived = (found.derived_bytes ?? 0) + (found.attached_bytes ?? 0);
  const figures = [
    ["Tracks", number(found.assets)],
    ["Hours", number(Math.round(found.hours * 10) / 10)],
    ["Audio", bytes(found.audio_bytes)],
    ["Artwork", bytes(found.artwork_bytes)],
    derived && ["Derived and attached", bytes(derived)],
    found.cost && ["Storage a month", `${found.cost.total.toFixed(2)} ${found.cost.currency}`],
  ];
  fill(main,
    h("h1", {}, "Health"),
    h("dl", { className: "numbers" }, figures.filter(Boolean).map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value)))),
    found.cost && h("p", { className: "small soft" }, `At the list prices of ${found.cost.location}, read on ${found.cost.read_on}; operations and traffic are not included.`),
    !found.is_complete && h("p", { className: "notice" }, "The store is still being listed: these figures grow."),
    plot("By format", found.by_format, (tally) => tally.assets, number),
    plot("By month", found.by_month, (tally) => tally.audio_bytes, bytes),
    Object.keys(found.by_storage_class).length > 1 && plot("By storage class", found.by_storage_class, (tally) => tally.audio_bytes, bytes),
    h("h2", {}, "Problems"),
    checker(signal),
    found.as_of && h("p", { className: "small soft" }, `As of ${date(found.as_of)}`),
  );
}

function plot(title, tallies, value, shown) {
  const entries = Object.entries(tallies);
  if (!entries.length) return null;
  const most = Math.max(...entries.map(([, tally]) => value(tally)), 1);
  return [
    h("h2", {}, title),
    h("table", { className: "plot" }, h("caption", { className: "hidden" }, title), h("tbody", {}, entries.map(([name, tally]) =>
      h("tr", {},
        Object.assign(h("th", {}, name), { scope: "row" }),
        h("td", {}, h("meter", { max: most, value: value(tally), aria: { label: name } })),
        h("td", { className: "n" }, shown(value(tally))))))),
  ];
}

function checker(signal) {
  const list = h("ul", { className: "rows" });
  const state = h("p", { role: "status", className: "soft" }, "A check lists the whole store, and changes nothing.");
  const button = h("button", { type: "button", className: "main" }, "Check the store");
  button.onclick = async () => {
    button.disabled = true;
    list.replaceChildren();
    state.textContent = "Checking …";
    try {
      for await (const line of api.check(signal)) {
        if (line.error) throw new Error(line.error.detail);
        if ("problems" in line) {
          state.textContent = line.problems ? `${number(line.problems)} ${line.problems === 1 ? "problem" : "problems"} found` : "No problems found";
          announce(state.textContent);
        } else list.append(problem(line));
      }
    } catch (error) {
      if (error.name !== "AbortError") {
        state.textContent = "The check did not end.";
        trouble(error, () => button.click());
      }
    } finally {
      button.disabled = false;
    }
  };
  return [h("p", {}, button), state, list];
}

function problem({ kind, audio_id, name, message, hint, repair }) {
  return h("li", {},
    h("strong", {}, kind), " ",
    audio_id ? h("a", { href: `#/asset/${audio_id}` }, name) : name, h("br"),
    message, h("br"),
    h("span", { className: "small" }, repair ? ["Repair: ", h("code", {}, "audiostore check --repair --yes"), ` (${repair})`] : hint));
}
