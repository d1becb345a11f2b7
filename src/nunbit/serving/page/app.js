/* The page: pictures, conversation, what the model saw. Text of the model is only ever set as text. */
"use strict";
const $ = (id) => document.getElementById(id);
const make = (tag, props = {}, ...inside) => { const e = Object.assign(document.createElement(tag), props); e.append(...inside); return e; };
const LARGEST = 2048, MOST = 8;
const state = { language: navigator.language.startsWith("ko") ? 1 : 0, pictures: [], current: -1, turns: [], shots: [], scene: null, view: "boxes", abort: null, model: "nunbit-tiny" };
const say = (name) => STRINGS[name][state.language];

function speak() {
  document.documentElement.lang = state.language ? "ko" : "en";
  for (const e of document.querySelectorAll("[data-say]")) e.textContent = say(e.dataset.say);
  for (const e of document.querySelectorAll("[data-title]")) { e.title = say(e.dataset.title); e.setAttribute("aria-label", e.title); }
  for (const e of document.querySelectorAll("[data-label]")) e.setAttribute("aria-label", say(e.dataset.label));
  $("language").textContent = say("languageName"); $("language").lang = state.language ? "en" : "ko";
  $("question").placeholder = say("ask"); $("canvas").setAttribute("aria-label", say("canvas"));
  showThumbs(); showShots(); showPanel();
}
function notice(text) { $("notice").textContent = text; $("notice").hidden = !text; }
function headers() { const key = $("key").value.trim(); return { "Content-Type": "application/json", ...(key ? { Authorization: "Bearer " + key } : {}) }; }

/* pictures */
const drawing = new Drawing($("canvas"), () => showThumbs());
async function addFiles(files) {
  notice("");
  for (const file of files) {
    if (state.pictures.length >= MOST) { notice(say("tooMany")); break; }
    try { state.pictures.push(await readPicture(file)); } catch { notice(say("notPicture") + file.name); }
  }
  choose(state.pictures.length - 1);
}
/* A picture as an <img> and a data: URI; larger than LARGEST on a side is scaled down here. */
async function readPicture(file) {
  const uri = await new Promise((good, bad) => { const r = new FileReader(); r.onload = () => good(r.result); r.onerror = bad; r.readAsDataURL(file); });
  const image = await loadImage(uri), scale = LARGEST / Math.max(image.naturalWidth, image.naturalHeight);
  if (scale >= 1 && /^data:image\/(png|jpeg|webp|gif|bmp);/.test(uri)) return { image, uri, marks: [] };
  const canvas = make("canvas", { width: Math.round(image.naturalWidth * Math.min(1, scale)), height: Math.round(image.naturalHeight * Math.min(1, scale)) });
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  const small = canvas.toDataURL("image/png");
  return { image: await loadImage(small), uri: small, marks: [] };
}
async function loadImage(uri) { const image = new Image(); image.src = uri; await image.decode(); return image; }
function choose(at) {
  state.current = Math.min(at, state.pictures.length - 1); state.scene = null; showMarks([]);
  const item = state.pictures[state.current];
  $("stage").hidden = $("pens").hidden = !item; $("hint").hidden = !!item; $("seen").hidden = true;
  $("drop").classList.toggle("full", !!item);
  if (item) drawing.show(item); else drawing.item = null;
  showThumbs();
}
function showThumbs() {
  $("thumbs").replaceChildren(...state.pictures.map((p, i) => {
    const name = `${say("picture")} ${i + 1}`, pick = make("button", { type: "button", ariaPressed: String(i === state.current), ariaLabel: name }, make("img", { src: Drawing.uri(p), alt: "" }));
    pick.setAttribute("aria-pressed", i === state.current);
    pick.onclick = () => choose(i);
    const x = make("button", { type: "button", className: "x", textContent: "×", ariaLabel: `${say("remove")}: ${name}` });
    x.onclick = () => { state.pictures.splice(i, 1); choose(state.pictures.length - 1); };
    return make("div", { className: "thumb" }, pick, x);
  }));
}

