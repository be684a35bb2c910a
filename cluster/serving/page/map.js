// The Inglehart-Welzel map: a mark a culture, and names set where they cover neither marks nor each other.
import { frame, label, mark, textWidth } from "./charts.js";
import { number, svg } from "./dom.js";

const LINE = 13; // height of a name
const AROUND = [[1, 0], [-1, 0], [0, -1], [0, 1], [.7, -.7], [-.7, -.7], [.7, .7], [-.7, .7]];

const shared = (a, b) => Math.max(0, Math.min(a.right, b.right) - Math.max(a.left, b.left)) * Math.max(0, Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top));

// Boxes that a name may take: beside its mark, or farther away with a line to it.
function spots(place) {
  return [9, 22, 36].flatMap((far, ring) => AROUND.map(([dx, dy]) => {
    const x = place.px + far * dx, y = place.py + far * dy;
    const left = dx > .1 ? x : dx < -.1 ? x - place.width : x - place.width / 2, top = dy < -.1 ? y - LINE : dy > .1 ? y : y - LINE / 2;
    return { left, right: left + place.width, top, bottom: top + LINE, ring, x, y };
  }));
}

// Chooses a spot for each place: in turn, then again with all others in view until nothing changes.
export function arrange(places, bounds) {
  const marks = places.map((p) => ({ left: p.px - 7, right: p.px + 7, top: p.py - 7, bottom: p.py + 7 }));
  const outside = (box) => Math.max(0, bounds.left - box.left) + Math.max(0, box.right - bounds.right) + Math.max(0, bounds.top - box.top) + Math.max(0, box.bottom - bounds.bottom);
  const found = places.map(() => null);
  for (let turn = 0; turn < 4; turn++) {
    let moved = false;
    places.forEach((place, k) => {
      const cost = (box) => marks.reduce((sum, other) => sum + 2 * shared(box, other), 0) + found.reduce((sum, other, n) => sum + (other && n !== k ? 3 * shared(box, other) : 0), 0)
        + 60 * outside(box) + 12 * box.ring;
      const best = spots(place).reduce((a, b) => (cost(b) < cost(a) - 1e-9 ? b : a));
      if (!found[k] || cost(best) < cost(found[k]) - 1e-9) { found[k] = best; moved = true; }
    });
    if (!moved) break;
  }
  return found;
}

// Places are {name, index, x, y, chosen}.
export function cultureMap(places, width) {
  const height = Math.max(270, Math.min(0.8 * width, 420)), left = 30, right = 8, top = 10, bottom = 44;
  const xs = places.map((p) => p.x), ys = places.map((p) => p.y);
  const [x0, x1, y0, y1] = [Math.min(...xs) - .5, Math.max(...xs) + .5, Math.min(...ys) - .4, Math.max(...ys) + .4];
  const X = (x) => left + (width - left - right) * (x - x0) / (x1 - x0), Y = (y) => top + (height - top - bottom) * (y1 - y) / (y1 - y0);
  const lines = [];
  for (let v = Math.ceil(x0); v <= x1; v++) lines.push(svg("line", { class: v ? "grid" : "axis", x1: X(v), x2: X(v), y1: top, y2: height - bottom }), label(X(v), height - bottom + 15, number(v, 0), { class: "soft small", "text-anchor": "middle" }));
  for (let v = Math.ceil(y0); v <= y1; v++) lines.push(svg("line", { class: v ? "grid" : "axis", x1: left, x2: width - right, y1: Y(v), y2: Y(v) }), label(left - 6, Y(v) + 4, number(v, 0), { class: "soft small", "text-anchor": "end" }));
  const size = width < 420 ? 11 : 12, sized = size < 12 ? " small" : "";
  const order = places.toSorted((p, q) => Number(q.chosen) - Number(p.chosen)).map((p) => ({ ...p, px: X(p.x), py: Y(p.y), width: textWidth(p.name, size, p.chosen ? 600 : 400) + 2 }));
  const names = arrange(order, { left: left + 1, right: width, top: 0, bottom: height - bottom });
  const marks = order.map((p, k) => {
    const at = names[k];
    return svg("g", { class: p.chosen ? "chosen" : "other" }, at.ring ? svg("line", { class: "leader", x1: p.px, y1: p.py, x2: at.x, y2: at.y }) : null, mark(p.index, p.px, p.py, p.chosen ? 6.5 : 5),
      label(at.left + 1, at.bottom - 3, p.name, { class: `${p.chosen ? "strong" : "soft"}${sized}` }));
  });
  const alt = `Places on the Inglehart-Welzel map. ${places.filter((p) => p.chosen).map((p) => `${p.name}: self-expression ${number(p.x)}, secular-rational ${number(p.y)}`).join(". ")}.`;
  return frame(width, height, alt, lines, marks,
    label((left + width - right) / 2, height - 8, "survival \u2190  \u2192 self-expression", { class: "soft", "text-anchor": "middle" }),
    svg("g", { transform: `translate(11 ${(top + height - bottom) / 2}) rotate(-90)` }, label(0, 0, "traditional \u2190  \u2192 secular", { class: "soft", "text-anchor": "middle" })));
}
