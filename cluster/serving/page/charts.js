// Figures as SVG, drawn for the width that there is; colours are classes p0 to p7 of the style sheet.
import { number, percent, svg } from "./dom.js";

const SHADES = [0.95, 0.5, 0.75, 0.32, 0.86, 0.42, 0.64, 0.25];
export const label = (x, y, text, props = {}) => svg("text", { x, y, ...props }, text);

const ruler = document.createElement("canvas").getContext("2d");

// Width of a text of the figures, in pixels.
export function textWidth(text, size = 12, weight = 400) {
  ruler.font = `${weight} ${size}px ${getComputedStyle(document.body).fontFamily}`;
  return ruler.measureText(text).width;
}

export function frame(width, height, alt, ...children) {
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

// Weights by round as stacked columns with bands between them; stages are {name, short, weights}.
export function pools(stages, index, letter, width) {
  if (!stages.length) return frame(width, 10, "No round yet");
  const height = 210, left = 4, top = 6, bottom = 26, right = 66, tall = height - top - bottom;
  const step = Math.min(130, (width - left - right) / stages.length), column = Math.min(26, step * 0.4);
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
      const ends = s === stages.length - 1, fits = ends || step - column > 12 + textWidth(`${letter}${k + 1}`);
      if (tall * w >= 14 && fits) parts.push(label(x + column + 5, y + Math.min(tall * w / 2 + 4, tall), `${letter}${k + 1}${ends ? ` ${percent(w)}` : ""}`, { class: ends ? "strong" : "soft" }));
    });
  }
  const last = stages.at(-1), alt = `Weights by round. Now: ${last.weights.map((w, k) => `${letter}${k + 1} ${percent(w)}`).join(", ")}.`;
  return frame(width, height, alt, svg("g", { class: `p${index % 8}` }, parts), stageNames(stages, (s) => left + s * step + column / 2, height - 8));
}

// Names below columns: long where all have room, else numbers, and of these as many as have room; the last is always there.
function stageNames(stages, at, y) {
  const step = stages.length > 1 ? at(1) - at(0) : Infinity;
  const long = step > 10 + Math.max(...stages.map((stage) => textWidth(stage.name, 11)));
  const every = long ? 1 : Math.ceil((10 + Math.max(...stages.map((stage) => textWidth(stage.short, 11)))) / step);
  const first = long || stages.length < 2 || step * every > 8 + textWidth(stages[0].name, 11) / 2 + textWidth(stages.at(-1).short, 11);
  return stages.map((stage, s) => {
    const ends = s === stages.length - 1;
    if (!ends && (s % every || stages.length - 1 - s < every)) return null;
    const text = long || (s === 0 && first) ? stage.name : stage.short, half = textWidth(text, 11) / 2;
    return label(Math.max(at(s), half), y, text, { class: "soft small", "text-anchor": "middle" });
  });
}

// What the best proposal of each side would gain, by round; rounds are {round, gains, added}, sides are {index, name}.
export function gains(rounds, sides, width) {
  const height = 190, left = 52, right = 24, top = 12, bottom = 30;
  const all = rounds.flatMap((row) => row.gains).filter((gain) => gain !== null);
  const high = Math.max(...all, 0) || 0.01, low = Math.min(...all, 0);
  const Y = (gain) => top + (height - top - bottom) * (high - gain) / (high - low);
  const step = Math.min(150, (width - left - right - 20) / Math.max(1, rounds.length - 1)), X = (k) => left + 20 + k * step;
  const ticks = [0, high / 2, high, ...(Y(low) - Y(0) > 14 ? [low] : [])].map((v) => [svg("line", { class: v ? "grid" : "axis", x1: left, x2: width - right, y1: Y(v), y2: Y(v) }),
    label(left - 7, Y(v) + 4, v ? number(v, high - low < 0.1 ? 3 : 2) : "0", { class: "soft small", "text-anchor": "end" })]);
  const lines = sides.map((side, s) => {
    const found = rounds.flatMap((row, k) => (row.gains[s] === null ? [] : [{ x: X(k) + 5 * (s - (sides.length - 1) / 2), y: Y(row.gains[s]), added: row.added[s] }]));
    return svg("g", { class: `p${side.index % 8}` }, svg("polyline", { class: "outline thin", points: found.map((p) => `${p.x},${p.y}`).join(" ") }),
      found.map((p) => svg("g", { class: p.added ? "full" : "hollow" }, mark(side.index, p.x, p.y, 5.5))));
  });
  const last = rounds.at(-1), alt = `Gains by round. ${last ? `Round ${last.round}: ${sides.map((side, s) => `${side.name} ${last.gains[s] === null ? "no proposal" : `${number(last.gains[s], 4)}${last.added[s] ? ", added" : ""}`}`).join("; ")}.` : ""}`;
  return frame(width, height, alt, ticks, lines, stageNames(rounds.map((row) => ({ name: `round ${row.round}`, short: String(row.round) })), X, height - 8));
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
