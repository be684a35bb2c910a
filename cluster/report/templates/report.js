"use strict";
(() => {
  const NARROW = 480; // pixels of a figure's own width below which its narrow variant is drawn
  const all = (selector, root = document) => Array.from(root.querySelectorAll(selector));

  // Figures: drawn when they come into view, drawn again when the width class or the theme changes.
  const specs = new Map();
  const drawn = new Map();
  const prefixed = (text) => typeof text === "string" && text.startsWith("--");

  function paint(name, styles) {
    const [property, opacity] = name.split("/");
    const hex = styles.getPropertyValue(property).trim();
    if (opacity === undefined) return hex;
    const part = (at) => parseInt(hex.slice(at, at + 2), 16);
    return `rgba(${part(1)},${part(3)},${part(5)},${opacity})`;
  }

  // A copy of a figure with the theme's colours in place of their names; texts are never touched.
  function painted(value, key, styles) {
    if (Array.isArray(value)) return value.map((entry) => painted(entry, key, styles));
    if (value !== null && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, painted(v, k, styles)]));
    }
    return /color/.test(key) && prefixed(value) ? paint(value, styles) : value;
  }

  function themed(spec, width, styles) {
    const copy = painted({ data: spec.data, layout: spec.layout }, "", styles);
    const narrow = width < NARROW;
    if (spec.cells) { // what a heat map's cells say when pointed at, put together here to keep the page small
      const { name, rows, columns } = spec.cells;
      copy.data[0].hovertext = spec.data[0].z.map((line, r) =>
        line.map((z, c) => `<b>${z.toFixed(3)}</b> to ${name}<br>${rows[r]}<br>${columns[c]}`));
    }
    for (const [path, value] of Object.entries(narrow ? spec.narrow : {})) {
      if (path === "texts") { copy.data.forEach((trace) => delete trace.texttemplate); continue; }
      const keys = path.split(".");
      const last = keys.pop();
      keys.reduce((node, k) => (node[k] = node[k] || {}), copy.layout)[last] = value;
    }
    const ink = paint("--ink", styles), soft = paint("--soft", styles), grid = paint("--grid", styles);
    for (const axis of ["xaxis", "yaxis"]) {
      copy.layout[axis] = { color: soft, gridcolor: grid, linecolor: grid, zerolinecolor: soft, zerolinewidth: 1, fixedrange: true, automargin: false,
        tickfont: { size: narrow ? 10.5 : 12 }, ...copy.layout[axis] };
      if (copy.layout[axis].title) copy.layout[axis].title.font = { size: narrow ? 11 : 12, color: soft };
    }
    const font = { family: styles.getPropertyValue("--sans"), size: narrow ? 11.5 : 12.5, color: ink };
    copy.layout = { font, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", showlegend: false, hovermode: "closest",
      dragmode: false, height: spec.height[narrow ? 1 : 0], ...copy.layout,
      hoverlabel: { bgcolor: paint("--surface", styles), bordercolor: soft, align: "left", font: { ...font, color: ink } } };
    return copy;
  }

  function draw(node) {
    const spec = specs.get(node.id);
    const width = node.clientWidth;
    if (!spec || !width) return;
    const { data, layout } = themed(spec, width, getComputedStyle(document.documentElement));
    node.style.minHeight = `${layout.height}px`;
    drawn.set(node.id, width);
    Plotly.react(node, data, { ...layout, width }, { displayModeBar: false, responsive: false, doubleClick: false });
  }

  const inView = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (entry.isIntersecting && !drawn.has(entry.target.id)) draw(entry.target);
    }
  }, { rootMargin: "400px" });
  const resized = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      if (drawn.has(target.id) && target.clientWidth && drawn.get(target.id) !== target.clientWidth) draw(target);
    }
  });

  function prepare(root) {
    if (root.dataset.prepared) return;
    root.dataset.prepared = "yes";
    for (const source of all("script.figures", root)) {
      for (const [id, spec] of Object.entries(JSON.parse(source.textContent))) specs.set(id, spec);
    }
    for (const node of all(".plot", root)) { inView.observe(node); resized.observe(node); }
  }

  const redraw = () => all(".plot").filter((node) => drawn.has(node.id)).forEach(draw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  matchMedia("print").addEventListener("change", redraw);
  addEventListener("beforeprint", () => all(".topic[open] .plot, #overview .plot").forEach(draw));

  const overview = document.getElementById("overview");
  if (overview) prepare(overview);
  const topics = all(".topic");
  for (const topic of topics) {
    topic.addEventListener("toggle", () => { if (topic.open) prepare(topic); });
    if (topic.open) prepare(topic);
  }

  // A link to a topic opens it.
  function openTarget() {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (target instanceof HTMLDetailsElement) {
      target.hidden = false;
      target.open = true;
      target.scrollIntoView();
      target.querySelector("summary").focus({ preventScroll: true });
    }
  }
  addEventListener("hashchange", openTarget);
  document.addEventListener("click", (event) => {
    const link = event.target.closest("#summary a");
    if (link && link.hash === location.hash) openTarget(); // the hash does not change a second time
  });
  openTarget();

  const table = document.getElementById("summary");
  if (!table) return;

  // Sorting: the header's buttons; rows without a number come last either way.
  const body = table.tBodies[0];
  const heads = all("thead th", table);
  function sort(column, ascending) {
    const numeric = heads[column].dataset.sort === "number";
    const key = (row) => {
      const cell = row.cells[column];
      const text = cell.dataset.value ?? cell.textContent.trim().replace("\u2212", "-");
      return numeric ? (text === "" ? NaN : Number(text)) : text.toLowerCase();
    };
    const keyed = Array.from(body.rows, (row) => [key(row), row]);
    keyed.sort(([a], [b]) => {
      if (!numeric) return (ascending ? 1 : -1) * a.localeCompare(b);
      if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) - Number.isNaN(b);
      return ascending ? a - b : b - a;
    });
    body.append(...keyed.map(([, row]) => row));
    heads.forEach((head, k) => head.removeAttribute("aria-sort"));
    heads[column].setAttribute("aria-sort", ascending ? "ascending" : "descending");
  }
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => sort(column, head.getAttribute("aria-sort") !== "ascending"));
  });

  // Filters: over the whole text of each topic, so that a search finds guidelines and statements too.
  const form = document.getElementById("filters");
  const field = (name) => document.getElementById(`filter-${name}`);
  const words = new Map();
  function textOf(topic) {
    if (!words.has(topic)) {
      words.set(topic, all(".said", topic).map((node) => node.textContent).join("\n").toLowerCase());
    }
    return words.get(topic);
  }
  function filter() {
    const asked = field("text").value.trim().toLowerCase();
    const [category, culture, status] = ["category", "culture", "status"].map((name) => field(name).value);
    let shown = 0;
    for (const row of body.rows) {
      const topic = document.getElementById(row.dataset.for);
      const match = (!category || row.dataset.category === category)
        && (!culture || row.dataset.cultures.split(" \u00b7 ").includes(culture))
        && (!status || row.dataset.status === status)
        && (!asked || textOf(topic).includes(asked));
      row.hidden = !match;
      topic.hidden = !match;
      shown += match;
    }
    field("count").textContent = `${shown} of ${body.rows.length} shown`;
    document.getElementById("nothing").hidden = shown > 0;
  }
  form.hidden = topics.length < 2;
  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(filter));
  filter();
})();
