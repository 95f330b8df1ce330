// One asset: hear it, see it, correct it, delete it.

import * as api from "./api.js";
import { announce, artworkUrl, byline, bytes, calm, clock, cover, date, fill, h, nameOf, number, trouble } from "./dom.js";
import { forget, isRefused, toggle } from "./player.js";
import { barsOf, drawn } from "./waveform.js";

const FIELDS = [["title", "Title"], ["artist", "Artist"], ["album", "Album"], ["track", "Track"], ["year", "Year"], ["genre", "Genre"]];

export async function show(main, { match, signal }) {
  const asset = await api.asset(match[1]);
  if (!signal.aborted) render(main, asset);
}

/** Show it anew, with the focus where it was, or at the top of the track: not of the page. */
function redraw(main, asset) {
  const { id } = document.activeElement;
  render(main, asset);
  (document.getElementById(id) ?? main).focus({ preventScroll: true });
}

/** Say why a change was refused; if somebody else was faster, show what they did. */
async function refused(main, asset, error) {
  if (error.status !== 412) return trouble(error);
  try {
    redraw(main, await api.asset(asset.audio_id));
    trouble(new Error("Somebody else has changed this track meanwhile. It is shown as it is now: repeat your change if you still want it."));
  } catch (gone) {
    trouble(gone);
  }
}

function render(main, asset) {
  const again = async (change) => {
    try {
      const changed = await change();
      calm();
      redraw(main, changed ?? (await api.asset(asset.audio_id)));
      announce("Saved");
      return true;
    } catch (error) {
      await refused(main, asset, error);
      return false;
    }
  };
  const bars = barsOf(asset);
  const canvas = h("canvas", { className: "wide", aria: { hidden: "true" } });
  fill(main,
    h("div", { className: "asset" },
      artwork(asset, again),
      h("div", {},
        h("h1", {}, nameOf(asset)),
        h("p", { className: "soft" }, byline(asset)),
        bars ? canvas : h("p", { className: "small soft" }, "No waveform yet. ", analyseButton(asset, again)),
        h("p", { className: "bar" },
          h("button", { type: "button", className: "main", onclick: () => toggle(asset) }, "Play"),
          h("a", { className: "button", href: asset.links.audio, download: asset.original_filename ?? "" }, "Download"),
          deleteButton(main, asset)),
        isRefused(asset) && h("p", { className: "notice" }, `Your browser may not play ${asset.format.toUpperCase()} as it is stored. `, asset.links.preview ? "You hear its preview." : "Download it to hear it."),
        asset.warnings.map((text) => h("p", { className: "notice" }, text)),
        asset.superseded_by && h("p", { className: "notice" }, "It was replaced by ", h("a", { href: `#/asset/${asset.superseded_by}` }, "a newer version"), "."),
        asset.supersedes && h("p", { className: "small" }, "It replaces ", h("a", { href: `#/asset/${asset.supersedes}` }, "an older version"), "."),
        h("h2", {}, "Share"),
        sharing(asset),
        h("h2", {}, "Edit"),
        editor(asset, again),
        h("h2", {}, "Facts"),
        facts(asset))),
  );
  if (bars) requestAnimationFrame(drawn(canvas, bars));
}

function artwork(asset, again) {
  const input = h("input", { type: "file", accept: "image/jpeg,image/png,image/webp", hidden: true, id: "cover" });
  input.onchange = () => input.files[0] && again(() => api.replaceCover(asset.audio_id, asset.etag, input.files[0]));
  const image = cover(asset, "cover large");
  image.alt = asset.links.thumbnail ? `Cover of ${nameOf(asset)}` : "";
  return h("div", {},
    asset.links.thumbnail ? h("a", { href: artworkUrl(asset) }, image) : image,
    h("p", {}, input, h("button", { type: "button", onclick: () => input.click() }, asset.links.thumbnail ? "Replace the cover" : "Add a cover")));
}

function analyseButton(asset, again) {
  const button = h("button", { type: "button" }, "Analyse it");
  button.onclick = () => {
    button.disabled = true;
    button.textContent = "Analysing …";
    again(() => api.analyse(asset.audio_id)).then((done) => {
      if (!done) Object.assign(button, { disabled: false, textContent: "Analyse it" });
    });
  };
  return button;
}

const LIVES = [["week", 7 * 86400], ["month", 30 * 86400], ["year", 365 * 86400], ["ever", null]];

