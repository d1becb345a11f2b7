/* The page: pictures on one side, the conversation on the other. What the model or a user wrote is only ever set as text. */
import { ApiError, ask, assemble, healthy, key, models, perceive } from "./api.js";
import { Drawing } from "./draw.js";
import { photograph, readPicture, sent } from "./pictures.js";
import { crayonOf, graph, icon, link, linkClaims, make, objectBoxes, lineBox, rowsOf, sameBox, showBoxes } from "./scene.js";
import { languageNow, say, setLanguage } from "./strings.js";

const $ = (id) => document.getElementById(id);
const all = (selector) => [...document.querySelectorAll(selector)];
const remember = (name, value) => { try { localStorage.setItem(`nunbit.${name}`, value); } catch { /* a private window */ } };
const recall = (name) => { try { return localStorage.getItem(`nunbit.${name}`); } catch { return null; } };
const MOST_PICTURES = 8;
/* The same words as `nunbit ask --zero-shot-cot`: reasoning first, then the answer that follows from it. */
const THINK = { en: "Let's think step by step.", ko: "차근차근 생각해 봅시다." }, CONCLUDE = { en: "Therefore, the answer is:", ko: "따라서 답만 쓰면:" };
const state = { pictures: [], current: null, view: "plain", lit: null, turns: [], shots: [], shotPicture: null, abort: null, model: "", blind: false };

/* ---- words ---- */
function speak(code) {
  setLanguage(code);
  document.documentElement.lang = code;
  for (const e of all("[data-say]")) e.textContent = say(e.dataset.say);
  for (const e of all("[data-title]")) { e.title = say(e.dataset.title); e.setAttribute("aria-label", e.title); }
  for (const e of all("[data-label]")) e.setAttribute("aria-label", say(e.dataset.label));
  for (const e of all("[data-hint]")) { e.placeholder = say(e.dataset.hint); e.setAttribute("aria-label", e.placeholder); }
  $("language").textContent = say("languageName");
  $("language").title = say("language");
  $("language").lang = code === "ko" ? "en" : "ko";
  $("question").placeholder = say("ask");
  showServed(); showThumbs(); showShots(); showView(); state.turns.forEach(showTurn);
}
function notice(text) { $("notice").textContent = text; $("notice").hidden = !text; }
function announce(text) { if (text.trim()) $("live").append(make("p", { textContent: text })); }
function messageOf(error) {
  if (!(error instanceof ApiError)) return String(error.message || error);
  if (error.status === 0) { state.online = false; showServed(); }
  if (error.status === 401) openSettings(true);
  return error.status === 0 ? say("noServer") : error.status === 401 ? `${say("keyNeeded")} (${error.message})` : error.message;
}

/* ---- the server ---- */
async function greet() {
  state.online = await healthy();
  try {
    const names = await models();
    state.model = names.includes(state.model) ? state.model : names[0] || "";
    $("model").replaceChildren(...names.map((n) => make("option", { value: n, textContent: n, selected: n === state.model })));
    $("model").hidden = names.length < 2;
    $("model-name").textContent = names.length < 2 ? state.model : "";
  } catch (e) { if (e.status === 401) notice(messageOf(e)); }
  showServed();
}
function showServed() {
  $("light").className = state.online ? "on" : "off";
  $("light").title = say(state.online ? "online" : "offline");
  $("light").setAttribute("aria-label", $("light").title);
  $("light").hidden = state.online === undefined;
}

/* ---- pictures ---- */
const nameOf = (item) => say("picture", { n: state.pictures.indexOf(item) + 1 });
const pending = () => state.pictures.filter((p) => p.gone !== sent(p).uri);
const drawing = new Drawing($("canvas"), (what) => {
  if (what === "placed" || what === "begun") announce(say(what === "placed" ? "markPlaced" : "markBegun"));
  if (what !== "begun") showThumbs();
  showPens();
});

