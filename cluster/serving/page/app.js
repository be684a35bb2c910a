// The page: which view is shown, and what the server is asked when it opens.
import { json } from "./api.js";
import { bargainView, toBargain } from "./bargain.js";
import { chooseModel, initAsk, loadModels } from "./ask.js";
import { radar } from "./charts.js";
import { byId, el, figure, number, said, showError, table, tiny } from "./dom.js";
import { chosenFigures, fillCultures, initNegotiate } from "./negotiate.js";
import { indices, legend, nameOf, sideView, state, tiles, valueTable } from "./parts.js";

const TITLES = { negotiate: "Negotiate", ask: "Ask", policies: "Policies", policy: "Policy", cultures: "Cultures" };

async function showPolicies() {
  const place = byId("policies-list");
  const rows = state.policies.map((p) => el("li", { class: "row" },
    el("a", { href: `#/policy/${encodeURIComponent(p.id)}`, class: "said", dir: "auto" }, p.topic.text),
    el("span", { class: "meta" }, el("span", { class: "said" }, p.cultures.map(nameOf).join(", ")),
      el("span", { class: `status ${p.converged ? "good" : "open"}` }, p.converged ? "converged" : "not converged"),
      el("span", {}, `${p.rounds} round${p.rounds === 1 ? "" : "s"}`), el("span", {}, `NashConv ${tiny(p.nash_conv)}`), p.bargaining ? el("span", {}, "bargaining") : null)));
  const search = el("input", { type: "search", id: "policies-search", autocomplete: "off" });
  const count = el("p", { class: "hint", role: "status" });
  const sift = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    rows.forEach((row) => { row.hidden = !words.every((word) => row.textContent.toLowerCase().includes(word)); });
    count.textContent = words.length ? `${rows.filter((row) => !row.hidden).length} of ${rows.length}` : "";
  };
  search.addEventListener("input", sift);
  place.replaceChildren(...(rows.length ? [el("div", { class: "field search" }, el("label", { for: "policies-search" }, "Search"), search, count), el("ul", { class: "rows" }, rows)]
    : [el("p", {}, "No policy is served here yet. ", el("a", { href: "#/negotiate" }, "Start a negotiation"))]));
}

async function showPolicy(id) {
  const place = byId("policy");
  place.replaceChildren(el("h1", { id: "policy-title", tabindex: "-1" }, "Loading …"));
  const policy = await json(`v1/policies/${encodeURIComponent(id)}`);
  document.title = `${policy.topic.text} · Concordat`;
  const index = indices(policy.cultures);
  const sides = policy.sides.map((side, k) => ({ ...side, index: index[k], letter: "ABCDEFGH"[k % 8], stages: [] }));
  const series = policy.values ? [{ name: "Policy", index: 0, values: policy.values }] : [];
  place.replaceChildren(said("h1", policy.topic.text, { id: "policy-title", tabindex: "-1" }),
    el("p", { class: "actions" }, el("a", { class: "button", href: `#/ask/${encodeURIComponent(`consensus/${policy.id}`)}` }, "Ask this policy"),
      policy.bargaining ? el("button", { type: "button", on: { click: toBargain } }, "Bargain with it") : null),
    tiles([["Outcome", policy.converged ? "Converged" : "Not converged"], ["Rounds", String(policy.rounds)], ["NashConv", tiny(policy.nash_conv), "0 is an exact equilibrium"]]),
    el("div", { class: "sides" }, sides.map((side) => sideView(side, 2).node)),
    ...(series.length ? [figure("Values of the policy", "As the detector reads them; the target of what it says.", (width) => radar(series, width), valueTable(series), "h2").node] : []),
    ...(policy.bargaining ? [bargainView(policy, index)] : []));
}

function showCultures() {
  const shown = chosenFigures(() => state.cultures.map((c) => c.id));
  const rows = state.cultures.filter((c) => c.map).map((c) => [c.name, number(c.map.x), number(c.map.y)]);
  byId("cultures-body").replaceChildren(legend(state.cultures.map((c, k) => ({ name: c.name, index: k }))), el("div", { class: "columns even" }, shown.nodes),
    el("details", { class: "numbers" }, el("summary", {}, "Numbers"), el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Numbers of the cultures" },
      valueTable(shown.series()), table(["Culture", "Self-expression", "Secular-rational"], rows))));
}

async function route(first = false) {
  if (location.hash && !location.hash.startsWith("#/")) return;
  const [name, rest] = location.hash.slice(2).split("/");
  const view = TITLES[name] ? name : "negotiate";
  document.querySelectorAll(".view").forEach((section) => { section.hidden = section.id !== view; });
  document.querySelectorAll("nav a").forEach((link) => {
    const current = link.hash === `#/${view === "policy" ? "policies" : view}`;
    if (current) link.setAttribute("aria-current", "page"); else link.removeAttribute("aria-current");
  });
  document.title = `${TITLES[view]} · Concordat`;
  showError(byId("trouble"), "");
  try {
    if (view === "ask" && rest) chooseModel(decodeURIComponent(rest));
    if (view === "policies") await showPolicies();
    if (view === "policy") await showPolicy(decodeURIComponent(rest || ""));
    if (view === "cultures") showCultures();
  } catch (error) { showError(byId("trouble"), error.message); }
  if (!first) { byId(`${view}-title`)?.focus({ preventScroll: true }); window.scrollTo(0, 0); }
}

async function load() {
  try {
    [state.cultures, state.policies] = (await Promise.all([json("v1/cultures"), json("v1/policies")])).map((reply) => reply.data);
    fillCultures();
    await loadModels();
    return true;
  } catch (error) {
    byId("negotiate-choices").replaceChildren();
    showError(byId("trouble"), error.message);
    return false;
  }
}

initNegotiate(async () => { state.policies = (await json("v1/policies")).data; await loadModels(); });
initAsk();
document.querySelector(".skip").addEventListener("click", (event) => { event.preventDefault(); byId("main").focus(); });
addEventListener("hashchange", () => route());
if (await load()) await route(true);
document.documentElement.dataset.ready = "yes";
