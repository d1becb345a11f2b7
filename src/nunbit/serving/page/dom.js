/* Elements: found, made, and drawn as icons. What the model or a user wrote is only ever set as text. */
import { say } from "./strings.js";

export const $ = (id) => document.getElementById(id);
export const all = (selector) => [...document.querySelectorAll(selector)];
export const make = (tag, props = {}, ...inside) => {
  const e = Object.assign(document.createElement(tag), props);
  e.append(...inside);
  return e;
};
const NS = document.querySelector("svg").namespaceURI;
export const svg = (tag, facts = {}, text = "") => {
  const e = document.createElementNS(NS, tag);
  for (const k in facts) e.setAttribute(k, facts[k]);
  if (text) e.textContent = text;
  return e;
};
export const icon = (name) => {
  const e = svg("svg", { class: "icon", "aria-hidden": "true" });
  e.append(svg("use", { href: `#i-${name}` }));
  return e;
};
/* A button with words, and an icon before them where it has one. */
export const button = (text, onclick, { className = "", picture = "" } = {}) =>
  make("button", { type: "button", className, onclick }, ...(picture ? [icon(picture)] : []), make("span", { textContent: text }));
export const quiet = (text) => make("p", { className: "quiet", textContent: text });
export const isNarrow = () => matchMedia("(max-width: 860px)").matches;

/* Width of a text on the page, in CSS pixels. */
const pen = document.createElement("canvas").getContext("2d");
export function textWidth(text, size, weight = 400) {
  pen.font = `${weight} ${size}px ${getComputedStyle(document.body).fontFamily}`;
  return pen.measureText(text).width;
}

/* ---- what is announced, and what can be undone ---- */
export function announce(text) { if (text.trim()) $("live").append(make("p", { textContent: text })); }
/* Something went wrong or is missing; `actions` are [text, function]. An empty text takes the note away. */
export function notice(text, actions = []) {
  const act = (f) => () => { notice(""); f(); };
  $("notice").replaceChildren(icon("note"), make("span", { textContent: text }), ...actions.map(([name, f]) => button(name, act(f))));
  $("notice").hidden = !text;
}
/* Something was done, and can be undone until the next such step or until the user closes the note. */
export function offerUndo(text, undo) {
  const gone = () => { $("undoable").hidden = true; };
  const close = button(say("close"), gone, { className: "flat" });
  $("undoable").replaceChildren(make("span", { textContent: text }), button(say("undo"), () => { gone(); undo(); }, { picture: "undo" }), close);
  $("undoable").hidden = !text;
}
