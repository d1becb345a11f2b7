/* Boxes and segments over a picture. Objects have the same number and colour on every tab. */
import { make, svg, textWidth } from "./dom.js";
import { nameOf } from "./names.js";

const COLOURS = ["#0f766e", "#b45309", "#1d4ed8", "#be185d", "#4d7c0f", "#6d28d9", "#b91c1c", "#0e7490", "#a16207", "#7e22ce"];
export const colourOf = (i) => COLOURS[i % COLOURS.length];
export const UNSURE = 0.6;
export const numbered = (scene, i) => `${i + 1} ${nameOf(scene.objects[i])}`;
export const lineBox = (line) => {
  const xs = line.quad.map((p) => p[0]), ys = line.quad.map((p) => p[1]);
  return [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
};
export const sameBox = (a, b) => a.every((v, i) => Math.abs(v - b[i]) < 0.02);
const apart = (a, b) => a[2] <= b[0] || b[2] <= a[0] || a[3] <= b[1] || b[3] <= a[1];
/* The first of the places [x1, y1, x2, y2] that overlaps nothing in `taken`; it is taken then. */
export function place(places, taken) {
  const free = places.find((p) => taken.every((t) => apart(p, t)));
  if (free) taken.push(free);
  return free;
}

export const objectMarks = (scene) => scene.objects.map((o, i) =>
  ({ box: o.box, name: numbered(scene, i), short: String(i + 1), colour: colourOf(i), unsure: o.score < UNSURE }));
/* Outlines of read lines stay clear of the letters: as far out as the neighbours above, below and beside allow. */
export function textMarks(scene) {
  const boxes = scene.text_lines.map(lineBox);
  const between = (a, b, k) => Math.max(a[k] - b[k + 2], b[k] - a[k + 2]); // along x (k = 0) or y (k = 1); negative: they overlap there
  return boxes.map((box, i) => {
    const others = boxes.filter((_, k) => k !== i);
    const room = [0, 1].map((k) => Math.min(...others.filter((o) => between(box, o, 1 - k) < 0).map((o) => Math.max(0, between(box, o, k)) / 2)));
    return { box, text: true, room, unsure: scene.text_lines[i].score < UNSURE };
  });
}
/* The number of a segment is that of its object; what belongs to no object (sky, road) has none. */
export function segmentMarks(scene) {
  return scene.objects.flatMap((o, i) => (o.segment === null || o.segment === undefined ? [] :
    [{ box: o.box, name: numbered(scene, i), short: String(i + 1), colour: colourOf(i), plateOnly: true }]));
}

/* Marks in an <svg> that covers the canvas. Strokes and letters have the screen's sizes, whatever the picture's. */
export function showMarks(over, width, height, marks) {
  over.setAttribute("viewBox", `0 0 ${width} ${height}`);
  const area = over.getBoundingClientRect(), unit = area.width ? Math.max(width / area.width, height / area.height) : 1, taken = [];
  over.replaceChildren(...marks.map((mark) => {
    const kind = mark.filled ? "lit" : mark.text ? "read" : "plain", g = svg("g", { class: kind + (mark.unsure ? " unsure" : "") });
    if (mark.colour) g.style.setProperty("--tone", mark.colour);
    if (!mark.plateOnly) g.append(...outline(mark, unit));
    const plate = mark.name ? plateOf(mark, width, height, unit, taken) : null;
    if (plate) g.append(...plate);
    return g;
  }));
}
function outline({ box: [x1, y1, x2, y2], text, room = [0, 0] }, unit) {
  const most = [Math.max(4 * unit, (y2 - y1) / 5), 4 * unit]; // readers often end a line within its last letter
  const [dx, dy] = text ? most.map((m, k) => Math.max(1.2 * unit, Math.min(m, room[k]))) : [0, 0];
  const shape = { x: x1 - dx, y: y1 - dy, width: x2 - x1 + 2 * dx, height: y2 - y1 + 2 * dy, rx: 3 * unit };
  return [...(text ? [] : [svg("rect", { class: "halo", ...shape })]), svg("rect", { class: "edge", ...shape })];
}
/* The name on a coloured plate where no other plate is: above the box, below it, inside; the number alone where none fits. */
function plateOf({ box: [x1, y1, x2, y2], name, short }, width, height, unit, taken) {
  const tall = 20 * unit;
  for (const text of short ? [name, short] : [name]) {
    const wide = textWidth(text, 12.5, 600) * unit + 12 * unit;
    const lefts = [x1, x2 - wide, (x1 + x2 - wide) / 2].map((x) => Math.max(0, Math.min(x, width - wide)));
    const tops = [y1 - tall, y1, y2, y2 - tall, (y1 + y2 - tall) / 2].filter((y) => y >= 0 && y + tall <= height);
    const free = place(tops.flatMap((y) => lefts.map((x) => [x, y, x + wide, y + tall])), taken);
    if (!free) continue;
    return [svg("rect", { class: "plate", x: free[0], y: free[1], width: wide, height: tall, rx: 4 * unit }),
      svg("text", { x: free[0] + 6 * unit, y: free[1] + 14.5 * unit, "font-size": 12.5 * unit }, text)];
  }
  return null;
}

/* The segment map as a picture, in the colours of the objects. */
export function segmentsOf(scene) {
  if (!scene.segment_map_runs) return "";
  const canvas = make("canvas", { width: scene.width, height: scene.height }), c = canvas.getContext("2d");
  const data = c.createImageData(scene.width, scene.height), known = new Map(scene.objects.map((o, i) => [o.segment, i]));
  let at = 0;
  for (const [id, count] of scene.segment_map_runs) {
    const n = id ? parseInt(colourOf(known.get(id) ?? id + 3).slice(1), 16) : 0;
    for (const end = at + count; at < end; at++) data.data.set([n >> 16, (n >> 8) & 255, n & 255, id ? 170 : 0], at * 4);
  }
  c.putImageData(data, 0, 0);
  return canvas.toDataURL("image/png");
}