async function addFiles(files) {
  notice("");
  let last = null;
  for (const file of files) {
    if (pending().length >= MOST_PICTURES) { notice(say("tooMany", { n: MOST_PICTURES })); break; }
    try { state.pictures.push(last = await readPicture(file)); } catch { notice(say("notPicture", { name: file.name })); }
  }
  if (last) choose(last);
}
async function shoot() {
  notice("");
  if (!navigator.mediaDevices || !navigator.mediaDevices.getUserMedia) { $("capture").click(); return; }
  try { const file = await photograph($("camera")); if (file) await addFiles([file]); } catch { notice(say("noCamera")); $("capture").click(); }
}
function choose(item, view = "plain", lit = null) {
  Object.assign(state, { current: item, view, lit });
  drawing.show(item);
  showThumbs(); showView();
}
function remove(item) {
  const at = state.pictures.indexOf(item);
  state.pictures.splice(at, 1);
  if (state.current === item) choose(state.pictures[Math.min(at, state.pictures.length - 1)] || null); else showThumbs();
}
function showThumbs() {
  const waiting = pending();
  const tiles = state.pictures.map((p) => {
    const name = nameOf(p), going = waiting.includes(p);
    const pick = make("button", { type: "button", className: "tile", onclick: () => choose(p) }, make("img", { src: sent(p).thumb, alt: "" }));
    pick.setAttribute("aria-pressed", p === state.current);
    pick.setAttribute("aria-label", going ? `${name}, ${say("goesAlong")}` : name);
    pick.title = going ? say("goesAlong") : name;
    const x = make("button", { type: "button", className: "x", title: say("remove", { what: name }), onclick: () => { remove(p); ($("thumbs").querySelector(".tile") || $("question")).focus(); } }, icon("close"));
    x.setAttribute("aria-label", x.title);
    return make("div", { className: going ? "thumb going" : "thumb" }, pick, x);
  });
  $("thumbs").replaceChildren(...tiles);
  $("thumbs").hidden = !tiles.length;
  $("attached").hidden = !waiting.length;
  $("attached").replaceChildren(make("span", { className: "hidden", textContent: say("attached") }), ...waiting.map((p) => make("img", { src: sent(p).thumb, alt: nameOf(p) })));
}
function showPens() {
  for (const pen of all("[data-pen]")) pen.setAttribute("aria-pressed", pen.dataset.pen === drawing.pen);
  const marks = state.current ? state.current.marks.length : 0;
  $("undo").disabled = $("wipe").disabled = !marks;
  $("canvas").classList.toggle("drawing", Boolean(drawing.pen));
}

