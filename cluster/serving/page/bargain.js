// Bargain with a policy: choose a side, make offers and answer them, and see how it ended.
import { json } from "./api.js";
import { frame, label, mark, swatch, textWidth } from "./charts.js";
import { announce, byId, el, figure, number, said, showError, svg, table } from "./dom.js";
import { arrange } from "./map.js";
import { nameOf, tiles } from "./parts.js";

const mine = (play, side) => side === play.side;
const who = (play, side) => (mine(play, side) ? "You" : nameOf(side));
const isOffer = (play, action) => action < play.offers.length;
const numbered = (play, action) => `${action + 1}. ${play.offers[action].content}`;
const worthNow = (play, action) => play.worth[action] * play.discount ** (play.turn - 1);

function sentence(play, move) {
  if (isOffer(play, move.action)) return `${who(play, move.side)} ${mine(play, move.side) ? "offer" : "offers"}: ${numbered(play, move.action)}`;
  const [first, ...rest] = move.says.split(" ");
  const verb = mine(play, move.side) ? first : `${first}s`;
  return `${who(play, move.side)} ${[verb, ...rest].join(" ")}.`;
}

// What is to be done now, in words.
function task(play) {
  if (play.finished) return play.outcome.agreement === null ? "No agreement" : "Agreed";
  return play.pending === null ? "Your turn: make an offer" : "Your turn: answer the offer";
}

function ending(play) {
  const { agreement, payoffs, nash, kalai_smorodinsky: ks } = play.outcome, own = play.sides.indexOf(play.side);
  const how = agreement === null ? "The talks ended without agreement." : `All agreed on “${play.offers[agreement].content}” in turn ${play.turn}.`;
  const beside = [["Nash’s solution", nash], ["Kalai and Smorodinsky’s", ks]].filter(([, one]) => one).map(([name, one], k) => `${name}${k ? "" : " would give you"} ${number(one.payoffs[own])}`);
  return `${how} You get ${number(payoffs[own])}.${beside.length ? ` ${beside.join(", ")}.` : ""}`;
}

// Offers with their worth; where one is to be made, each is a choice.
function offerList(play, offering) {
  return play.offers.map((offer, place) => {
    const bar = el("span", {}), on = play.pending === place || play.outcome?.agreement === place;
    bar.style.width = `${100 * Math.max(0, Math.min(1, play.worth[place]))}%`;
    const title = said("span", numbered(play, place), { class: "offer-title" });
    const worth = el("span", { class: "weight" }, el("span", { class: "vh" }, "worth to you "), number(play.worth[place]));
    const head = offering
      ? el("label", { class: "clause-head choice" }, el("input", { type: "radio", name: "offer", value: place, checked: place === best(play) }), title, worth)
      : el("div", { class: "clause-head" }, title, worth);
    return el("li", { class: `clause${on ? " on" : ""}` }, head, el("div", { class: "bar", "aria-hidden": "true" }, bar),
      on ? el("p", { class: "kicker" }, play.finished ? "Agreed" : "On the table") : null,
      el("details", {}, el("summary", {}, "of ", said("span", nameOf(offer.side)), el("span", { class: "vh" }, `: reason of offer ${place + 1}`)), said("p", offer.reason), said("p", offer.description)));
  });
}

const best = (play) => play.worth.indexOf(Math.max(...play.worth));

// Corners of the convex hull of some points, in order.
function hull(points) {
  const sorted = points.toSorted((p, q) => p[0] - q[0] || p[1] - q[1]);
  const left = ([ax, ay], [bx, by], [cx, cy]) => (bx - ax) * (cy - ay) - (by - ay) * (cx - ax);
  const half = (list) => list.reduce((kept, p) => {
    while (kept.length > 1 && left(kept.at(-2), kept.at(-1), p) <= 0) kept.pop();
    return [...kept, p];
  }, []);
  return [...half(sorted).slice(0, -1), ...half(sorted.toReversed()).slice(0, -1)];
}

