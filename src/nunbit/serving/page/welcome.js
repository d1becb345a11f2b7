/* The empty state: sample pictures before there is one, questions once there is. */
import { $, all, button, make } from "./dom.js";
import { on, state } from "./state.js";
import { languageNow, say } from "./strings.js";
import { suggest } from "./talk.js";
import { addFiles } from "./viewer.js";

const SAMPLES = {
  "animals.png": ["sampleDrawing", "tryThings", "tryElephant"],
  "cat.jpg": ["samplePhoto", "tryAnimal", "tryThings"],
  "receipt.png": ["sampleReceipt", "tryTotal", "tryText"],
  "menu.png": ["sampleMenu", "tryPrice", "tryText"],
};
const ANY = ["tryThings", "tryCount", "tryText"];

async function useSample(name) {
  const reply = await fetch(`/page/samples/${name}`);
  if (!reply.ok) return;
  const blob = await reply.blob();
  await addFiles([new File([blob], name, { type: blob.type })]);
  const added = state.pictures.at(-1);
  if (added) added.sample = name;
  showWelcome();
  $("question").focus();
}
function showSamples() {
  const names = ((state.about && state.about.samples) || []).filter((name) => name in SAMPLES);
  for (const place of all(".samples")) {
    place.hidden = !names.length;
    place.replaceChildren(make("p", { className: "quiet", textContent: say("samples") }), make("div", { className: "row" }, ...names.map((name) => {
      const caption = say(SAMPLES[name][0]);
      return make("button", { type: "button", className: "sample", onclick: () => useSample(name) },
        make("img", { src: `/page/samples/${name}`, alt: "", loading: "lazy" }), make("span", { textContent: caption }));
    })));
  }
}
function showWelcome() {
  const ready = state.pictures.length > 0, last = state.pictures.at(-1);
  $("welcome").hidden = state.turns.length > 0;
  $("welcome-lead").textContent = say(ready ? "ready" : "welcome");
  $("welcome-hint").textContent = say(ready ? "readyHint" : "welcomeHint");
  $("tries").hidden = !ready;
  $("begin").hidden = ready;
  const questions = last && last.sample ? SAMPLES[last.sample].slice(1) : ANY;
  $("tries").replaceChildren(...questions.map((name) => button(say(name), () => suggest(say(name)), { className: "try" })));
}
export function wireWelcome() {
  on("server language", showSamples);
  on("pictures turns language", showWelcome);
  document.documentElement.lang = languageNow();
}