/* what the model saw */
async function perceive() {
  const item = state.pictures[state.current];
  if (!item) return;
  $("see").disabled = true; notice("");
  try {
    const reply = await fetch("/v1/perceive", { method: "POST", headers: headers(), body: JSON.stringify({ image: item.uri }) });
    const body = await reply.json();
    if (!reply.ok) throw new Error(body.error.message);
    state.scene = body; $("seen").hidden = false; showPanel();
  } catch (e) { notice(e instanceof TypeError ? say("noServer") : e.message); } finally { $("see").disabled = false; }
}
function showPanel() {
  for (const tab of document.querySelectorAll("[role=tab]")) { const on = tab.dataset.view === state.view; tab.setAttribute("aria-selected", on); tab.tabIndex = on ? 0 : -1; if (on) $("panel").setAttribute("aria-labelledby", tab.id); }
  const seen = state.scene;
  if (!seen) return;
  const objects = seen.scene.objects || [], lines = seen.scene.text_lines || [], relations = seen.scene.relations || [], uri = seen.overlays[state.view] || "";
  const list = (items) => items.length ? make("ul", {}, ...items.map((t) => make("li", { textContent: t }))) : make("p", { className: "quiet", textContent: say("nothing") });
  const drawn = uri.startsWith("data:image/") ? [make("img", { src: uri, alt: "" })] : [];
  const views = {
    boxes: () => [...drawn, list(objects.map((o, i) => `${i + 1}. ${o.name}`))],
    crayon: () => drawn.length ? drawn : [make("p", { className: "quiet", textContent: say("notDrawn") })],
    relations: () => [...(relations.length ? [graph(objects, relations)] : drawn), list(relations.map((r) => `${(objects[r.subject] || {}).name} ${r.predicate} ${(objects[r.object] || {}).name}`))],
    text: () => [...drawn, list(lines.map((t) => t.text))],
  };
  $("panel").replaceChildren(...views[state.view]());
}
function graph(objects, relations) {
  const ns = "http://www.w3.org/2000/svg", svg = document.createElementNS(ns, "svg"), used = [...new Set(relations.flatMap((r) => [r.subject, r.object]))].slice(0, 12);
  const draw = (tag, facts, text) => { const e = document.createElementNS(ns, tag); for (const k in facts) e.setAttribute(k, facts[k]); if (text) e.textContent = text; svg.append(e); };
  const at = (i) => { const k = used.indexOf(i), turn = (2 * Math.PI * k) / used.length - Math.PI / 2; return [200 + 135 * Math.cos(turn), 110 + 80 * Math.sin(turn)]; };
  svg.setAttribute("viewBox", "0 0 400 220"); svg.setAttribute("class", "graph"); svg.setAttribute("aria-hidden", "true");
  for (const r of relations) if (used.includes(r.subject) && used.includes(r.object)) {
    const [a, b] = [at(r.subject), at(r.object)];
    draw("line", { x1: a[0], y1: a[1], x2: b[0], y2: b[1] }); draw("text", { x: (a[0] * 2 + b[0]) / 3, y: (a[1] * 2 + b[1]) / 3 - 3 }, r.predicate);
  }
  for (const i of used) { const [x, y] = at(i); draw("circle", { cx: x, cy: y, r: 9 }); draw("text", { x, y: y + 22 }, (objects[i] || {}).name); }
  return svg;
}
function showMarks(boxes) {
  const item = state.pictures[state.current], ns = "http://www.w3.org/2000/svg";
  if (item) $("marks").setAttribute("viewBox", `0 0 ${item.image.naturalWidth} ${item.image.naturalHeight}`);
  $("marks").replaceChildren(...boxes.map((b) => { const r = document.createElementNS(ns, "rect"); for (const [k, v] of [["x", b[0]], ["y", b[1]], ["width", b[2] - b[0]], ["height", b[3] - b[1]]]) r.setAttribute(k, v); return r; }));
}
/* Answer text with the names of things that were seen made into buttons that show their boxes. */
function linked(text) {
  const objects = (state.scene && state.scene.scene.objects) || [], names = [...new Set(objects.map((o) => o.name))].filter(Boolean).sort((a, b) => b.length - a.length);
  const out = document.createDocumentFragment(), low = text.toLowerCase();
  for (let i = 0; i < text.length;) {
    const name = names.find((n) => low.startsWith(n.toLowerCase(), i) && !/[a-z0-9]/i.test(text[i - 1] || " ") && !(/[a-z0-9]$/i.test(n) && !/^e?s?(?![a-z0-9])/i.test(text.slice(i + n.length))));
    if (!name) { out.append(text[i++]); continue; }
    const button = make("button", { type: "button", className: "thing", textContent: text.slice(i, i + name.length), title: say("where") + name });
    button.setAttribute("aria-pressed", "false");
    button.onclick = () => { const on = button.getAttribute("aria-pressed") !== "true"; for (const b of document.querySelectorAll(".thing")) b.setAttribute("aria-pressed", b === button && on); showMarks(on ? objects.filter((o) => o.name === name && o.box).map((o) => o.box) : []); };
    out.append(button); i += name.length;
  }
  out.normalize();
  return out;
}

