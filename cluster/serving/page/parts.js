// Pieces that several views show: sides with their pools, values, statements.
import { pools, swatch } from "./charts.js";
import { el, figure, number, percent, said, table } from "./dom.js";

export const state = { cultures: [], models: [], policies: [] };

export function nameOf(id) { return state.cultures.find((culture) => culture.id === id)?.name || id; }

// A colour and mark of its own for each culture of a table: its place in the list, or the next that is free.
export function indices(ids) {
  const taken = new Set();
  return ids.map((id, k) => {
    const place = state.cultures.findIndex((culture) => culture.id === id);
    let index = (place < 0 ? k : place) % 8;
    while (taken.has(index) && taken.size < 8) index = (index + 1) % 8;
    taken.add(index);
    return index;
  });
}

export function clause(entry, letter, place, index) {
  const bar = el("span", {});
  bar.style.width = `${100 * (entry.weight || 0)}%`;
  const note = entry.round === 0 || entry.kind === "initial" ? "first guideline" : `${entry.kind}, round ${entry.round}`;
  return el("li", { class: `clause p${index % 8}${entry.weight ? "" : " idle"}` },
    el("div", { class: "clause-head" }, el("span", { class: "code" }, `${letter}${place + 1}`), said("h4", entry.content),
      el("span", { class: "weight" }, percent(entry.weight || 0), el("span", { class: "vh" }, " weight"))),
    el("div", { class: "bar", "aria-hidden": "true" }, bar),
    el("details", {}, el("summary", {}, note, el("span", { class: "vh" }, `: reason of ${letter}${place + 1}`)),
      entry.reason ? said("p", entry.reason) : null, entry.description ? said("p", entry.description) : null));
}

// side: {culture, index, letter, statement, opening, pool, stages}
export function sidePart(side) {
  const title = el("h3", { class: "side-title" }, swatch(side.index), said("span", nameOf(side.culture)));
  const history = side.stages.length ? figure(`Weights by round`, null, (width) => pools(side.stages, side.index, side.letter, width), null, "h4") : null;
  return el("section", { class: `side p${side.index % 8}`, "aria-label": nameOf(side.culture) }, title,
    side.statement ? [el("p", { class: "kicker" }, "Consensus statement"), said("p", side.statement, { class: "statement" })] : null,
    side.opening ? (side.statement
      ? el("details", {}, el("summary", {}, "Opening statement"), said("p", side.opening, { class: "statement" }))
      : [el("p", { class: "kicker" }, "Opening statement"), said("p", side.opening, { class: "statement" })])
      : el("p", { class: "waiting" }, "Writing its opening statement …"),
    history?.node, el("ol", { class: "clauses" }, side.pool.map((entry, k) => clause(entry, side.letter, k, side.index))));
}

export function tiles(entries) {
  return el("dl", { class: "tiles" }, entries.map(([name, value, note]) =>
    el("div", {}, el("dt", {}, name), el("dd", {}, value), note ? el("dd", { class: "note" }, note) : null)));
}

export function legend(entries) {
  return el("ul", { class: "legend" }, entries.map(({ name, index }) => el("li", {}, swatch(index), said("span", name))));
}

export function valueTable(series) {
  return table(["Value", ...series.map((s) => s.name)], Object.keys(series[0]?.values || {}).map((name) => [name, ...series.map((s) => number(s.values[name]))]));
}
