/* A Scene drawn over its picture, as a graph, and as a list; names in an answer linked to their boxes. */
import { languageNow, say } from "./strings.js";
import { THINGS } from "./words.js";

export const make = (tag, props = {}, ...inside) => {
  const e = Object.assign(document.createElement(tag), props);
  e.append(...inside);
  return e;
};
const NS = document.querySelector("svg").namespaceURI;
const svg = (tag, facts = {}, text = "") => {
  const e = document.createElementNS(NS, tag);
  for (const k in facts) e.setAttribute(k, facts[k]);
  if (text) e.textContent = text;
  return e;
};
export const icon = (name) => { const e = svg("svg", { class: "icon", "aria-hidden": "true" }); e.append(svg("use", { href: `#i-${name}` })); return e; };

const COLOURS = ["#0f766e", "#b45309", "#1d4ed8", "#be185d", "#4d7c0f", "#6d28d9", "#b91c1c", "#0e7490", "#a16207", "#7e22ce"];
const PREDICATES = { "left of": "leftOf", "right of": "rightOf", above: "above", below: "below", on: "on", inside: "inside", overlapping: "overlapping" };
const korean = new Map(THINGS.map(([en, , ko]) => [en, ko])), plurals = new Map(THINGS.map(([en, many]) => [en, many]));
const predicate = (p) => (p in PREDICATES ? say(PREDICATES[p]) : p);
export const nameOf = (o) => (languageNow() === "ko" && korean.get(o.name)) || o.name;
const colourOf = (i) => COLOURS[i % COLOURS.length];

/* Boxes over the picture, in an <svg> that covers the canvas; a box is {box, name, colour}. Sizes of strokes and letters are
   those of the screen, whatever the picture's. */
export function showBoxes(over, width, height, boxes) {
  over.setAttribute("viewBox", `0 0 ${width} ${height}`);
  const area = over.getBoundingClientRect(), unit = area.width ? Math.max(width / area.width, height / area.height) : 1;
  over.replaceChildren(...boxes.map(({ box: [x1, y1, x2, y2], name = "", colour = "", filled }) => {
    const g = svg("g", { class: filled ? "lit" : "plain" });
    if (colour) g.style.setProperty("--tone", colour);
    g.append(svg("rect", { class: "halo", x: x1, y: y1, width: x2 - x1, height: y2 - y1, rx: 3 * unit }), svg("rect", { x: x1, y: y1, width: x2 - x1, height: y2 - y1, rx: 3 * unit }));
    if (name) {
      const wide = ([...name].reduce((n, c) => n + (c > "\u1100" ? 12.5 : 8), 0) + 12) * unit, tall = 20 * unit;
      const left = Math.max(0, Math.min(x1, width - wide)), top = y1 >= tall ? y1 - tall : y1;
      g.append(svg("rect", { class: "plate", x: left, y: top, width: wide, height: tall, rx: 4 * unit }), svg("text", { x: left + 6 * unit, y: top + 14.5 * unit, "font-size": 12.5 * unit }, name));
    }
    return g;
  }));
}
export const objectBoxes = (scene) => scene.objects.map((o, i) => ({ box: o.box, name: `${i + 1} ${nameOf(o)}`, colour: colourOf(i) }));
export const lineBox = (line) => { const xs = line.quad.map((p) => p[0]), ys = line.quad.map((p) => p[1]); return [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)]; };

/* The segment map as a picture, where the server drew none. */
export function crayonOf(scene) {
  if (!scene.segment_map_runs) return "";
  const canvas = make("canvas", { width: scene.width, height: scene.height }), c = canvas.getContext("2d"), data = c.createImageData(scene.width, scene.height);
  let at = 0;
  for (const [id, count] of scene.segment_map_runs) {
    const n = id ? parseInt(colourOf(id - 1).slice(1), 16) : 0;
    for (const end = at + count; at < end; at++) data.data.set([n >> 16, (n >> 8) & 255, n & 255, id ? 190 : 0], at * 4);
  }
  c.putImageData(data, 0, 0);
  return canvas.toDataURL("image/png");
}

