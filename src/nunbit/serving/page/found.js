/* The list below a view: everything that is drawn is also listed as text, with the same numbers. */
import { make } from "./dom.js";
import { colourOf, lineBox, numbered, UNSURE } from "./marks.js";
import { detailsOf, nameOf, sentence } from "./names.js";
import { state } from "./state.js";
import { say } from "./strings.js";

/* Rows of {text, share, colour, boxes} or {text, share, relation}. */
export function rowsOf(view, scene) {
  const boxOf = (o) => ({ box: o.box, name: nameOf(o), filled: true });
  if (view === "boxes") return scene.objects.map((o, i) => ({ text: [numbered(scene, i), ...detailsOf(o)].join(", "), share: o.score, colour: colourOf(i), boxes: [boxOf(o)] }));
  if (view === "text") return scene.text_lines.map((t) => ({ text: t.text, share: t.score, boxes: [{ box: lineBox(t), filled: true }] }));
  if (view === "relations") {
    return scene.relations.map((r, i) => ({ text: sentence(numbered(scene, r.subject), r.predicate, numbered(scene, r.object)), share: r.score, relation: i }));
  }
  return scene.segments.map((s) => {
    const i = scene.objects.findIndex((o) => o.segment === s.id);
    return { text: i < 0 ? nameOf(s) : numbered(scene, i), share: s.score, colour: i < 0 ? "" : colourOf(i), boxes: i < 0 ? [] : [boxOf(scene.objects[i])] };
  });
}
/* A row that perception is not sure of is faded and says so. */
function inside(row) {
  const dot = row.colour ? [make("span", { className: "dot" })] : [], unsure = row.share < UNSURE;
  if (row.colour) dot[0].style.background = row.colour;
  const doubt = unsure ? [make("small", { textContent: say("unsure") })] : [];
  return [...dot, make("span", { textContent: row.text }), ...doubt];
}
/* The list as an element, or null where nothing was found. `choose(row or null)` highlights a row, `point(boxes or null)` the
   words of the answer that rest on it. */
export function listOf(view, scene, choose, point) {
  const rows = rowsOf(view, scene);
  if (!rows.length) return null;
  const list = make("ul", { className: "rows" });
  const press = (button, row) => {
    const on = button.getAttribute("aria-pressed") !== "true";
    for (const b of list.querySelectorAll("button")) b.setAttribute("aria-pressed", b === button && on);
    choose(on ? { ...row, row: row.text } : null);
  };
  list.append(...rows.map((row) => {
    const li = make("li", { className: row.share < UNSURE ? "unsure" : "", title: row.share < 1 ? say("share", { n: Math.round(100 * row.share) }) : "" });
    if (row.relation === undefined && !row.boxes.length) { li.append(...inside(row)); return li; }
    const button = make("button", { type: "button" }, ...inside(row));
    button.setAttribute("aria-pressed", Boolean(state.lit && state.lit.row === row.text));
    button.onclick = () => press(button, row);
    button.onfocus = button.onmouseenter = () => point(row.boxes || null);
    button.onblur = button.onmouseleave = () => point(null);
    li.append(button);
    return li;
  }));
  return list;
}
