// Which page is shown: the part of the URL after # says so.

import { calm, find, h, isTyping, trouble } from "./dom.js";

const PAGES = [
  [/^\/asset\/([0-9a-f-]{36})$/, () => import("./asset.js")],
  [/^\/upload$/, () => import("./upload.js")],
  [/^\/trash$/, () => import("./trash.js")],
  [/^\/health$/, () => import("./health.js")],
  [/^\/?(?:\?.*)?$/, () => import("./library.js")],
];
const main = find("#main");
const text = find("#text");
let leaving = new AbortController();
let isFirst = true;

async function show() {
  leaving.abort();
  leaving = new AbortController();
  const { signal } = leaving;
  calm();
  const place = location.hash.slice(1) || "/";
  const [match, load] = PAGES.map(([pattern, load]) => [place.match(pattern), load]).find(([match]) => match) ?? [null, null];
  mark(place);
  if (!load) {
    main.replaceChildren(h("h1", {}, "Nothing is here"), h("p", {}, h("a", { href: "#/" }, "Back to the library")));
    return;
  }
  try {
    const page = await load();
    if (signal.aborted) return;
    await page.show(main, { match, signal, query: new URLSearchParams(place.split("?")[1] ?? "") });
    if (!signal.aborted && !isFirst && !main.contains(document.activeElement) && document.activeElement !== text) {
      main.focus({ preventScroll: true });
      scrollTo(0, 0);
    }
    isFirst = false;
  } catch (error) {
    if (error.name !== "AbortError" && !signal.aborted) trouble(error, show);
  }
}

function mark(place) {
  for (const link of document.querySelectorAll("nav a")) {
    const isHere = link.hash.slice(1) === place.split("?")[0];
    if (isHere) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (/^\/?(\?|$)/.test(place)) {
    const asked = new URLSearchParams(place.split("?")[1] ?? "").get("text") ?? "";
    if (document.activeElement !== text) text.value = asked;
  }
}

let typing = 0;
const search = () => {
  const asked = text.value.trim();
  location.hash = asked ? `/?${new URLSearchParams({ text: asked })}` : "/";
};
text.addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(search, 200);
});
find("#search").addEventListener("submit", (event) => {
  event.preventDefault();
  clearTimeout(typing);
  search();
  find(".track .play")?.focus();
});
document.addEventListener("keydown", (event) => {
  if (event.key === "/" && !isTyping(event.target) && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    text.focus();
    text.select();
  }
});
addEventListener("hashchange", show);
addEventListener("online", show);
// Files that are dropped beside the target would replace this page.
for (const name of ["dragover", "drop"]) addEventListener(name, (event) => event.preventDefault());
show();
