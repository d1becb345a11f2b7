/* Conversations kept in this browser (IndexedDB, as pictures do not fit elsewhere) until they are cleared, or saved as a file. */
import { $, make } from "./dom.js";
import { load } from "./pictures.js";
import { emit, on, recall, remember, state } from "./state.js";
import { say } from "./strings.js";
import { newTurn } from "./talk.js";

const STORE = "conversation", RECORD = "last", WAIT_MS = 250;
/* Not `crypto.randomUUID`: a page served over plain HTTP to another machine has none. */
const tab = `${Date.now()}-${Math.random()}`;
let seen = 0, timer = 0;

const asPromise = (request) => new Promise((good, bad) => { request.onsuccess = () => good(request.result); request.onerror = () => bad(request.error); });
async function open() {
  const request = indexedDB.open("nunbit", 1);
  request.onupgradeneeded = () => request.result.createObjectStore(STORE);
  return asPromise(request);
}
/* One read or write; where the browser forbids it (a private window, a full disk) the settings say so. */
async function inStore(mode, use) {
  let base = null;
  try {
    base = await open();
    const out = await use(base.transaction(STORE, mode).objectStore(STORE));
    setKept(true);
    return out;
  } catch { setKept(false); return null; } finally { if (base) base.close(); }
}
function setKept(can) { state.kept = can; showKept(); }
function showKept() {
  const wanted = $("keep").checked;
  $("keep-state").textContent = !wanted ? "" : !state.kept ? say("cannotKeep") : state.otherTab ? say("notKept") : say("keepHint");
}

const PICTURE = ["uri", "kind", "thumb", "marks", "past", "gone", "seen"];
const TURN = ["question", "pictures", "steps", "answer", "thinking", "facts", "evidence", "verification", "guard", "shown", "warnings", "error", "stopped", "leftOut", "forgot"];
const taken = (from, names) => Object.fromEntries(names.map((n) => [n, from[n]]));
function record() {
  const at = (items) => items.map((p) => state.pictures.indexOf(p));
  return {
    form: 1, tab, at: Date.now(), current: state.pictures.indexOf(state.current), pictures: state.pictures.map((p) => taken(p, PICTURE)),
    turns: state.turns.filter((t) => !t.running).map((t) => ({ ...taken(t, TURN), going: at(t.going), around: at(t.around) })),
  };
}
async function write() {
  if (!$("keep").checked) return;
  await inStore("readwrite", async (store) => {
    const there = await asPromise(store.get(RECORD));
    state.otherTab = Boolean(there && there.tab !== tab && there.at > seen);
    if (state.otherTab) return;
    if (!state.turns.length && !state.pictures.length) await asPromise(store.delete(RECORD)); else await asPromise(store.put(record(), RECORD));
    seen = Date.now();
  });
}
const soon = () => { clearTimeout(timer); timer = setTimeout(write, WAIT_MS); };

/* Bring back what was kept. The first thing the page does, before anything is written. */
async function restore() {
  const kept = await inStore("readonly", (store) => asPromise(store.get(RECORD)));
  seen = Date.now();
  if (!kept || kept.form !== 1 || state.turns.length || state.pictures.length) return;
  const pictures = await Promise.all(kept.pictures.map(async (p) => ({ ...p, image: await load(p.uri).catch(() => null) })));
  if (state.turns.length || state.pictures.length) return; // the user was quicker
  const item = (i) => pictures[i] && pictures[i].image && pictures[i], removed = () => ({ uri: "", thumb: "", marks: [], past: [] });
  state.pictures = pictures.filter((p) => p.image);
  state.turns = kept.turns.map((t) => newTurn({ ...t, going: t.going.map((i) => item(i) || removed()), around: t.around.map(item).filter(Boolean) }));
  emit("restored", item(kept.current) || state.pictures[0] || null);
}

/* ---- files ---- */
function saveAs(name, type, text) {
  const a = make("a", { href: URL.createObjectURL(new Blob([text], { type })), download: name });
  a.click();
  setTimeout(() => URL.revokeObjectURL(a.href), 1000);
}
function asJson() {
  const turns = state.turns.map((t) => ({
    question: t.question, pictures: t.pictures.map((p) => p.uri), ...(t.thinking && { thinking: t.thinking }), answer: t.answer,
    ...(t.evidence && { evidence: t.evidence }), warnings: t.warnings, figures: t.facts,
  }));
  return JSON.stringify({ format: "nunbit.conversation/1", model: state.model, turns }, null, 1);
}
function asText() {
  const turn = (t) => [
    `## ${say("you")}`, ...t.pictures.map((p, i) => `![${say("picture", { n: i + 1 })}](${p.uri})`), t.question,
    `## ${state.model || "Nunbit"}`, ...(t.thinking ? [t.thinking.replace(/^/gm, "> ")] : []), t.answer, ...t.warnings.map((w) => `*${w}*`),
  ];
  return ["# Nunbit", ...state.turns.flatMap(turn)].join("\n\n") + "\n";
}

export async function wireKeep() {
  $("keep").checked = recall("keep") !== "no";
  $("keep").onchange = async () => {
    remember("keep", $("keep").checked ? "yes" : "no");
    if ($("keep").checked) await write(); else await inStore("readwrite", (store) => asPromise(store.delete(RECORD)));
    showKept();
  };
  $("save-json").onclick = () => saveAs("nunbit.json", "application/json", asJson());
  $("save-text").onclick = () => saveAs("nunbit.md", "text/markdown", asText());
  on("language", showKept);
  if ($("keep").checked) await restore();
  on("turns pictures seen", soon);
}
