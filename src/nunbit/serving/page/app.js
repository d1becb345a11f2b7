/* The page: pictures on one side, the conversation on the other. This file puts its parts together. */
import { $, all } from "./dom.js";
import { wireKeep } from "./keep.js";
import { loadNames } from "./names.js";
import { addShots, keepShot, wireShots } from "./shots.js";
import { emit, on, recall, remember } from "./state.js";
import { greet, wireStatus } from "./status.js";
import { languageNow, say, setLanguage } from "./strings.js";
import { edit, retry, wireTalk } from "./talk.js";
import { deeds, wireTurns } from "./turns.js";
import { addFiles, choose, wireViewer } from "./viewer.js";
import { wireWelcome } from "./welcome.js";

function speak(code) {
  setLanguage(code);
  document.documentElement.lang = code;
  for (const e of all("[data-say]")) e.textContent = say(e.dataset.say);
  for (const e of all("[data-title]")) {
    e.title = say(e.dataset.title);
    if (!e.textContent.trim()) e.setAttribute("aria-label", e.title); // else the words on it are its name
  }
  for (const e of all("[data-label]")) e.setAttribute("aria-label", say(e.dataset.label));
  for (const e of all("[data-hint]")) { e.placeholder = say(e.dataset.hint); e.setAttribute("aria-label", e.placeholder); }
  $("language").textContent = say("languageName");
  $("language").title = say("language");
  $("language").lang = code === "ko" ? "en" : "ko";
  $("question").placeholder = say("ask");
  emit("language");
}
function wireFiles() {
  for (const [id, use] of [["file", addFiles], ["capture", addFiles], ["shot-file", addShots]]) {
    $(id).onchange = (e) => { use([...e.target.files]); e.target.value = ""; };
  }
  const carriesFiles = (e) => e.dataTransfer && [...e.dataTransfer.types].includes("Files"), inTray = (e) => e.target.closest && e.target.closest("#tray");
  const over = (place) => { for (const e of [$("tray"), $("view")]) e.classList.toggle("over", e === place); };
  addEventListener("dragover", (e) => { if (carriesFiles(e)) { e.preventDefault(); over(inTray(e) || $("view")); } });
  addEventListener("dragleave", (e) => { if (!e.relatedTarget) over(null); });
  addEventListener("drop", (e) => {
    if (!carriesFiles(e)) return;
    e.preventDefault();
    over(null);
    (inTray(e) ? addShots : addFiles)([...e.dataTransfer.files]);
  });
  addEventListener("paste", (e) => {
    const files = [...((e.clipboardData || {}).files || [])];
    if (files.length) { e.preventDefault(); (inTray(e) ? addShots : addFiles)(files); }
  });
}

Object.assign(deeds, { edit, retry, keepShot });
wireStatus(); wireViewer(); wireTurns(); wireTalk(); wireShots(); wireWelcome(); wireFiles();
$("language").onclick = () => { const code = languageNow() === "ko" ? "en" : "ko"; remember("language", code); speak(code); };
speak(recall("language") || (navigator.language.toLowerCase().startsWith("ko") ? "ko" : "en"));
on("restored", (item) => { choose(item); emit("turns"); });
wireKeep();
greet();
loadNames().then(() => emit("language"));
