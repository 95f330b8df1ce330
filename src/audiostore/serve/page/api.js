// Requests to the service: JSON in, JSON out, errors in its own sentences.

import { upload as uploadInSteps } from "./upload-client.js";

const base = new URL(".", document.baseURI).pathname.replace(/\/$/, "");

/** An answer that is an error; `status` is 0 if there was no answer. */
export class ServiceError extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

export const path = (...parts) => `${base}/v1/${parts.map(encodeURIComponent).join("/")}`;

async function request(method, url, { headers = {}, body, signal } = {}) {
  let response;
  try {
    response = await fetch(url, { method, headers, body, signal });
  } catch (error) {
    throw broken(error);
  }
  if (!response.ok) throw await problemOf(response);
  return response;
}

const broken = (error) =>
  error.name === "AbortError" ? error : new ServiceError("The service does not answer. Is it still running?", 0);

async function problemOf(response) {
  let detail = "";
  try {
    detail = (await response.json()).detail;
  } catch {
    // Not from the service itself, but from a proxy in front of it.
  }
  if (response.status === 401) {
    detail = "You are not signed in: open the address that the service printed when it started.";
  }
  return new ServiceError(detail || `The service answered ${response.status}.`, response.status);
}

async function json(...args) {
  const response = await request(...args);
  try {
    return await response.json();
  } catch (error) {
    throw broken(error);
  }
}

export const assets = (query, signal) =>
  json("GET", `${path("assets")}?${new URLSearchParams(query)}`, { signal });
export const asset = (id) => json("GET", path("assets", id));
export const statistics = () => json("GET", path("stats"));
export const trash = () => json("GET", path("trash"));
export const restore = (id) => json("POST", path("assets", id, "restore"));
export const analyse = (id) => json("POST", path("assets", id, "analysis"));
export const share = (id, expires_s) =>
  json("POST", path("assets", id, "shares"), {
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ expires_s }),
  });
export const revoke = (id) => request("DELETE", path("assets", id, "shares"));
export const remove = (id, etag) =>
  request("DELETE", path("assets", id), { headers: { "If-Match": etag } });
export const change = (id, etag, custom) =>
  json("PATCH", path("assets", id), {
    headers: { "If-Match": etag, "Content-Type": "application/merge-patch+json" },
    body: JSON.stringify({ custom }),
  });
export const replaceCover = (id, etag, file) => {
  const form = new FormData();
  form.append("thumbnail", file, file.name);
  return json("PUT", path("assets", id, "thumbnail"), { headers: { "If-Match": etag }, body: form });
};

/** Yield the lines of a check as they come. */
export async function* check(signal) {
  const response = await request("GET", path("check"), { signal });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    const lines = (rest + (value ?? "")).split("\n");
    rest = lines.pop();
    for (const line of lines) if (line) yield JSON.parse(line);
    if (done) return;
  }
}

/** Store a large file: a break costs nothing of what has arrived, and `job` goes on where it was. */
export async function uploadLarge(job, audio, thumbnail, onSent) {
  const asset = await uploadInSteps(audio, {
    service: base,
    ticket: job.ticket,
    onBegin: (ticket) => (job.ticket = ticket),
    onProgress: (sent, all) => onSent(sent / all),
  }).catch((error) => {
    if ([404, 415, 422].includes(error.status)) job.ticket = undefined; // nothing is left of it
    throw error;
  });
  return thumbnail ? replaceCover(asset.audio_id, asset.etag, thumbnail) : asset;
}

/**
 * Store a file under an id of our own: sent again after a break, it is stored once.
 * Reports what share was sent. fetch() reports nothing of what it sends, XMLHttpRequest does.
 */
export function upload(id, audio, thumbnail, onSent) {
  const form = new FormData();
  if (thumbnail) form.append("thumbnail", thumbnail, thumbnail.name);
  form.append("audio", audio, audio.name);
  return new Promise((resolve, reject) => {
    const sending = new XMLHttpRequest();
    sending.open("PUT", path("assets", id, "audio"));
    sending.responseType = "json";
    sending.upload.onprogress = (event) => onSent(event.loaded / event.total);
    sending.onload = () => {
      const answer = sending.response ?? {};
      if (sending.status < 300) resolve(answer);
      else reject(new ServiceError(answer.detail || `The service answered ${sending.status}.`, sending.status));
    };
    sending.onerror = () => reject(new ServiceError("The connection broke. Nothing is stored twice if you try again.", 0));
    sending.send(form);
  });
}

/** A version 4 UUID; crypto.randomUUID is there in secure contexts alone. */
export function newId() {
  const random = crypto.getRandomValues(new Uint8Array(16));
  random[6] = (random[6] & 0x0f) | 0x40;
  random[8] = (random[8] & 0x3f) | 0x80;
  const digits = [...random].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
