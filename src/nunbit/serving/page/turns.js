/* How a turn looks: question, answer with its evidence, notes, and what can be done with it. */
import { $, all, button, icon, isNarrow, make } from "./dom.js";
import { link, linkClaims } from "./link.js";
import { sameBox } from "./marks.js";
import { sent } from "./pictures.js";
import { emit, mostPictures, on, state } from "./state.js";
import { languageNow, say } from "./strings.js";
import { warningOf } from "./trouble.js";
import { choose, drawing, setPane } from "./viewer.js";

/* What the buttons of a turn do; the conversation sets it, so that this file need not know it. */
export const deeds = { edit: () => {}, retry: () => {}, keepShot: () => {} };

const DONE = ["passed", "marked", "stripped"]; // what the guard may have done; each is a string of the page
const who = (name) => make("span", { className: "hidden", textContent: `${name}: ` });
const note = (text, className = "guard", ...actions) =>
  make("div", { className }, icon("note"), make("span", { className: "hidden", textContent: `${say("guard")}: ` }), make("span", { textContent: text }), ...actions);

export function showTurn(turn) {
  showAsked(turn);
  const reply = turn.reply, waiting = turn.running && !turn.answer && !turn.thinking;
  reply.classList.toggle("waiting", waiting);
  reply.classList.toggle("running", turn.running);
  reply.setAttribute("aria-busy", turn.running);
  if (waiting) { reply.replaceChildren(make("span", { className: "dots" }), make("span", { className: "quiet", textContent: say("waiting") })); return; }
  const inside = [who(state.model || "Nunbit")];
  if (turn.thinking) {
    const words = make("p", { className: "thinking-words", textContent: turn.thinking });
    inside.push(make("details", { className: "plain", open: turn.running && !turn.answer }, make("summary", { textContent: say("thinking") }), words));
  }
  inside.push(make("p", { className: "answer-words" }, ...(turn.running ? [turn.answer] : linked(turn))));
  if (!turn.running) inside.push(...notesOf(turn));
  if (!turn.running && !turn.error) inside.push(footOf(turn));
  reply.replaceChildren(...inside);
}
function showAsked(turn) {
  const shown = turn.pictures.map((p, i) => make("img", { src: p.thumb, alt: say("picture", { n: i + 1 }) }));
  const bubble = make("div", { className: "bubble" }, who(say("you")), ...(shown.length ? [make("div", { className: "pictures" }, ...shown)] : []), make("p", { textContent: turn.question }));
  turn.asked.replaceChildren(bubble, ...(turn.running ? [] : [button(say("edit"), () => deeds.edit(turn), { className: "flat small edit", picture: "edit" })]));
}
/* What was corrected, before and after, in one line. */
const CHANGES = 3;
function changed(changes) {
  const said = changes.slice(0, CHANGES).map(({ before, after }) => (after ? `“${before}” → “${after}”` : say("takenOut", { before })));
  return [...said, ...(changes.length > CHANGES ? [say("moreChanges", { n: changes.length - CHANGES })] : [])].join("; ");
}
/* Text in the pictures that orders the model about: one line, whose quotes show the regions. */
const QUOTED = 80, OF_GUARD = /order to a model/;
function guarded({ guard, shown }) {
  const quotes = guard.findings.map(({ picture, box, text }) => {
    const whole = text.replace(/\s+/g, " "), words = whole.length > QUOTED ? `${whole.slice(0, QUOTED)}…` : whole, item = itemOf(shown[picture]);
    return item ? thing({ text: `“${words}”`, item, boxes: [{ box, name: say("guardBox"), filled: true }] }, "thing against", languageNow() === "ko" ? guard.reason_ko : guard.reason) : `“${words}”`;
  });
  return make("p", { className: "quiet guarded" }, `${say("guardFound", { done: say(DONE.includes(guard.action) ? guard.action : "passed") })} `, ...quotes);
}
const itemOf = (uri) => state.pictures.find((p) => [p.gone, p.uri, sent(p).uri].includes(uri));
/* What answer and picture do not agree on, warnings, and errors. */
function notesOf(turn) {
  const out = conflictsOf(turn).map((text) => note(text, "guard conflict")), changes = turn.verification ? turn.verification.corrections : [];
  if (changes.length) out.unshift(make("p", { className: "quiet corrected", textContent: say("corrected", { what: changed(changes) }), title: changes.map((c) => (languageNow() === "ko" ? c.reason_ko : c.reason)).join("\n") }));
  const held = Boolean(turn.guard && turn.guard.found);
  if (held) out.unshift(guarded(turn));
  if (explains(turn)) out.push(make("p", { className: "quiet legend", textContent: say("aboutEvidence") }));
  if (turn.leftOut) out.push(note(say("leftOut", { n: mostPictures() })));
  if (turn.forgot) out.push(note(say("forgot")));
  out.push(...turn.warnings.filter((w) => !(held && OF_GUARD.test(w))).map((w) => note(warningOf(w))));
  if (turn.stopped) out.push(make("p", { className: "quiet", textContent: say("stopped") }));
  if (turn.facts.finish === "length") out.push(make("p", { className: "quiet", textContent: say("cut") }));
  if (turn.error) out.push(Object.assign(note(turn.error, "guard", button(say("again"), () => deeds.retry(turn))), { role: "alert" }));
  return out;
}
/* What underlined words mean is said once, under the first answer that has them. */
const hasEvidence = (t) => Boolean(t.evidence && t.evidence.evidence.length);
const explains = (turn) => hasEvidence(turn) && state.turns.find(hasEvidence) === turn;