/* ---- perception ---- */
function settled(body) {
  const s = body.scene || {}, whole = (b) => Array.isArray(b) && b.length === 4 && b.every(Number.isFinite), objects = (s.objects || []).filter((o) => whole(o.box));
  const both = objects.length === (s.objects || []).length;
  return {
    words: body.words || "", overlays: body.overlays || {},
    scene: { ...s, objects, relations: both ? (s.relations || []).filter((r) => objects[r.subject] && objects[r.object]) : [], text_lines: s.text_lines || [], segments: s.segments || [] },
  };
}
/* Run perception on a picture once. After an answer it runs silently, and not again where the server has no perception. */
async function look(item, silently = false) {
  if (!item || item.seen || item.looking || (silently && (state.blind || !$("auto").checked))) return;
  item.looking = true; item.unseen = "";
  if (item === state.current) showView();
  try { item.seen = settled(await perceive(item.uri)); } catch (e) {
    if (e.status === 501) state.blind = true;
    if (!silently) item.unseen = messageOf(e);
  }
  item.looking = false;
  if (item === state.current) showView();
  state.turns.filter((t) => t.answer && t.around.includes(item)).forEach(showTurn);
}
function showView() {
  const item = state.current, seen = item && item.seen, view = item ? state.view : "plain", { scene, overlays } = seen || {};
  $("empty").hidden = Boolean(item);
  $("tabs").hidden = !item;
  $("pens").hidden = !item || view !== "plain";
  $("view").classList.toggle("full", Boolean(item));
  for (const tab of all("[role=tab]")) { const on = tab.dataset.view === view; tab.setAttribute("aria-selected", on); tab.tabIndex = on ? 0 : -1; if (on) $("panel").setAttribute("aria-labelledby", tab.id); }
  if (item) $("panel").setAttribute("role", "tabpanel"); else { $("panel").removeAttribute("role"); $("panel").removeAttribute("aria-labelledby"); }
  const asGraph = view === "relations" && seen && scene.relations.length > 0;
  $("stage").hidden = !item || asGraph;
  $("drawn").hidden = !asGraph;
  $("found").hidden = !item || view === "plain";
  $("stage").classList.toggle("busy", Boolean(item && item.looking && view !== "plain"));
  const crayon = view === "crayon" && seen ? overlays.crayon || crayonOf(scene) : "";
  $("overlay").hidden = !/^data:image\//.test(crayon);
  if (!$("overlay").hidden) $("overlay").src = crayon;
  if (!item) return;
  $("canvas").setAttribute("aria-label", view === "plain" && drawing.pen ? say("canvas", { name: nameOf(item) }) : nameOf(item));
  showMarks(); showPens();
  if (asGraph) $("drawn").replaceChildren(graph(scene, state.lit ? state.lit.relation ?? -1 : -1));
  if (view !== "plain") $("found").replaceChildren(...found(item, view));
}
function showMarks() {
  const item = state.current;
  if (!item) return;
  const { scene } = item.seen || {}, lit = state.lit && state.lit.boxes ? state.lit.boxes : [];
  const base = !scene ? [] : state.view === "boxes" ? objectBoxes(scene) : state.view === "text" ? scene.text_lines.map((t) => ({ box: lineBox(t) })) : [];
  showBoxes($("marks"), item.image.naturalWidth, item.image.naturalHeight, [...(lit.length && state.view !== "plain" ? base.map((b) => ({ ...b, name: "" })) : base), ...lit]);
}
function found(item, view) {
  const quiet = (text) => make("p", { className: "quiet", textContent: text });
  if (item.looking) return [quiet(say("looking"))];
  if (item.unseen) return [quiet(item.unseen)];
  if (!item.seen) return [];
  const rows = rowsOf(view, item.seen.scene), words = item.seen.words && view === "boxes" ? [make("details", { className: "plain" }, make("summary", { textContent: say("words") }), make("p", { textContent: item.seen.words }))] : [];
  if (!rows.length) return [quiet(say({ boxes: "nothingObjects", relations: "nothingRelations", text: "nothingText", crayon: "nothingCrayon" }[view])), ...words];
  const list = make("ul", { className: "rows" }, ...rows.map((row) => {
    const share = row.share < 1 ? [make("small", { textContent: `${Math.round(100 * row.share)}%` })] : [];
    if (row.relation === undefined && !(row.boxes || []).length) return make("li", {}, make("span", { textContent: row.text }), ...share);
    const button = make("button", { type: "button", className: "flat" }, make("span", { textContent: row.text }), ...share), on = state.lit && state.lit.row === row.text;
    button.setAttribute("aria-pressed", Boolean(on));
    button.onclick = () => {
      state.lit = button.getAttribute("aria-pressed") === "true" ? null : { ...row, row: row.text };
      for (const b of $("found").querySelectorAll("button")) b.setAttribute("aria-pressed", b === button && Boolean(state.lit));
      if (row.relation === undefined) showMarks(); else $("drawn").replaceChildren(graph(item.seen.scene, state.lit ? row.relation : -1));
    };
    button.onfocus = button.onmouseenter = () => lightWords(item, row.boxes && row.boxes[0].box);
    button.onblur = button.onmouseleave = () => lightWords(item, null);
    return make("li", {}, button);
  }));
  return [list, ...words];
}
function openView(view) { Object.assign(state, { view, lit: null }); showView(); if (view !== "plain") look(state.current); }