function sharing(asset) {
  const life = h("select", { id: "life" }, LIVES.map(([name]) => h("option", { value: name }, name === "ever" ? "for ever" : `for a ${name}`)));
  const made = h("div", {});
  const copied = (label, text) => {
    const input = h("input", { value: text, readOnly: true, onfocus: () => input.select(), aria: { label } });
    const button = h("button", { type: "button" }, "Copy");
    button.onclick = async () => {
      input.select();
      await navigator.clipboard?.writeText(text);
      announce(`${label} copied`);
    };
    return h("p", { className: "bar" }, h("span", { className: "grow" }, input), button);
  };
  const make = h("button", { type: "button" }, "Make a link");
  make.onclick = async () => {
    try {
      const { url, html } = await api.share(asset.audio_id, Object.fromEntries(LIVES)[life.value]);
      fill(made, copied("Link", url), copied("Code to embed a player", html));
      made.querySelector("input").focus();
    } catch (error) {
      trouble(error);
    }
  };
  const revoke = h("button", { type: "button" }, "Revoke all links");
  revoke.onclick = async () => {
    try {
      await api.revoke(asset.audio_id);
      fill(made, h("p", { className: "small soft" }, "Nobody can use the links that were made before."));
      announce("All links are revoked");
      asset.etag = (await api.asset(asset.audio_id)).etag;
    } catch (error) {
      trouble(error);
    }
  };
  return [
    h("p", { className: "small soft" }, "Anyone with a link can hear this track on a page with a player, and sees nothing else."),
    h("p", { className: "bar" }, h("label", { htmlFor: "life", className: "hidden" }, "How long the link lasts"), life, make, revoke),
    made,
  ];
}

function editor(asset, again) {
  const named = FIELDS.map(([key, label]) => [key, label, asset[key] == null ? "" : String(asset[key])]);
  const own = Object.entries(asset.custom)
    .filter(([key]) => !FIELDS.some(([known]) => known === key))
    .map(([key, value]) => [key, key, value]);
  const rows = [...named, ...own].map(([key, label, value]) => {
    const id = `field-${key}`;
    return { key, value, label: h("label", { htmlFor: id }, label), input: h("input", { id, value, autocomplete: "off" }) };
  });
  const key = h("input", { id: "new-key", placeholder: "mood", autocomplete: "off", aria: { label: "Name of a new field" } });
  const text = h("input", { placeholder: "calm", autocomplete: "off", aria: { label: "Value of the new field" } });
  const form = h("form", { className: "fields" },
    rows.flatMap(({ label, input }) => [label, input]),
    key, text,
    h("p", { className: "bar" }, h("button", { className: "main", id: "save" }, "Save"), h("span", { className: "small soft" }, "An emptied field is removed.")));
  form.onsubmit = (event) => {
    event.preventDefault();
    const changes = Object.fromEntries(rows.filter(({ value, input }) => input.value.trim() !== value).map(({ key, input }) => [key, input.value.trim() || null]));
    if (key.value.trim()) changes[key.value.trim()] = text.value.trim();
    if (Object.keys(changes).length) again(() => api.change(asset.audio_id, asset.etag, changes));
  };
  return form;
}

function facts(asset) {
  const loudness = asset.loudness?.integrated_lufs;
  const pairs = [
    ["Duration", asset.duration_s == null ? null : `${clock(asset.duration_s)}${asset.duration_is_exact ? "" : " (estimate)"}`],
    ["Format", [asset.format.toUpperCase(), asset.codec, asset.sample_rate_hz && `${number(asset.sample_rate_hz)} Hz`, asset.channels && `${asset.channels} ch`, asset.bitrate_bps && `${Math.round(asset.bitrate_bps / 1000)} kbit/s`].filter(Boolean).join(", ")],
    ["Loudness", loudness == null ? null : `${loudness.toFixed(1)} LUFS`],
    ["Size", bytes(asset.size_bytes)],
    ["File", asset.original_filename],
    ["Path", asset.source_path],
    ["Stored", date(asset.created_at)],
    ["Class", asset.storage_class],
    ["On hold", asset.held ? "yes: it cannot be deleted" : null],
    ["Expires", asset.custom_time && date(asset.custom_time)],
    ["CRC-32C", asset.crc32c],
    ["ID", asset.audio_id],
    ...Object.entries(asset.tags).filter(([key]) => !FIELDS.some(([known]) => known === key)),
  ];
  return h("dl", { className: "small" }, pairs.filter(([, value]) => value).flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
}

function deleteButton(main, asset) {
  const yes = h("button", { value: "yes", className: "bad" }, "Delete");
  const dialog = h("dialog", { aria: { labelledby: "sure" } },
    h("p", { id: "sure" }, `Delete “${nameOf(asset)}”?`),
    h("p", { className: "small soft" }, "It goes to the trash, if the store keeps deleted objects."),
    h("form", { method: "dialog", className: "bar" },
      h("button", { value: "no" }, "Keep it"),
      yes));
  // Not when the dialog has closed: that is reported late, after it may have been opened again.
  yes.onclick = async () => {
    try {
      await api.remove(asset.audio_id, asset.etag);
      forget(asset.audio_id);
      deleted(main, asset);
    } catch (error) {
      await refused(main, asset, error);
    }
  };
  return [dialog, h("button", { type: "button", className: "bad", onclick: () => dialog.showModal() }, "Delete …")];
}

function deleted(main, asset) {
  const undo = h("button", { type: "button", className: "main" }, "Restore it");
  undo.onclick = async () => {
    try {
      redraw(main, await api.restore(asset.audio_id));
      announce("Restored");
    } catch (error) {
      trouble(error);
    }
  };
  fill(main, h("h1", {}, `“${nameOf(asset)}” was deleted`), h("p", { className: "bar" }, undo, h("a", { className: "button", href: "#/" }, "Back to the library")));
  announce("Deleted");
  undo.focus();
}
