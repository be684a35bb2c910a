// Start a negotiation, follow it round by round, cancel it.
import { events, request } from "./api.js";
import { cultureMap, radar, swatch } from "./charts.js";
import { announce, byId, el, figure, listed, said, showError, tiny } from "./dom.js";
import { indices, legend, nameOf, sidePart, state, tiles } from "./parts.js";

let running = null; // {controller, id} of the negotiation that is on
let onFinished = () => {};
const figures = [];

const chosen = () => [...byId("negotiate-choices").querySelectorAll("input:checked")].map((box) => box.value);

export function chosenFigures(ids) {
  const index = new Map(state.cultures.map((culture, k) => [culture.id, k % 8]));
  const valued = state.cultures.filter((c) => ids().includes(c.id) && c.values);
  const series = () => state.cultures.filter((c) => ids().includes(c.id) && c.values).map((c) => ({ name: c.name, index: index.get(c.id), values: c.values }));
  const places = () => state.cultures.filter((c) => c.map).map((c) => ({ name: c.name, index: index.get(c.id), ...c.map, chosen: ids().includes(c.id) }));
  const circle = figure("Ten basic values", "Farther out is more important. Dashed: neither for nor against.", (width) => radar(series(), width));
  const map = figure("Place on the cultural map", null, (width) => (places().length ? cultureMap(places(), width) : el("p", { class: "waiting" }, "No culture here has a place on the map.")));
  return { nodes: [circle.node, map.node], paint: () => { circle.paint(); map.paint(); }, series, valued };
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
  const few = chosen().length < 2, many = chosen().length > 4, topic = byId("negotiate-topic");
  const blank = topic.value.trim().length < 3;
  showError(byId("negotiate-cultures-error"), few ? "Choose at least two cultures." : many ? "Choose at most four cultures." : "");
  showError(byId("negotiate-topic-error"), blank ? "Write a question to negotiate." : "");
  topic.setAttribute("aria-invalid", String(blank));
  if (few || many) byId("negotiate-choices").querySelector("input")?.focus();
  else if (blank) topic.focus();
  return !(few || many || blank);
}

function body() {
  const rounds = Number.parseInt(byId("negotiate-rounds").value, 10), seed = Number.parseInt(byId("negotiate-seed").value, 10);
  const found = { cultures: chosen(), topic: byId("negotiate-topic").value.trim(), method: "psro" };
  if (Number.isInteger(rounds)) found.rounds = rounds;
  if (Number.isInteger(seed)) found.seed = seed;
  return found;
}

function fresh(asked) {
  const index = indices(asked.cultures);
  return { topic: asked.topic, round: 0, nashConv: null, phase: "Opening statements", policy: null, error: "",
    sides: asked.cultures.map((culture, k) => ({ culture, index: index[k], letter: "ABCD"[k], statement: "", opening: "", pool: [], stages: [] })) };
}

function setWeights(side, weights) { side.pool.forEach((entry, k) => { entry.weight = weights[k] ?? 0; }); }

// One event of the server put into what is shown; returns what is said aloud.
export function take(view, name, data) {
  if (name === "started") return "The negotiation has started. The cultures write their opening statements.";
  if (name === "opened") {
    data.sides.forEach((opened, k) => Object.assign(view.sides[k], { opening: opened.statement, pool: [{ ...opened.guideline, kind: "initial", round: 0, weight: 1 }] }));
    view.phase = "Round 1";
    return "The opening statements are there.";
  }
  if (name === "round") {
    view.round = data.round;
    view.nashConv = data.nash_conv;
    view.sides.forEach((side, k) => {
      setWeights(side, data.weights[k]);
      side.stages.push({ name: `round ${data.round}`, weights: data.weights[k] });
      if (data.added[k]) side.pool.push({ ...data.added[k], round: data.round, weight: 0 });
    });
    view.phase = `After round ${data.round}`;
    const adders = data.added.flatMap((entry, k) => (entry ? [nameOf(view.sides[k].culture)] : []));
    return `Round ${data.round}: ${adders.length ? `${listed(adders)} added a guideline` : "nobody added a guideline"}.`;
  }
  if (name === "finished") {
    view.policy = data.policy;
    data.policy.sides.forEach((ended, k) => {
      const side = view.sides[k];
      Object.assign(side, { statement: ended.statement, opening: ended.opening, pool: ended.pool });
      side.stages.push({ name: "end", weights: ended.pool.map((entry) => entry.weight) });
    });
    Object.assign(view, { nashConv: data.policy.nash_conv, phase: "Finished" });
    return data.policy.converged ? `Converged after ${data.policy.rounds} rounds.` : `Stopped after ${data.policy.rounds} rounds without converging.`;
  }
  if (name === "failed") {
    view.error = data.error.code === "cancelled" ? "Cancelled." : `The negotiation failed. ${data.error.message}`;
    view.phase = data.error.code === "cancelled" ? "Cancelled" : "Failed";
    return view.error;
  }
  return "";
}

