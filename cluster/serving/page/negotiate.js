// Start a negotiation, follow it round by round, cancel it.
import { events, request } from "./api.js";
import { radar, swatch } from "./charts.js";
import { announce, byId, el, figure, invalid, said, showError } from "./dom.js";
import { cultureMap } from "./map.js";
import { fresh, liveView, take } from "./live.js";
import { state } from "./parts.js";

let running = null; // {controller, id, cancelled, named, shown} of the negotiation that is on
let onFinished = async () => {};
const figures = [];

const chosen = () => [...byId("negotiate-choices").querySelectorAll("input:checked")].map((box) => box.value);

export function chosenFigures(ids) {
  const index = new Map(state.cultures.map((culture, k) => [culture.id, k % 8]));
  const series = () => state.cultures.filter((c) => ids().includes(c.id) && c.values).map((c) => ({ name: c.name, index: index.get(c.id), values: c.values }));
  const places = () => state.cultures.filter((c) => c.map).map((c) => ({ name: c.name, index: index.get(c.id), ...c.map, chosen: ids().includes(c.id) }));
  const circle = figure("Ten basic values", "Farther out is more important. Dashed: neither for nor against.", (width) => radar(series(), width), null, "h2");
  const map = figure("Place on the cultural map", null, (width) => (places().length ? cultureMap(places(), width) : el("p", { class: "waiting" }, "No culture here has a place on the map.")), null, "h2");
  return { nodes: [circle.node, map.node], paint: () => { circle.paint(); map.paint(); }, series };
}

export function fillCultures() {
  const choices = state.cultures.map((culture, k) => el("label", { class: "choice" },
    el("input", { type: "checkbox", name: "culture", value: culture.id, on: { change: () => figures.forEach((f) => f.paint()) } }),
    swatch(k), said("span", culture.name)));
  byId("negotiate-choices").replaceChildren(...choices);
  const wanted = new Set(["english-speaking", "confucian"]);
  byId("negotiate-choices").querySelectorAll("input").forEach((box) => { box.checked = wanted.has(box.value); });
  const drawn = chosenFigures(chosen);
  figures.splice(0, figures.length, drawn);
  byId("negotiate-figures").replaceChildren(...drawn.nodes);
}

function check() {
  const few = chosen().length < 2, many = chosen().length > 4, topic = byId("negotiate-topic"), more = byId("negotiate-more");
  const blank = topic.value.trim().length < 3, wrong = [...more.querySelectorAll("input")].find((input) => !input.checkValidity());
  showError(byId("negotiate-cultures-error"), few ? "Choose at least two cultures." : many ? "Choose at most four cultures." : "");
  showError(byId("negotiate-topic-error"), blank ? "Write a question to negotiate." : "");
  showError(byId("negotiate-more-error"), wrong ? `${wrong.labels[0].textContent} is a whole number from ${wrong.min} to ${wrong.max}.` : "");
  invalid(topic, blank);
  more.querySelectorAll("input").forEach((input) => invalid(input, input === wrong));
  if (wrong) more.open = true;
  const bad = few || many ? byId("negotiate-choices").querySelector("input") : blank ? topic : wrong;
  bad?.focus();
  return !bad;
}

function body() {
  const rounds = Number.parseInt(byId("negotiate-rounds").value, 10), seed = Number.parseInt(byId("negotiate-seed").value, 10);
  const found = { cultures: chosen(), topic: byId("negotiate-topic").value.trim(), method: "psro" };
  if (Number.isInteger(rounds)) found.rounds = rounds;
  if (Number.isInteger(seed)) found.seed = seed;
  return found;
}

const PATIENCE_MS = 3000; // for the server to name a negotiation that is to be cancelled

// A server that has named the negotiation is asked to cancel it; one that has not is left, which cancels it as well.
async function stop() {
  if (!running || running.cancelled) return;
  const mine = running;
  mine.cancelled = true;
  mine.shown.cancelling();
  announce("Cancelling.");
  await Promise.race([mine.named.promise, new Promise((resolve) => { setTimeout(resolve, PATIENCE_MS); })]);
  if (mine.id) await request(`v1/negotiate/${encodeURIComponent(mine.id)}`, { method: "DELETE" }).catch(() => {});
  mine.controller.abort();
}

function promised() {
  let keep;
  const promise = new Promise((resolve) => { keep = resolve; });
  return { promise, keep };
}

async function follow(asked, view, mine) {
  const response = await request("v1/negotiate", { method: "POST", body: asked, signal: mine.controller.signal });
  for await (const [name, text] of events(response)) {
    const data = JSON.parse(text);
    if (name === "started") { mine.id = data.negotiation_id; mine.named.keep(); }
    announce(take(view, name, data));
    if (name === "finished" || name === "failed") return;
    mine.shown.update(true);
  }
  if (!mine.cancelled) announce(take(view, "failed", { error: { message: "The server ended it without a result." } }));
}

async function start(event) {
  event.preventDefault();
  showError(byId("negotiate-error"), "");
  if (running || !check()) return;
  const asked = body(), view = fresh(asked), mine = { controller: new AbortController(), id: null, cancelled: false, named: promised() };
  running = mine;
  byId("negotiate-start").setAttribute("aria-disabled", "true");
  mine.shown = liveView(view, stop);
  mine.shown.update(true);
  byId("negotiation-title").focus();
  try {
    await follow(asked, view, mine);
  } catch (error) {
    if (!mine.cancelled && error.name !== "AbortError") { take(view, "failed", { error: { message: error.message } }); showError(byId("negotiate-error"), error.message); }
  } finally {
    if (!view.policy && !view.error) announce(take(view, "failed", { error: { code: "cancelled" } }));
    mine.named.keep();
    running = null;
    byId("negotiate-start").removeAttribute("aria-disabled");
    mine.shown.update(false);
    if (view.policy) await onFinished().then(mine.shown.refresh, () => {});
  }
}

export function initNegotiate(finished) {
  onFinished = finished;
  byId("negotiate-form").addEventListener("submit", start);
  byId("negotiate-examples").addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (button) { byId("negotiate-topic").value = button.textContent; byId("negotiate-topic").focus(); }
  });
}
