// A negotiation as it is shown: events of the server go into a state, and the state into elements that stay.
import { gains, radar } from "./charts.js";
import { byId, el, figure, listed, number, put, said, table, tiny } from "./dom.js";
import { indices, nameOf, sideView, state, tilesView, valueTable } from "./parts.js";

export function fresh(asked) {
  const index = indices(asked.cultures);
  return { topic: asked.topic, round: 0, nashConv: null, phase: "Opening statements", policy: null, error: "", rounds: [],
    sides: asked.cultures.map((culture, k) => ({ culture, index: index[k], letter: "ABCD"[k], statement: "", opening: "", pool: [], stages: [], ended: false })) };
}

const TAKERS = {
  started: () => "The negotiation has started. The cultures write their opening statements.",

  opened(view, data) {
    data.sides.forEach((opened, k) => Object.assign(view.sides[k], { opening: opened.statement, pool: [{ ...opened.guideline, kind: "initial", round: 0, weight: 1 }] }));
    view.phase = "Round 1";
    return "The opening statements are there.";
  },

  round(view, data) {
    view.round = data.round;
    view.nashConv = data.nash_conv;
    view.rounds.push({ round: data.round, gains: data.gains, added: data.added.map(Boolean) });
    view.sides.forEach((side, k) => {
      side.pool.forEach((entry, place) => { entry.weight = data.weights[k][place] ?? 0; });
      side.stages.push({ name: `round ${data.round}`, short: String(data.round), weights: data.weights[k] });
      if (data.added[k]) side.pool.push({ ...data.added[k], round: data.round, weight: 0 });
    });
    view.phase = `After round ${data.round}`;
    const adders = data.added.flatMap((entry, k) => (entry ? [nameOf(view.sides[k].culture)] : []));
    return `Round ${data.round}: ${adders.length ? `${listed(adders)} added a guideline` : "nobody added a guideline"}.`;
  },

  finished(view, data) {
    view.policy = data.policy;
    data.policy.sides.forEach((ended, k) => {
      const side = view.sides[k];
      Object.assign(side, { statement: ended.statement, opening: ended.opening, pool: ended.pool });
      side.stages.push({ name: "end", short: "end", weights: ended.pool.map((entry) => entry.weight) });
    });
    Object.assign(view, { nashConv: data.policy.nash_conv, round: data.policy.rounds, phase: "Finished" });
    return ending(data.policy);
  },

  failed(view, data) {
    const cancelled = data.error.code === "cancelled";
    view.error = cancelled ? "Cancelled." : `The negotiation failed. ${data.error.message}`;
    view.phase = cancelled ? "Cancelled" : "Failed";
    view.sides.forEach((side) => { side.ended = true; });
    return view.error;
  },
};

// One event put into the state; returns what is said aloud.
export const take = (view, name, data) => TAKERS[name]?.(view, data) || "";

function ending(policy) {
  const rounds = `${policy.rounds} round${policy.rounds === 1 ? "" : "s"}`;
  return policy.converged ? `Converged after ${rounds}: nobody gains by a new guideline.` : `Stopped after ${rounds} without converging; the sides could still gain.`;
}

function gainsTable(view) {
  return table(["Round", ...view.sides.map((side) => nameOf(side.culture))], view.rounds.map((row) => [String(row.round), ...row.gains.map((gain, k) => (gain === null ? "none" : `${number(gain, 4)}${row.added[k] ? ", added" : ""}`))]),
    "What the best proposal of a round would gain");
}

// Elements for a state, put into the page's place for them; update() brings them up to date.
export function liveView(view, stop) {
  const place = byId("negotiation");
  const cancel = el("button", { type: "button", id: "negotiate-cancel", on: { click: stop } }, "Cancel");
  const numbers = tilesView([["Now"], ["Rounds"], ["NashConv", "0 is an exact equilibrium"], ["Guidelines"]]);
  const outcome = el("p", { class: "outcome", hidden: true }), sides = view.sides.map((side) => sideView(side)), rows = el("div", {});
  const steps = figure("What a new guideline would gain", "The best proposal of each side, by round. Full: it was added. Hollow: it gained too little.",
    (width) => gains(view.rounds, view.sides.map((side) => ({ index: side.index, name: nameOf(side.culture) })), width), rows);
  const values = el("div", { hidden: true }), figures = el("div", { class: "columns even", hidden: true }, steps.node, values);
  const sidesNode = el("div", { class: "sides live" }, sides.map((side) => side.node));
  place.replaceChildren(el("div", { class: "head" }, said("h2", view.topic, { id: "negotiation-title", tabindex: "-1" }), cancel), numbers.node, outcome, sidesNode, figures);
  place.hidden = false;

  const end = () => {
    const text = view.error || (view.policy ? ending(view.policy) : "");
    if (!text || outcome.textContent.startsWith(text)) return;
    const served = view.policy && state.models.some((model) => model.id === `consensus/${view.policy.id}`);
    outcome.className = view.phase === "Failed" ? "error" : "outcome";
    outcome.replaceChildren(text, ...(served ? [" ", el("a", { href: `#/ask/${encodeURIComponent(`consensus/${view.policy.id}`)}` }, "Ask this policy")] : []));
    outcome.hidden = false;
  };
  const showValues = () => {
    if (!view.policy?.values || !values.hidden) return;
    const series = [{ name: "Policy", index: 0, values: view.policy.values }];
    values.replaceChildren(figure("Values of the policy", "As the detector reads them.", (width) => radar(series, width), valueTable(series)).node);
    values.hidden = false;
  };
  const update = (running) => {
    numbers.update([view.phase, String(view.round), view.nashConv === null ? "–" : tiny(view.nashConv), String(view.sides.reduce((sum, side) => sum + side.pool.length, 0))]);
    sides.forEach((side) => side.update());
    figures.hidden = !view.rounds.length;
    if (view.rounds.length) { rows.replaceChildren(gainsTable(view)); steps.paint(); }
    end();
    showValues();
    sidesNode.classList.toggle("live", running);
    if (!running && !cancel.hidden) {
      const held = document.activeElement === cancel;
      cancel.hidden = true;
      if (held) byId("negotiation-title").focus();
    }
  };
  const cancelling = () => { put(cancel, "Cancelling …"); cancel.setAttribute("aria-disabled", "true"); };
  return { update, cancelling, refresh: () => { outcome.textContent = ""; end(); } };
}