/* conversation */
const part = (uri) => ({ type: "image_url", image_url: { url: uri } });
function messages() {
  const shots = $("use-shots").checked ? state.shots : [];
  const told = shots.flatMap((s) => [{ role: "user", content: [...s.pictures.map(part), { type: "text", text: s.question }] }, { role: "assistant", content: s.answer }]);
  return [...told, ...state.turns.filter((t) => t.text || t.role === "user").map((t) => t.role === "user" ? { role: "user", content: [...t.pictures.map(part), { type: "text", text: t.sent }] } : { role: "assistant", content: t.text })];
}
function addTurn(turn) {
  const item = make("li", { className: "turn " + turn.role });
  if (turn.role === "user") {
    if (turn.pictures.length) item.append(make("div", { className: "pictures" }, ...turn.pictures.map((u) => make("img", { src: u, alt: say("picture") }))));
    item.append(make("span", { textContent: turn.text }));
  } else item.append(make("span", { className: "words" }));
  $("turns").append(item); state.turns.push(turn); turn.item = item;
  item.scrollIntoView({ block: "nearest" });
  return turn;
}
async function send() {
  const text = $("question").value.trim();
  if (!text || state.abort) return;
  const fresh = state.pictures.filter((p) => !p.sent || p.marks.length !== p.sentMarks);
  for (const p of fresh) { p.sent = true; p.sentMarks = p.marks.length; }
  const steps = $("steps").checked ? "\n" + say("stepsAsk") : "";
  addTurn({ role: "user", text, sent: text + steps, pictures: fresh.map(Drawing.uri) });
  const asked = messages(), turn = addTurn({ role: "assistant", text: "", facts: {} });
  $("question").value = ""; $("send").hidden = true; $("stop").hidden = false; notice("");
  state.abort = new AbortController();
  try { await stream(asked, turn); } catch (e) {
    if (e.name === "AbortError") turn.facts.stopped = true; else notice(e instanceof TypeError ? say("noServer") : e.message);
  } finally {
    state.abort = null; $("send").hidden = false; $("stop").hidden = true; finishTurn(turn); $("question").focus();
  }
}
async function stream(asked, turn) {
  const began = performance.now();
  const body = { model: state.model, messages: asked, stream: true, stream_options: { include_usage: true }, temperature: Number($("temperature").value) || 0, max_tokens: Number($("longest").value) || 256 };
  const reply = await fetch("/v1/chat/completions", { method: "POST", headers: headers(), body: JSON.stringify(body), signal: state.abort.signal });
  if (!reply.ok) throw new Error(((await reply.json()).error || {}).message || reply.statusText);
  const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let held = "", got; !(got = await reader.read()).done;) {
    const lines = (held + got.value).split("\n"); held = lines.pop();
    for (const line of lines) if (line.startsWith("data: ") && line !== "data: [DONE]") hear(JSON.parse(line.slice(6)), turn, began);
  }
  turn.facts.seconds = (performance.now() - began) / 1000;
}
function hear(chunk, turn, began) {
  if (chunk.error) throw new Error(chunk.error.message);
  if (chunk.nunbit_warnings) turn.warnings = chunk.nunbit_warnings;
  if (chunk.usage) turn.facts.usage = chunk.usage;
  const piece = chunk.choices.length ? chunk.choices[0].delta.content : "";
  if (!piece) return;
  if (!turn.text) turn.facts.first = performance.now() - began;
  turn.text += piece; turn.item.querySelector(".words").textContent = turn.text;
  turn.item.scrollIntoView({ block: "nearest" });
}
function finishTurn(turn) {
  if (!turn.text && !turn.facts.stopped) { turn.item.remove(); state.turns.pop(); return; }
  turn.item.querySelector(".words").replaceChildren(linked(turn.text));
  const f = turn.facts, facts = make("div", { className: "facts" });
  if (f.first) facts.append(make("span", { textContent: `${say("first")} ${Math.round(f.first)} ms` }));
  if (f.usage) facts.append(make("span", { textContent: `${f.usage.prompt_tokens} + ${f.usage.completion_tokens} ${say("tokens")}` }));
  if (f.usage && f.seconds) facts.append(make("span", { textContent: `${(f.usage.completion_tokens / f.seconds).toFixed(0)} ${say("rate")}` }));
  if (f.stopped) facts.append(make("span", { textContent: say("stopped") }));
  const asked = state.turns[state.turns.indexOf(turn) - 1];
  const shot = make("button", { type: "button", textContent: say("addShot") });
  shot.onclick = () => { state.shots.push({ pictures: asked.pictures, question: asked.text, answer: turn.text }); $("tray").open = true; showShots(); shot.disabled = true; };
  facts.append(shot);
  turn.item.append(facts);
  for (const w of turn.warnings || []) turn.item.append(make("div", { className: "guard", textContent: w }));
}
function showShots() {
  $("shots").replaceChildren(...state.shots.map((s, i) => {
    const x = make("button", { type: "button", textContent: "×", ariaLabel: `${say("remove")} ${i + 1}` });
    x.onclick = () => { state.shots.splice(i, 1); showShots(); };
    return make("li", {}, ...s.pictures.slice(0, 1).map((u) => make("img", { src: u, alt: "" })), make("span", { textContent: `${s.question} → ${s.answer}` }), x);
  }));
}
function saveAs(name, type, text) { const a = make("a", { href: URL.createObjectURL(new Blob([text], { type })), download: name }); a.click(); URL.revokeObjectURL(a.href); }

