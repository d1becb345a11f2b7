/* What went wrong, in the page's language. */
import { ApiError, key } from "./api.js";
import { emit, state } from "./state.js";
import { languageNow, say } from "./strings.js";

const BY_CODE = { rate_limit_exceeded: "tooOften", queue_full: "tooBusy", context_length_exceeded: "tooLong" };
const BY_STATUS = { 0: "noServer", 413: "tooLarge", 429: "tooOften", 500: "failed", 501: "noPerception", 503: "tooBusy" };

/* A sentence from the server: as it is where it is in the page's language, else marked as English. */
const quoted = (text) => (languageNow() === "ko" && !/[가-힣]/.test(text) ? say("serverSaid", { text }) : text);

export function messageOf(error) {
  if (!(error instanceof ApiError)) return quoted(String(error.message || error));
  if (error.status === 0) { state.online = false; emit("server"); }
  if (error.status === 401) {
    state.keyMissing = true; emit("server");
    return say(key.get() ? "keyWrong" : "keyNeeded");
  }
  const known = BY_CODE[error.code] || BY_STATUS[error.status];
  return known ? say(known) : quoted(error.message);
}

const WARNINGS = [
  [/knows drawings only/, "drawingsOnly"],
  [/^the answer is limited to (\d+) tokens/, "answerBound"],
];
/* A warning that came with an answer. */
export function warningOf(text) {
  for (const [form, name] of WARNINGS) {
    const found = form.exec(text);
    if (found) return say(name, { n: found[1] });
  }
  return quoted(text);
}