/* Relations as a small graph: things around an oval, arrows with their words. `lit` is the number of a relation, or -1. */
export function graph(scene, lit = -1) {
  const used = [...new Set(scene.relations.flatMap((r) => [r.subject, r.object]))].slice(0, 10), out = svg("svg", { viewBox: "0 0 420 300", class: "graph", "aria-hidden": "true" });
  const spot = new Map(used.map((i, k) => { const turn = (2 * Math.PI * k) / used.length - Math.PI / 2; return [i, [210 + 145 * Math.cos(turn), 150 + 112 * Math.sin(turn)]]; }));
  const tip = svg("marker", { id: "tip", viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 7, markerHeight: 7, orient: "auto-start-reverse" });
  tip.append(svg("path", { d: "M0 0 8 4 0 8Z" }));
  out.append(tip);
  const labels = [];
  scene.relations.forEach((r, n) => {
    const a = spot.get(r.subject), b = spot.get(r.object);
    if (!a || !b || a === b) return;
    const long = Math.hypot(b[0] - a[0], b[1] - a[1]), cut = Math.min(0.42, 30 / long), bend = [(b[1] - a[1]) * 0.12, (a[0] - b[0]) * 0.12];
    const from = [a[0] + (b[0] - a[0]) * cut, a[1] + (b[1] - a[1]) * cut], to = [b[0] - (b[0] - a[0]) * cut, b[1] - (b[1] - a[1]) * cut], mid = [(a[0] + b[0]) / 2 + bend[0], (a[1] + b[1]) / 2 + bend[1]];
    const state = lit < 0 ? "" : n === lit ? " lit" : " dim";
    out.append(svg("path", { d: `M${from} Q${mid} ${to}`, class: "edge" + state, "marker-end": "url(#tip)" }));
    labels.push(svg("text", { x: mid[0] * 0.5 + (from[0] + to[0]) / 4, y: mid[1] * 0.5 + (from[1] + to[1]) / 4 + 4, class: "edge-name" + state }, predicate(r.predicate)));
  });
  out.append(...labels);
  for (const [i, [x, y]] of spot) {
    const name = nameOf(scene.objects[i]), wide = [...name].reduce((n, c) => n + (c > "\u1100" ? 13 : 7.4), 0) + 22;
    out.append(svg("rect", { x: x - wide / 2, y: y - 15, width: wide, height: 30, rx: 15, class: "node", stroke: colourOf(i) }), svg("text", { x, y: y + 4.5, class: "node-name" }, name));
  }
  return out;
}

/* The list below a view: rows of {text, boxes} or {text, relation}. Everything that is drawn is also listed as text. */
export function rowsOf(view, scene) {
  const described = (o) => [nameOf(o), ...Object.values(o.attributes || {})].join(", ");
  if (view === "boxes") return scene.objects.map((o, i) => ({ text: `${i + 1}. ${described(o)}`, share: o.score, boxes: [{ box: o.box, name: nameOf(o), filled: true }] }));
  if (view === "text") return scene.text_lines.map((t) => ({ text: t.text, share: t.score, boxes: [{ box: lineBox(t), filled: true }] }));
  if (view === "relations") return scene.relations.map((r, i) => {
    const [a, b, p] = [nameOf(scene.objects[r.subject]), nameOf(scene.objects[r.object]), predicate(r.predicate)];
    return { text: languageNow() === "ko" && r.predicate in PREDICATES ? `${a} → ${b}: ${p}` : `${a} ${p} ${b}`, share: r.score, relation: i };
  });
  if (view === "crayon") return scene.segments.map((s) => ({ text: s.thing ? `${nameOf(s)} ${s.number}` : nameOf(s), share: s.score, boxes: scene.objects.filter((o) => o.segment === s.id).map((o) => ({ box: o.box, name: nameOf(o), filled: true })) }));
  return [];
}

