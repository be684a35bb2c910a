// Figures as SVG, drawn for the width that there is; colours are classes p0 to p7 of the style sheet.
import { number, percent, svg } from "./dom.js";

const SHADES = [0.95, 0.5, 0.75, 0.32, 0.86, 0.42, 0.64, 0.25];
const label = (x, y, text, props = {}) => svg("text", { x, y, ...props }, text);

function frame(width, height, alt, ...children) {
  return svg("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": alt }, children);
}

export function mark(index, x, y, r = 5) {
  const polygon = (points) => svg("polygon", { class: `mark p${index % 8}`, points: points.map(([a, b]) => `${x + r * a},${y + r * b}`).join(" ") });
  const star = Array.from({ length: 10 }, (_, k) => [Math.sin(k * Math.PI / 5) * (k % 2 ? 0.55 : 1.3), -Math.cos(k * Math.PI / 5) * (k % 2 ? 0.55 : 1.3)]);
  const plus = [[-.4, -1.1], [.4, -1.1], [.4, -.4], [1.1, -.4], [1.1, .4], [.4, .4], [.4, 1.1], [-.4, 1.1], [-.4, .4], [-1.1, .4], [-1.1, -.4], [-.4, -.4]];
  switch (index % 8) {
    case 0: return svg("circle", { class: "mark p0", cx: x, cy: y, r });
    case 1: return polygon([[-.9, -.9], [.9, -.9], [.9, .9], [-.9, .9]]);
    case 2: return polygon([[0, -1.2], [1.1, .8], [-1.1, .8]]);
    case 3: return polygon([[0, -1.2], [1.2, 0], [0, 1.2], [-1.2, 0]]);
    case 4: return polygon([[0, 1.2], [1.1, -.8], [-1.1, -.8]]);
    case 5: return polygon(plus);
    case 6: return polygon(plus.map(([a, b]) => [(a - b) * .71, (a + b) * .71]));
    default: return polygon(star);
  }
}

export function swatch(index) {
  return svg("svg", { class: "swatch", width: 14, height: 14, viewBox: "0 0 14 14", "aria-hidden": "true" }, mark(index, 7, 7, 5));
}

// Schwartz's circle: series are {name, index, values}.
export function radar(series, width) {
  if (!series.length) return frame(width, 80, "No culture with values is chosen", label(width / 2, 44, "Choose a culture", { class: "soft", "text-anchor": "middle" }));
  const names = Object.keys(series[0].values), scores = series.flatMap((s) => Object.values(s.values));
  const low = Math.floor(Math.min(...scores, 0) * 2 - 0.4) / 2, high = Math.ceil(Math.max(...scores, 0) * 2 + 0.2) / 2;
  const radius = Math.max(60, Math.min(width / 2 - 88, 150)), cx = width / 2, cy = radius + 30, height = 2 * radius + 60;
  const at = (k, score) => {
    const turn = 2 * Math.PI * k / names.length, far = radius * (score - low) / (high - low);
    return [cx + far * Math.sin(turn), cy - far * Math.cos(turn)];
  };
  const rings = [];
  for (let r = low + 0.5; r <= high + 1e-9; r += 0.5) {
    rings.push(svg("circle", { class: Math.abs(r) < 1e-9 ? "zero" : "grid", cx, cy, r: radius * (r - low) / (high - low) }));
  }
  const spokes = names.map((name, k) => {
    const [x, y] = at(k, high), side = Math.sin(2 * Math.PI * k / names.length), up = Math.cos(2 * Math.PI * k / names.length);
    return [svg("line", { class: "grid", x1: cx, y1: cy, x2: x, y2: y }),
      label(x + 8 * side, y - 9 * up + 4, name, { "text-anchor": Math.abs(side) < 0.1 ? "middle" : side > 0 ? "start" : "end" })];
  });
  const shapes = series.map((s) => {
    const points = names.map((name, k) => at(k, s.values[name]));
    return svg("g", { class: `p${s.index % 8}` }, svg("polygon", { class: `outline${series.length > 3 ? "" : " filled"}`, points: points.map((p) => p.join(",")).join(" ") }),
      points.map(([x, y]) => mark(s.index, x, y, 3.6)));
  });
  const alt = `Ten values. ${series.map((s) => {
    const order = names.toSorted((p, q) => s.values[q] - s.values[p]);
    return `${s.name}: highest ${order[0]}, lowest ${order.at(-1)}`;
  }).join(". ")}.`;
  return frame(width, height, alt, rings, spokes, shapes);
}

