// The trash: what was deleted, and can be restored.

import * as api from "./api.js";
import { announce, bytes, date, fill, h, trouble } from "./dom.js";

export async function show(main, { signal }) {
  const { items, is_complete } = await api.trash();
  if (signal.aborted) return;
  const nameOf = (each) => each.title || each.original_filename || each.audio_id;
  fill(main,
    h("h1", {}, "Trash"),
    items.length ? null : h("p", {}, "Nothing can be restored."),
    is_complete ? null : h("p", { className: "notice" }, "There is more than is shown: the command line lists all of it."),
    h("ul", { className: "rows" }, items.map((each) => {
      const button = h("button", { type: "button", aria: { label: `Restore ${nameOf(each)}` } }, "Restore");
      const row = h("li", {},
        h("div", { className: "bar" },
          h("span", { className: "grow" }, h("strong", {}, nameOf(each)), each.artist ? ` – ${each.artist}` : "", h("br"),
            h("span", { className: "small soft" }, `${bytes(each.size_bytes)}, deleted ${date(each.deleted_at)}, gone ${date(each.gone_at)}`)),
          button));
      button.onclick = async () => {
        button.disabled = true;
        try {
          const asset = await api.restore(each.audio_id);
          row.replaceChildren(h("a", { href: `#/asset/${asset.audio_id}` }, nameOf(each)), " was restored");
          row.querySelector("a").focus();
          announce("Restored");
        } catch (error) {
          button.disabled = false;
          trouble(error);
        }
      };
      return row;
    })),
  );
}