// The payoffs of two sides: offers, the walk-away point, both solutions, and what came out.
function plane(play, width) {
  const own = play.sides.indexOf(play.side), other = 1 - own, out = play.outcome, at = (pair) => [pair[own], pair[other]];
  const side = Math.min(width, 460), left = 46, right = 14, top = 12, bottom = 46, height = side * 0.86;
  const X = (v) => left + (side - left - right) * v, Y = (v) => top + (height - top - bottom) * (1 - v);
  const axes = [0, 0.5, 1].map((v) => [svg("line", { class: v ? "grid" : "axis", x1: X(v), x2: X(v), y1: top, y2: height - bottom }), svg("line", { class: v ? "grid" : "axis", x1: left, x2: side - right, y1: Y(v), y2: Y(v) }),
    label(X(v), height - bottom + 16, number(v, 1), { class: "soft small", "text-anchor": "middle" }), label(left - 7, Y(v) + 4, number(v, 1), { class: "soft small", "text-anchor": "end" })]);
  const edge = hull([...out.worth, out.walk_away].map(at)).map(([x, y]) => `${X(x)},${Y(y)}`).join(" ");
  const gone = out.agreement === null;
  const points = [
    ...out.worth.map((pair, place) => ({ name: String(place + 1), at: at(pair), kind: 0 })),
    { name: "walk away", at: at(out.walk_away), kind: 6 },
    ...(out.nash ? [{ name: "Nash", at: at(out.nash.payoffs), kind: 2 }] : []),
    ...(out.kalai_smorodinsky ? [{ name: "Kalai-Smorodinsky", at: at(out.kalai_smorodinsky.payoffs), kind: 4 }] : []),
    { name: gone ? "no agreement" : "this play", at: at(out.payoffs), kind: 3, strong: true },
  ].map((point) => ({ ...point, px: X(point.at[0]), py: Y(point.at[1]), width: textWidth(point.name, 12, point.strong ? 600 : 400) + 2 }));
  const names = arrange(points, { left: left + 1, right: width, top: 0, bottom: height - bottom });
  const marks = points.map((point, k) => svg("g", {}, names[k].ring ? svg("line", { class: "leader", x1: point.px, y1: point.py, x2: names[k].x, y2: names[k].y }) : null, mark(point.kind, point.px, point.py, point.strong ? 7 : 5)));
  const texts = points.map((point, k) => label(names[k].left + 1, names[k].bottom - 3, point.name, { class: point.strong ? "strong" : "soft" }));
  const alt = `Payoffs of ${nameOf(play.side)} and ${nameOf(play.sides[other])}. ${points.map((p) => `${p.name}: ${number(p.at[0])} and ${number(p.at[1])}`).join("; ")}.`;
  return frame(width, height, alt, axes, svg("polygon", { class: "feasible", points: edge }), marks, texts,
    label((left + side - right) / 2, height - 10, `${nameOf(play.side)} \u2192`, { class: "soft", "text-anchor": "middle" }),
    svg("g", { transform: `translate(12 ${(top + height - bottom) / 2}) rotate(-90)` }, label(0, 0, `${nameOf(play.sides[other])} \u2192`, { class: "soft", "text-anchor": "middle" })));
}

function result(play) {
  const out = play.outcome;
  const ways = [["This play", out.payoffs], ["Walking away at once", out.walk_away], ["Nash", out.nash?.payoffs], ["Kalai-Smorodinsky", out.kalai_smorodinsky?.payoffs]];
  const numbers = table(["Payoffs", ...play.sides.map((side) => (mine(play, side) ? `${nameOf(side)} (you)` : nameOf(side)))],
    ways.filter(([, values]) => values).map(([name, values]) => [name, ...values.map((value) => number(value))]));
  const scroll = el("div", { class: "scroll panel", tabindex: "0", role: "region", "aria-label": "Payoffs" }, numbers);
  if (play.sides.length !== 2) return [scroll];
  const drawn = figure("How it compares", "Numbers are offers, agreed at once. Within the shaded shape lies every lottery over them. Delay draws a play toward 0.", (width) => plane(play, width), null, "h3");
  return [drawn.node, scroll];
}

