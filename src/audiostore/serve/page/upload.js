// Upload: drop files, one line each, refused or stored.

import * as api from "./api.js";
import { announce, bytes, h, nameOf } from "./dom.js";

const AT_ONCE = 3;
const LARGE_BYTES = 16 << 20;
const waiting = [];
let running = 0;
const list = h("ul", { className: "rows" });

export function show(main) {
  const input = h("input", { type: "file", multiple: true, id: "files", hidden: true, accept: "audio/*,image/jpeg,image/png,image/webp,.flac,.opus,.caf,.aiff,.wma,.m4b" });
  input.onchange = () => {
    add(input.files);
    input.value = "";
  };
  const zone = h("div", { className: "drop" },
    h("p", {}, "Drop audio files here, with their covers"),
    h("button", { type: "button", className: "main", onclick: () => input.click() }, "Choose files"),
    h("p", { className: "small soft" }, "A cover belongs to the track with the same name; one that is alone belongs to all of them."),
    input);
  zone.ondragover = () => zone.classList.add("over");
  zone.ondragleave = () => zone.classList.remove("over");
  zone.ondrop = (event) => {
    zone.classList.remove("over");
    add(event.dataTransfer.files);
  };
  main.replaceChildren(h("h1", {}, "Upload"), zone, list);
}

const stem = (file) => file.name.replace(/\.[^.]*$/, "");

function add(files) {
  const images = [...files].filter((file) => file.type.startsWith("image/"));
  const tracks = [...files].filter((file) => !file.type.startsWith("image/"));
  if (!tracks.length && images.length) announce("A cover needs its track: choose both together");
  for (const track of tracks) {
    const own = images.find((image) => stem(image) === stem(track));
    queue(track, own ?? (images.length === 1 ? images[0] : null));
  }
  next();
}

function queue(track, image) {
  const bar = h("progress", { max: 1, value: 0, aria: { label: `Sent of ${track.name}` } });
  const state = h("span", { className: "small soft" }, "waiting");
  const row = h("li", {}, h("strong", {}, track.name), ` ${bytes(track.size)} `, state, bar);
  list.prepend(row);
  waiting.push({ id: api.newId(), track, image, bar, state, row });
}

function next() {
  while (running < AT_ONCE && waiting.length) {
    running += 1;
    const job = waiting.shift();
    send(job).finally(() => {
      running -= 1;
      next();
    });
  }
}

async function send(job) {
  const { id, track, image, bar, state, row } = job;
  state.className = "small soft";
  try {
    const onSent = (share) => {
      bar.value = share;
      state.textContent = share < 1 ? `sending, ${Math.floor(share * 100)} %` : "sent: it is being inspected, stored and compared";
    };
    const asset = await (track.size > LARGE_BYTES ? api.uploadLarge(job, track, image, onSent) : api.upload(id, track, image, onSent));
    bar.remove();
    state.replaceChildren("stored: ", h("a", { href: `#/asset/${asset.audio_id}` }, nameOf(asset)), ...(asset.warnings.length ? [` – ${asset.warnings.join("; ")}`] : []));
    announce(`${track.name} is stored`);
  } catch (error) {
    bar.value = 0;
    state.className = "small error";
    state.textContent = error.message;
    announce(`${track.name}: ${error.message}`);
    const again = h("button", { type: "button" }, "Try again");
    again.onclick = () => {
      again.remove();
      waiting.push(job); // under the same id: what was stored already is found again
      next();
    };
    row.append(again);
  }
}

addEventListener("beforeunload", (event) => {
  if (running) event.preventDefault();
});
