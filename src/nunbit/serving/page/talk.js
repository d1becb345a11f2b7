/* The conversation: asking, streaming, stopping, editing a question, trying again, clearing. */
import { ask, assemble } from "./api.js";
import { $, announce, isNarrow, make, notice, offerUndo } from "./dom.js";
import { sent } from "./pictures.js";
import { emit, mostPictures, on, state } from "./state.js";
import { say } from "./strings.js";
import { messageOf } from "./trouble.js";
import { conflictsOf, showTurn } from "./turns.js";
import { choose, look, pending, setPane } from "./viewer.js";

/* The same words as `nunbit ask --zero-shot-cot`: reasoning first, then the answer that follows from it. */
const THINK = { en: "Let's think step by step.", ko: "차근차근 생각해 봅시다." };
const CONCLUDE = { en: "Therefore, the answer is:", ko: "따라서 답만 쓰면:" };

export const newTurn = (facts) => ({
  answer: "", thinking: "", facts: {}, evidence: null, verification: null, guard: null, shown: [], warnings: [], error: "", stopped: false, running: false, ...facts,
  asked: make("li", { className: "turn user" }), reply: make("li", { className: "turn assistant" }),
});
export function fitQuestion() {
  const q = $("question");
  q.style.height = "auto";
  q.style.height = `${Math.min(q.scrollHeight + 2, innerHeight * 0.3)}px`;
  $("send").disabled = !q.value.trim();
}
function setQuestion(text) { $("question").value = text; fitQuestion(); }