/* ---- conversation ---- */
function send() {
  const text = $("question").value.trim();
  if (!text || state.abort) return;
  const going = pending(), pictures = going.map(sent);
  const turn = { question: text, pictures, going, around: [...state.pictures].reverse(), steps: $("steps").getAttribute("aria-pressed") === "true", asked: make("li", { className: "turn user" }), reply: make("li", { className: "turn assistant" }) };
  state.turns.push(turn);
  $("question").value = ""; grow();
  $("welcome").hidden = true;
  $("turns").append(turn.asked, turn.reply);
  answer(turn);
}
async function answer(turn) {
  Object.assign(turn, { answer: "", thinking: "", facts: {}, evidence: null, shown: [], warnings: [], error: "", stopped: false, running: true });
  state.abort = new AbortController();
  turn.going.forEach((p, i) => { p.gone = turn.pictures[i].uri; });
  showThumbs();
  $("send").hidden = true; $("stop").hidden = false; notice(""); $("live").replaceChildren();
  showTurn(turn); bottom(turn, true);
  try { await converse(turn); } catch (e) { if (e.name === "AbortError") turn.stopped = true; else turn.error = messageOf(e); }
  if (!turn.answer && !turn.error && !turn.stopped) turn.error = say("noAnswer");
  turn.running = false; state.abort = null;
  if (!turn.answer) { turn.going.forEach((p, i) => { if (p.gone === turn.pictures[i].uri) p.gone = null; }); showThumbs(); } // no answer: the pictures are sent with the next question
  $("send").hidden = false; $("stop").hidden = true;
  if (document.activeElement === $("stop") || document.activeElement === document.body) $("question").focus();
  showTurn(turn); bottom(turn);
  if (!turn.error) { announce(say("answered")); await look(turn.around.includes(state.current) ? state.current : turn.around[0], true); }
}
async function converse(turn) {
  const before = state.turns.slice(0, state.turns.indexOf(turn)).filter((t) => t.answer);
  const past = before.flatMap((t) => [{ role: "user", text: t.question, pictures: t.pictures }, { role: "assistant", text: t.answer }]);
  const shots = $("use-shots").checked ? state.shots.slice(0, Math.max(0, Number($("k").value) || 0)) : [], tongue = /[가-힣]/.test(turn.question) ? "ko" : "en";
  const asked = { role: "user", text: turn.steps ? `${turn.question}\n${THINK[tongue]}` : turn.question, pictures: turn.pictures };
  if (!turn.steps) { await generate(turn, "answer", [...past, asked], shots); return; }
  await generate(turn, "thinking", [...past, asked], shots);
  await generate(turn, "answer", [...past, asked, { role: "assistant", text: turn.thinking }, { role: "user", text: CONCLUDE[tongue], pictures: [] }], shots);
}
async function generate(turn, into, turns, shots) {
  const { messages, left } = assemble(turns, shots, MOST_PICTURES), warn = (list) => list.forEach((w) => { const text = String(w); if (!turn.warnings.includes(text)) turn.warnings.push(text); });
  if (left) warn([say("leftOut", { n: MOST_PICTURES })]);
  const request = { ...(state.model && { model: state.model }), messages, temperature: Number($("temperature").value) || 0, max_tokens: Number($("longest").value) || 256, ...(into === "answer" && $("auto").checked && { evidence: true }) };
  let unsaid = "";
  const onText = (piece) => {
    turn[into] += piece; unsaid += piece;
    if (/[.!?。…\n]\s*$/.test(unsaid) || unsaid.length > 160) { announce(unsaid); unsaid = ""; }
    const words = turn.reply.querySelector(`.${into}-words`);
    if (words && !turn.reply.classList.contains("waiting")) words.textContent = turn[into]; else showTurn(turn);
    bottom(turn);
  };
  const facts = await ask(request, { signal: state.abort.signal, onText, onWarnings: warn });
  announce(unsaid);
  if (facts.evidence) {
    turn.evidence = facts.evidence;
    turn.shown = messages.flatMap((m) => (Array.isArray(m.content) ? m.content : [])).filter((p) => p.type === "image_url").map((p) => p.image_url.url);
    conflicts(turn).forEach(announce);
  }
  const had = turn.facts, usage = facts.usage || {};
  turn.facts = { first: had.first ?? facts.first, total: (had.total || 0) + (facts.total || 0), read: usage.prompt_tokens, written: usage.completion_tokens === undefined ? undefined : (had.written || 0) + usage.completion_tokens,
    cached: (usage.prompt_tokens_details || {}).cached_tokens || 0, finish: facts.finish };
  state.online = true; showServed();
}
/* Tokens a second after the first; where all came at once, over the whole time. */
function rate({ first, total, written }) {
  if (!written || !total) return 0;
  return total - first > 20 && written > 1 ? (1000 * (written - 1)) / (total - first) : (1000 * written) / total;
}
function showTurn(turn) {
  const who = (name) => make("span", { className: "hidden", textContent: `${name}: ` });
  const seenPictures = turn.pictures.length ? [make("div", { className: "pictures" }, ...turn.pictures.map((p, i) => make("img", { src: p.thumb, alt: say("picture", { n: i + 1 }) })))] : [];
  turn.asked.replaceChildren(who(say("you")), ...seenPictures, make("p", { textContent: turn.question }));
  const reply = turn.reply, waiting = turn.running && !turn.answer && !turn.thinking;
  reply.classList.toggle("waiting", waiting);
  reply.classList.toggle("running", turn.running);
  reply.setAttribute("aria-busy", turn.running);
  if (waiting) { reply.replaceChildren(make("span", { className: "dots" }), make("span", { className: "quiet", textContent: say("waiting") })); return; }
  const inside = [who("Nunbit")];
  if (turn.thinking) inside.push(make("details", { className: "plain", open: turn.running && !turn.answer }, make("summary", { textContent: say("thinking") }), make("p", { className: "thinking-words", textContent: turn.thinking })));
  inside.push(make("p", { className: "answer-words" }, ...(turn.running ? [turn.answer] : linked(turn))));
  for (const text of turn.running ? [] : conflicts(turn)) inside.push(make("p", { className: "guard conflict" }, icon("note"), make("span", { textContent: text })));
  if (!turn.running && turn.evidence && turn.evidence.evidence.length) inside.push(make("p", { className: "quiet", textContent: say("aboutEvidence") }));
  for (const w of turn.warnings) inside.push(make("p", { className: "guard" }, icon("note"), make("span", { className: "hidden", textContent: `${say("guard")}: ` }), make("span", { textContent: w })));
  if (turn.error) inside.push(make("p", { className: "guard", role: "alert" }, icon("note"), make("span", { textContent: turn.error }), make("button", { type: "button", textContent: say("again"), onclick: () => { if (!state.abort) answer(turn); } })));
  if (!turn.running && !turn.error) inside.push(figures(turn));
  reply.replaceChildren(...inside);
}
function figures(turn) {
  const f = turn.facts, out = [];
  if (f.first) out.push(say("first", { n: Math.round(f.first) }));
  if (rate(f)) out.push(say("rate", { n: rate(f).toFixed(rate(f) < 10 ? 1 : 0) }));
  if (f.read !== undefined && f.written !== undefined) out.push(say("tokens", { read: f.read, written: f.written }));
  if (f.cached) out.push(say("cached", { n: f.cached }));
  if (turn.stopped) out.push(say("stopped"));
  if (f.finish === "length") out.push(say("cut"));
  const line = make("div", { className: "facts" }, ...out.map((text) => make("span", { textContent: text })));
  if (turn.answer && !turn.stopped) {
    const kept = state.shots.some((s) => s.from === turn), shot = make("button", { type: "button", className: "flat small", textContent: say("keepShot"), disabled: kept });
    shot.onclick = () => { state.shots.push({ pictures: turn.pictures, question: turn.question, answer: turn.answer, from: turn }); $("tray").open = true; showShots(); shot.disabled = true; };
    line.append(shot);
  }
  return line;
}
/* Sentences about what answer and picture do not agree on, in the page's language. */
const conflicts = (turn) => (turn.evidence ? turn.evidence.contradictions : []).map((c) => c[languageNow()]);
/* The answer; the words of claims become buttons that show the boxes they rest on, those that were not found say so. */
function linked(turn) {
  if (turn.evidence) {
    const itemOf = (n) => state.pictures.find((p) => [p.gone, p.uri, sent(p).uri].includes(turn.shown[n]));
    return linkClaims(turn.answer, turn.evidence, itemOf).map((piece) => (typeof piece === "string" ? piece : claimed(piece)));
  }
  return named(turn);
}
function claimed(piece) {
  const against = piece.claims.some((c) => c.verdict === "contradicted"), found = piece.claims.some((c) => c.verdict === "supported");
  const title = say(against ? "contradicted" : found ? "supported" : "unfound", { name: piece.boxes.map((b) => b.name).slice(0, 3).join(", ") });
  if (!piece.boxes.length) return make("span", { className: "unfound", textContent: piece.text, title });
  const button = make("button", { type: "button", className: against ? "thing against" : found ? "thing" : "thing doubted", textContent: piece.text, title });
  button.setAttribute("aria-pressed", "false");
  button.piece = piece;
  button.onclick = () => press(button, piece);
  const show = (boxes) => { if (state.current === piece.item && state.view === "plain" && !pinned()) { state.lit = boxes && { boxes }; showMarks(); } };
  button.onmouseenter = button.onfocus = () => show(piece.boxes);
  button.onmouseleave = button.onblur = () => show(null);
  return button;
}
const pinned = () => all(".thing").some((b) => b.getAttribute("aria-pressed") === "true");
function press(button, piece) {
  const on = button.getAttribute("aria-pressed") !== "true";
  for (const b of all(".thing")) b.setAttribute("aria-pressed", b === button && on);
  if (!state.pictures.includes(piece.item)) return;
  choose(piece.item, "plain", on ? { boxes: piece.boxes } : null);
  if (on && matchMedia("(max-width: 860px)").matches) $("view").scrollIntoView({ block: "start" });
}
/* From the picture to the words: those that rest on a box light up. */
function lightWords(item, box) {
  for (const b of all(".thing")) b.classList.toggle("lit", Boolean(box && b.piece && b.piece.item === item && b.piece.boxes.some((o) => sameBox(o.box, box))));
}
function pointAt(e) {
  if (!state.current || state.view !== "plain") return;
  const [x, y] = drawing.at(e), area = ([x1, y1, x2, y2]) => (x2 - x1) * (y2 - y1);
  const under = all(".thing").flatMap((b) => (b.piece && b.piece.item === state.current ? b.piece.boxes : [])).map((o) => o.box).filter(([x1, y1, x2, y2]) => x >= x1 && x < x2 && y >= y1 && y < y2);
  lightWords(state.current, under.sort((a, b) => area(a) - area(b))[0]);
}
/* Where the server sent no evidence: names of objects that perception found become buttons. */
function named(turn) {
  const seen = turn.around.filter((p) => p.seen && state.pictures.includes(p)).map((item) => ({ item, scene: item.seen.scene }));
  return link(turn.answer, seen).map((piece) => {
    if (typeof piece === "string") return piece;
    const button = make("button", { type: "button", className: "thing", textContent: piece.text, title: say("where", { name: piece.name }) });
    button.setAttribute("aria-pressed", "false");
    button.onclick = () => press(button, piece);
    return button;
  });
}
/* Keep the end of the answer in view, unless the reader has scrolled away from it. */
function bottom(turn, always = false) {
  const place = getComputedStyle($("scroll")).overflowY === "visible" ? document.scrollingElement : $("scroll");
  if (always || place.scrollHeight - place.scrollTop - place.clientHeight < 200) turn.reply.scrollIntoView({ block: "nearest" });
}
function grow() { const q = $("question"); q.style.height = "auto"; q.style.height = `${Math.min(q.scrollHeight + 2, innerHeight * 0.3)}px`; }

