/* The server: whether it answers, whether it wants a key, which model it serves and what that model cannot do. */
import { healthy, key, models } from "./api.js";
import { $, make, notice } from "./dom.js";
import { emit, on, recall, remember, state } from "./state.js";
import { languageNow, say } from "./strings.js";
import { messageOf } from "./trouble.js";

export async function greet() {
  state.online = await healthy();
  if (state.online) {
    try {
      const [card] = await models();
      Object.assign(state, { model: card ? card.id : "", about: (card && card.about) || null, longest: card && card.max_model_len, keyMissing: false });
      state.takesPictures = !card || !card.modalities || card.modalities.includes("image");
    } catch (e) {
      const text = messageOf(e);
      if (e.status === 401 && key.get()) notice(text);
    }
  }
  emit("server");
}
const inLanguage = (text) => (text && text[languageNow()]) || "";
function showStatus() {
  const trouble = state.online === false ? "offline" : state.keyMissing ? "keyMissing" : "";
  $("light").className = state.online === undefined ? "" : trouble ? "off" : "on";
  $("model-name").textContent = state.model || (trouble ? "" : say("connecting"));
  $("summary").textContent = trouble ? say(trouble) : inLanguage(state.about && state.about.summary);
  $("summary").classList.toggle("warn", Boolean(trouble));
  $("served-what").textContent = say(trouble === "keyMissing" ? "settings" : "about");
  $("served").setAttribute("popovertarget", trouble === "keyMissing" ? "settings" : "about");
  $("about-title").textContent = say("aboutTitle", { name: state.model || "Nunbit" });
  const limits = state.about ? state.about.limits.map(inLanguage) : [];
  if (state.about) limits.push(say("limitPictures", { n: state.about.max_pictures }));
  if (state.longest) limits.push(say("limitLength", { n: state.longest.toLocaleString(languageNow()) }));
  $("limits").replaceChildren(...limits.map((text) => make("li", { textContent: text })));
}

export function openSettings() { $("settings").showPopover(); }
export function wireStatus() {
  on("server language", showStatus);
  $("key").value = key.get();
  $("key").onchange = () => { key.set($("key").value); notice(""); greet(); };
  $("settings").addEventListener("toggle", (e) => {
    $("options").setAttribute("aria-expanded", e.newState === "open");
    if (e.newState === "open") (state.keyMissing ? $("key") : $("theme")).focus();
  });
  $("about").addEventListener("toggle", (e) => $("served").setAttribute("aria-expanded", e.newState === "open"));
  $("theme").value = recall("theme") || "auto";
  const dress = () => { if ($("theme").value === "auto") delete document.documentElement.dataset.theme; else document.documentElement.dataset.theme = $("theme").value; };
  $("theme").onchange = () => { remember("theme", $("theme").value); dress(); };
  dress();
}
