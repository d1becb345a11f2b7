/* What things are called in the page's language. The names come from the server, which has them from the package's own tables. */
import { languageNow, say } from "./strings.js";

let names = {};
export async function loadNames() {
  try { names = await (await fetch("/page/names.json")).json(); } catch { /* English names stay */ }
}
export const koreanOf = (name) => (names[name] || [])[0] || "";
export const pluralOf = (name) => (names[name] || [])[1] || `${name}s`;
export const nameOf = (o) => (languageNow() === "ko" && koreanOf(o.name)) || o.name;
const word = (english) => nameOf({ name: english });

/* What is known of an object beside its name, in words for people; where it comes from is not one of them. */
export function detailsOf(o) {
  const { colour, size, wearing, label } = o.attributes || {}, out = [];
  if (colour) out.push(word(colour));
  if (["small", "medium", "large"].includes(size)) out.push(say(size));
  if (wearing) out.push(say("wearing", { what: word(wearing) }));
  if (label) out.push(say("labelled", { what: label }));
  return out;
}
const PREDICATES = {
  "left of": "leftOf", "right of": "rightOf", above: "above", below: "below", on: "on", inside: "inside", overlapping: "overlapping",
};
export const predicate = (p) => (p in PREDICATES ? say(`${PREDICATES[p]}Short`) : p);
export const sentence = (a, p, b) => (p in PREDICATES ? say(PREDICATES[p], { a, b }) : say("otherRelation", { a, b, word: p }));