/* ---- examples ---- */
function showShots() {
  $("shots").replaceChildren(...state.shots.map((s, i) => {
    const x = make("button", { type: "button", className: "flat round", title: say("remove", { what: say("shot", { n: i + 1 }) }), onclick: () => { state.shots.splice(i, 1); showShots(); state.turns.forEach(showTurn); $("shot-question").focus(); } }, icon("close"));
    x.setAttribute("aria-label", x.title);
    return make("li", {}, ...s.pictures.slice(0, 1).map((p) => make("img", { src: p.thumb, alt: "" })), make("span", {}, make("b", { textContent: s.question }), make("span", { textContent: s.answer })), x);
  }));
  const used = $("use-shots").checked ? Math.min(state.shots.length, Math.max(0, Number($("k").value) || 0)) : 0;
  $("in-use").textContent = used ? say("shotsOn", { n: used }) : "";
  $("shot-picture").replaceChildren(state.shotPicture ? make("img", { src: state.shotPicture.thumb, alt: "" }) : icon("picture"));
}
/* A picture becomes the picture of the next example; JSON lines become examples, with the pictures that came along by name. */
async function addShots(files) {
  notice("");
  $("tray").open = true;
  const tables = files.filter((f) => /\.jsonl?$/.test(f.name)), beside = new Map(files.filter((f) => !tables.includes(f)).map((f) => [f.name, f]));
  for (const table of tables) {
    try { for (const row of rowsIn(await table.text())) state.shots.push(await shotOf(row, beside)); } catch { notice(say("badShots", { name: table.name })); }
  }
  if (!tables.length && files.length) {
    try { state.shotPicture = await readPicture(files[0]); $("shot-question").focus(); } catch { notice(say("notPicture", { name: files[0].name })); }
  }
  showShots();
}
function rowsIn(text) {
  const rows = text.trim().startsWith("[") ? JSON.parse(text) : text.split("\n").filter((l) => l.trim()).map((l) => JSON.parse(l));
  if (!rows.length) throw new Error("no rows");
  return rows.slice(0, 64);
}
async function shotOf(row, beside) {
  const reply = row.answer || (row.answers || [])[0];
  if (typeof row.question !== "string" || typeof reply !== "string") throw new Error("not an example");
  if (!row.image) return { pictures: [], question: row.question, answer: reply };
  const named = String(row.image), item = await readPicture(named.startsWith("data:image/") ? named : beside.get(named.split("/").pop()));
  return { pictures: [{ uri: item.uri, thumb: item.thumb }], question: row.question, answer: reply };
}