/* Splits an answer at the words of its claims: strings, and {text, claims, item, boxes}. `evidence` is the server's, `itemOf` gives
   the picture of a number, or nothing if it is gone. Claims that overlap share a piece. Spans count characters, not UTF-16 units. */
export function linkClaims(text, evidence, itemOf) {
  const letters = [...text], known = new Map(evidence.evidence.map((e) => [e.id, e])), pieces = [];
  for (const claim of [...evidence.claims].sort((a, b) => a.span[0] - b.span[0])) {
    const [start, end] = claim.span, last = pieces.at(-1);
    if (letters.slice(start, end).join("") !== claim.text) continue;
    if (last && start < last.end) { last.end = Math.max(last.end, end); last.claims.push(claim); } else pieces.push({ start, end, claims: [claim] });
  }
  const out = [];
  let at = 0;
  for (const { start, end, claims } of pieces) {
    const found = [...new Set(claims.flatMap((c) => c.evidence))].map((id) => known.get(id)).filter((e) => e && itemOf(e.picture)), item = found.length ? itemOf(found[0].picture) : null;
    const boxes = found.filter((e) => itemOf(e.picture) === item).map((e) => ({ box: e.box, name: e.kind === "text" ? e.text : nameOf({ name: e.text }), filled: true }));
    out.push(letters.slice(at, start).join(""), { text: letters.slice(start, end).join(""), claims, item, boxes });
    at = end;
  }
  return [...out, letters.slice(at).join("")].filter((p) => p);
}
export const sameBox = (a, b) => a.every((v, i) => Math.abs(v - b[i]) < 0.02);

/* Splits `text` at the names of objects in `seen` ([{item, scene}], the newest first): strings, and {text, name, item, boxes}. */
const PARTICLES = /^(?:들)?(?:은|는|이|가|을|를|과|와|의|에|에서|에는|에도|도|로|으로|만|랑|이랑|하고|이고|고|보다|까지|부터|밖에|처럼|뿐|입니다|이다|이에요|예요|이며|이나|나|야|이야)?(?![가-힣])/;
const LETTER = /[\p{L}\p{N}]/u;
export function link(text, seen) {
  const forms = new Map();
  const add = (form, item, name, found) => { const k = form.toLowerCase(); if (form.trim() && !forms.has(k)) forms.set(k, { item, name, found }); };
  for (const { item, scene } of seen) {
    for (const name of new Set(scene.objects.map((o) => o.name))) {
      const found = scene.objects.filter((o) => o.name === name);
      for (const form of [name, plurals.get(name) || `${name}s`, korean.get(name) || ""]) add(form, item, name, found);
    }
    for (const t of scene.text_lines) if ([...t.text.trim()].length > 1) add(t.text.trim(), item, t.text.trim(), [{ box: lineBox(t), attributes: {} }]);
  }
  const keys = [...forms.keys()].sort((a, b) => b.length - a.length), low = text.toLowerCase(), out = [];
  let plain = "";
  for (let i = 0; i < text.length;) {
    const free = i === 0 || !LETTER.test(text[i - 1]);
    const form = free && keys.find((k) => low.startsWith(k, i) && (/[가-힣]$/.test(k) ? PARTICLES.test(text.slice(i + k.length)) : !/^[a-z0-9]/i.test(text.slice(i + k.length))));
    if (!form) { plain += text[i++]; continue; }
    const { item, name, found } = forms.get(form), before = (/([a-z]+) $/i.exec(text.slice(0, i)) || ["", ""])[1].toLowerCase();
    const such = found.filter((o) => Object.values(o.attributes || {}).includes(before)), meant = such.length ? such : found;
    if (plain) out.push(plain);
    plain = "";
    out.push({ text: text.slice(i, i + form.length), name, item, boxes: meant.map((o) => ({ box: o.box, name: nameOf({ name }), filled: true })) });
    i += form.length;
  }
  return plain ? [...out, plain] : out;
}
