/* The server's API: questions with streamed answers, perception, models. Every failure is an ApiError with a message for the user. */
import { languageNow } from "./strings.js";

export class ApiError extends Error {
  constructor(message, status, code = "") { super(message); this.name = "ApiError"; this.status = status; this.code = code; }
}
export const key = { get: () => sessionStorage.getItem("key") || "", set: (value) => sessionStorage.setItem("key", value.trim()) };

async function call(path, body, signal) {
  const headers = { "Accept-Language": languageNow(), ...(key.get() && { Authorization: `Bearer ${key.get()}` }) };
  const posted = { method: "POST", headers: { ...headers, "Content-Type": "application/json" }, body: JSON.stringify(body), signal };
  const request = body === undefined ? { headers, signal } : posted;
  let reply;
  try { reply = await fetch(path, request); } catch (e) { throw e.name === "AbortError" ? e : new ApiError("", 0); }
  if (reply.ok) return reply;
  const error = (await reply.json().catch(() => ({}))).error || {};
  throw new ApiError(error.message || reply.statusText || `HTTP ${reply.status}`, reply.status, error.code || "");
}
export const models = async () => (await (await call("/v1/models")).json()).data;
export const healthy = async () => { try { return (await fetch("/health")).ok; } catch { return false; } };
export const perceive = async (image) => (await call("/v1/perceive", { image, overlays: false })).json();

/* Warnings come as a header (a JSON list, or sentences separated by "; ") and as a field of any chunk. */
function headerWarnings(reply) {
  const text = reply.headers.get("nunbit_warnings") || reply.headers.get("x-nunbit-warnings") || "";
  try { return [].concat(JSON.parse(text)); } catch { return text.split("; ").filter(Boolean); }
}

/* Where the wanted length does not fit beside the conversation, the answer gets what is left of the model's context. */
async function chat(body, signal) {
  try { return await call("/v1/chat/completions", body, signal); } catch (e) {
    if (e.code !== "context_length_exceeded" || body.max_tokens === undefined) throw e;
    const { max_tokens: _, ...shorter } = body;
    return call("/v1/chat/completions", shorter, signal);
  }
}
/* Ask for a streamed answer; `onText` receives its chunks. Returns milliseconds to the first chunk and to the last, usage, the
   finish reason, and the evidence and the corrections of the answer where they were asked for. */
export async function ask(body, { signal, onText, onWarnings }) {
  const began = performance.now(), facts = { first: null, total: null, usage: null, finish: null, evidence: null, verification: null, guard: null };
  const reply = await chat({ ...body, stream: true, stream_options: { include_usage: true } }, signal);
  onWarnings(headerWarnings(reply));
  const read = (line) => {
    const data = line.startsWith("data:") ? line.slice(5).trim() : "";
    if (!data || data === "[DONE]") return;
    const chunk = JSON.parse(data), choice = (chunk.choices || [])[0];
    if (chunk.error) throw new ApiError(chunk.error.message || "", 500);
    if (chunk.nunbit_warnings) onWarnings([].concat(chunk.nunbit_warnings));
    if (chunk.usage) facts.usage = chunk.usage;
    if (!choice) return;
    facts.finish = choice.finish_reason || facts.finish;
    facts.evidence = choice.evidence || facts.evidence;
    facts.verification = choice.verification || facts.verification;
    facts.guard = choice.guard || facts.guard;
    const piece = (choice.delta && choice.delta.content) || "";
    if (!piece) return;
    facts.first ??= performance.now() - began;
    facts.total = performance.now() - began;
    onText(piece);
  };
  const reader = reply.body.getReader(), decoder = new TextDecoder();
  let held = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      const lines = (held + decoder.decode(value, { stream: !done })).split(/\r?\n/);
      held = done ? "" : lines.pop();
      lines.forEach(read);
      if (done) return facts;
    }
  } catch (e) {
    if (e.name === "TypeError") throw new ApiError("", 0); // the connection broke in the middle
    throw e;
  }
}

const part = (picture) => ({ type: "image_url", image_url: { url: picture.uri } });
const user = (text, pictures) => ({ role: "user", content: [...pictures.map(part), { type: "text", text }] });

/* Examples and turns as messages. The server takes `most` pictures and `longest` turns: the newest come first, and an example
   that does not fit is left out as a whole. Returns the messages and whether a picture was left out. */
export function assemble(turns, shots, most, longest = 64) {
  let room = most, left = false;
  const take = (pictures) => { const kept = room > 0 ? pictures.slice(-room) : []; room -= kept.length; left ||= kept.length < pictures.length; return kept; };
  let recent = turns.slice(-longest + 1).reverse();
  recent = recent.map((t) => (t.role === "user" ? user(t.text, take(t.pictures)) : { role: "assistant", content: t.text })).reverse();
  while (recent.length && recent[0].role !== "user") recent.shift();
  const before = [];
  for (const s of [...shots].reverse()) {
    if (before.length + recent.length + 2 > longest) break;
    if (s.pictures.length > room) { left = true; continue; }
    room -= s.pictures.length;
    before.unshift(user(s.question, s.pictures), { role: "assistant", content: s.answer });
  }
  return { messages: [...before, ...recent], left };
}
