// Elements made by hand: every text goes in as text, never as markup.

export const byId = (id) => document.getElementById(id);

function fill(node, props, children) {
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") for (const [event, act] of Object.entries(value)) node.addEventListener(event, act);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(3).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

export const el = (tag, props = {}, ...children) => fill(document.createElement(tag), props, children);
export const svg = (tag, props = {}, ...children) => fill(document.createElementNS("http://www.w3.org/2000/svg", tag), props, children);

export const said = (tag, text, props = {}) => el(tag, { dir: "auto", ...props, class: `said ${props.class || ""}`.trim() }, text || "");

// Text that is there already is left alone: a screen reader or a selection may be on it.
export function put(node, text) { if (node.textContent !== (text || "")) node.textContent = text || ""; }

export function announce(text) { byId("announcer").textContent = text; }

export function showError(node, text) {
  node.textContent = text || "";
  node.hidden = !text;
}

export function invalid(field, wrong) { if (wrong) field.setAttribute("aria-invalid", "true"); else field.removeAttribute("aria-invalid"); }

export const minus = (text) => text.replace("-", "\u2212");
export const number = (value, digits = 2) => (value === null || value === undefined ? "" : minus(value.toFixed(digits)));
export const tiny = (value) => minus(value === 0 ? "0" : Math.abs(value) < 1e-3 ? value.toExponential(1) : value.toFixed(4));
export function percent(weight) {
  if (weight > 0 && weight < 0.005) return "<1%";
  if (weight >= 0.995 && weight < 1 - 1e-9) return ">99%";
  return `${Math.round(100 * weight)}%`;
}
export const listed = (names) => (names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`);

export function table(heads, rows, caption = null) {
  return el("table", {}, caption ? el("caption", {}, caption) : null,
    el("thead", {}, el("tr", {}, heads.map((head, k) => el("th", { scope: "col", class: k ? "n" : null }, head)))),
    el("tbody", {}, rows.map((row) => el("tr", {}, row.map((cell, k) =>
      (k ? el("td", { class: "n" }, cell) : el("th", { scope: "row", class: "said" }, cell)))))));
}

// A figure that draws itself again when its width changes.
export function figure(title, caption, draw, numbers = null, level = "h3") {
  const plot = el("div", { class: "plot" });
  let width = 0;
  const paint = () => { if (width) plot.replaceChildren(draw(width)); };
  new ResizeObserver(() => {
    if (plot.clientWidth && plot.clientWidth !== width) { width = plot.clientWidth; paint(); }
  }).observe(plot);
  const node = el("figure", { class: "plot-figure" },
    el("figcaption", {}, el(level, {}, title), caption ? el("p", {}, caption) : null), plot,
    numbers ? el("details", { class: "numbers" }, el("summary", {}, "Numbers", el("span", { class: "vh" }, ` of ${title}`)),
      el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `Numbers of ${title}` }, numbers)) : null);
  return { node, paint };
}