/* ---- asking ---- */
export function send() {
  const text = $("question").value.trim();
  if (!text || stillWriting()) return;
  const edited = state.editing, going = pending(), pictures = going.map(sent), again = [], kept = [];
  if (edited) edited.going.forEach((p, i) => { if (!going.includes(p)) { again.push(p); kept.push(edited.pictures[i]); } });
  const shown = state.pictures.length > 0 || state.turns.some((t) => t.pictures.length);
  if (!shown && !state.withoutPicture && state.takesPictures) { askForPicture(); return; }
  const steps = $("steps").getAttribute("aria-pressed") === "true", around = [...state.pictures].reverse();
  const turn = newTurn({ question: text, pictures: [...kept, ...pictures], going: [...again, ...going], around, steps });
  if (edited) cutFrom(edited);
  setEditing(null);
  state.turns.push(turn);
  setQuestion("");
  setPane("talk");
  emit("turns");
  answer(turn);
}
/* Whether an answer is being written. A notice says so to whoever asks for something else meanwhile; it goes when the answer ends. */
let waitNotice = false;
function stillWriting() {
  if (!state.abort) return false;
  notice(say("stillWriting"), [[say("stop"), () => state.abort && state.abort.abort()]]);
  waitNotice = true;
  return true;
}
function askForPicture() {
  notice(say("needPicture"), [
    [say("pick"), () => $("file").click()],
    [say("askAnyway"), () => { state.withoutPicture = true; send(); }],
  ]);
}
export async function answer(turn) {
  Object.assign(turn, { answer: "", thinking: "", facts: {}, evidence: null, verification: null, guard: null, shown: [], warnings: [], error: "", stopped: false, leftOut: false, forgot: false, running: true });
  state.abort = new AbortController();
  turn.going.forEach((p, i) => { p.gone = turn.pictures[i].uri; });
  emit("pictures");
  $("send").hidden = true; $("stop").hidden = false;
  notice(""); $("live").replaceChildren();
  showTurn(turn); scrollTo(turn, true);
  try { await converse(turn); } catch (e) { if (e.name === "AbortError") turn.stopped = true; else turn.error = messageOf(e); }
  if (!turn.answer && !turn.error && !turn.stopped) turn.error = say("noAnswer");
  turn.running = false; state.abort = null;
  if (waitNotice) { waitNotice = false; notice(""); }
  if (!turn.answer) takeBack(turn);
  $("send").hidden = false; $("stop").hidden = true;
  if ((document.activeElement === $("stop") || document.activeElement === document.body) && !isNarrow()) $("question").focus();
  showTurn(turn); scrollTo(turn);
  emit("turns");
  if (!turn.error) { announce(say("answered")); await look(turn.around.includes(state.current) ? state.current : turn.around[0], true); }
}
/* Without an answer the pictures go along with the next question. */
function takeBack(turn) {
  turn.going.forEach((p, i) => { if (p.gone === turn.pictures[i].uri) p.gone = null; });
  emit("pictures");
}
async function converse(turn) {
  const before = state.turns.slice(0, state.turns.indexOf(turn)).filter((t) => t.answer);
  const past = before.flatMap((t) => [{ role: "user", text: t.question, pictures: t.pictures }, { role: "assistant", text: t.answer }]);
  const shots = $("use-shots").checked ? state.shots.slice(0, Math.max(0, Number($("k").value) || 0)) : [];
  const tongue = /[가-힣]/.test(turn.question) ? "ko" : "en";
  const asked = { role: "user", text: turn.steps ? `${turn.question}\n${THINK[tongue]}` : turn.question, pictures: turn.pictures };
  if (!turn.steps) { await generate(turn, "answer", [...past, asked], shots, 1); return; }
  await generate(turn, "thinking", [...past, asked], shots, 1);
  const thought = { role: "assistant", text: turn.thinking }, conclude = { role: "user", text: CONCLUDE[tongue], pictures: [] };
  await generate(turn, "answer", [...past, asked, thought, conclude], shots, 3);
}
/* A number of the settings, within the bounds of its field. */
function setting(id, other) { const e = $(id); return Math.min(e.max, Math.max(e.min, Number(e.value) || other)); }
/* Without its first question and answer; the pictures of that question go to the next one. */
function shorter([first, , next, ...rest]) { return [{ ...next, pictures: [...first.pictures, ...next.pictures] }, ...rest]; }
/* Of a conversation that the model cannot read as a whole, the beginning is left out. The last `fixed` messages stay. */
async function generate(turn, into, turns, shots, fixed) {
  try { await generateOnce(turn, into, turns, shots); } catch (e) {
    if (e.code !== "context_length_exceeded" || turns.length <= fixed) throw e;
    turn.forgot = true;
    await generate(turn, into, shorter(turns), shots, fixed);
  }
}
async function generateOnce(turn, into, turns, shots) {
  const { messages, left } = assemble(turns, shots, mostPictures());
  const warn = (list) => list.forEach((w) => { if (!turn.warnings.includes(String(w))) turn.warnings.push(String(w)); });
  turn.leftOut = left;
  const evidence = into === "answer" && $("auto").checked;
  const verify = into === "answer" && $("verify").checked, says = verify || Boolean(state.about && state.about.verify);
  const request = { ...(state.model && { model: state.model }), messages, temperature: setting("temperature", 0), max_tokens: Math.round(setting("longest", 256)), ...(evidence && { evidence }), ...(says && { verify }) };
  let unsaid = "";
  const onText = (piece) => {
    turn[into] += piece; unsaid += piece;
    if (/[.!?。…\n]\s*$/.test(unsaid) || unsaid.length > 160) { announce(unsaid); unsaid = ""; }
    const words = turn.reply.querySelector(`.${into}-words`);
    if (words && !turn.reply.classList.contains("waiting")) words.textContent = turn[into]; else showTurn(turn);
    scrollTo(turn);
  };
  const facts = await ask(request, { signal: state.abort.signal, onText, onWarnings: warn });
  announce(unsaid);
  turn.guard = facts.guard || turn.guard;
  if (facts.evidence || facts.guard) turn.shown = messages.flatMap((m) => (Array.isArray(m.content) ? m.content : [])).filter((p) => p.type === "image_url").map((p) => p.image_url.url);
  if (facts.evidence) {
    turn.evidence = facts.evidence;
    conflictsOf(turn).forEach(announce);
  }
  turn.verification = facts.verification || turn.verification;
  turn.facts = summed(turn.facts, facts);
  if (!state.online || state.keyMissing) { state.online = true; state.keyMissing = false; emit("server"); }
}
/* Figures of a turn that asked once or twice. */
function summed(had, facts) {
  const usage = facts.usage || {}, written = usage.completion_tokens;
  return {
    first: had.first ?? facts.first, total: (had.total || 0) + (facts.total || 0), read: usage.prompt_tokens,
    written: written === undefined ? undefined : (had.written || 0) + written,
    cached: (usage.prompt_tokens_details || {}).cached_tokens || 0, finish: facts.finish,
  };
}
/* Keep the end of the answer in view, unless the reader has scrolled away from it. */
function scrollTo(turn, always = false) {
  const place = isNarrow() ? $("talk") : $("scroll");
  if (always || place.scrollHeight - place.scrollTop - place.clientHeight < 200) turn.reply.scrollIntoView({ block: "nearest" });
}