/* wiring */
$("ask").onsubmit = (e) => { e.preventDefault(); send(); };
$("question").onkeydown = (e) => { if (e.key === "Enter" && !e.shiftKey && !e.isComposing) { e.preventDefault(); send(); } };
$("stop").onclick = () => state.abort && state.abort.abort();
$("pick").onclick = () => $("file").click(); $("shoot").onclick = () => $("camera").click();
for (const id of ["file", "camera"]) $(id).onchange = (e) => { addFiles([...e.target.files]); e.target.value = ""; };
for (const kind of ["dragover", "dragleave", "drop"]) addEventListener(kind, (e) => { e.preventDefault(); $("drop").classList.toggle("over", kind === "dragover"); if (kind === "drop") addFiles([...e.dataTransfer.files]); });
addEventListener("paste", (e) => { const files = [...e.clipboardData.files]; if (files.length) { e.preventDefault(); addFiles(files); } });
for (const pen of document.querySelectorAll("[data-pen]")) pen.onclick = () => { drawing.pen = pen.dataset.pen; for (const p of document.querySelectorAll("[data-pen]")) p.setAttribute("aria-pressed", p === pen); };
$("undo").onclick = () => drawing.undo(); $("wipe").onclick = () => drawing.wipe(); $("see").onclick = perceive;
for (const tab of document.querySelectorAll("[role=tab]")) {
  tab.onclick = () => { state.view = tab.dataset.view; showPanel(); };
  tab.onkeydown = (e) => { const tabs = [...document.querySelectorAll("[role=tab]")], by = { ArrowRight: 1, ArrowLeft: -1 }[e.key]; if (by) { const next = tabs[(tabs.indexOf(tab) + by + tabs.length) % tabs.length]; next.click(); next.focus(); } };
}
$("language").onclick = () => { state.language = 1 - state.language; speak(); };
$("theme").onclick = () => { const dark = (document.documentElement.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark"; document.documentElement.dataset.theme = dark ? "light" : "dark"; };
$("options").onclick = () => { const open = $("settings").hidden; $("settings").hidden = !open; $("options").setAttribute("aria-expanded", open); };
$("key").value = sessionStorage.getItem("key") || ""; $("key").onchange = () => sessionStorage.setItem("key", $("key").value);
$("clear").onclick = () => { state.turns = []; $("turns").replaceChildren(); for (const p of state.pictures) p.sent = false; };
const plain = () => state.turns.map((t) => ({ role: t.role, text: t.text, pictures: t.pictures || [], facts: t.facts || {} }));
$("save-json").onclick = () => saveAs("nunbit.json", "application/json", JSON.stringify({ model: state.model, turns: plain() }, null, 1));
$("save-text").onclick = () => saveAs("nunbit.md", "text/markdown", plain().map((t) => `**${t.role}**\n\n${t.pictures.map((u, i) => `![${i + 1}](${u})\n\n`).join("")}${t.text}\n`).join("\n"));
speak(); choose(-1);
fetch("/v1/models", { headers: headers() }).then((r) => r.json()).then((m) => { state.model = m.data[0].id; $("model").textContent = state.model; }).catch(() => {});