// Places are {name, index, x, y, chosen}.
export function cultureMap(places, width) {
  const height = Math.max(250, Math.min(0.8 * width, 420)), left = 30, right = 12, top = 10, bottom = 44;
  const xs = places.map((p) => p.x), ys = places.map((p) => p.y);
  const [x0, x1, y0, y1] = [Math.min(...xs) - .6, Math.max(...xs) + .6, Math.min(...ys) - .4, Math.max(...ys) + .4];
  const X = (x) => left + (width - left - right) * (x - x0) / (x1 - x0), Y = (y) => top + (height - top - bottom) * (y1 - y) / (y1 - y0);
  const lines = [];
  for (let v = Math.ceil(x0); v <= x1; v++) lines.push(svg("line", { class: v ? "grid" : "axis", x1: X(v), x2: X(v), y1: top, y2: height - bottom }), label(X(v), height - bottom + 15, number(v, 0), { class: "soft small", "text-anchor": "middle" }));
  for (let v = Math.ceil(y0); v <= y1; v++) lines.push(svg("line", { class: v ? "grid" : "axis", x1: left, x2: width - right, y1: Y(v), y2: Y(v) }), label(left - 6, Y(v) + 4, number(v, 0), { class: "soft small", "text-anchor": "end" }));
  const taken = places.map((p) => [X(p.x) - 8, Y(p.y) - 8, X(p.x) + 8, Y(p.y) + 8]);
  const clash = (b) => taken.reduce((sum, t) => sum + Math.max(0, Math.min(b[2], t[2]) - Math.max(b[0], t[0])) * Math.max(0, Math.min(b[3], t[3]) - Math.max(b[1], t[1])), 0)
    + 40 * (Math.max(0, left - b[0]) + Math.max(0, b[2] - width + right));
  const marks = places.toSorted((p, q) => Number(q.chosen) - Number(p.chosen)).map((p) => {
    const w = 6.6 * p.name.length, x = X(p.x), y = Y(p.y);
    const spots = [[x + 10, y + 4, "start"], [x - 10, y + 4, "end"], [x, y - 11, "middle"], [x, y + 20, "middle"]]
      .map((s) => ({ s, b: [s[0] - (s[2] === "end" ? w : s[2] === "middle" ? w / 2 : 0), s[1] - 11, s[0] + (s[2] === "start" ? w : s[2] === "middle" ? w / 2 : 0), s[1] + 3] }));
    const best = spots.reduce((a, b) => (clash(b.b) < clash(a.b) ? b : a));
    taken.push(best.b);
    return svg("g", { class: p.chosen ? "chosen" : "other" }, mark(p.index, x, y, p.chosen ? 6.5 : 4.5), label(best.s[0], best.s[1], p.name, { "text-anchor": best.s[2], class: p.chosen ? "strong" : "soft" }));
  });
  const alt = `Places on the Inglehart-Welzel map. ${places.filter((p) => p.chosen).map((p) => `${p.name}: self-expression ${number(p.x)}, secular-rational ${number(p.y)}`).join(". ")}.`;
  return frame(width, height, alt, lines, marks,
    label((left + width - right) / 2, height - 8, "survival \u2190  \u2192 self-expression", { class: "soft", "text-anchor": "middle" }),
    svg("g", { transform: `translate(11 ${(top + height - bottom) / 2}) rotate(-90)` }, label(0, 0, "traditional \u2190  \u2192 secular", { class: "soft", "text-anchor": "middle" })));
}

// Weights by round as stacked columns with bands between them; stages are {name, weights}.
export function pools(stages, index, letter, width) {
  const height = 210, left = 4, top = 6, bottom = 26, right = 62, tall = height - top - bottom;
  const step = Math.min(130, (width - left - right) / Math.max(1, stages.length)), column = Math.min(26, step * 0.4);
  const base = (stage, k) => stage.weights.slice(0, k).reduce((sum, w) => sum + w, 0);
  const most = Math.max(...stages.map((s) => s.weights.length));
  const parts = [];
  for (let k = 0; k < most; k++) {
    const opacity = SHADES[k % SHADES.length];
    stages.forEach((stage, s) => {
      const w = stage.weights[k] || 0, x = left + s * step, y = top + tall * base(stage, k), next = stages[s + 1];
      if (w > 0) parts.push(svg("rect", { class: "cell", x, y, width: column, height: tall * w, "fill-opacity": opacity }));
      if (next && (w > 0 || next.weights[k] > 0)) {
        const y2 = top + tall * base(next, k), h2 = tall * (next.weights[k] || 0), xa = x + column, xb = x + step;
        parts.push(svg("polygon", { class: "flow", points: `${xa},${y} ${xb},${y2} ${xb},${y2 + h2} ${xa},${y + tall * w}`, "fill-opacity": 0.28 * opacity }));
      }
      if (tall * w >= 14) parts.push(label(x + column + 5, y + Math.min(tall * w / 2 + 4, tall), `${letter}${k + 1}${s === stages.length - 1 ? ` ${percent(w)}` : ""}`, { class: s === stages.length - 1 ? "strong" : "soft" }));
    });
  }
  const names = stages.map((stage, s) => label(left + s * step + column / 2, height - 8, stage.name, { class: "soft small", "text-anchor": s ? "middle" : "start" }));
  const last = stages.at(-1), alt = `Weights by round. Now: ${last.weights.map((w, k) => `${letter}${k + 1} ${percent(w)}`).join(", ")}.`;
  return frame(width, height, alt, svg("g", { class: `p${index % 8}` }, parts), names);
}

// Values before (hollow) and after (full), with the target as a line.
export function moved(before, target, after, width) {
  const names = Object.keys(target), row = 25, left = 104, right = 16, top = 24, height = top + row * names.length + 6;
  const X = (v) => left + (width - left - right) * (v + 1) / 2;
  const rows = names.map((name, k) => {
    const y = top + row * k + row / 2, b = before?.[name], a = after?.[name];
    return [svg("line", { class: "grid", x1: left, x2: width - right, y1: y, y2: y }), label(left - 10, y + 4, name, { "text-anchor": "end" }),
      svg("line", { class: "target", x1: X(target[name]), x2: X(target[name]), y1: y - 8, y2: y + 8 }),
      b !== undefined && a !== undefined ? svg("line", { class: "move", x1: X(b), x2: X(a), y1: y, y2: y }) : null,
      b !== undefined ? svg("circle", { class: "was", cx: X(b), cy: y, r: 4 }) : null,
      a !== undefined ? svg("circle", { class: "is", cx: X(a), cy: y, r: 4.5 }) : null];
  });
  const scale = [-1, 0, 1].map((v) => [svg("line", { class: v ? "grid" : "axis", x1: X(v), x2: X(v), y1: top - 4, y2: height - 4 }), label(X(v), 14, number(v, 0), { class: "soft small", "text-anchor": "middle" })]);
  return frame(width, height, "Values of the base answer, of the policy's answer, and the target; the table has the numbers.", scale, rows);
}