/* ---- changing what was asked ---- */
export function setEditing(turn) {
  state.editing = turn;
  $("editing").hidden = !turn;
}
export function edit(turn) {
  if (stillWriting()) return;
  setEditing(turn);
  setQuestion(turn.question);
  $("question").focus();
}
export function cancelEdit() { setEditing(null); setQuestion(""); $("question").focus(); }
/* Take this turn and all after it out of the conversation; what follows the edited one can be brought back. */
function cutFrom(turn) {
  const before = [...state.turns], at = before.indexOf(turn), cut = before.slice(at);
  state.turns = before.slice(0, at);
  const back = () => {
    if (state.abort) state.abort.abort();
    state.turns = before;
    emit("turns"); emit("pictures");
  };
  offerUndo(say("replaced", { n: cut.length }), back);
}
/* Ask the same again; what was said after it is replaced. */
export function retry(turn) {
  if (stillWriting()) return;
  const at = state.turns.indexOf(turn), after = state.turns.slice(at + 1);
  if (after.length) {
    state.turns = state.turns.slice(0, at + 1);
    offerUndo(say("replaced", { n: after.length }), () => { state.turns.push(...after); emit("turns"); });
    emit("turns");
  }
  answer(turn);
}
export function clearTalk() {
  if (state.abort) state.abort.abort();
  const { turns, pictures, current } = state, was = pictures.map((p) => p.gone);
  if (!turns.length && !pictures.length) return;
  Object.assign(state, { turns: [], pictures: [], withoutPicture: false });
  setEditing(null);
  $("live").replaceChildren(); notice("");
  choose(null); emit("turns");
  offerUndo(say("cleared"), () => {
    state.turns = [...turns, ...state.turns];
    state.pictures = [...pictures, ...state.pictures];
    pictures.forEach((p, i) => { p.gone = was[i]; });
    choose(current || state.pictures[0] || null); emit("turns");
  });
  $("question").focus();
}

export function wireTalk() {
  let chosen = false; // until the reader chooses, the operator's choice stands
  $("verify").onchange = () => { chosen = true; };
  on("server", () => { if (!chosen) $("verify").checked = Boolean(state.about && state.about.verify); });
  on("seen", (item) => state.turns.filter((t) => t.answer && t.around.includes(item)).forEach(showTurn));
  $("ask").onsubmit = (e) => { e.preventDefault(); send(); };
  $("question").oninput = fitQuestion;
  $("question").onkeydown = (e) => {
    const composing = e.isComposing || e.keyCode === 229; // Safari ends the composition of a syllable before its Enter
    if (e.key === "Enter" && !e.shiftKey && !composing) { e.preventDefault(); send(); }
    if (e.key !== "Escape") return;
    if (state.abort) state.abort.abort(); else if (state.editing) cancelEdit();
  };
  $("stop").onclick = () => state.abort && state.abort.abort();
  $("steps").onclick = () => $("steps").setAttribute("aria-pressed", $("steps").getAttribute("aria-pressed") !== "true");
  $("cancel-edit").onclick = cancelEdit;
  $("clear").onclick = clearTalk;
  fitQuestion();
}
export function suggest(text) { setQuestion(text); $("question").focus(); }
