// The server: requests, errors in plain words, the key, and server-sent events.
import { byId } from "./dom.js";

const KEY = "concordat-api-key";
const address = (path) => new URL(path, document.baseURI);

export class ServerError extends Error {
  constructor(message, status = 0) { super(message); this.status = status; }
}

let asking = null; // one dialog at a time, however many requests wait for it

function askForKey(refused) {
  if (asking) return asking;
  const dialog = byId("key-dialog"), form = byId("key-form"), input = byId("key-input");
  byId("key-text").textContent = refused ? "The server did not take that key. Try another one."
    : "It is kept in this tab until you close it, and sent to this server only.";
  input.value = "";
  asking = new Promise((resolve) => {
    form.onsubmit = (event) => {
      event.preventDefault();
      const key = input.value.trim();
      if (!key) return;
      sessionStorage.setItem(KEY, key);
      dialog.close();
      resolve(true);
    };
    byId("key-cancel").onclick = () => dialog.close();
    dialog.onclose = () => { asking = null; resolve(false); };
    dialog.showModal();
    input.focus();
  });
  return asking;
}

async function plainWords(response) {
  let said = "";
  try { said = (await response.json()).error?.message || ""; } catch { /* not in OpenAI's form */ }
  const wait = response.headers.get("Retry-After");
  const again = wait && /^\d+$/.test(wait) ? `Try again in ${wait} second${wait === "1" ? "" : "s"}.` : "Try again in a moment.";
  if (response.status === 401) return "The server needs a key. Reload the page to be asked again.";
  if (response.status === 429) return `Too many requests at once. ${again}`;
  if (response.status === 503) return `The server is busy. ${again}`;
  if (response.status === 408 || response.status === 504) return "The server took too long. Try again, or ask something shorter.";
  if (response.status >= 500) return `The server failed. ${said || again}`;
  return said || `The server refused the request (${response.status}).`;
}

export async function request(path, { method = "GET", body, signal } = {}) {
  for (;;) {
    const key = sessionStorage.getItem(KEY);
    const headers = key ? { Authorization: `Bearer ${key}` } : {};
    if (body) headers["Content-Type"] = "application/json";
    let response;
    try {
      response = await fetch(address(path), { method, headers, signal, body: body && JSON.stringify(body) });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new ServerError("The server does not answer. It may have been stopped; start it again with: concordat serve");
    }
    if (response.ok) return response;
    if (response.status === 401) {
      if (sessionStorage.getItem(KEY) !== key && sessionStorage.getItem(KEY)) continue; // given meanwhile
      if (await askForKey(Boolean(key))) continue;
    }
    throw new ServerError(await plainWords(response), response.status);
  }
}

export const json = async (path, options) => (await request(path, options)).json();

// Server-sent events of a response: pairs of a name and the data as it is.
export async function* events(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let held = "";
  for (;;) {
    let part;
    try { part = await reader.read(); } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new ServerError("The connection to the server broke off. Try again.");
    }
    held += (part.value || "").replaceAll("\r\n", "\n");
    if (part.done) held += "\n\n";
    for (let end = held.indexOf("\n\n"); end >= 0; end = held.indexOf("\n\n")) {
      const lines = held.slice(0, end).split("\n");
      held = held.slice(end + 2);
      const field = (name) => lines.filter((line) => line.startsWith(`${name}:`)).map((line) => line.slice(name.length + 1).replace(/^ /, ""));
      const data = field("data");
      if (data.length) yield [field("event").at(-1) || "message", data.join("\n")];
    }
    if (part.done) return;
  }
}
