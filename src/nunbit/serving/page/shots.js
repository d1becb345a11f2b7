/* Worked examples that are shown to the model before the question. */
import { $, button, icon, make, notice } from "./dom.js";
import { readPicture } from "./pictures.js";
import { emit, on, state } from "./state.js";
import { say } from "./strings.js";

export function keepShot(turn) {
  state.shots.push({ pictures: turn.pictures, question: turn.question, answer: turn.answer, from: turn });
  $("tray").open = true;
  showShots();
}
function showShots() {
  $("shots").replaceChildren(...state.shots.map((s, i) => {
    const x = button(say("removePicture", { what: say("shot", { n: i + 1 }) }), () => removeShot(i), { className: "flat", picture: "bin" });
    const words = make("span", {}, make("b", { textContent: s.question }), make("span", { textContent: s.answer }));
    return make("li", {}, ...s.pictures.slice(0, 1).map((p) => make("img", { src: p.thumb, alt: "" })), words, x);
  }));
  const used = $("use-shots").checked ? Math.min(state.shots.length, Math.max(0, Number($("k").value) || 0)) : 0;
  $("in-use").textContent = used ? say("shotsOn", { n: used }) : "";
  $("shot-picture").replaceChildren(state.shotPicture ? make("img", { src: state.shotPicture.thumb, alt: "" }) : icon("picture"));
}
function removeShot(i) {
  state.shots.splice(i, 1);
  showShots(); emit("turns");
  $("shot-question").focus();
}
/* A picture becomes the picture of the next example; JSON lines become examples, with the pictures that came along by name. */
export async function addShots(files) {
  notice("");
  $("tray").open = true;
  const tables = files.filter((f) => /\.jsonl?$/.test(f.name)), beside = new Map(files.filter((f) => !tables.includes(f)).map((f) => [f.name, f]));
  for (const table of tables) {
    try {
      for (const row of rowsIn(await table.text())) state.shots.push(await shotOf(row, beside));
    } catch { notice(say("badShots", { name: table.name })); }
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

export function wireShots() {
  on("language", showShots);
  $("shot-picture").onclick = () => $("shot-file").click();
  $("shot").onsubmit = (e) => {
    e.preventDefault();
    const p = state.shotPicture, question = $("shot-question").value.trim(), reply = $("shot-answer").value.trim();
    if (!question || !reply) return;
    state.shots.push({ pictures: p ? [{ uri: p.uri, thumb: p.thumb }] : [], question, answer: reply });
    state.shotPicture = null;
    $("shot").reset();
    showShots();
    $("shot-question").focus();
  };
  $("use-shots").onchange = $("k").oninput = showShots;
}