function outcome(view) {
  if (view.error) return el("p", { class: view.phase === "Failed" ? "error" : "outcome" }, view.error);
  if (!view.policy) return null;
  const text = view.policy.converged ? `Converged after ${view.policy.rounds} round${view.policy.rounds === 1 ? "" : "s"}: nobody gains by a new guideline.`
    : `The limit of ${view.policy.rounds} rounds was reached; the sides could still gain.`;
  const served = state.models.some((model) => model.id === `consensus/${view.policy.id}`);
  return el("p", { class: "outcome" }, text, served ? [" ", el("a", { href: `#/ask/${encodeURIComponent(`consensus/${view.policy.id}`)}` }, "Ask this policy")] : null);
}

function show(view) {
  const place = byId("negotiation");
  const opened = new Set([...place.querySelectorAll("details[open]")].map((node) => node.dataset.key));
  const cancel = running ? el("button", { type: "button", id: "negotiate-cancel", on: { click: stop } }, "Cancel") : null;
  const kept = document.activeElement?.id === "negotiate-cancel";
  place.hidden = false;
  place.replaceChildren(
    el("div", { class: "head" }, said("h2", view.topic, { id: "negotiation-title", tabindex: "-1" }), cancel),
    tiles([["Now", view.phase], ["Rounds", String(view.round)], ["NashConv", view.nashConv === null ? "–" : tiny(view.nashConv), "0 is an exact equilibrium"],
      ["Guidelines", String(view.sides.reduce((sum, side) => sum + side.pool.length, 0))]]),
    ...[outcome(view)].filter(Boolean), el("div", { class: `sides${running ? " live" : ""}` }, view.sides.map(sidePart)));
  place.querySelectorAll("details").forEach((node, k) => { node.dataset.key = `${k}`; node.open = opened.has(`${k}`); });
  if (kept) (byId("negotiate-cancel") || byId("negotiation-title")).focus();
}

async function stop() {
  if (!running) return;
  const { controller, id } = running;
  running.cancelled = true;
  if (id) await request(`v1/negotiate/${encodeURIComponent(id)}`, { method: "DELETE" }).catch(() => {});
  controller.abort();
}

async function start(event) {
  event.preventDefault();
  showError(byId("negotiate-error"), "");
  if (running || !check()) return;
  const asked = body(), view = fresh(asked), mine = { controller: new AbortController(), id: null, cancelled: false };
  running = mine;
  byId("negotiate-start").disabled = true;
  show(view);
  byId("negotiation-title").focus();
  try {
    const response = await request("v1/negotiate", { method: "POST", body: asked, signal: mine.controller.signal });
    for await (const [name, text] of events(response)) {
      const data = JSON.parse(text);
      if (name === "started") mine.id = data.negotiation_id;
      announce(take(view, name, data));
      if (name === "finished" || name === "failed") break;
      show(view);
    }
    if (!view.policy && !view.error) take(view, "failed", { error: { message: "The server ended it without a result." } });
  } catch (error) {
    if (mine.cancelled || error.name === "AbortError") announce(take(view, "failed", { error: { code: "cancelled" } }));
    else { take(view, "failed", { error: { message: error.message } }); showError(byId("negotiate-error"), error.message); }
  } finally {
    running = null;
    byId("negotiate-start").disabled = false;
    show(view);
    if (view.policy) onFinished();
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