/* ---- keeping ---- */
function saveAs(name, type, text) {
  const a = make("a", { href: URL.createObjectURL(new Blob([text], { type })), download: name });
  a.click();
  setTimeout(() => URL.revokeObjectURL(a.href), 1000);
}
function asJson() {
  const turns = state.turns.map((t) => ({ question: t.question, pictures: t.pictures.map((p) => p.uri), ...(t.thinking && { thinking: t.thinking }), answer: t.answer, ...(t.evidence && { evidence: t.evidence }), warnings: t.warnings, figures: t.facts }));
  return JSON.stringify({ format: "nunbit.conversation/1", model: state.model, turns }, null, 1);
}
function asText() {
  const turn = (t) => [`## ${say("you")}`, ...t.pictures.map((p, i) => `![${say("picture", { n: i + 1 })}](${p.uri})`), t.question, `## ${state.model || "Nunbit"}`, ...(t.thinking ? [t.thinking.replace(/^/gm, "> ")] : []), t.answer, ...t.warnings.map((w) => `*${w}*`)];
  return ["# Nunbit", ...state.turns.flatMap(turn)].join("\n\n") + "\n";
}
function clearTalk() {
  if (state.abort) state.abort.abort();
  state.turns = [];
  $("turns").replaceChildren(); $("live").replaceChildren(); notice("");
  $("welcome").hidden = false;
  for (const p of state.pictures) p.gone = null;
  showThumbs();
  $("question").focus();
}

