/* Words of an answer that lead to places in a picture. */
import { koreanOf, nameOf, pluralOf } from "./names.js";
import { lineBox } from "./marks.js";

/* Splits an answer at the words of its claims: strings, and {text, claims, item, boxes}. `evidence` is the server's, `itemOf`
   gives the picture of a number, or nothing if it is gone. Claims that overlap share a piece. Spans count characters, not
   UTF-16 units. */
export function linkClaims(text, evidence, itemOf) {
  const letters = [...text], known = new Map(evidence.evidence.map((e) => [e.id, e])), pieces = [];
  for (const claim of [...evidence.claims].sort((a, b) => a.span[0] - b.span[0])) {
    const [start, end] = claim.span, last = pieces.at(-1);
    if (letters.slice(start, end).join("") !== claim.text) continue;
    if (last && start < last.end) { last.end = Math.max(last.end, end); last.claims.push(claim); } else pieces.push({ start, end, claims: [claim] });
  }
  const out = [];
  let at = 0;
  for (const { start, end, claims } of pieces) {
    const found = [...new Set(claims.flatMap((c) => c.evidence))].map((id) => known.get(id)).filter((e) => e && itemOf(e.picture));
    const item = found.length ? itemOf(found[0].picture) : null, mine = found.filter((e) => itemOf(e.picture) === item);
    const boxes = mine.map((e) => ({ box: e.box, name: e.kind === "text" ? e.text : nameOf({ name: e.text }), filled: true }));
    out.push(letters.slice(at, start).join(""), { text: letters.slice(start, end).join(""), claims, item, boxes });
    at = end;
  }
  return [...out, letters.slice(at).join("")].filter((p) => p);
}

const PARTICLES = new RegExp(
  "^(?:들)?(?:은|는|이|가|을|를|과|와|의|에|에서|에는|에도|도|로|으로|만|랑|이랑|하고|이고|고|보다|까지|부터|밖에|처럼|뿐|입니다|이다|이에요|예요" +
  "|이며|이나|나|야|이야)?(?![가-힣])",
);
const LETTER = /[\p{L}\p{N}]/u;
/* Splits `text` at the names of objects in `seen` ([{item, scene}], the newest first): strings, and {text, name, item, boxes}. */
export function link(text, seen) {
  const forms = formsOf(seen), keys = [...forms.keys()].sort((a, b) => b.length - a.length), low = text.toLowerCase(), out = [];
  const ends = (k, i) => (/[가-힣]$/.test(k) ? PARTICLES.test(text.slice(i + k.length)) : !/^[a-z0-9]/i.test(text.slice(i + k.length)));
  let plain = "";
  for (let i = 0; i < text.length;) {
    const form = (i === 0 || !LETTER.test(text[i - 1])) && keys.find((k) => low.startsWith(k, i) && ends(k, i));
    if (!form) { plain += text[i++]; continue; }
    const { item, name, found } = forms.get(form), before = (/([a-z]+) $/i.exec(text.slice(0, i)) || ["", ""])[1].toLowerCase();
    const such = found.filter((o) => Object.values(o.attributes || {}).includes(before)), meant = such.length ? such : found;
    if (plain) out.push(plain);
    plain = "";
    out.push({ text: text.slice(i, i + form.length), name, item, boxes: meant.map((o) => ({ box: o.box, name: nameOf({ name }), filled: true })) });
    i += form.length;
  }
  return plain ? [...out, plain] : out;
}
function formsOf(seen) {
  const forms = new Map();
  const add = (form, item, name, found) => { const k = form.toLowerCase(); if (form.trim() && !forms.has(k)) forms.set(k, { item, name, found }); };
  for (const { item, scene } of seen) {
    for (const name of new Set(scene.objects.map((o) => o.name))) {
      const found = scene.objects.filter((o) => o.name === name);
      for (const form of [name, pluralOf(name), koreanOf(name)]) add(form, item, name, found);
    }
    for (const t of scene.text_lines) {
      const read = t.text.trim();
      if ([...read].length > 1) add(read, item, read, [{ box: lineBox(t), attributes: {} }]);
    }
  }
  return forms;
}
