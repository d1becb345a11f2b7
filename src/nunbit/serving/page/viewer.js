/* The picture side: adding, choosing and removing pictures, drawing on them, and what perception found in them. */
import { perceive } from "./api.js";
import { $, all, announce, button, icon, isNarrow, make, notice, offerUndo, quiet } from "./dom.js";
import { Drawing } from "./draw.js";
import { edgesOf, graph } from "./graph.js";
import { objectMarks, segmentMarks, segmentsOf, showMarks, textMarks } from "./marks.js";
import { listOf } from "./found.js";
import { photograph, readPicture, sent } from "./pictures.js";
import { emit, mostPictures, on, state } from "./state.js";
import { say } from "./strings.js";
import { messageOf } from "./trouble.js";

const titleOf = (item) => say("picture", { n: state.pictures.indexOf(item) + 1 });
/* Pictures that the next question takes along: those that were not sent yet as they are now. */
export const pending = () => state.pictures.filter((p) => p.gone !== sent(p).uri);
let hint = "";
export const drawing = new Drawing($("canvas"), (what) => {
  hint = { short: "penShort", off: "penFirst", elsewhere: "penElsewhere" }[what] || "";
  if (hint) announce(say(hint));
  if (what === "placed" || what === "begun") announce(say(what === "placed" ? "markPlaced" : "markBegun"));
  if (what === "placed" || what === "removed") emit("pictures");
  showPens();
});

export function setPane(pane) {
  document.body.dataset.pane = pane;
  for (const b of all("[data-pane-of]")) b.setAttribute("aria-pressed", b.dataset.paneOf === pane);
  if (pane === "look") showBoxes();
}
export async function addFiles(files) {
  notice("");
  let last = null;
  for (const file of files) {
    if (pending().length >= mostPictures()) { notice(say("tooMany", { n: mostPictures() })); break; }
    try { state.pictures.push(last = await readPicture(file)); } catch { notice(say("notPicture", { name: file.name })); }
  }
  if (last) choose(last);
}
export async function shoot() {
  notice("");
  if (!navigator.mediaDevices || !navigator.mediaDevices.getUserMedia) { $("capture").click(); return; }
  try {
    const file = await photograph($("camera"));
    if (file) await addFiles([file]);
  } catch { notice(say("noCamera")); $("capture").click(); }
}
export function choose(item, view = "plain", lit = null) {
  Object.assign(state, { current: item, view, lit });
  hint = "";
  drawing.enabled = view === "plain";
  drawing.show(item);
  emit("pictures"); emit("view");
}
function remove(item) {
  const at = state.pictures.indexOf(item), name = titleOf(item);
  state.pictures.splice(at, 1);
  choose(state.pictures[Math.min(at, state.pictures.length - 1)] || null);
  offerUndo(say("removed", { what: name }), () => { state.pictures.splice(at, 0, item); choose(item); });
  ($("thumbs").querySelector(".tile[aria-pressed=true]") || $("question")).focus();
}