const seconds = (ms) => (ms / 1000).toFixed(ms < 9950 ? 1 : 0);
/* Below an answer: how long it took, what can be done with it, and the figures behind it. */
function footOf(turn) {
  const f = turn.facts, figures = [];
  if (f.first) figures.push(say("first", { n: seconds(f.first) }));
  if (f.read !== undefined && f.written !== undefined) figures.push(say("tokens", { read: f.read, written: f.written }));
  if (f.cached) figures.push(say("cached", { n: f.cached }));
  const line = make("div", { className: "foot" });
  if (f.total) line.append(make("span", { className: "took", textContent: say("took", { n: seconds(f.total) }) }));
  line.append(button(say("again"), () => deeds.retry(turn), { className: "flat small", picture: "again" }));
  if (turn.answer && !turn.stopped) {
    const shot = button(say("keepShot"), () => { deeds.keepShot(turn); shot.disabled = true; }, { className: "flat small keep-shot", picture: "keep" });
    shot.disabled = state.shots.some((s) => s.from === turn);
    line.append(shot);
  }
  if (figures.length) line.append(make("details", { className: "figures" }, make("summary", { textContent: say("details") }), ...figures.map((text) => make("p", { textContent: text }))));
  return line;
}

/* ---- evidence ---- */
/* Sentences about what answer and picture do not agree on, in the page's language. */
export const conflictsOf = (turn) => (turn.evidence ? turn.evidence.contradictions : []).map((c) => c[languageNow()]);
/* The answer; the words of claims become buttons that show the boxes they rest on, those that were not found say so. */
function linked(turn) {
  if (!turn.evidence) return named(turn);
  return linkClaims(turn.answer, turn.evidence, (n) => itemOf(turn.shown[n])).map((piece) => (typeof piece === "string" ? piece : claimed(piece)));
}
function claimed(piece) {
  const has = (verdict) => piece.claims.some((c) => c.verdict === verdict), against = has("contradicted"), found = has("supported");
  const title = say(against ? "contradicted" : found ? "supported" : "unfound", { name: piece.boxes.map((b) => b.name).slice(0, 3).join(", ") });
  if (!piece.boxes.length) return make("span", { className: "unfound", textContent: piece.text, title });
  const b = thing(piece, against ? "thing against" : found ? "thing" : "thing doubted", title);
  const show = (boxes) => { if (state.current === piece.item && state.view === "plain" && !pinned()) { state.lit = boxes && { boxes }; emit("marks"); } };
  b.onmouseenter = b.onfocus = () => show(piece.boxes);
  b.onmouseleave = b.onblur = () => show(null);
  return b;
}
function thing(piece, className, title) {
  const b = make("button", { type: "button", className, textContent: piece.text, title, onclick: () => press(b, piece) });
  b.setAttribute("aria-pressed", "false");
  b.piece = piece;
  return b;
}
const pinned = () => all(".thing").some((b) => b.getAttribute("aria-pressed") === "true");
function press(pressed, piece) {
  const on = pressed.getAttribute("aria-pressed") !== "true";
  for (const b of all(".thing")) b.setAttribute("aria-pressed", b === pressed && on);
  if (!state.pictures.includes(piece.item)) return;
  choose(piece.item, "plain", on ? { boxes: piece.boxes } : null);
  if (on && isNarrow()) setPane("look");
}
/* Where the server sent no evidence: names of objects that perception found become buttons. */
function named(turn) {
  const seen = turn.around.filter((p) => p.seen && state.pictures.includes(p)).map((item) => ({ item, scene: item.seen }));
  return link(turn.answer, seen).map((piece) => (typeof piece === "string" ? piece : thing(piece, "thing", say("where", { name: piece.name }))));
}
/* From the picture to the words: those that rest on one of the boxes light up. */
function lightWords({ item, boxes }) {
  const lit = (piece) => piece && piece.item === item && (boxes || []).some((b) => piece.boxes.some((o) => sameBox(o.box, b.box)));
  for (const b of all(".thing")) b.classList.toggle("lit", Boolean(lit(b.piece)));
}
function pointAt(e) {
  if (!state.current) return;
  const [x, y] = drawing.at(e), area = ({ box: [x1, y1, x2, y2] }) => (x2 - x1) * (y2 - y1);
  const boxes = all(".thing").flatMap((b) => (b.piece && b.piece.item === state.current ? b.piece.boxes : []));
  const under = boxes.filter(({ box: [x1, y1, x2, y2] }) => x >= x1 && x < x2 && y >= y1 && y < y2);
  lightWords({ item: state.current, boxes: under.sort((a, b) => area(a) - area(b)).slice(0, 1) });
}

function showTurns() {
  const { turns } = state;
  $("turns").replaceChildren(...turns.flatMap((t) => [t.asked, t.reply]));
  turns.forEach(showTurn);
  $("clear").disabled = !turns.length && !state.pictures.length;
  $("save-json").disabled = $("save-text").disabled = !turns.length;
}
export function wireTurns() {
  on("turns language", showTurns);
  on("pictures", () => { $("clear").disabled = !state.turns.length && !state.pictures.length; });
  on("light", lightWords);
  for (const kind of ["pointermove", "pointerdown"]) $("canvas").addEventListener(kind, pointAt);
  $("canvas").addEventListener("pointerleave", (e) => { if (e.pointerType !== "touch") lightWords({ item: null, boxes: null }); });
}
