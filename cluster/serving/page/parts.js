// Pieces that several views show: sides with their pools, values, statements.
import { pools, swatch } from "./charts.js";
import { el, figure, number, percent, put, said, table } from "./dom.js";

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

function clauseView(letter, place, index, level) {
  const bar = el("span", {}), weight = el("span", {}), heading = said(`h${level + 1}`, "", { class: "clause-title" }), note = el("span", {});
  const reason = said("p", ""), description = said("p", "");
  const node = el("li", { class: `clause p${index % 8}` },
    el("div", { class: "clause-head" }, el("span", { class: "code" }, `${letter}${place + 1}`), heading,
      el("span", { class: "weight" }, el("span", { class: "vh" }, "weight "), weight)),
    el("div", { class: "bar", "aria-hidden": "true" }, bar),
    el("details", {}, el("summary", {}, note, el("span", { class: "vh" }, `: reason of ${letter}${place + 1}`)), reason, description));
  const update = (entry) => {
    bar.style.width = `${100 * (entry.weight || 0)}%`;
    put(weight, percent(entry.weight || 0));
    put(heading, entry.content);
    put(note, entry.round === 0 || entry.kind === "initial" ? "first guideline" : `${entry.kind}, round ${entry.round}`);
    for (const [place, text] of [[reason, entry.reason], [description, entry.description]]) { put(place, text); place.hidden = !text; }
    node.classList.toggle("idle", !entry.weight);
  };
  return { node, update };
}

// One culture's part of a negotiation; made once, and brought up to date in place, so that what is focused or open stays so.
// side: {culture, index, letter, statement, opening, pool, stages}; level is that of its heading.
export function sideView(side, level = 3) {
  const statement = said("p", "", { class: "statement" }), opening = said("p", "", { class: "statement" });
  const agreed = el("div", { hidden: true }, el("p", { class: "kicker" }, "Consensus statement"), statement);
  const first = el("details", { open: true, hidden: true }, el("summary", {}, "Opening statement"), opening);
  const waiting = el("p", { class: "waiting" }, "Writing its opening statement …");
  const history = figure("Weights by round", null, (width) => pools(side.stages, side.index, side.letter, width), null, `h${level + 1}`);
  const list = el("ol", { class: "clauses", role: "list" }), clauses = [];
  history.node.hidden = true;
  const node = el("section", { class: `side p${side.index % 8}`, "aria-label": nameOf(side.culture) },
    el(`h${level}`, { class: "side-title" }, swatch(side.index), said("span", nameOf(side.culture))), agreed, first, waiting, history.node, list);
  const update = () => {
    if (side.statement && agreed.hidden && !first.contains(document.activeElement)) first.open = false;
    put(statement, side.statement);
    put(opening, side.opening);
    agreed.hidden = !side.statement;
    first.hidden = !side.opening;
    waiting.hidden = Boolean(side.opening) || side.ended;
    history.node.hidden = !side.stages.length;
    if (side.stages.length) history.paint();
    side.pool.forEach((entry, k) => {
      if (!clauses[k]) list.append((clauses[k] = clauseView(side.letter, k, side.index, level)).node);
      clauses[k].update(entry);
    });
  };
  update();
  return { node, update };
}

// Names with numbers; an update changes the texts of tiles that are there.
export function tilesView(names) {
  const values = names.map(() => el("dd", {}));
  const node = el("dl", { class: "tiles" }, names.map(([name, note], k) => el("div", {}, el("dt", {}, name), values[k], note ? el("dd", { class: "note" }, note) : null)));
  return { node, update: (texts) => texts.forEach((text, k) => put(values[k], text)) };
}

export function tiles(entries) {
  const made = tilesView(entries.map(([name, , note]) => [name, note]));
  made.update(entries.map(([, text]) => text));
  return made.node;
}

export function legend(entries) {
  return el("ul", { class: "legend" }, entries.map(({ name, index }) => el("li", {}, swatch(index), said("span", name))));
}

export function valueTable(series) {
  return table(["Value", ...series.map((s) => s.name)], Object.keys(series[0]?.values || {}).map((name) => [name, ...series.map((s) => number(s.values[name]))]));
}