function showThumbs() {
  const waiting = pending();
  const tiles = state.pictures.map((p) => {
    const name = titleOf(p), going = waiting.includes(p), on = p === state.current;
    const tile = make("button", { type: "button", className: going ? "tile going" : "tile", onclick: () => choose(p) }, make("img", { src: sent(p).thumb, alt: "" }));
    tile.setAttribute("aria-pressed", on);
    tile.setAttribute("aria-label", going ? `${name}, ${say("goesAlong")}` : name);
    tile.title = tile.getAttribute("aria-label");
    return tile;
  });
  const less = state.current ? [button(say("removePicture", { what: titleOf(state.current) }), () => remove(state.current), { className: "flat", picture: "bin" })] : [];
  const focused = $("thumbs").contains(document.activeElement) ? [...$("thumbs").children].indexOf(document.activeElement) : -1;
  $("thumbs").replaceChildren(...tiles, ...less);
  if (focused >= 0 && $("thumbs").children[focused]) $("thumbs").children[focused].focus();
  $("thumbs").hidden = !tiles.length;
  $("attached").hidden = !waiting.length;
  $("attached").replaceChildren(make("span", { className: "quiet", textContent: say("attached") }), ...waiting.map((p) => {
    const b = make("button", { type: "button", className: "tile", onclick: () => { choose(p); setPane("look"); } }, make("img", { src: sent(p).thumb, alt: "" }));
    b.setAttribute("aria-label", say("showPicture", { what: titleOf(p) }));
    return b;
  }));
  $("pane-look").textContent = state.pictures.length ? say("lookPaneCount", { n: state.pictures.length }) : say("lookPane");
  showPens();
}
function showPens() {
  const item = state.current, marks = item ? item.marks.length : 0, plain = state.view === "plain";
  for (const pen of all("[data-pen]")) pen.setAttribute("aria-pressed", pen.dataset.pen === drawing.pen);
  $("undo").disabled = !item || !item.past.length;
  $("wipe").disabled = !marks;
  $("canvas").classList.toggle("drawing", Boolean(drawing.pen) && plain);
  $("pens").hidden = !item || !plain;
  const pen = all("[data-pen]").find((b) => b.dataset.pen === drawing.pen);
  const words = [hint ? say(hint) : pen ? say("penOn", { pen: pen.textContent.trim() }) : say("penOff")];
  if (marks && !hint) words.push(say(pending().includes(item) ? "marksGo" : "marksWent", { n: marks }));
  $("pen-state").textContent = words.join(" ");
  $("pen-state").classList.toggle("warn", Boolean(hint));
  $("pen-state").hidden = !item || !(plain || hint);
  if (item) $("canvas").setAttribute("aria-label", plain && drawing.pen ? say("canvas", { name: titleOf(item) }) : titleOf(item));
}

