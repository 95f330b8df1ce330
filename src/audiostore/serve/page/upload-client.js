// Uploads in steps: announce a file, send it to its session, go on after a break, complete it.

const PAUSES_MS = [500, 1_000, 2_000, 4_000, 8_000, 15_000, 30_000];
const PASSING = [0, 408, 409, 429]; // and all from 500 on: asked again, the answer may be another

/** A refusal, in the service's own words; `status` is 0 if there was no answer. */
export class UploadError extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

/**
 * Store a file; return its asset. A connection that breaks is taken up again where it broke.
 * `service` is the URL of the service, `headers` go to it alone. `onBegin` gets a ticket: an upload that
 * was given up, or whose page was closed, goes on with the same file and `ticket`.
 */
export async function upload(file, { service = "", headers = {}, onProgress = () => {}, onBegin = () => {}, signal, ticket, ...more } = {}) {
  const uploads = new URL(`${service}/v1/uploads`, document.baseURI);
  const announced = { filename: file.name, size_bytes: file.size, content_type: file.type || undefined, ...more };
  const known = ticket ?? (await steadily("POST", uploads, { ...headers, "Content-Type": "application/json" }, JSON.stringify(announced), signal));
  onBegin(known);
  const session = new URL(known.session_url, uploads);
  await send(file, session, session.origin === uploads.origin ? headers : {}, ticket ? null : 0, onProgress, signal);
  return steadily("POST", new URL(known.complete_url, uploads), headers, null, signal);
}

/** Send the bytes from an offset on; null: ask first which have arrived. */
async function send(file, url, headers, from, onProgress, signal) {
  const size = file.size;
  for (let failures = 0, best = 0; ; ) {
    const span = from === null ? `bytes */${size}` : `bytes ${from}-${size - 1}/${size}`;
    const start = from ?? 0;
    const answer = await once("PUT", url, { ...headers, "Content-Range": span }, from === null ? null : file.slice(from), signal, (sent) => onProgress(start + sent, size));
    if (answer.status === 200 || answer.status === 201) return onProgress(size, size);
    if (answer.status === 308) {
      const arrived = answer.range ? Number(answer.range.split("-")[1]) + 1 : 0;
      if (arrived > best || from === null) {
        failures = arrived > best ? 0 : failures;
        best = Math.max(best, arrived);
        from = arrived;
        continue;
      }
    }
    await pause(answer, failures++, signal);
    from = null;
  }
}

/** Ask until there is an answer: these requests may be sent twice. */
async function steadily(method, url, headers, body, signal) {
  for (let failures = 0; ; ) {
    const answer = await once(method, url, headers, body, signal);
    if (answer.status >= 200 && answer.status < 300) return answer.json;
    await pause(answer.status === 409 ? { ...answer, status: 422 } : answer, failures++, signal);
  }
}

async function pause(answer, failures, signal) {
  const isPassing = PASSING.includes(answer.status) || answer.status >= 500 || answer.status === 308;
  if (!isPassing || failures >= PAUSES_MS.length) {
    throw new UploadError(answer.json?.detail ?? (answer.status ? `The upload was refused (${answer.status}).` : "The connection broke."), answer.status);
  }
  await new Promise((resolve) => setTimeout(resolve, PAUSES_MS[failures]));
  signal?.throwIfAborted();
}

/** One request; fetch() says nothing of what it sends, XMLHttpRequest does. */
function once(method, url, headers, body, signal, onSent = () => {}) {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const request = new XMLHttpRequest();
    const abort = () => request.abort();
    signal?.addEventListener("abort", abort, { once: true });
    request.open(method, url);
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.upload.onprogress = (event) => onSent(event.loaded);
    request.onabort = () => reject(signal.reason);
    request.onloadend = () => {
      signal?.removeEventListener("abort", abort);
      let json = null;
      try {
        json = JSON.parse(request.responseText);
      } catch {
        // A bucket's session answers in its own way.
      }
      resolve({ status: request.status, range: request.getResponseHeader("Range"), json });
    };
    request.send(body);
  });
}