// A play in its place: show(play) brings it up to date, and says what is new.
function playView(move) {
  const state = el("h3", { tabindex: "-1", class: "task" }), text = said("p", "", { class: "outcome", hidden: true }), error = el("p", { class: "error", role: "alert", hidden: true });
  const facts = el("div", {}), log = el("ol", { class: "talk", "aria-label": "What was said" }), list = el("ol", { class: "clauses", role: "list" }), acts = el("div", { class: "actions" }), end = el("div", { class: "columns even ends" });
  const form = el("form", { on: { submit: (event) => { event.preventDefault(); const chosen = list.querySelector("input:checked"); if (chosen) move(Number(chosen.value)); } } },
    el("h3", {}, "Offers, with what they are worth to you"), list, acts, error);
  const quiet = said("p", "Nothing was said yet.", { class: "waiting" });
  const node = el("div", { class: "play" }, state, text, facts, el("div", { class: "columns even" }, form, el("section", { "aria-label": "The talks" }, el("h3", {}, "The talks"), quiet, log)), end);
  let shown = 0;
  const show = (play) => {
    const offering = !play.finished && play.pending === null;
    state.textContent = task(play);
    const now = play.pending === null || play.finished ? "" : ` Accepting gives you ${number(worthNow(play, play.pending))}.`;
    text.textContent = play.finished ? ending(play) : now.trim();
    text.hidden = !text.textContent;
    facts.replaceChildren(tiles([["Turn", `${play.turn} of ${play.turns}`], ["Without agreement you get", number(play.walk_away * play.discount ** (play.turn - 1))], ["Each turn’s delay takes", `${Math.round(100 * (1 - play.discount))}%`]]));
    list.replaceChildren(...offerList(play, offering));
    acts.replaceChildren(...(offering ? [el("button", { type: "submit", class: "primary" }, "Make this offer")]
      : play.choices.map((choice, k) => el("button", { type: "button", class: k ? null : "primary", on: { click: () => move(choice.action) } }, choice.says[0].toUpperCase() + choice.says.slice(1)))));
    const fresh = play.said.slice(shown);
    log.append(...fresh.map((one) => el("li", { class: mine(play, one.side) ? "own" : null }, el("span", { class: "hint" }, `Turn ${one.turn}. `), said("span", sentence(play, one)))));
    quiet.hidden = Boolean(play.said.length);
    shown = play.said.length;
    end.replaceChildren(...(play.finished ? result(play) : []));
    showError(error, "");
    announce([...fresh.filter((one) => !mine(play, one.side)).map((one) => sentence(play, one)), play.finished ? ending(play) : `${task(play)}.`].join(" "));
    state.focus();
  };
  return { node, show, fail: (words) => showError(error, words) };
}

// The section of a policy's view.
export function bargainView(policy, index) {
  const place = el("div", {}), error = el("p", { class: "error", role: "alert", hidden: true });
  const begin = el("button", { type: "submit", class: "primary" }, "Begin");
  let busy = false;
  const once = async (act, fail) => {
    if (busy) return;
    busy = true;
    try { await act(); } catch (trouble) { fail(trouble.message); } finally { busy = false; }
  };
  const start = (side) => once(async () => {
    showError(error, "");
    let play = await json(`v1/policies/${encodeURIComponent(policy.id)}/bargain`, { method: "POST", body: { side } });
    const view = playView((action) => once(async () => {
      play = await json(`v1/bargain/${encodeURIComponent(play.id)}`, { method: "POST", body: { action, after: play.said.length } });
      view.show(play);
    }, view.fail));
    place.replaceChildren(view.node);
    begin.textContent = "Begin again";
    view.show(play);
  }, (words) => showError(error, words));
  const sides = policy.cultures.map((culture, k) => el("label", { class: "choice" }, el("input", { type: "radio", name: "bargain-side", value: culture, checked: k === 0 }), swatch(index[k]), said("span", nameOf(culture))));
  const form = el("form", { class: "panel wide", on: { submit: (event) => { event.preventDefault(); start(form.querySelector("input:checked").value); } } },
    el("fieldset", {}, el("legend", {}, "You speak for"), el("div", { class: "choices" }, sides)), el("div", { class: "actions" }, begin), error);
  return el("section", { class: "bargain", id: "bargain", "aria-labelledby": "bargain-title" }, el("h2", { id: "bargain-title", tabindex: "-1" }, "Bargain with it"),
    el("p", { class: "standfirst" }, "The sides offer each other one guideline that all would live by. What an offer is worth to a side is its own secret; delay costs, and everybody may walk away."), form, place);
}

export function toBargain() {
  byId("bargain").scrollIntoView();
  byId("bargain-title").focus({ preventScroll: true });
}
