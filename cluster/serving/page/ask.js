// Ask a model: the base answer beside the policy's, what changed, and the values before and after.
import { events, json, request } from "./api.js";
import { moved } from "./charts.js";
import { wordDiff } from "./diff.js";
import { announce, byId, el, figure, invalid, number, percent, said, showError, table } from "./dom.js";
import { nameOf, state } from "./parts.js";

let controller = null;

const option = (id, name) => el("option", { value: id }, name);

// A group for each table of cultures: first whichever of its policies is nearest to the question, then one by one.
function tables() {
  const topics = new Map(state.policies.map((policy) => [`consensus/${policy.id}`, policy]));
  const members = (ids) => [...ids].sort().join("+");
  const policies = state.models.filter((model) => model.concordat?.kind === "policy");
  const known = new Set();
  const groups = state.models.filter((model) => model.concordat?.kind === "alias").map((alias) => {
    const table = members(alias.id.replace("consensus/", "").split("+"));
    const own = policies.filter((model) => topics.has(model.id) && members(topics.get(model.id).cultures) === table);
    own.forEach((model) => known.add(model.id));
    return el("optgroup", { label: alias.concordat.name }, option(alias.id, `${alias.concordat.name}: the nearest topic`), own.map((model) => option(model.id, topics.get(model.id).topic.text)));
  });
  const rest = policies.filter((model) => !known.has(model.id));
  return rest.length ? [...groups, el("optgroup", { label: "Policies" }, rest.map((model) => option(model.id, model.concordat.name)))] : groups;
}

export function fillModels() {
  const select = byId("ask-model"), before = select.value;
  const others = [["Cultures", "culture"], ["Base model", "base"]].map(([title, kind]) => [title, state.models.filter((model) => model.concordat?.kind === kind)]).filter(([, found]) => found.length);
  select.replaceChildren(...tables(), ...others.map(([title, found]) => el("optgroup", { label: title }, found.map((model) => option(model.id, model.concordat.name || model.id)))));
  chooseModel(before);
}

export function chooseModel(id) {
  if (state.models.some((model) => model.id === id)) byId("ask-model").value = id;
  about();
}

function about() {
  const model = state.models.find((found) => found.id === byId("ask-model").value), kind = model?.concordat?.kind;
  const policy = state.policies.find((found) => `consensus/${found.id}` === model?.id);
  byId("ask-about").textContent = policy ? `Agreed by ${policy.cultures.map(nameOf).join(" and ")}`
    : kind === "alias" ? "The policy of this table whose topic is nearest to your question answers."
      : kind === "culture" ? "One culture alone answers." : kind === "base" ? "The model without any policy." : "";
}

function marked(runs, tag) { return runs.map((run) => (run.changed ? el(tag, {}, run.text) : run.text)); }

function comparison(text, info) {
  const diff = wordDiff(info.base, text);
  const base = el("p", { class: "said statement", dir: "auto" }, diff ? marked(diff.before, "del") : info.base);
  const policy = el("p", { class: "said statement", dir: "auto" }, diff ? marked(diff.after, "ins") : text);
  const note = info.fault ? `The base answer was not rewritten: ${info.fault}` : !diff ? "The texts are too long to mark what changed."
    : diff.removed + diff.added === 0 ? "No word changed." : `${diff.removed} words left out (struck through), ${diff.added} put in (underlined).`;
  return [el("div", { class: "sides" }, el("section", { "aria-label": "Base model" }, el("h3", {}, "Base model"), base),
    el("section", { "aria-label": "Policy" }, el("h3", {}, "The policy"), policy)), el("p", { class: "hint" }, note)];
}

function evidence(info) {
  const g = info.guideline, c = info.consistency;
  const rows = Object.keys(info.values_target).map((name) => [name, number(info.values_before?.[name]), number(info.values_target[name]), number(info.values_after?.[name])]);
  const values = figure("Values", "Hollow: base answer. Full: the policy’s answer. Line: the target.", (width) => moved(info.values_before, info.values_target, info.values_after, width),
    table(["Value", "Before", "Target", "After"], rows));
  return el("div", { class: "columns even" }, values.node, el("dl", { class: "facts" },
    el("div", {}, el("dt", {}, "Guideline in view"), said("dd", g.content), el("dd", { class: "note" }, `of ${nameOf(g.culture)}, drawn with weight ${percent(g.weight)}`)),
    c ? el("div", {}, el("dt", {}, "Nothing invented"), el("dd", {}, percent(c.forward)), el("dd", { class: "note" }, "of the answer is supported by the base answer")) : null,
    c ? el("div", {}, el("dt", {}, "Nothing lost"), el("dd", {}, percent(c.backward)), el("dd", { class: "note" }, "of the base answer is supported by the answer")) : null,
    el("div", {}, el("dt", {}, "Policy"), el("dd", {}, el("a", { href: `#/policy/${encodeURIComponent(info.policy)}`, class: "said" }, state.policies.find((p) => p.id === info.policy)?.topic.text || info.policy)))));
}

async function send(event) {
  event.preventDefault();
  if (controller) return;
  const question = byId("ask-question"), text = question.value.trim(), model = byId("ask-model").value;
  showError(byId("ask-error"), "");
  showError(byId("ask-question-error"), text ? "" : "Write a question.");
  invalid(question, !text);
  if (!text) { question.focus(); return; }
  const name = byId("ask-model").selectedOptions[0]?.textContent || model;
  const answer = said("p", "", { class: "statement" }), inside = el("div", {}, answer);
  const article = el("article", { class: "answer" }, said("h2", text), el("p", { class: "kicker said" }, name), inside);
  byId("ask-answers").prepend(article);
  controller = new AbortController();
  busy(true);
  try {
    const response = await request("v1/chat/completions", { method: "POST", signal: controller.signal, body: { model, stream: true, messages: [{ role: "user", content: text }] } });
    let reply = "", info = null, whole = false;
    for await (const [, data] of events(response)) {
      if (data === "[DONE]") { whole = true; break; }
      const chunk = JSON.parse(data);
      if (chunk.error) throw new Error(chunk.error.message);
      reply += chunk.choices?.[0]?.delta?.content || "";
      info = chunk.concordat || info;
      answer.textContent = reply;
    }
    if (!whole) throw new Error("The connection to the server broke off. Try again.");
    if (info) inside.replaceChildren(...comparison(reply, info), evidence(info));
    announce(info ? "The answer is there, beside the base answer." : "The answer is there.");
  } catch (error) {
    if (error.name === "AbortError") article.append(el("p", { class: "hint" }, "Stopped."));
    else { showError(byId("ask-error"), error.message); article.remove(); }
  } finally {
    controller = null;
    busy(false);
  }
}

function busy(on) {
  if (on) byId("ask-send").setAttribute("aria-disabled", "true"); else byId("ask-send").removeAttribute("aria-disabled");
  const held = document.activeElement === byId("ask-stop");
  byId("ask-stop").hidden = !on;
  byId("ask-status").textContent = on ? "Answering …" : "";
  if (held && !on) byId("ask-send").focus();
}

export function initAsk() {
  byId("ask-form").addEventListener("submit", send);
  byId("ask-stop").addEventListener("click", () => controller?.abort());
  byId("ask-model").addEventListener("change", about);
}

export const loadModels = async () => { state.models = (await json("v1/models")).data; fillModels(); };
