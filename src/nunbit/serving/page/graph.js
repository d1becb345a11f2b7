/* Relations as a small graph: things as pills, arrows with their words. Words never stand on each other or on a pill. */
import { svg, textWidth } from "./dom.js";
import { colourOf, numbered, place } from "./marks.js";
import { predicate } from "./names.js";

export const MOST_EDGES = 12;
const WIDE = 420, LETTERS = 13, SMALL = 12, PILL = 30, ROUND = 6;

/* One edge for each pair of things, with all words of that pair; the strongest first, and the highlighted one in any case. */
export function edgesOf(scene, lit = -1) {
  const edges = new Map();
  scene.relations.forEach((r, n) => {
    if (r.subject === r.object) return;
    const key = `${r.subject} ${r.object}`, edge = edges.get(key) || { from: r.subject, to: r.object, words: [], numbers: [] };
    edge.words.push(predicate(r.predicate));
    edge.numbers.push(n);
    edges.set(key, edge);
  });
  const list = [...edges.values()], first = list.slice(0, MOST_EDGES), extra = list.slice(MOST_EDGES).find((e) => e.numbers.includes(lit));
  return extra ? [...first.slice(1), extra] : first;
}

/* Few things stand around an oval, many in two columns. */
function spotsOf(used) {
  if (used.length <= ROUND) {
    const spot = (k) => { const turn = (2 * Math.PI * k) / used.length - Math.PI / 2; return [210 + 140 * Math.cos(turn), 150 + 118 * Math.sin(turn)]; };
    return { tall: 300, spots: new Map(used.map((i, k) => [i, spot(k)])) };
  }
  const spot = (k) => [k % 2 ? 340 : 80, 30 + 27 * k];
  return { tall: 60 + 27 * (used.length - 1), spots: new Map(used.map((i, k) => [i, spot(k)])) };
}
const shortened = (name) => ([...name].length > 16 ? `${[...name].slice(0, 15).join("")}…` : name);

export function graph(scene, lit = -1) {
  const edges = edgesOf(scene, lit), used = [...new Set(edges.flatMap((e) => [e.from, e.to]))], { tall, spots } = spotsOf(used);
  const out = svg("svg", { viewBox: `0 0 ${WIDE} ${tall}`, class: "graph", "aria-hidden": "true" }), taken = [], labels = [];
  const tip = svg("marker", { id: "tip", viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 7, markerHeight: 7, orient: "auto-start-reverse" });
  tip.append(svg("path", { d: "M0 0 8 4 0 8Z" }));
  out.append(tip);
  const pills = [...spots].map(([i, [x, y]]) => pill(scene, i, x, y, taken));
  for (const edge of edges) {
    const chosen = edge.numbers.includes(lit), kind = lit < 0 ? "" : chosen ? " lit" : " dim", curve = curveOf(spots.get(edge.from), spots.get(edge.to));
    out.append(svg("path", { d: `M${curve.a} Q${curve.mid} ${curve.b}`, class: `edge${kind}`, "marker-end": "url(#tip)" }));
    const label = lit < 0 || chosen ? labelOf(edge, curve, tall, taken) : null;
    if (label) labels.push(svg("text", { x: label[0], y: label[1], class: `edge-name${kind}` }, label[2]));
  }
  out.append(...labels, ...pills.flat());
  return out;
}
function pill(scene, i, x, y, taken) {
  const name = shortened(numbered(scene, i)), wide = textWidth(name, LETTERS) + 24;
  const left = Math.max(1, Math.min(WIDE - wide - 1, x - wide / 2));
  taken.push([left, y - PILL / 2, left + wide, y + PILL / 2]);
  return [svg("rect", { x: left, y: y - PILL / 2, width: wide, height: PILL, rx: PILL / 2, class: "node", stroke: colourOf(i) }),
    svg("text", { x: left + wide / 2, y: y + 4.5, class: "node-name" }, name)];
}
/* A quadratic curve from pill to pill, bent to one side, so that there and back are two lines. */
function curveOf(from, to) {
  const long = Math.hypot(to[0] - from[0], to[1] - from[1]), cut = Math.min(0.42, 34 / long), sameColumn = Math.abs(to[0] - from[0]) < 40;
  const at = (k) => [from[0] + (to[0] - from[0]) * k, from[1] + (to[1] - from[1]) * k];
  const bow = sameColumn ? 70 / long : 0.12, inwards = sameColumn && (from[0] < WIDE / 2) === (to[1] < from[1]) ? -1 : 1;
  const mid = [at(0.5)[0] + (to[1] - from[1]) * bow * inwards, at(0.5)[1] + (from[0] - to[0]) * bow * inwards];
  return { a: at(cut), b: at(1 - cut), mid };
}
/* Where the words of an edge stand: on its curve, or a little beside it; null where there is no room. */
function labelOf(edge, { a, b, mid }, tall, taken) {
  const text = shortened([...new Set(edge.words)].join(", ")), wide = textWidth(text, SMALL) + 8;
  const on = (t) => [0, 1].map((k) => (1 - t) ** 2 * a[k] + 2 * t * (1 - t) * mid[k] + t * t * b[k]), places = [];
  for (const beside of [0, -10, 10, -20, 20]) for (const t of [0.5, 0.4, 0.6, 0.3, 0.7, 0.22, 0.78]) {
    const [x, y] = on(t), box = [x - wide / 2, y + beside - 9, x + wide / 2, y + beside + 9];
    if (box[0] >= 0 && box[2] <= WIDE && box[1] >= 0 && box[3] <= tall) places.push(box);
  }
  const free = place(places, taken);
  return free && [(free[0] + free[2]) / 2, free[1] + 13, text];
}