/* ---- wiring ---- */
function openSettings(open) { $("settings").hidden = !open; $("options").setAttribute("aria-expanded", open); }
function wire() {
  $("canvas").addEventListener("pointermove", pointAt);
  $("canvas").addEventListener("pointerleave", () => lightWords(null, null));
  $("ask").onsubmit = (e) => { e.preventDefault(); send(); };
  $("question").oninput = grow;
  $("question").onkeydown = (e) => {
    if (e.key === "Enter" && !e.shiftKey && !e.isComposing) { e.preventDefault(); send(); }
    if (e.key === "Escape" && state.abort) state.abort.abort();
  };
  $("stop").onclick = () => state.abort && state.abort.abort();
  $("steps").onclick = () => $("steps").setAttribute("aria-pressed", $("steps").getAttribute("aria-pressed") !== "true");
  for (const b of all(".try")) b.onclick = () => { $("question").value = b.textContent; grow(); $("question").focus(); };
  for (const b of all(".pick")) b.onclick = () => $("file").click();
  for (const b of all(".shoot")) b.onclick = shoot;
  for (const [id, use] of [["file", addFiles], ["capture", addFiles], ["shot-file", addShots]]) $(id).onchange = (e) => { use([...e.target.files]); e.target.value = ""; };

  const carriesFiles = (e) => e.dataTransfer && [...e.dataTransfer.types].includes("Files"), target = (e) => (e.target.closest && e.target.closest("#tray")) || $("view");
  const over = (place) => { for (const e of [$("tray"), $("view")]) e.classList.toggle("over", e === place); };
  addEventListener("dragover", (e) => { if (carriesFiles(e)) { e.preventDefault(); over(target(e)); } });
  addEventListener("dragleave", (e) => { if (!e.relatedTarget) over(null); });
  addEventListener("drop", (e) => { if (carriesFiles(e)) { e.preventDefault(); over(null); (target(e) === $("tray") ? addShots : addFiles)([...e.dataTransfer.files]); } });
  addEventListener("paste", (e) => {
    const files = [...((e.clipboardData || {}).files || [])];
    if (files.length) { e.preventDefault(); ((e.target.closest && e.target.closest("#tray")) ? addShots : addFiles)(files); }
  });

  for (const pen of all("[data-pen]")) pen.onclick = () => { drawing.pen = drawing.pen === pen.dataset.pen ? "" : pen.dataset.pen; showPens(); showView(); };
  $("undo").onclick = () => drawing.undo();
  $("wipe").onclick = () => drawing.wipe();
  const tabs = all("[role=tab]");
  tabs.forEach((tab, i) => {
    tab.onclick = () => openView(tab.dataset.view);
    tab.onkeydown = (e) => {
      const to = { ArrowRight: i + 1, ArrowLeft: i - 1, Home: 0, End: tabs.length - 1 }[e.key];
      if (to !== undefined) { e.preventDefault(); const next = tabs[(to + tabs.length) % tabs.length]; next.focus(); next.click(); }
    };
  });
  new ResizeObserver(showMarks).observe($("stage"));

  $("shot-picture").onclick = () => $("shot-file").click();
  $("shot").onsubmit = (e) => {
    e.preventDefault();
    const p = state.shotPicture;
    state.shots.push({ pictures: p ? [{ uri: p.uri, thumb: p.thumb }] : [], question: $("shot-question").value.trim(), answer: $("shot-answer").value.trim() });
    state.shotPicture = null; $("shot").reset(); showShots(); $("shot-question").focus();
  };
  $("use-shots").onchange = $("k").oninput = showShots;

  $("language").onclick = () => { const code = languageNow() === "ko" ? "en" : "ko"; remember("language", code); speak(code); };
  $("theme").onclick = () => { const now = document.documentElement.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light"), next = now === "dark" ? "light" : "dark"; document.documentElement.dataset.theme = next; remember("theme", next); };
  $("options").onclick = () => openSettings($("settings").hidden);
  $("settings").onkeydown = (e) => { if (e.key === "Escape") { openSettings(false); $("options").focus(); } };
  $("key").value = key.get();
  $("key").onchange = () => { key.set($("key").value); notice(""); greet(); };
  $("model").onchange = () => { state.model = $("model").value; };
  $("save-json").onclick = () => saveAs("nunbit.json", "application/json", asJson());
  $("save-text").onclick = () => saveAs("nunbit.md", "text/markdown", asText());
  $("clear").onclick = clearTalk;
}

if (recall("theme")) document.documentElement.dataset.theme = recall("theme");
if (matchMedia("(hover: none)").matches) drawing.pen = "";
wire();
speak(recall("language") || (navigator.language.toLowerCase().startsWith("ko") ? "ko" : "en"));
greet();