/* ---- perception ---- */
function settled(body) {
  const s = body.scene || {}, whole = (b) => Array.isArray(b) && b.length === 4 && b.every(Number.isFinite);
  const objects = (s.objects || []).filter((o) => whole(o.box)), all = objects.length === (s.objects || []).length;
  const relations = all ? (s.relations || []).filter((r) => objects[r.subject] && objects[r.object]) : [];
  return { ...s, objects, relations, text_lines: s.text_lines || [], segments: s.segments || [] };
}
/* Run perception on a picture once. After an answer it runs silently, and not again where the server has no perception. */
export async function look(item, silently = false) {
  if (!item || item.seen || item.looking || (silently && (state.blind || !$("auto").checked))) return;
  item.looking = true; item.unseen = "";
  if (item === state.current) emit("view");
  try { item.seen = settled(await perceive(item.uri)); } catch (e) {
    if (e.status === 501) state.blind = true;
    if (!silently) item.unseen = messageOf(e);
  }
  item.looking = false;
  if (item === state.current) emit("view");
  emit("seen", item);
}
export function openView(view) {
  Object.assign(state, { view, lit: null });
  hint = "";
  drawing.enabled = view === "plain";
  emit("view");
  if (view !== "plain") look(state.current);
}
function showView() {
  const item = state.current, scene = item && item.seen;
  const view = item ? state.view : "plain";
  $("empty").hidden = Boolean(item);
  $("tabs").hidden = !item;
  showTabs(scene, view);
  if (item) $("panel").setAttribute("role", "tabpanel"); else { $("panel").removeAttribute("role"); $("panel").removeAttribute("aria-labelledby"); }
  const asGraph = view === "relations" && scene && scene.relations.length > 0;
  $("stage").hidden = !item || asGraph;
  $("drawn").hidden = !asGraph;
  $("found").hidden = !item;
  $("stage").classList.toggle("busy", Boolean(item && item.looking));
  const segments = view === "crayon" && scene ? segmentsOf(scene) : "";
  $("overlay").hidden = !segments;
  if (segments) $("overlay").src = segments;
  showPens();
  if (!item) return;
  showBoxes();
  if (asGraph) showGraph();
  $("found").replaceChildren(...(view === "plain" ? foundSoFar(item) : foundIn(item, view)));
}
function showTabs(scene, view) {
  const counts = scene ? { boxes: scene.objects.length, relations: scene.relations.length, text: scene.text_lines.length } : {};
  for (const tab of all("[role=tab]")) {
    const on = tab.dataset.view === view, count = counts[tab.dataset.view];
    tab.setAttribute("aria-selected", on);
    tab.tabIndex = on ? 0 : -1;
    tab.hidden = tab.dataset.view === "crayon" && !(scene && scene.segment_map_runs); // most perceptions make no segments
    tab.querySelector("small").textContent = count === undefined ? "" : ` ${count}`;
    if (on) $("panel").setAttribute("aria-labelledby", tab.id);
  }
}
function showGraph() { $("drawn").replaceChildren(graph(state.current.seen, state.lit ? state.lit.relation ?? -1 : -1)); }
function showBoxes() {
  const item = state.current, scene = item && item.seen;
  if (!item) return;
  const lit = state.lit && state.lit.boxes ? state.lit.boxes : [], marks = { boxes: objectMarks, text: textMarks, crayon: segmentMarks }[state.view];
  const base = scene && marks ? marks(scene) : [];
  const under = lit.length && state.view !== "plain" ? base.map((b) => ({ ...b, name: "" })) : base;
  showMarks($("marks"), item.image.naturalWidth, item.image.naturalHeight, [...under, ...lit]);
}
/* On the tab of the picture itself: how much was found, or the button that looks. */
function foundSoFar(item) {
  if (item.looking) return [quiet(say("looking"))];
  if (!item.seen) {
    if (state.blind) return [quiet(say("noPerception"))];
    return [...(item.unseen ? [quiet(item.unseen)] : []), button(say("look"), () => look(item), { picture: "seek" })];
  }
  const { objects, relations, text_lines: lines } = item.seen;
  const links = [["boxes", "foundObjects", objects], ["relations", "foundRelations", relations], ["text", "foundText", lines]];
  return [make("div", { className: "row" }, make("span", { className: "quiet", textContent: say("foundTitle") }),
    ...links.map(([view, name, list]) => button(say(name, { n: list.length }), () => { openView(view); $(`tab-${view}`).focus(); })))];
}
function foundIn(item, view) {
  if (item.looking) return [quiet(say("looking"))];
  if (item.unseen) return [quiet(item.unseen), button(say("again"), () => look(item))];
  if (!item.seen) return [button(say("look"), () => look(item), { picture: "seek" })];
  const list = listOf(view, item.seen, chooseRow, (boxes) => emit("light", { item, boxes }));
  if (!list) return [quiet(say({ boxes: "nothingObjects", relations: "nothingRelations", text: "nothingText", crayon: "nothingCrayon" }[view]))];
  const drawn = view === "relations" ? edgesOf(item.seen).reduce((n, e) => n + e.numbers.length, 0) : 0, every = item.seen.relations.length;
  return [...(drawn && drawn < every ? [quiet(say("drawnSome", { n: drawn, all: every }))] : []), list];
}
function chooseRow(row) {
  state.lit = row;
  if (row && row.relation === undefined) showBoxes(); else if (state.view === "relations") showGraph(); else showBoxes();
}

export function wireViewer() {
  on("pictures language", showThumbs);
  on("view language", showView);
  on("marks", showBoxes);
  for (const pen of all("[data-pen]")) pen.onclick = () => { drawing.pen = drawing.pen === pen.dataset.pen ? "" : pen.dataset.pen; hint = ""; showPens(); };
  $("undo").onclick = () => drawing.undo();
  $("wipe").onclick = () => drawing.wipe();
  for (const tab of all("[role=tab]")) {
    tab.onclick = () => openView(tab.dataset.view);
    tab.onkeydown = (e) => {
      const tabs = all("[role=tab]:not([hidden])"), i = tabs.indexOf(tab);
      const to = { ArrowRight: i + 1, ArrowLeft: i - 1, Home: 0, End: tabs.length - 1 }[e.key];
      if (to !== undefined) { e.preventDefault(); const next = tabs[(to + tabs.length) % tabs.length]; next.focus(); next.click(); }
    };
  }
  for (const b of all(".pick")) b.onclick = () => $("file").click();
  for (const b of all(".shoot")) b.onclick = shoot;
  for (const b of all("[data-pane-of]")) b.onclick = () => setPane(b.dataset.paneOf);
  new ResizeObserver(showBoxes).observe($("stage"));
  if (matchMedia("(hover: none)").matches) drawing.pen = "";
  setPane("talk");
}
